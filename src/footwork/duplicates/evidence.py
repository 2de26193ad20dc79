"""What speaks for two images showing the same photo, from cheap to dear.

    hash             pHashes within a radius: resized, recompressed, lightly edited
    hash (trimmed)   the same of both without plain borders
    hash (mirrored)  the same with one flipped or turned by a quarter, where asked
    features         a network finds them alike; on its own this joins nothing: two photos of one
                     species are as alike to it as a photo and its crop
    detail           laid over each other, their details agree (see `registration`): crops,
                     overlays, frames, screenshots, small turns; only looked at where hash or
                     features say that it may be so

Everything works on looks: images of one plain code are one look, so that 200,000 equal images
are not twenty thousand million pairs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, pairwise, product

import numpy as np
from numpy.typing import NDArray

from footwork.copies import Pair
from footwork.duplicates.growing import Known, nothing_about, pairs_between
from footwork.duplicates.hashes import LEAST_FIRM, VARIANTS, hash_twice
from footwork.duplicates.index import Distinct, Pairs, distinct
from footwork.duplicates.keep import HASH

MAX_RADIUS = 16  # bits: how far hashes propose; farther apart, they say nothing
LEAST_COSINE = 0.55  # of what features propose; nine of ten crops, frames, screenshots have 0.7
STRAIGHTENED_COSINE = 0.75  # from here on, small turns are tried too: they keep 0.82 and more
PER_LOOK = 8  # nearest others that are proposed for each look
MOST_EXPANDED = 64  # pairs of images written for one pair of looks
ROWS = 2048  # of a block of cosines: 16 MB for each thousand looks

TRIMMED, MIRRORED, FEATURES, DETAIL = "hash (trimmed)", "hash (mirrored)", "features", "detail"
BY_HASH = (HASH, TRIMMED, MIRRORED)  # the columns of Candidates.bits
NONE = 255  # bits: farther apart than was looked

Read = Callable[[str], bytes]


@dataclass(frozen=True)
class Codes:
    """Of n images. plain, trimmed: (n,) uint64. mirrors: (n, 7), in the order of VARIANTS.

    firm, trimmed_firm: (n,) how many bits noise would not flip.
    """

    plain: NDArray[np.uint64]
    trimmed: NDArray[np.uint64]
    mirrors: NDArray[np.uint64]
    firm: NDArray[np.int64]
    trimmed_firm: NDArray[np.int64]

    @classmethod
    def joined(cls, parts: Sequence["Codes"]) -> "Codes":
        return cls(
            np.concatenate([part.plain for part in parts]),
            np.concatenate([part.trimmed for part in parts]),
            np.concatenate([part.mirrors for part in parts]),
            np.concatenate([part.firm for part in parts]),
            np.concatenate([part.trimmed_firm for part in parts]),
        )

    def of(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> "Codes":
        return Codes(
            self.plain[rows],
            self.trimmed[rows],
            self.mirrors[rows],
            self.firm[rows],
            self.trimmed_firm[rows],
        )


def codes_of(images: Sequence[str], read: Read) -> tuple[Codes, tuple[str, ...]]:
    """Return the codes of all, zeros where one is unreadable, and the n reasons or ''."""
    whole, inner = hash_twice(images, read)
    codes = Codes(
        whole.codes[:, 0, 0],
        inner.codes[:, 0, 0],
        whole.codes[:, 1:, 0],
        whole.firm_bits,
        inner.firm_bits,
    )
    return codes, whole.reasons


@dataclass(frozen=True)
class Looks:
    """m different looks. names: the lowest SHA-256 of each look's images, ascending.

    members: all its images. codes: of each. Images of too little information have no look.
    """

    names: tuple[str, ...]
    members: tuple[tuple[str, ...], ...]
    codes: Codes

    def __len__(self) -> int:
        return len(self.names)


def looks_of(images: Sequence[str], codes: Codes) -> Looks:
    """images: n SHA-256s in any order, each once."""
    order = np.argsort(np.array(images))
    order = order[codes.firm[order] >= LEAST_FIRM["phash64"]]
    plain = distinct(codes.plain[order])
    rows = [order[plain.members_of(code)] for code in range(len(plain.codes))]
    rows.sort(key=lambda members: images[members[0]])
    first = np.array([members[0] for members in rows], dtype=np.int64)
    members = tuple(tuple(images[i] for i in some) for some in rows)
    return Looks(tuple(some[0] for some in members), members, codes.of(first))


@dataclass(frozen=True)
class Candidates:
    """Pairs of looks that may be one photo, sorted by first, then second; first < second.

    bits: (k, 3) uint8, by BY_HASH, NONE where farther than MAX_RADIUS. cosine, agreement: (k,)
    float32, NaN where nobody looked.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    bits: NDArray[np.uint8]
    cosine: NDArray[np.float32]
    agreement: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.first)

    def of(self, rows: NDArray[np.bool_]) -> "Candidates":
        return Candidates(
            self.first[rows],
            self.second[rows],
            self.bits[rows],
            self.cosine[rows],
            self.agreement[rows],
        )


