"""How a radius search cuts codes into tables: the pigeonhole principle and what each cut costs.

Cut b bits into m parts and give part t a radius r_t, all radii adding up to r - m + 1. Two codes
that differ by more than r_t in every part differ by r + 1 at least. So whoever looks, in each
table, at all keys within r_t of a code's own finds every pair within r: nothing is approximate.
Source: Norouzi, Punjani, Fleet 2012 (multi-index hashing, equal radii); Qin et al. 2018,
doi:10.1109/ICDE.2018.00066 (radii that add up to r - m + 1).
"""

import math
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

MAX_KEY_BITS = 20  # 4 MiB of offsets a table; wider keys never paid off up to ten million codes

# Nanoseconds on one core (EPYC with AVX-512, random codes: the sum was within a third of the
# CPU time for 50,000 codes and more, and the cut chosen within 10 % of the best). Only their
# ratios matter.
PER_BUCKET = 15.0  # finding a bucket and starting to copy it
PER_COPY = 1.2  # moving a candidate beside the others; times the number of words
PER_COMPARISON = 0.25  # times the number of words
PER_CODE = 60.0  # sorting one code into a table
PER_CELL = 2.0  # one place in a table's list of offsets
PER_TABLE = 1e6  # arrays, tasks


@dataclass(frozen=True)
class Part:
    """Bits [low, low + width) of a code, counted from the lowest of its first word.

    Keys within `radius` of a code's own are looked at; -1: none, the part is not needed.
    """

    low: int
    width: int
    radius: int


def parts_for(codes: int, code_bits: int, max_bits: int) -> tuple[Part, ...]:
    """Return the cheapest cut for all pairs within `max_bits` among so many codes.

    A single part without bits means: compare everything with everything.

    The model takes codes as random. With b = 2^width keys and V keys within the radius, a table
    costs V / 2 looks at each of its occupied buckets, and per bucket as many copies as there are
    codes in those buckets, and V / b * codes^2 / 2 comparisons.
    """
    best: tuple[Part, ...] = (Part(0, 0, max_bits),)
    cheapest = cost(best, codes, code_bits)
    for count in range(math.ceil(code_bits / MAX_KEY_BITS), code_bits // 4 + 1):
        parts = cut(code_bits, max_bits, count)
        price = cost(parts, codes, code_bits)
        if price < cheapest:
            best, cheapest = parts, price
    return best


def cut(code_bits: int, max_bits: int, count: int) -> tuple[Part, ...]:
    """Return `count` parts of (almost) equal width; their radii make the fewest comparisons."""
    edges = [code_bits * i // count for i in range(count + 1)]
    widths = [high - low for low, high in pairwise(edges)]
    radii = [-1] * count
    for _ in range(max_bits + 1):
        # The next key costs C(width, radius + 1) / 2^width of all pairs; it grows with the
        # radius as long as that is below half the width, so going for the cheapest is best.
        part = min(
            range(count), key=lambda i: (math.comb(widths[i], radii[i] + 1) / 2 ** widths[i], i)
        )
        radii[part] += 1
    return tuple(Part(*part) for part in zip(edges, widths, radii, strict=False))


def cost(parts: tuple[Part, ...], codes: int, code_bits: int) -> float:
    """Return the estimated nanoseconds on one core; the model is described in parts_for."""
    words = code_bits / 64
    total = 0.0
    for part in parts:
        if part.radius < 0:
            continue
        cells = 2**part.width
        looked_at = sum(math.comb(part.width, i) for i in range(part.radius + 1))
        looks = cells * -math.expm1(-codes / cells) * looked_at / 2
        comparisons = codes / cells * codes / 2 * looked_at
        total += PER_TABLE + PER_CODE * codes + PER_CELL * cells + PER_BUCKET * looks
        total += (PER_COPY * looks * codes / cells + PER_COMPARISON * comparisons) * words
    return total


def flips(part: Part) -> NDArray[np.int64]:
    """Return every difference between two keys that the part looks at, ascending."""
    found = [
        sum(1 << bit for bit in chosen)
        for count in range(min(part.radius, part.width) + 1)
        for chosen in combinations(range(part.width), count)
    ]
    return np.sort(np.array(found, dtype=np.int64))


def keys(codes: NDArray[np.uint64], part: Part) -> NDArray[np.int64]:
    """Return the part's bits of (n, words) codes."""
    if part.width == 0:
        return np.zeros(len(codes), dtype=np.int64)
    word, shift = divmod(part.low, 64)
    bits = codes[:, word] >> np.uint64(shift)
    if shift + part.width > 64:
        bits |= codes[:, word + 1] << np.uint64(64 - shift)
    return (bits & np.uint64(2**part.width - 1)).astype(np.int64)


def mask(part: Part, words: int) -> NDArray[np.uint64]:
    """Return (words,) uint64 with the part's bits set."""
    bits = (2**part.width - 1) << part.low
    return np.array([(bits >> (64 * i)) % 2**64 for i in range(words)], dtype=np.uint64)
