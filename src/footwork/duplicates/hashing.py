"""Hashing pictures: a job for processes `apart`. Asked with the kind and the ways; see `hashes`."""

from collections.abc import Sequence
from typing import Any

from footwork.apart import Job
from footwork.duplicates.hashes import Row, Way, rows_of


def answering(_settings: None) -> Job:
    def answer(question: Any, pictures: list[bytes]) -> Sequence[Row]:
        kind, *ways = question
        return rows_of(pictures, kind, [Way(*way) for way in ways])

    return answer
