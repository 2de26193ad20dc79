"""The radius search finds what comparing everything finds: no pair more, none less, none twice."""

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from footwork.duplicates import index, pigeonhole
from footwork.duplicates.index import Index, Pairs, collected, distinct, pairs_within
from footwork.errors import UsageError

Rows = set[tuple[int, int, int]]
WORDS = pytest.mark.parametrize("words", [1, 4])


def compared(a: NDArray[np.uint64], b: NDArray[np.uint64], max_bits: int) -> Rows:
    """Compare each code of (n, words) `a` with each of `b`, and return (i, j, distance)."""
    bits = np.bitwise_count(a[:, None] ^ b[None]).sum(axis=2, dtype=np.int64)
    i, j = np.nonzero(bits <= max_bits)
    return set(zip(i.tolist(), j.tolist(), bits[i, j].tolist(), strict=True))


def rows(chunks: Iterable[Pairs]) -> list[tuple[int, int, int]]:
    found = collected(chunks)
    columns = (found.first.tolist(), found.second.tolist(), found.bits.tolist())
    return list(zip(*columns, strict=True))


def album(seed: int, size: int, words: int, centres: int, spread: int) -> NDArray[np.uint64]:
    """Draw codes: half anywhere, half up to `spread` flipped bits from few centres, some twice."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 2**64, (size, words), dtype=np.uint64)
    at = rng.integers(0, centres, size // 2)
    rank = rng.random((size // 2, 64 * words)).argsort(axis=1)  # of each bit
    flipped = rank < rng.integers(0, spread + 1, size // 2)[:, None]
    near = np.packbits(flipped, axis=1).view(np.uint64)
    codes[: size // 2] = codes[size // 2 + at % (size - size // 2)] ^ near
    again = rng.integers(0, size, size // 5)
    codes[rng.integers(0, size, size // 5)] = codes[again]
    return codes


@st.composite
def albums(draw: st.DrawFn, words: int) -> NDArray[np.uint64]:
    return album(
        draw(st.integers(0, 2**32)),
        draw(st.integers(2, 400)),
        words,
        centres=draw(st.integers(1, 40)),
        spread=draw(st.integers(0, 20 * words)),
    )


@WORDS
@settings(max_examples=60, deadline=None)
@given(data=st.data(), max_bits=st.integers(0, 16))
def test_every_cut_finds_the_pairs_that_brute_force_finds(
    words: int, data: st.DataObject, max_bits: int
) -> None:
    """With the cut that the cost model would choose for these few codes, and with any other."""
    codes = distinct(data.draw(albums(words)))
    expected = sorted(
        row for row in compared(codes.codes, codes.codes, max_bits) if row[0] < row[1]
    )
    assert rows(pairs_within(codes, max_bits)) == expected

    fewest = -(-64 * words // pigeonhole.MAX_KEY_BITS)
    count = data.draw(st.integers(fewest, 16 * words), label="parts")
    with pytest.MonkeyPatch.context() as patch:
        parts = pigeonhole.cut(64 * words, max_bits, count)
        patch.setattr(index, "parts_for", lambda *_: parts)
        assert rows(pairs_within(codes, max_bits)) == expected


@pytest.mark.parametrize("all_with_all", [True, False])
@pytest.mark.parametrize(("words", "max_bits"), [(1, 10), (1, 16), (4, 10), (4, 16), (4, 31)])
def test_many_codes_in_many_tasks_and_large_buckets(
    words: int, max_bits: int, all_with_all: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large enough for several tasks, runs and steps of the compiled loop."""
    codes = distinct(album(max_bits, 6000, words, centres=3, spread=24))
    one = (pigeonhole.Part(0, 0, max_bits),)
    parts = one if all_with_all else pigeonhole.cut(64 * words, max_bits, 5 if words == 1 else 17)
    monkeypatch.setattr(index, "parts_for", lambda *_: parts)
    expected: list[tuple[int, int, int]] = []
    for start in range(0, len(codes.codes), 500):
        block = compared(codes.codes[start : start + 500], codes.codes, max_bits)
        expected += [(i + start, j, d) for i, j, d in block if i + start < j]
    assert len(expected) > index.STEP_PAIRS
    assert rows(pairs_within(codes, max_bits)) == sorted(expected)


@WORDS
@settings(max_examples=40, deadline=None)
@given(data=st.data(), max_bits=st.integers(0, 16), share=st.floats(0, 1))
def test_new_codes_added_to_old_ones_give_what_all_at_once_give(
    words: int, data: st.DataObject, max_bits: int, share: float
) -> None:
    images = data.draw(albums(words))
    cut = int(share * len(images))
    whole, old, new = distinct(images), distinct(images[:cut]), distinct(images[cut:])

    def images_of(first: NDArray[np.int64], second: NDArray[np.int64]) -> set[tuple[int, int]]:
        return {(min(i, j), max(i, j)) for i in first.tolist() for j in second.tolist() if i != j}

    expected = set()
    for i, j, _ in rows(pairs_within(whole, max_bits)):
        expected |= images_of(whole.members_of(i), whole.members_of(j))
    for code in range(len(whole.codes)):
        expected |= images_of(whole.members_of(code), whole.members_of(code))

    pairs = set()
    for part, shift in ((old, 0), (new, cut)):
        for i, j, _ in rows(pairs_within(part, max_bits)):
            pairs |= images_of(part.members_of(i) + shift, part.members_of(j) + shift)
        for code in range(len(part.codes)):
            pairs |= images_of(part.members_of(code) + shift, part.members_of(code) + shift)
    for i, j, _ in rows(Index(old, max_bits).within(new)):
        pairs |= images_of(new.members_of(i) + cut, old.members_of(j))
    assert pairs == expected


