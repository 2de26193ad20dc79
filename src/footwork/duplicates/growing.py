"""Pairs of codes when images were added: only what is new is searched, the rest is remembered.

What is remembered are facts about codes, not about images: these two values are so many bits
apart. So it stays true whatever image has a code, and what one search of everything would find
is found exactly.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from footwork.duplicates.index import Distinct, Index, Pairs, collected, distinct
from footwork.files import written_aside

Rows = NDArray[np.int64]
FORMAT = "1"


@dataclass(frozen=True)
class Known:
    """All pairs within a radius of a code of `left` and one of `right`: ascending (k,) uint64.

    pairs: numbers of `left`, then of `right`. Where codes met themselves both are the same array,
    and each pair stands there once, first < second.
    """

    left: NDArray[np.uint64]
    right: NDArray[np.uint64]
    pairs: Pairs

    @property
    def among_themselves(self) -> bool:
        return self.left is self.right


def nothing_about(codes: NDArray[np.uint64]) -> Known:
    """Return that nothing is near anything among these: their pairs are not asked for."""
    none = np.zeros(0, dtype=np.int64)
    return Known(codes, codes, Pairs(none, none, none))


def pairs_between(
    left: Distinct, right: Distinct, max_bits: int, known: Known | None = None
) -> Pairs:
    """Return every pair of a code of `left` and one of `right` within `max_bits`, sorted.

    Codes of one word. Where left is right: each pair once, first < second; else equal codes
    count, with 0 bits. known: what was found before among some of these codes, and others, with
    the same max_bits; codes that are in there are not held against each other again.
    """
    same = left is right
    if known is None or known.among_themselves != same:
        if same:
            return collected(Index(left, max_bits).pairs())
        return collected(Index(right, max_bits).within(left))
    mine, theirs = left.codes[:, 0], right.codes[:, 0]
    old_left, new_left = parted(mine, known.left)
    old_right, new_right = (old_left, new_left) if same else parted(theirs, known.right)
    fresh: list[Pairs] = []
    if len(new_left):
        added = distinct(mine[new_left])
        if same:
            fresh.append(named(Index(added, max_bits).pairs(), new_left, new_left))
        others = old_right if same else np.arange(len(theirs))
        if len(others):
            index = Index(distinct(theirs[others]), max_bits)
            fresh.append(named(index.within(added), new_left, others))
    if not same and len(new_right) and len(old_left):
        index = Index(distinct(mine[old_left]), max_bits)
        found = named(index.within(distinct(theirs[new_right])), new_right, old_left)
        fresh.append(Pairs(found.second, found.first, found.bits))
    if same:
        fresh = [
            Pairs(np.minimum(p.first, p.second), np.maximum(p.first, p.second), p.bits)
            for p in fresh
        ]
    return merged(renumbered(known, mine, theirs), collected(fresh))


def merged(many: Pairs, few: Pairs) -> Pairs:
    """Return the pairs of both, which are sorted; sorting nine million anew took longer than
    finding them.
    """
    at = np.searchsorted(many.first << 32 | many.second, few.first << 32 | few.second)
    return Pairs(
        np.insert(many.first, at, few.first),
        np.insert(many.second, at, few.second),
        np.insert(many.bits, at, few.bits),
    )


def parted(codes: NDArray[np.uint64], known: NDArray[np.uint64]) -> tuple[Rows, Rows]:
    """Return which of these codes are among the known ones, and which are not."""
    there = np.isin(codes, known, assume_unique=True)
    return np.flatnonzero(there), np.flatnonzero(~there)


def renumbered(known: Known, left: NDArray[np.uint64], right: NDArray[np.uint64]) -> Pairs:
    """Return the known pairs of codes that are still there, by their numbers of today."""
    first, kept_left = places(known.left, left)
    second, kept_right = places(known.right, right)
    pairs = known.pairs
    rows = kept_left[pairs.first] & kept_right[pairs.second]
    return Pairs(first[pairs.first[rows]], second[pairs.second[rows]], pairs.bits[rows])


def places(known: NDArray[np.uint64], codes: NDArray[np.uint64]) -> tuple[Rows, NDArray[np.bool_]]:
    """Return the place of each known code among `codes`, ascending, and whether it is there."""
    place = np.searchsorted(codes, known)
    there = np.zeros(len(known), dtype=bool)
    inside = place < len(codes)
    there[inside] = codes[place[inside]] == known[inside]
    return place, there


def named(chunks: Iterable[Pairs], first: Rows, second: Rows) -> Pairs:
    """Return found pairs by the numbers that stand in `first` and `second`."""
    pairs = collected(chunks)
    return Pairs(first[pairs.first], second[pairs.second], pairs.bits)


class Before:
    """Known pairs in a file, by the name of what was compared; empty if absent or damaged."""

    def __init__(self, cache: Path, max_bits: int) -> None:
        self.path = cache / "near" / f"{FORMAT}-{max_bits}.npz"
        self.known: dict[str, Known] = {}
        try:
            with np.load(self.path, allow_pickle=False) as kept:
                arrays = {name: kept[name] for name in kept.files}
            names = {name.partition(" ")[0] for name in arrays}
            self.known = {name: read_known(arrays, name) for name in names}
        except Exception:  # it can be made again
            self.known = {}

    def keep(self, known: Mapping[str, Known]) -> None:
        """Write these in place of what was known by those names."""
        self.known.update(known)
        arrays: dict[str, NDArray[np.generic]] = {}
        for name, one in self.known.items():
            arrays[f"{name} left"] = one.left
            if not one.among_themselves:
                arrays[f"{name} right"] = one.right
            arrays[f"{name} first"] = one.pairs.first.astype(np.uint32)
            arrays[f"{name} second"] = one.pairs.second.astype(np.uint32)
            arrays[f"{name} bits"] = one.pairs.bits.astype(np.uint8)
        with written_aside(self.path) as partial, partial.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]


def read_known(arrays: Mapping[str, NDArray[np.generic]], name: str) -> Known:
    """Raises ValueError or KeyError for what `keep` does not write."""
    left = arrays[f"{name} left"].astype(np.uint64)
    right = arrays[f"{name} right"].astype(np.uint64) if f"{name} right" in arrays else left
    first, second, bits = (
        arrays[f"{name} {part}"].astype(np.int64) for part in ("first", "second", "bits")
    )
    pairs = Pairs(first, second, bits)
    ascending = all((side[1:] > side[:-1]).all() for side in (left, right))
    if not ascending or not len(first) == len(second) == len(bits):
        raise ValueError("not what was written")
    if len(first) and (first.max() >= len(left) or second.max() >= len(right)):
        raise ValueError("pairs of codes that are not there")
    return Known(left, right, pairs)
