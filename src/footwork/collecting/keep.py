"""From the bytes that an address answered to an image in the store, or a reason why not."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from types import MappingProxyType

from footwork.apart import Crew
from footwork.catalog import Catalog
from footwork.collecting.checking import Checked, Settings
from footwork.collecting.hits import Hit
from footwork.collecting.ledger import Outcome
from footwork.collecting.licences import left_out
from footwork.collecting.queries import ruled_out
from footwork.errors import EnvironmentProblem
from footwork.findings import Image
from footwork.images import MAX_PIXELS

CHECKING = "footwork.collecting.checking"  # the job of a process apart
CHANNELS = 4  # groups of photos that are checked at once; they wait for the disk half of the time


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


class Keeper:
    """Decides what may come in. May be used from many threads at once."""

    def __init__(
        self,
        catalog: Catalog,
        *,
        allow: Collection[str] = (),
        exclude: Mapping[str, Sequence[str]] = MappingProxyType({}),
        looks: bool = False,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self._catalog = catalog
        self._exclude = exclude
        self._allow = allow
        self._tombstones = catalog.tombstones()
        settings = Settings(
            folder=str(catalog.store.folder.resolve()),
            max_pixels=max_pixels,
            stones=[astuple(stone) for stone in self._tombstones],
            looks=looks,
        )
        self._crew = Crew(CHECKING, settings, channels=CHANNELS)

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

    def kept(self, photos: Sequence[tuple[str, Answer]]) -> list[Outcome | EnvironmentProblem]:
        """Check the bytes as an import would, store them, and return what became of each, or why
        it could not be stored.

        Before rows speak of them they must be on the disk: `flush`.
        """
        here = [(url, answer) for url, answer in photos if answer.data is not None]
        rows = iter(self._checked([answer.data or b"" for _, answer in here]))
        return [
            Outcome(url, reason=answer.reason or "it answered nothing", passing=answer.passing)
            if answer.data is None
            else self._outcome(url, answer, answer.data, next(rows))
            for url, answer in photos
        ]

    def _checked(self, photos: Sequence[bytes]) -> list[Checked]:
        crashes = Checked(reason="not an image: the decoder crashes over it")
        return [row or crashes for row in self._crew.each(photos)] if photos else []

    def _outcome(
        self, url: str, answer: Answer, data: bytes, row: Checked
    ) -> Outcome | EnvironmentProblem:
        if "problem" in row:
            return EnvironmentProblem(row["problem"])
        reason, fields = row.get("reason"), row.get("image")
        if fields is None:
            return Outcome(url, reason=reason)
        image = Image(*fields)
        if reason is not None:
            if self._catalog.image(image.sha256) is None:
                return Outcome(url, reason=reason)
            self._catalog.store.put(data, image.sha256, image.format, flushed=False)
        return Outcome(url, image, etag=answer.etag, last_modified=answer.last_modified)

    def flush(self, outcomes: Iterable[Outcome]) -> None:
        """Have the images of these on the disk. Raises EnvironmentProblem if it cannot be."""
        images = [done.image for done in outcomes if done.image is not None]
        self._catalog.store.flush((image.sha256, image.format) for image in images)
