"""What is done to the bytes of photos before they may come in: a job for processes `apart`.

The answer for each photo is
{"image": [sha256, size, width, height, format]} once it is stored, or {"reason": why not}; with
both, the image looks like one that was taken down and is not stored. {"problem": why} if it
could not be stored.
"""

import contextlib
import hashlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import TypedDict

from footwork.apart import Job
from footwork.errors import EnvironmentProblem
from footwork.findings import Image
from footwork.images import TooManyPixels, Unreadable, inspect
from footwork.imagestore import ImageStore
from footwork.tombstones import Kind, Looks, Tombstone, Tombstones

MEGABYTE = 1024 * 1024
DECODING = 240 * MEGABYTE  # of pixels and coefficients at once, so that a collection stays < 500


class Settings(TypedDict):
    """folder: of the project. stones: fields of each Tombstone that counts. looks: also refuse
    what looks like a photo that was taken down.
    """

    folder: str
    max_pixels: int
    stones: Sequence[tuple[Kind, str, str, str]]
    looks: bool


class Checked(TypedDict, total=False):
    image: tuple[str, int, int, int, str]
    reason: str
    problem: str


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


def answering(settings: Settings) -> Job:
    store = ImageStore(Path(settings["folder"]))
    tombstones = Tombstones(Tombstone(*stone) for stone in settings["stones"])
    room = Decoding(settings["max_pixels"])
    looks: Looks | None = None
    if settings["looks"]:
        from footwork.duplicates.looks import looks

    def checked(data: bytes) -> Checked:
        """Check as an import would."""
        sha256 = hashlib.sha256(data).hexdigest()
        try:
            facts = inspect(data, room)
        except TooManyPixels as error:
            return {"reason": f"pixels: {error.reason}"}
        except Unreadable as error:
            return {"reason": f"not an image: {error.reason}"}
        image = Image(sha256, len(data), facts.width, facts.height, facts.format)
        barred = tombstones.refuses(data, sha256, looks)
        if barred is not None:
            return {"image": astuple(image), "reason": barred}
        try:
            store.put(data, sha256, image.format, flushed=False)
        except EnvironmentProblem as problem:
            return {"problem": str(problem)}
        return {"image": astuple(image)}

    return lambda _question, photos: [checked(data) for data in photos]
