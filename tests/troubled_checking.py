"""The job that checks photos, troubled: it aborts over a photo with "crash" in its bytes, as
native code may, and has only room for the first ROOM photos, if that is set.
"""

import errno
import os
from collections.abc import Sequence
from typing import Any

from footwork.apart import Job
from footwork.collecting import checking
from footwork.files import unwritable
from footwork.imagestore import ImageStore

ROOM = "ROOM_FOR_PHOTOS"


def answering(settings: Any) -> Job:
    work, put, room = checking.answering(settings), ImageStore.put, os.environ.get(ROOM)
    left = iter(range(int(room))) if room else None

    def full(store: ImageStore, data: bytes, sha256: str, image_format: str, **how: bool) -> None:
        if left is not None and next(left, None) is None:
            raise unwritable(store.images, OSError(errno.ENOSPC, "No space left on device"))
        put(store, data, sha256, image_format, **how)

    ImageStore.put = full  # type: ignore[method-assign, assignment]

    def answer(question: object, photos: list[bytes]) -> Sequence[object]:
        if any(b"crash" in data for data in photos):
            os.abort()
        return work(question, photos)

    return answer
