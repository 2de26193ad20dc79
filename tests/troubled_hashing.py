"""The job that hashes pictures, troubled: it aborts over one with "crash" in its bytes."""

import os
from collections.abc import Sequence
from typing import Any

from footwork.apart import Job
from footwork.duplicates import hashing
from footwork.duplicates.hashes import Row


def answering(settings: None) -> Job:
    work = hashing.answering(settings)

    def answer(question: Any, pictures: list[bytes]) -> Sequence[Row]:
        if any(b"crash" in data for data in pictures):
            os.abort()
        return work(question, pictures)

    return answer
