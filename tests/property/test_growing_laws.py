"""Images added in batches: exactly what one search of everything finds, and nothing done twice."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from footwork.duplicates import detail, growing
from footwork.duplicates import search as search_module
from footwork.duplicates.agreements import Agreements
from footwork.duplicates.calibrate import Calibration, calibrate
from footwork.duplicates.evidence import (
    Candidates,
    Codes,
    Read,
    codes_of,
    cosine_pairs,
    hash_candidates,
)
from footwork.duplicates.growing import Before, Known, pairs_between
from footwork.duplicates.hashes import bits_between
from footwork.duplicates.index import Distinct, Index, Pairs, distinct
from footwork.duplicates.registration import Picture
from footwork.duplicates.search import Search, search
from footwork.images import encode_jpeg
from footwork.progress import Progress

seeds = st.integers(0, 2**32 - 1)


def clustered(rng: np.random.Generator, count: int, flips: int = 4) -> NDArray[np.uint64]:
    """Codes in three clusters, a few bits apart; many of them equal."""
    centres = np.random.default_rng(0).integers(0, 2**63, 3, dtype=np.uint64)
    codes = centres[rng.integers(0, 3, count)]
    for _ in range(flips):
        codes = codes ^ (np.uint64(1) << rng.integers(0, 64, count, dtype=np.uint64))
    return codes


def rows(pairs: Pairs) -> list[tuple[int, int, int]]:
    return list(zip(pairs.first.tolist(), pairs.second.tolist(), pairs.bits.tolist(), strict=True))


@settings(deadline=None, max_examples=60)
@given(seeds, st.integers(0, 60), st.integers(0, 60), st.integers(0, 16), st.booleans())
def test_pairs_of_old_and_new_codes_are_what_brute_force_finds(
    seed: int, before: int, after: int, radius: int, same: bool
) -> None:
    """Some codes come, some go, some stay."""
    rng = np.random.default_rng(seed)
    pool = np.unique(clustered(rng, 100))

    def some(count: int) -> Distinct:
        return distinct(rng.choice(pool, min(count, len(pool)), replace=False))

    def sides(count: int) -> tuple[Distinct, Distinct]:
        left = some(count)
        return left, left if same else some(count)

    old, now = sides(before), sides(after)
    ends = [side.codes[:, 0] for side in old]
    known = Known(ends[0], ends[0] if same else ends[1], pairs_between(*old, radius))

    found = pairs_between(*now, radius, known)

    left, right = now
    apart = bits_between(left.codes[:, None], right.codes[None])
    expected = [
        (a, b, int(apart[a, b]))
        for a in range(len(left.codes))
        for b in range(len(right.codes))
        if apart[a, b] <= radius and (a < b or not same)
    ]
    assert rows(found) == rows(pairs_between(*now, radius)) == expected


def same_candidates(a: Candidates, b: Candidates) -> None:
    assert np.array_equal(a.first, b.first)
    assert np.array_equal(a.second, b.second)
    assert np.array_equal(a.bits, b.bits)


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(0, 60), st.integers(0, 60), st.booleans())
def test_candidates_found_in_two_batches_are_those_of_one(
    seed: int, count: int, cut: int, mirror: bool
) -> None:
    """Trimmed codes are crowded: of large sets, not all pairs are written, but always the same."""
    rng = np.random.default_rng(seed)
    plain = rng.permutation(np.unique(clustered(rng, count)))
    n = len(plain)
    trimmed = clustered(rng, n, 1) & ~np.uint64(2**62 - 1)
    mirrors = clustered(rng, 7 * n).reshape(n, 7)
    codes = Codes(plain, trimmed, mirrors, np.full(n, 64), rng.choice([0, 64], n, p=[0.2, 0.8]))
    first = np.arange(n) < cut

    whole, facts = hash_candidates(codes, mirror=mirror)
    _found, known = hash_candidates(codes.of(first), mirror=mirror)
    grown, later = hash_candidates(codes, mirror=mirror, known=known)
    fresh, _known = hash_candidates(codes, mirror=mirror, new=~first)

    same_candidates(grown, whole)
    same_candidates(fresh, whole.of(~first[whole.first] | ~first[whole.second]))
    assert later.keys() == facts.keys()
    for name, one in later.items():
        assert rows(one.pairs) == rows(facts[name].pairs)


@settings(deadline=None, max_examples=60)
@given(seeds, st.integers(2, 50), st.integers(0, 50), st.integers(1, 4))
def test_features_propose_the_same_pairs_in_two_batches(
    seed: int, count: int, cut: int, per_look: int
) -> None:
    """A new one may be the nearest of an old one that is far from its own nearest."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 4)).astype(np.float32)
    vectors[rng.random(count) < 0.1] = np.nan
    old = rng.permutation(count) < cut
    numbers = np.flatnonzero(old)
    a, b, _cosines = cosine_pairs(vectors[old], 0.2, per_look)
    known = np.stack([numbers[a], numbers[b]], axis=1)

    grown = cosine_pairs(vectors, 0.2, per_look, ~old, known)

    whole = cosine_pairs(vectors, 0.2, per_look)
    assert [part.tolist() for part in grown] == [part.tolist() for part in whole]