@dataclass(frozen=True)
class Thresholds:
    """radius: bits, for all hashes. agreement: of details, see `registration`; near_agreement: of
    pairs within MAX_RADIUS bits, of which a hash says already that they may be one photo.
    """

    radius: int
    agreement: float
    near_agreement: float

    def joined(self, found: Candidates) -> NDArray[np.bool_]:
        least = found.bits.min(axis=1, initial=NONE)
        return np.asarray((least <= self.radius) | self.in_detail(least, found.agreement))

    def in_detail(
        self, bits: NDArray[np.integer], agreement: NDArray[np.floating]
    ) -> NDArray[np.bool_]:
        """bits, agreement: (k,) of each pair, NONE and NaN where unknown."""
        enough = np.where(bits <= MAX_RADIUS, self.near_agreement, self.agreement)
        return np.asarray(agreement >= enough, dtype=np.bool_)


def hash_candidates(
    codes: Codes,
    max_bits: int = MAX_RADIUS,
    *,
    mirror: bool = False,
    new: NDArray[np.bool_] | None = None,
    known: Mapping[str, Known] | None = None,
) -> tuple[Candidates, dict[str, Known]]:
    """Return all pairs of looks within `max_bits` by any hash: exact, see `index`; and what is
    known of their codes now.

    new: (n,) which looks to find pairs for; pairs of two others are left out. known: what an
    earlier call with the same max_bits returned, of whatever codes: these cost nothing again.
    """
    before, after = known or {}, {}
    every = np.arange(len(codes.plain))
    firm = np.flatnonzero(codes.trimmed_firm >= LEAST_FIRM["phash64"])
    asked = [("plain", codes.plain, codes.plain, 0, every)]
    trimmed = codes.trimmed[firm]
    asked.append(("trimmed", trimmed, trimmed, 1, firm))
    if mirror:
        for variant in range(len(VARIANTS) - 1):
            turned = codes.mirrors[:, variant]
            asked.append((f"mirror{variant + 1}", turned, codes.plain, 2, every))
    found: list[Columns] = []
    for name, left, right, kind, rows in asked:
        earlier = before.get(name)
        if new is not None and left is right:
            here = new[rows]
            earlier = nothing_about(np.setdiff1d(left[~here], left[here]))
        a, b, kinds, bits, after[name] = near(left, right, kind, max_bits, earlier)
        found.append((rows[a], rows[b], kinds, bits))
    a, b, kind_of, bits = (np.concatenate(parts) for parts in zip(*found, strict=True))
    candidates = gathered(len(codes.plain), a, b, kind_of, bits)
    if new is not None:
        candidates = candidates.of(new[candidates.first] | new[candidates.second])
    return candidates, after


Columns = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def near(
    left: NDArray[np.uint64],
    right: NDArray[np.uint64],
    kind: int,
    max_bits: int,
    known: Known | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], Known]:
    """Return (a, b, kind, bits) of every code a of `left` near a code b of `right`, a != b; and
    what is known of their codes now.
    """
    mine = distinct(left)
    others = mine if left is right else distinct(right)
    pairs = pairs_between(mine, others, max_bits, known)
    first, second = mine.codes[:, 0], others.codes[:, 0]
    now = Known(first, first if left is right else second, pairs)
    if len(mine.codes) == len(left) and len(others.codes) == len(right):
        a, b, apart = mine.members[pairs.first], others.members[pairs.second], pairs.bits
    else:
        a, b, apart = expanded(mine, others, pairs, chains=left is right)
    other = a != b
    return a[other], b[other], np.full(int(other.sum()), kind), apart[other], now