@WORDS
@settings(max_examples=40, deadline=None)
@given(data=st.data(), max_bits=st.integers(0, 16))
def test_an_index_can_be_asked_again_and_finds_equal_codes(
    words: int, data: st.DataObject, max_bits: int
) -> None:
    old, new = distinct(data.draw(albums(words))), distinct(data.draw(albums(words)))
    known = Index(old, max_bits)
    for _ in range(2):  # the second time from the tables that were kept
        assert set(rows(known.within(new))) == compared(new.codes, old.codes, max_bits)
    assert [row for row in rows(known.within(old)) if row[2] == 0] == [
        (code, code, 0) for code in range(len(old.codes))
    ]


@settings(max_examples=40, deadline=None)
@given(codes=albums(4))
def test_distinct_keeps_every_image_with_its_code(codes: NDArray[np.uint64]) -> None:
    found = distinct(codes)
    assert np.array_equal(found.codes[found.number], codes)
    assert len(np.unique(found.codes, axis=0)) == len(found.codes)
    assert [tuple(code) for code in found.codes.tolist()] == sorted(
        tuple(code) for code in found.codes.tolist()
    )
    for code in range(len(found.codes)):
        assert found.members_of(code).tolist() == np.flatnonzero(found.number == code).tolist()


def test_the_order_of_images_changes_neither_codes_nor_chunks() -> None:
    images = album(5, 4000, 1, centres=2, spread=14)
    shuffled = np.random.default_rng(1).permutation(images)
    there, here = (
        list(pairs_within(distinct(shuffled), 14)),
        list(pairs_within(distinct(images), 14)),
    )
    assert len(here) > 1  # more pairs than a chunk holds
    assert len(here) == len(there)
    for chunk, other in zip(here, there, strict=True):
        assert np.array_equal(chunk.first, other.first)
        assert np.array_equal(chunk.second, other.second)
        assert np.array_equal(chunk.bits, other.bits)
        assert (np.diff(chunk.first * len(images) + chunk.second) > 0).all()


def test_equal_images_are_one_code_and_no_pairs() -> None:
    images = np.full(200_000, 0x0123_4567_89AB_CDEF, dtype=np.uint64)
    codes = distinct(images)
    assert len(codes.codes) == 1
    assert len(codes.members_of(0)) == 200_000
    assert list(pairs_within(codes, 10)) == []


def test_a_search_that_is_given_up_ends(recwarn: pytest.WarningsRecorder) -> None:
    chunks = pairs_within(distinct(album(5, 4000, 1, centres=2, spread=14)), 14)
    assert len(next(chunks)) >= index.CHUNK_PAIRS
    chunks.close()  # type: ignore[attr-defined]
    assert next(chunks, None) is None
    assert not recwarn.list


@pytest.mark.parametrize("words", [1, 4])
def test_no_codes_and_one_code(words: int) -> None:
    none = distinct(np.zeros((0, words), dtype=np.uint64))
    one = distinct(np.zeros((1, words), dtype=np.uint64))
    assert rows(pairs_within(none, 10)) == rows(pairs_within(one, 10)) == []
    assert rows(Index(one, 10).within(none)) == rows(Index(none, 10).within(one)) == []
    assert rows(Index(one, 10).within(one)) == [(0, 0, 0)]


def test_radii_from_nothing_to_everything() -> None:
    codes = distinct(album(3, 60, 1, centres=4, spread=30))
    for max_bits in range(65):
        expected = {row for row in compared(codes.codes, codes.codes, max_bits) if row[0] < row[1]}
        assert set(rows(pairs_within(codes, max_bits))) == expected
    for max_bits in (-1, 65):
        with pytest.raises(UsageError, match="codes of 64 bits allow 0 to 64"):
            Index(codes, max_bits)


@pytest.mark.parametrize("code_bits", [64, 256])
@pytest.mark.parametrize("codes", [100, 20_000, 1_000_000])
def test_radii_of_parts_add_up_as_the_pigeonhole_principle_asks(code_bits: int, codes: int) -> None:
    for max_bits in (0, 1, 4, 10, 16, 31):
        parts = pigeonhole.parts_for(codes, code_bits, max_bits)
        assert sum(part.radius + 1 for part in parts) == max_bits + 1
        if len(parts) > 1:
            ends = [part.low + part.width for part in parts]
            assert [part.low for part in parts] == [0, *ends[:-1]]
            assert ends[-1] == code_bits
