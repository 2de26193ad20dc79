"""From the bytes that an address answered to an image in the store, or a reason why not."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from footwork.catalog import Catalog
from footwork.collecting.hits import Hit
from footwork.collecting.ledger import Outcome
from footwork.collecting.licences import left_out
from footwork.collecting.queries import ruled_out
from footwork.findings import Image
from footwork.images import Unreadable, inspect
from footwork.tombstones import Looks, Tombstones


@dataclass(frozen=True)
class Answer:
    """What the address of a photo answered: its bytes, "as before", or a reason.

    passing: the reason may be gone another time (a full server, a broken line).
    """

    data: bytes | None = None
    as_before: bool = False
    reason: str | None = None
    passing: bool = False
    etag: str | None = None
    last_modified: str | None = None


class Keeper:
    """Decides what may come in. May be used from many threads at once."""

    def __init__(
        self,
        catalog: Catalog,
        *,
        allow: Collection[str] = (),
        exclude: Mapping[str, Sequence[str]] = MappingProxyType({}),
        looks: Looks | None = None,
    ) -> None:
        self._catalog = catalog
        self._exclude = exclude
        self._allow = allow
        self._looks = looks
        self._tombstones: Tombstones = catalog.tombstones()

    def left_out(self, hit: Hit) -> str | None:
        """Return why a hit is not even fetched, or None: taken down, a word of [exclude] in its
        title, or its licence.
        """
        stone = self._tombstones.of_place(hit.image_url, hit.page_url, hit.author)
        if stone is not None:
            return stone.sentence()
        word = ruled_out(hit.title, self._exclude)
        if word is not None:
            return f"its title holds {word!r}, which [exclude] rules out"
        return left_out(hit.licence, hit.licence_url, self._allow)

    def kept(self, url: str, answer: Answer) -> Outcome:
        """Check the bytes as an import would, store them, and return what became of them.

        Raises EnvironmentProblem if they cannot be stored.
        """
        if answer.data is None:
            reason = answer.reason or "it answered nothing"
            return Outcome(url, reason=reason, passing=answer.passing)
        sha256 = hashlib.sha256(answer.data).hexdigest()
        image = self._catalog.image(sha256)
        try:
            if image is None:
                facts = inspect(answer.data)
                refused = self._tombstones.refuses(answer.data, sha256, self._looks)
                if refused:
                    raise Unreadable(refused)
                image = Image(sha256, len(answer.data), facts.width, facts.height, facts.format)
        except Unreadable as error:
            return Outcome(url, reason=error.reason)
        self._catalog.store.put(answer.data, sha256, image.format)
        return Outcome(url, image, etag=answer.etag, last_modified=answer.last_modified)
