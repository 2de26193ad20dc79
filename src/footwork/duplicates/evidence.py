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

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import combinations, islice, pairwise, product

import numpy as np
from numpy.typing import NDArray

from footwork.copies import Pair
from footwork.duplicates.hashes import LEAST_FIRM, VARIANTS, hash_twice
from footwork.duplicates.index import Distinct, Index, Pairs, collected, distinct
from footwork.duplicates.keep import HASH
from footwork.duplicates.registration import FINE, Picture, agreement, picture_of
from footwork.images import Unreadable, decode
from footwork.machine import cores
from footwork.progress import Advance

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
    """radius: bits, for all hashes. agreement: of details, see `registration`."""

    radius: int
    agreement: float

    def joined(self, found: Candidates) -> NDArray[np.bool_]:
        near = found.bits.min(axis=1, initial=NONE) <= self.radius
        return np.asarray(near | (found.agreement >= self.agreement))


def hash_candidates(
    codes: Codes, max_bits: int = MAX_RADIUS, *, mirror: bool = False
) -> Candidates:
    """Return all pairs of looks within `max_bits` by any hash: exact, see `index`."""
    found = [near(codes.plain, codes.plain, 0, max_bits)]
    firm = np.flatnonzero(codes.trimmed_firm >= LEAST_FIRM["phash64"])
    trimmed = near(codes.trimmed[firm], codes.trimmed[firm], 1, max_bits)
    found.append((firm[trimmed[0]], firm[trimmed[1]], *trimmed[2:]))
    if mirror:
        for variant in range(len(VARIANTS) - 1):
            found.append(near(codes.mirrors[:, variant], codes.plain, 2, max_bits))
    a, b, kind, bits = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return gathered(len(codes.plain), a, b, kind, bits)


Columns = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def near(left: NDArray[np.uint64], right: NDArray[np.uint64], kind: int, max_bits: int) -> Columns:
    """Return (a, b, kind, bits) of every code a of `left` near a code b of `right`, a != b."""
    mine, others = distinct(left), distinct(right)
    if left is right:
        pairs = collected(Index(mine, max_bits).pairs())
    else:
        pairs = collected(Index(others, max_bits).within(mine))
    if len(mine.codes) == len(left) and len(others.codes) == len(right):
        a, b, apart = mine.members[pairs.first], others.members[pairs.second], pairs.bits
    else:
        a, b, apart = expanded(mine, others, pairs, chains=left is right)
    other = a != b
    return a[other], b[other], np.full(int(other.sum()), kind), apart[other]


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
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return pairs (first < second, cosine) of rows of (n, d), each among the other's nearest.

    A pair counts if its cosine is `least` or more and either is among the `per_look` nearest of
    the other (of equal cosines, the lower number). Rows of NaN are near nothing. In blocks of
    ROWS rows, so memory grows with n and not with n^2. new: (n,) which rows are new; only
    pairs with one of them, among its nearest, are returned, and only they cost anything.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        units = np.nan_to_num(vectors / lengths).astype(np.float32)
    rows = np.arange(len(vectors)) if new is None else np.flatnonzero(new)
    keys, cosines = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.float32)]
    for start in range(0, len(rows), ROWS):
        some = rows[start : start + ROWS]
        alike = units[some] @ units.T
        alike[np.arange(len(some)), some] = -1
        nearest = top(alike, per_look)
        values = np.take_along_axis(alike, nearest, axis=1)
        at, place = np.nonzero(values >= least)
        a, b = some[at], nearest[at, place]
        keys.append(np.minimum(a, b) * len(vectors) + np.maximum(a, b))
        cosines.append(values[at, place])
    every, once = np.unique(np.concatenate(keys), return_index=True)
    first, second = np.divmod(every, max(len(vectors), 1))
    return first, second, np.concatenate(cosines)[once]


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
    lengths = np.linalg.norm(vectors, axis=1)
    products = np.empty(len(keys), dtype=np.float32)
    for start in range(0, len(keys), ROWS):
        part = slice(start, start + ROWS)
        products[part] = np.einsum("ij,ij->i", vectors[a[part]], vectors[b[part]])
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = products / (lengths[a] * lengths[b])
    return Candidates(a, b, bits[order], cosine, np.full(len(keys), np.nan, dtype=np.float32))


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


