"""The dear stage: which pairs to lay over each other, and what came of it before."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from footwork.duplicates.agreements import Agreements, PairOfNames
from footwork.duplicates.evidence import (
    LEAST_COSINE,
    NONE,
    PER_LOOK,
    STRAIGHTENED_COSINE,
    Candidates,
    Looks,
    Read,
)
from footwork.duplicates.registration import FINE, Picture, agreement, picture_of
from footwork.images import Unreadable, decode
from footwork.machine import cores
from footwork.progress import Advance

AT_ONCE = 2048  # pairs whose pictures are held together
KEPT_AT_ONCE = 128  # pairs; some seconds of two cores: what a kill may cost


@dataclass(frozen=True)
class Question:
    """A pair of images to compare. turned, close: see `registration.agreement`."""

    pair: PairOfNames
    turned: bool
    close: bool

    @classmethod
    def of(cls, looks: Looks, found: Candidates, row: int) -> "Question":
        """Return how one candidate is to be asked about."""
        return cls(
            (looks.names[found.first[row]], looks.names[found.second[row]]),
            turned=bool(found.cosine[row] >= STRAIGHTENED_COSINE),
            close=bool(found.bits[row].min() < NONE),
        )


def worth_registering(found: Candidates, radius: int) -> NDArray[np.bool_]:
    """Return which pairs to look at in detail: not joined by a hash, but among the nearest."""
    least = found.bits.min(axis=1, initial=NONE)
    open_ = (least > radius) & np.isnan(found.agreement)
    by_hash = open_ & (least < NONE)
    by_features = open_ & (found.cosine >= LEAST_COSINE)
    return np.asarray(by_features | among_nearest(found, least, by_hash))


def among_nearest(
    found: Candidates, bits: NDArray[np.uint8], chosen: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which of the chosen pairs are among the PER_LOOK nearest of either look."""
    result = np.zeros(len(found), dtype=bool)
    rows = np.flatnonzero(chosen)
    for ends in (found.first, found.second):
        others = found.second if ends is found.first else found.first
        order = rows[np.lexsort((others[rows], bits[rows], ends[rows]))]
        if len(order):
            starts = np.r_[True, ends[order][1:] != ends[order][:-1]]
            since = np.arange(len(order)) - np.maximum.accumulate(
                np.where(starts, np.arange(len(order)), 0)
            )
            result[order[since < PER_LOOK]] = True
    return result


def in_detail(
    found: Candidates,
    looks: Looks,
    radius: int,
    read: Read,
    memory: Agreements,
    advance: Advance,
    *,
    mirror: bool = False,
) -> Candidates:
    """Return the candidates with the agreement of those that are worth it."""
    rows = np.flatnonzero(worth_registering(found, radius))
    questions = [Question.of(looks, found, row) for row in rows.tolist()]
    values = found.agreement.copy()
    values[rows] = answers(questions, read, memory, advance, mirror=mirror)
    return replace(found, agreement=values)


def answers(
    questions: Sequence[Question],
    read: Read,
    memory: Agreements,
    advance: Advance,
    *,
    mirror: bool = False,
    decoy: bool = False,
) -> list[float]:
    """Return the agreement of each pair, remembered or measured now and kept in batches.

    memory: has to tell `mirror` and `decoy` (with the second one mirrored) apart.
    """
    missing = [question for question in questions if question.pair not in memory.known]
    batch: list[tuple[PairOfNames, float]] = []
    measured = registered(missing, read, mirror=mirror, decoy=decoy)
    for question, value in zip(missing, measured, strict=True):
        batch.append((question.pair, value))
        advance(1)
        if len(batch) == KEPT_AT_ONCE:
            memory.keep(batch)
            batch = []
    memory.keep(batch)
    return [memory.known[question.pair] for question in questions]


def registered(
    questions: Sequence[Question], read: Read, *, mirror: bool, decoy: bool
) -> Iterator[float]:
    """Yield the agreement of each. Sort the pairs: a picture is read once while it is first."""
    pictures: dict[str, Picture | None] = {}

    def picture(image: str) -> Picture | None:
        if image not in pictures:
            try:
                pictures[image] = picture_of(decode(read(image), at_least=FINE.longer))
            except Unreadable:
                pictures[image] = None
        return pictures[image]

    def measured(question: Question) -> float:
        a, b = (picture(image) for image in question.pair)
        if a is None or b is None:
            return 0.0
        other = b.mirrored if decoy else b
        return agreement(a, other, turned=question.turned, mirrored=mirror, close=question.close)

    with ThreadPoolExecutor(cores()) as pool:
        for start in range(0, len(questions), AT_ONCE):
            yield from pool.map(measured, questions[start : start + AT_ONCE])
            pictures.clear()
