"""From the bytes that an address answered to an image in the store, or a reason why not."""

import contextlib
import hashlib
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from footwork.catalog import Catalog
from footwork.collecting.hits import Hit
from footwork.collecting.ledger import Outcome
from footwork.collecting.licences import left_out
from footwork.collecting.queries import ruled_out
from footwork.findings import Image
from footwork.images import MAX_PIXELS, TooManyPixels, Unreadable, inspect
from footwork.tombstones import Looks, Tombstones

MEGABYTE = 1024 * 1024
DECODING = 240 * MEGABYTE  # of pixels and coefficients at once, so that a collection stays < 500


def nothing() -> None:
    """What needs not be given back."""


@dataclass(frozen=True)
class Answer:
    """What the address of a photo answered: its bytes, "as before", or a reason.

    passing: the reason may be gone another time (a full server, a broken line). free: to be
    called once the bytes are no longer needed.
    """

    data: bytes | None = None
    as_before: bool = False
    reason: str | None = None
    passing: bool = False
    etag: str | None = None
    last_modified: str | None = None
    free: Callable[[], None] = nothing


class Decoding:
    """Memory for decoding: who does not fit in waits, what never fits is refused. `Room`."""

    def __init__(self, max_pixels: int, size: int = DECODING) -> None:
        self._max_pixels = max_pixels
        self._size = size
        self._used = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def __call__(self, pixels: int, size: int) -> Iterator[None]:
        if pixels > self._max_pixels:
            raise TooManyPixels(f"it has more than {self._max_pixels:,} pixels (max_pixels)")
        if size > self._size:
            raise TooManyPixels(
                f"decoding it takes more than {self._size // MEGABYTE} MiB of memory, the limit"
            )
        with self._changed:
            self._changed.wait_for(lambda: self._used + size <= self._size)
            self._used += size
        try:
            yield
        finally:
            with self._changed:
                self._used -= size
                self._changed.notify_all()


class Keeper:
    """Decides what may come in. May be used from many threads at once."""

    def __init__(
        self,
        catalog: Catalog,
        *,
        allow: Collection[str] = (),
        exclude: Mapping[str, Sequence[str]] = MappingProxyType({}),
        looks: Looks | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self._catalog = catalog
        self._exclude = exclude
        self._allow = allow
        self._looks = looks
        self._room = Decoding(max_pixels)
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

        Before rows speak of them they must be on the disk: `flush`.
        Raises EnvironmentProblem if they cannot be stored.
        """
        if answer.data is None:
            reason = answer.reason or "it answered nothing"
            return Outcome(url, reason=reason, passing=answer.passing)
        sha256 = hashlib.sha256(answer.data).hexdigest()
        try:
            facts = inspect(answer.data, self._room)
        except TooManyPixels as error:
            return Outcome(url, reason=f"pixels: {error.reason}")
        except Unreadable as error:
            return Outcome(url, reason=f"not an image: {error.reason}")
        image = Image(sha256, len(answer.data), facts.width, facts.height, facts.format)
        refused = self._tombstones.refuses(answer.data, sha256, self._looks)
        if refused and self._catalog.image(sha256) is None:
            return Outcome(url, reason=refused)
        self._catalog.store.put(answer.data, sha256, image.format, flushed=False)
        return Outcome(url, image, etag=answer.etag, last_modified=answer.last_modified)

    def flush(self, outcomes: Iterable[Outcome]) -> None:
        """Have the images of these on the disk. Raises EnvironmentProblem if it cannot be."""
        images = [done.image for done in outcomes if done.image is not None]
        self._catalog.store.flush((image.sha256, image.format) for image in images)