def expanded(
    mine: Distinct, others: Distinct, pairs: Pairs, *, chains: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs of members of pairs of codes, and of members of one code if `chains`.

    Of large sets only MOST_EXPANDED of each pair of codes, and a chain through each code.
    """
    rows: list[tuple[int, int, int]] = []
    for one, two, bits in zip(pairs.first, pairs.second, pairs.bits, strict=True):
        both = product(mine.members_of(one), others.members_of(two))
        rows += [(a, b, bits) for a, b in islice(both, MOST_EXPANDED)]
    for code in range(len(mine.codes) if chains else 0):
        some = mine.members_of(code)
        few = len(some) ** 2 <= 2 * MOST_EXPANDED
        rows += [(a, b, 0) for a, b in (combinations(some, 2) if few else pairwise(some))]
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def gathered(
    count: int,
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    kind: NDArray[np.int64],
    bits: NDArray[np.int64],
) -> Candidates:
    """Return each pair once, with the fewest bits of each kind."""
    keys, row = np.unique(np.minimum(a, b) * max(count, 1) + np.maximum(a, b), return_inverse=True)
    least = np.full((len(keys), len(BY_HASH)), NONE, dtype=np.uint8)
    np.minimum.at(least, (row, kind), bits.astype(np.uint8))
    unknown = np.full(len(keys), np.nan, dtype=np.float32)
    return Candidates(*np.divmod(keys, max(count, 1)), least, unknown, unknown.copy())


def cosine_pairs(
    vectors: NDArray[np.float32],
    least: float = LEAST_COSINE,
    per_look: int = PER_LOOK,
    new: NDArray[np.bool_] | None = None,
    known: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return pairs (first < second, cosine) of rows of (n, d), each among the other's nearest.

    A pair counts if its cosine is `least` or more and either is among the `per_look` nearest of
    the other (of equal cosines, the lower number). Rows of NaN are near nothing. In blocks of
    ROWS rows, so memory grows with n and not with n^2.

    new: (n,) which rows are new; only they cost anything. With `known`, (k, 2) all pairs that a
    call without the new rows returned, and maybe others, the answer is that of a call with
    everything; without it, only pairs of a new row and one of its own nearest are returned.
    """
    units = unit_rows(vectors)
    rows = np.arange(len(vectors)) if new is None else np.flatnonzero(new)
    old = np.flatnonzero(~new) if new is not None and known is not None else rows[:0]
    keys = [np.zeros(0, dtype=np.int64)]
    if known is not None:
        keys.append(known.min(axis=1) * len(vectors) + known.max(axis=1))
    for start in range(0, len(rows), ROWS):
        some = rows[start : start + ROWS]
        alike = units[some] @ units.T
        alike[np.arange(len(some)), some] = -1
        ends = [(some, *nearest(alike, per_look, least), np.arange(len(vectors)))]
        if len(old):
            ends.append((old, *nearest(alike[:, old].T, per_look, least), some))
        for these, at, place, others in ends:
            a, b = these[at], others[place]
            keys.append(np.minimum(a, b) * len(vectors) + np.maximum(a, b))
    first, second = np.divmod(np.unique(np.concatenate(keys)), max(len(vectors), 1))
    cosine = cosines_of(units, first, second)
    good = cosine >= least
    first, second, cosine = first[good], second[good], cosine[good]
    if known is not None:  # what was among the nearest may be so no longer
        good = ranked(first, second, cosine, per_look)
        first, second, cosine = first[good], second[good], cosine[good]
    return first, second, cosine


def unit_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows at length 1; zeros for rows of NaN."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        units: NDArray[np.float32] = np.nan_to_num(vectors / lengths).astype(np.float32)
    return units


def cosines_of(
    units: NDArray[np.float32], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the cosine of each pair, the same one whatever else is asked."""
    cosine = np.empty(len(first), dtype=np.float32)
    for start in range(0, len(first), ROWS):
        part = slice(start, start + ROWS)
        cosine[part] = np.einsum("ij,ij->i", units[first[part]], units[second[part]])
    return cosine


def nearest(
    alike: NDArray[np.float32], count: int, least: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (row, column) of the `count` highest values of each row, if about `least` or more."""
    chosen = top(alike, count)
    at, place = np.nonzero(np.take_along_axis(alike, chosen, axis=1) >= least - 1e-4)
    return at, chosen[at, place]


def ranked(
    first: NDArray[np.int64], second: NDArray[np.int64], cosine: NDArray[np.float32], count: int
) -> NDArray[np.bool_]:
    """Return which pairs are among the `count` of either look with the highest cosines."""
    every_end = np.concatenate([first, second])
    every_other = np.concatenate([second, first])
    order = np.lexsort((every_other, -np.tile(cosine, 2), every_end))
    starts = np.r_[True, every_end[order][1:] != every_end[order][:-1]][: len(order)]
    place = np.arange(len(order))
    since = place - np.maximum.accumulate(np.where(starts, place, 0))
    result = np.zeros(len(order), dtype=bool)
    result[order[since < count]] = True
    return np.asarray(result[: len(first)] | result[len(first) :])


def top(values: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Return (rows, count) places of the highest values of each row, of equal ones the first."""
    count = min(count, values.shape[1])
    least = -np.partition(-values, count - 1, axis=1)[:, count - 1 : count] if count else values
    chosen = []
    for row, bound in zip(values, least, strict=True):
        above = np.flatnonzero(row >= bound)
        chosen.append(above[np.argsort(-row[above], kind="stable")][:count])
    return np.array(chosen, dtype=np.int64).reshape(len(values), count)


def with_cosines(
    found: Candidates,
    count: int,
    proposed: tuple[NDArray[np.int64], NDArray[np.int64]],
    vectors: NDArray[np.float32],
) -> Candidates:
    """Add the pairs that features propose to those that hashes propose, each with its cosine."""
    first, second = proposed
    mine, theirs = found.first * count + found.second, first * count + second
    added = np.setdiff1d(theirs, mine)
    keys = np.concatenate([mine, added])
    bits = np.full((len(keys), len(BY_HASH)), NONE, dtype=np.uint8)
    bits[: len(mine)] = found.bits
    order = np.argsort(keys)
    a, b = np.divmod(keys[order], max(count, 1))
    cosine = cosines_of(unit_rows(vectors), a, b)
    unseen: NDArray[np.bool_] = np.asarray(np.isnan(vectors).any(axis=1))
    cosine[unseen[a] | unseen[b]] = np.nan
    return Candidates(a, b, bits[order], cosine, np.full(len(keys), np.nan, dtype=np.float32))


def image_pairs(looks: Looks, found: Candidates, thresholds: Thresholds) -> list[Pair]:
    """Return every pair of images that the thresholds join, by hash: first, then second.

    Images of one look are a chain of pairs of 0 bits, and a pair of looks joined by "hash" is
    one pair of images: it holds for all of them (see `keep`). Other evidence is written for up
    to MOST_EXPANDED pairs of their images.
    """
    pairs = [Pair(*both, 0, None, (HASH,)) for some in looks.members for both in pairwise(some)]
    joined = found.of(thresholds.joined(found))
    detailed = thresholds.in_detail(joined.bits.min(axis=1, initial=NONE), joined.agreement)
    for a, b, bits, cosine, in_detail in zip(
        joined.first, joined.second, joined.bits, joined.cosine, detailed, strict=True
    ):
        by_hash = tuple(
            name for name, n in zip(BY_HASH, bits, strict=True) if n <= thresholds.radius
        )
        alike = cosine >= LEAST_COSINE
        least = int(bits.min())
        words = by_hash + (((FEATURES,) if alike else ()) + (DETAIL,)) * bool(in_detail)
        numbers = (
            (int(bits[0]) if HASH in by_hash else least) if least < NONE else None,
            None if np.isnan(cosine) else round(float(cosine), 4),
        )
        both = product(looks.members[a], looks.members[b])
        for one, two in islice(both, 1 if HASH in by_hash else MOST_EXPANDED):
            pairs.append(Pair(min(one, two), max(one, two), *numbers, words))
    return sorted(pairs, key=lambda pair: (pair.first, pair.second))