def test_nothing_old_is_held_against_anything_old(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    every = np.unique(clustered(rng, 400, 6))
    new = np.arange(len(every)) % 40 == 0
    old = distinct(every[~new])
    codes = old.codes[:, 0]
    known = Known(codes, codes, pairs_between(old, old, 10))
    asked: list[tuple[int, int]] = []

    class Counted(Index):
        def pairs(self) -> Iterator[Pairs]:
            asked.append((len(self.codes), len(self.codes)))
            return super().pairs()

        def within(self, new: Distinct) -> Iterator[Pairs]:
            asked.append((len(new.codes), len(self.codes)))
            return super().within(new)

    monkeypatch.setattr(growing, "Index", Counted)
    now = distinct(every)
    pairs_between(now, now, 10, known)
    assert sorted(asked) == [(new.sum(), new.sum()), (new.sum(), (~new).sum())]


def test_known_pairs_are_read_back_and_damaged_files_are_not_believed(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    plain, other = np.unique(clustered(rng, 50)), np.unique(clustered(rng, 30))
    codes = Codes(plain, plain, np.stack([plain] * 7, axis=1), *[np.full(len(plain), 64)] * 2)
    _found, known = hash_candidates(codes, mirror=True)
    before = Before(tmp_path, 16)
    before.keep(known)
    again = Before(tmp_path, 16).known
    assert again.keys() == known.keys()
    for name, one in known.items():
        assert rows(again[name].pairs) == rows(one.pairs)
        assert np.array_equal(again[name].left, one.left)
        assert np.array_equal(again[name].right, one.right)
        assert again[name].among_themselves == one.among_themselves
    assert Before(tmp_path, 8).known == {}, "another radius"

    data = before.path.read_bytes()
    for damaged in (b"", data[: len(data) // 2], data[:300] + b"\0\1\2" + data[303:]):
        before.path.write_bytes(damaged)
        assert Before(tmp_path, 16).known == {}
    wrong = Known(other[::-1], other[::-1], known["plain"].pairs)
    before.keep({"plain": wrong})
    assert Before(tmp_path, 16).known == {}


SCENES = 30


def photo(name: str) -> bytes:
    """The photo of this name: every fourth is a crop of its neighbour, every third looks equal."""
    from PIL import Image

    number = int(name[-4:], 16)
    rng = np.random.default_rng(number - number % 2)
    small = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((128, 96), Image.Resampling.BICUBIC)
    if number % 4 == 1:
        image = image.crop((16, 10, 120, 90))
    return encode_jpeg(np.asarray(image), 128, 90)


def features_of(names: tuple[str, ...]) -> NDArray[np.float32]:
    numbers = [int(name[-4:], 16) for name in names]
    vectors = [np.random.default_rng(number // 6).normal(size=6) for number in numbers]
    noise = [np.random.default_rng(number).normal(scale=0.3, size=6) for number in numbers]
    return np.array(vectors, dtype=np.float32) + np.array(noise, dtype=np.float32)


@pytest.mark.parametrize("seed", range(4))
def test_a_project_that_grows_finds_what_one_search_finds(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashes, features and details; looks get other names when an equal picture joins them; an
    image is removed. Every pair is compared once.
    """
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(
        search_module, "seen_by_network", lambda looks, *_: (features_of(looks.names), None, ())
    )
    compared: list[frozenset[bytes]] = []  # pairs of pictures

    def counted(a: Picture, b: Picture, **_how: object) -> float:
        compared.append(frozenset((a.grey.tobytes(), b.grey.tobytes())))
        return (len(a.grey.tobytes()) * 7 + int(a.grey.sum()) + int(b.grey.sum())) % 100 / 100

    monkeypatch.setattr(detail, "agreement", counted)
    monkeypatch.setattr(cosine_pairs, "__defaults__", (0.2, 2, None, None))
    names = [f"{rng.integers(16**8):08x}{'0' * 52}{number:04x}" for number in range(SCENES)]
    plain = clustered(np.random.default_rng(5), SCENES, 9)
    plain[::7] = plain[0]  # equal looks
    trimmed = clustered(np.random.default_rng(6), SCENES, 12)
    every = Codes(plain, trimmed, np.zeros((SCENES, 7), np.uint64), *[np.full(SCENES, 64)] * 2)
    read: Read = photo

    def pairs(chosen: NDArray[np.int64], cache: Path) -> tuple[object, ...]:
        asked = Search(radius=6, growing=True)
        images = [names[i] for i in chosen]
        return search(images, every.of(chosen), read, cache, asked, Progress()).pairs

    order = rng.permutation(SCENES)
    whole = pairs(np.sort(order[1:]), tmp_path / "whole")
    assert len(whole) > 20
    assert compared
    compared.clear()
    for end in (12, 13, 22, SCENES):
        pairs(order[:end], tmp_path / "grown")
    assert pairs(order[1:], tmp_path / "grown") == whole
    compared.clear()
    monkeypatch.setattr(growing, "Index", None)
    assert pairs(order[1:], tmp_path / "grown") == whole, "no hash is searched twice"
    assert compared == [], "nothing is compared twice"


def test_what_was_measured_before_a_kill_is_not_measured_again(tmp_path: Path) -> None:
    names = [f"{i:064x}" for i in range(40)]
    questions = [
        detail.Question((a, b), turned=False, close=False) for a in names for b in names if a < b
    ][: 3 * detail.KEPT_AT_ONCE]
    stop = 2 * detail.KEPT_AT_ONCE + 5
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if done == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        detail.answers(questions, lambda _i: b"no picture", Agreements(tmp_path, "x"), advance)
    memory = Agreements(tmp_path, "x")
    assert len(memory.known) == 2 * detail.KEPT_AT_ONCE
    assert Agreements(tmp_path, "another version").known == {}
    done = -(10**6)
    found = detail.answers(questions, lambda _i: b"no picture", memory, advance)
    assert done == -(10**6) + detail.KEPT_AT_ONCE
    assert found == [0.0] * len(questions)


def test_a_damaged_memory_is_begun_anew(tmp_path: Path) -> None:
    memory = Agreements(tmp_path, "x")
    memory.keep([(("a", "b"), 0.5)])
    memory.keep_proposed([("a", "b")], ["a", "b"])
    assert Agreements(tmp_path, "x").known == {("a", "b"): 0.5}
    assert Agreements(tmp_path, "x").proposed == {("a", "b")}
    assert Agreements(tmp_path, "x").examined == {"a", "b"}
    (tmp_path / "agreements.sqlite").write_bytes(b"not a database" * 100)
    memory = Agreements(tmp_path, "x")
    assert memory.known == {}
    memory.keep([(("a", "c"), 0.25)])
    assert Agreements(tmp_path, "x").known == {("a", "c"): 0.25}


def test_pairs_beyond_a_calibrated_radius_below_the_safe_one_are_still_compared_in_detail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy a few bits away must not be lost because its hash alone no longer joins it."""
    small = np.random.default_rng(3).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    large = Image.fromarray(small).resize((240, 180), Image.Resampling.BICUBIC)
    other = np.random.default_rng(4).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    pictures = {
        "a" * 64: np.array(large),
        "b" * 64: np.array(large.rotate(2, resample=Image.Resampling.BICUBIC)),
        "c" * 64: np.array(Image.fromarray(other).resize((240, 180), Image.Resampling.BICUBIC)),
    }
    data = {name: encode_jpeg(pixels, 240, 95) for name, pixels in pictures.items()}
    codes, reasons = codes_of(sorted(data), data.__getitem__)
    assert not any(reasons)
    apart = int(codes.plain[0] ^ codes.plain[1]).bit_count()
    assert 0 < apart <= 8, "the case that this is about"
    real = calibrate

    def strict(*words: object, **named: object) -> Calibration:
        made: Calibration = real(*words, **named)  # type: ignore[arg-type]
        return made.model_copy(update={"radius": 0})

    monkeypatch.setattr(search_module, "calibrate", strict)
    found = search(
        sorted(data), codes, data.__getitem__, tmp_path, Search(features=False), Progress()
    )
    assert [(pair.first[0], pair.second[0]) for pair in found.pairs] == [("a", "b")]
    assert found.pairs[0].evidence == ("detail",)
