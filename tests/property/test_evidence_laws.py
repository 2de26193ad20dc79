"""Pairs of looks: exactly what comparing everything with everything finds."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from footwork.duplicates.evidence import (
    MAX_RADIUS,
    NONE,
    Codes,
    cosine_pairs,
    hash_candidates,
    looks_of,
)
from footwork.duplicates.hashes import bits_between

seeds = st.integers(0, 2**32 - 1)


def clustered(rng: np.random.Generator, count: int, flips: int) -> NDArray[np.uint64]:
    """Codes in three clusters, a few bits apart: as those of copies are."""
    centres = np.random.default_rng(0).integers(0, 2**63, 3, dtype=np.uint64)
    codes = centres[rng.integers(0, 3, count)]
    for _ in range(flips):
        codes = codes ^ (np.uint64(1) << rng.integers(0, 64, count, dtype=np.uint64))
    return codes


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(0, 24), st.integers(0, 8), st.integers(0, MAX_RADIUS))
def test_hash_candidates_are_what_brute_force_finds(
    seed: int, count: int, flips: int, radius: int
) -> None:
    rng = np.random.default_rng(seed)
    plain = np.unique(clustered(rng, count, flips))
    n = len(plain)
    trimmed, mirrors = clustered(rng, n, flips), clustered(rng, 7 * n, flips).reshape(n, 7)
    trimmed_firm = rng.choice([0, 64], n)
    codes = Codes(plain, trimmed, mirrors, np.full(n, 64), trimmed_firm)

    found, _known = hash_candidates(codes, radius, mirror=True)

    expected = {}
    for a in range(n):
        for b in range(a + 1, n):
            turned = [*bits_between(mirrors[a, :, None], plain[b : b + 1])]
            turned += [*bits_between(mirrors[b, :, None], plain[a : a + 1])]
            firm = trimmed_firm[a] == trimmed_firm[b] == 64
            bits = [
                int(bits_between(plain[a : a + 1], plain[b : b + 1])),
                int(bits_between(trimmed[a : a + 1], trimmed[b : b + 1])) if firm else NONE,
                int(min(turned)),
            ]
            near = tuple(one if one <= radius else NONE for one in bits)
            if min(near) < NONE:
                expected[a, b] = near
    ends = zip(found.first.tolist(), found.second.tolist(), strict=True)
    assert dict(zip(ends, map(tuple, found.bits.tolist()), strict=True)) == expected


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(1, 40), st.integers(1, 6), st.floats(-0.5, 0.9))
def test_cosine_pairs_are_what_brute_force_finds(
    seed: int, count: int, per_look: int, least: float
) -> None:
    """Integer vectors, so that cosines of equal vectors are equal; one row has no features."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 5)).astype(np.float32)
    vectors[0] = np.nan
    first, second, cosines = cosine_pairs(vectors, least, per_look)

    units = np.nan_to_num(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    alike = units @ units.T
    np.fill_diagonal(alike, -1)
    expected = {}
    for a in range(count):
        for b in sorted(range(count), key=lambda b: (-alike[a, b], b))[:per_look]:
            if alike[a, b] >= least and 0 not in (a, b):
                expected[min(a, b), max(a, b)] = alike[a, b]
    got = {
        pair: cosine
        for *pair_, cosine in zip(first.tolist(), second.tolist(), cosines, strict=True)
        if 0 not in (pair := tuple(pair_))
    }
    assert got.keys() == expected.keys()
    np.testing.assert_allclose([got[key] for key in expected], [*expected.values()], atol=1e-5)


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(2, 40), st.integers(1, 40))
def test_old_and_new_together_miss_nothing(seed: int, count: int, cut: int) -> None:
    """Searching the old ones first and the new ones later finds all that one search finds."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 4)).astype(np.float32)
    cut = min(cut, count)

    def pairs(
        rows: NDArray[np.float32], new: NDArray[np.bool_] | None = None
    ) -> set[tuple[int, int]]:
        first, second, _cosines = cosine_pairs(rows, 0.2, count, new)
        return set(zip(first.tolist(), second.tolist(), strict=True))

    later = pairs(vectors, np.arange(count) >= cut)
    assert pairs(vectors[:cut]) | later == pairs(vectors)
    assert all(pair[1] >= cut for pair in later)


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(0, 30))
def test_looks_do_not_depend_on_order(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    plain = clustered(rng, count, 1)
    none = np.zeros((count, 7), dtype=np.uint64)
    codes = Codes(plain, plain, none, rng.choice([10, 60], count), np.full(count, 60))
    names = [f"{i:064x}" for i in rng.permutation(count)]
    order = rng.permutation(count)

    looks = looks_of(names, codes)
    shuffled = looks_of([names[i] for i in order], codes.of(order))

    assert (looks.names, looks.members) == (shuffled.names, shuffled.members)
    assert np.array_equal(looks.codes.plain, shuffled.codes.plain)
    firm = {name for name, bits in zip(names, codes.firm, strict=True) if bits == 60}
    assert {name for some in looks.members for name in some} == firm