def registered(
    pairs: Sequence[tuple[str, str]],
    turned: Sequence[bool],
    read: Read,
    advance: Advance,
    *,
    mirror: bool = False,
    decoy: bool = False,
) -> Iterator[float]:
    """Yield the agreement of each pair. Sort the pairs: a picture is read once while it is first.

    turned: whether to try small turns too. decoy: with the second mirrored.
    """
    pictures: dict[str, Picture | None] = {}

    def picture(image: str) -> Picture | None:
        if image not in pictures:
            try:
                pictures[image] = picture_of(decode(read(image), at_least=FINE.longer))
            except Unreadable:
                pictures[image] = None
        return pictures[image]

    def measured(pair: tuple[str, str], with_turns: bool) -> float:
        a, b = picture(pair[0]), picture(pair[1])
        if a is None or b is None:
            return 0.0
        return agreement(a, b.mirrored if decoy else b, turned=with_turns, mirrored=mirror)

    with ThreadPoolExecutor(cores()) as pool:
        for start in range(0, len(pairs), ROWS):
            part = slice(start, start + ROWS)
            for found in pool.map(measured, pairs[part], turned[part]):
                advance(1)
                yield found
            pictures.clear()


def in_detail(
    found: Candidates,
    looks: Looks,
    radius: int,
    read: Read,
    known: Mapping[tuple[str, str], float],
    advance: Advance,
    *,
    mirror: bool = False,
) -> tuple[Candidates, dict[tuple[str, str], float]]:
    """Return the candidates with their agreement, and what was not `known` before."""
    rows = np.flatnonzero(worth_registering(found, radius))
    names = [(looks.names[found.first[i]], looks.names[found.second[i]]) for i in rows]
    missing = [(row, pair) for row, pair in zip(rows, names, strict=True) if pair not in known]
    turned = [bool(found.cosine[row] >= STRAIGHTENED_COSINE) for row, _pair in missing]
    pairs = [pair for _row, pair in missing]
    measured = registered(pairs, turned, read, advance, mirror=mirror)
    new = dict(zip(pairs, measured, strict=True))
    values = found.agreement.copy()
    values[rows] = [known[pair] if pair in known else new[pair] for pair in names]
    return replace(found, agreement=values), new


def image_pairs(looks: Looks, found: Candidates, thresholds: Thresholds) -> list[Pair]:
    """Return every pair of images that the thresholds join, by hash: first, then second.

    Images of one look are a chain of pairs of 0 bits, and a pair of looks joined by "hash" is
    one pair of images: it holds for all of them (see `keep`). Other evidence is written for up
    to MOST_EXPANDED pairs of their images.
    """
    pairs = [Pair(*both, 0, None, (HASH,)) for some in looks.members for both in pairwise(some)]
    joined = found.of(thresholds.joined(found))
    for a, b, bits, cosine, agreed in zip(
        joined.first, joined.second, joined.bits, joined.cosine, joined.agreement, strict=True
    ):
        by_hash = tuple(
            name for name, n in zip(BY_HASH, bits, strict=True) if n <= thresholds.radius
        )
        alike = cosine >= LEAST_COSINE
        words = by_hash + (((FEATURES,) if alike else ()) + (DETAIL,)) * bool(
            agreed >= thresholds.agreement
        )
        least = int(bits.min())
        numbers = (
            (int(bits[0]) if HASH in by_hash else least) if least < NONE else None,
            None if np.isnan(cosine) else round(float(cosine), 4),
        )
        both = product(looks.members[a], looks.members[b])
        for one, two in islice(both, 1 if HASH in by_hash else MOST_EXPANDED):
            pairs.append(Pair(min(one, two), max(one, two), *numbers, words))
    return sorted(pairs, key=lambda pair: (pair.first, pair.second))
