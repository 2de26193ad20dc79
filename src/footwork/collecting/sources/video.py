"""Frames of local video files; optional part `video` (OpenCV, whose FFmpeg is LGPL).

A frame is taken every so many seconds and left out where it hardly differs from the last one
taken: the mean absolute difference of 32 x 32 grey thumbnails, of 255. All frames of a file are
one group, since the same climber on the same wall must not be on both sides of a fold.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from footwork.collecting.hits import Hit, Query, SourceProblem, Web
from footwork.collecting.sources.paging import About
from footwork.errors import MissingExtra
from footwork.files import sha256_of

if TYPE_CHECKING:
    import cv2
    import numpy as np

SAME = 3.0  # a still camera's noise stays below 2, a step of the climber is above 4
SIDE = 32
QUALITY = 95  # of the JPEG, of 100
MOST_PIXELS = 50_000_000


class Video:
    """files: the videos of each class. every_s: seconds between two frames."""

    about: ClassVar[About] = About(
        name="video",
        what="frames of your own video files",
        needs="files in [sources.video], the optional part footwork[video]",
        limits="none",
        licences="yours",
        extra="video",
    )
    name = "video"

    def __init__(self, files: Mapping[str, Sequence[Path]], every_s: float = 2.0) -> None:
        self.every_s = every_s
        self._files: dict[Query, Path] = {}
        for name, paths in sorted(files.items()):
            for path in paths:
                words, number = path.name, 1
                while Query(name, "", words) in self._files:
                    number += 1
                    words = f"{path.name} ({number})"
                self._files[Query(name, "", words)] = path

    def asked(self, planned: Sequence[Query]) -> Sequence[Query]:
        """Return a query per file; its words are the file's name, not where it lies."""
        return list(self._files)

    async def search(self, query: Query, web: Web, *, limit: int) -> AsyncIterator[Hit]:
        """Yield a hit per frame; its bytes (JPEG) come along."""
        path = self._files[query]
        if not path.is_file():
            raise SourceProblem("unreachable", f"{path} is not there: see [sources.video] files.")
        digest = await asyncio.to_thread(sha256_of, path)
        frames = distinct_frames(path, self.every_s)
        for _ in range(limit):
            frame = await asyncio.to_thread(next, frames, None)
            if frame is None:
                return
            at_s, data, width, height = frame
            yield Hit(
                source=self.name,
                query=query,
                image_url=f"video:{digest}#t={at_s:.2f}",
                title=f"{path.name} at {at_s:.1f} s",
                width=width,
                height=height,
                size=len(data),
                group=f"video:{digest}",
                data=data,
            )


def distinct_frames(path: Path, every_s: float) -> Iterator[tuple[float, bytes, int, int]]:
    """Yield (seconds, JPEG, width, height) of frames that differ. Raises SourceProblem."""
    try:
        import cv2
    except ImportError:
        raise SourceProblem("key", str(MissingExtra("video", "video"))) from None
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        if not video.isOpened():
            raise SourceProblem("changed", f"{path} cannot be read as a video.")
        if video.get(cv2.CAP_PROP_FRAME_WIDTH) * video.get(cv2.CAP_PROP_FRAME_HEIGHT) > MOST_PIXELS:
            raise SourceProblem("changed", f"{path} has more than {MOST_PIXELS:,} pixels a frame.")
        last: np.ndarray | None = None
        for at_s, frame in frames_every(video, every_s):
            small = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), (SIDE, SIDE), None, 0, 0, 3)
            if last is not None and cv2.absdiff(small, last).mean() < SAME:
                continue
            last = small
            done, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
            if done:
                yield at_s, data.tobytes(), frame.shape[1], frame.shape[0]
    finally:
        video.release()


def frames_every(video: "cv2.VideoCapture", every_s: float) -> Iterator[tuple[float, "np.ndarray"]]:
    """Yield (seconds, BGR picture) from the start on; only what is yielded is converted."""
    import cv2

    rate = video.get(cv2.CAP_PROP_FPS)
    rate = rate if 0 < rate < 1_000 else 25.0
    due, number = 0.0, 0
    while video.grab():
        at_s = number / rate
        number += 1
        if at_s + 0.5 / rate < due:
            continue
        readable, frame = video.retrieve()
        if readable:
            yield at_s, frame
            due += every_s
