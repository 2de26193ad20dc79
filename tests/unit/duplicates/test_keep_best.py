"""Which copy is kept: each step of the order, and the reason that is written beside it."""

import itertools
from dataclasses import replace

import pytest

from footwork.copies import Facts, Pair
from footwork.duplicates.keep import copies_to_set_aside, order_of_keeping

PLAIN = Facts(image="b" * 64, width=640, height=480, size=50_000)


def kept_over(better: Facts, worse: Facts) -> str:
    """Return the reason for which `better` is kept, whatever their hashes are."""
    reasons = set()
    for x, y in (("a" * 64, "c" * 64), ("c" * 64, "a" * 64)):
        one, other = replace(better, image=x), replace(worse, image=y)
        first, second = sorted((x, y))
        (copy,) = copies_to_set_aside([Pair(first, second, 4, None, ("hash",))], {x: one, y: other})
        assert (copy.best, copy.image) == (x, y)
        reasons.add(copy.why)
    (reason,) = reasons
    return reason


def test_each_step_outranks_all_that_follow() -> None:
    big = replace(PLAIN, width=6400, sharpness=9e3, size=10**7, origin=("author", "licence"))
    assert kept_over(PLAIN, replace(big, decided=True, set_aside=True)) == (
        "the other is set aside already"
    )
    assert kept_over(replace(PLAIN, decided=True, overlays=("collage",)), big) == (
        "a person decided its label"
    )
    assert kept_over(PLAIN, replace(big, overlays=("large_text",))) == (
        "no overlay(s), the other has large_text"
    )
    assert kept_over(replace(PLAIN, width=641), replace(big, width=640)) == (
        "641x480 has more pixels than 640x480"
    )
    assert kept_over(replace(PLAIN, sharpness=90.0), replace(big, width=640, sharpness=50.0)) == (
        "as many pixels, sharper: 90 against 50"
    )
    assert kept_over(PLAIN, replace(PLAIN, size=49_000, origin=("author",))) == (
        "as many pixels in 50,000 bytes instead of 49,000"
    )
    assert kept_over(replace(PLAIN, origin=("author", "licence")), replace(PLAIN, origin=())) == (
        "as good a picture, with known author, licence; of the other nothing is known"
    )


def test_the_hash_decides_last_and_only_then() -> None:
    a, b = replace(PLAIN, image="a" * 64), PLAIN
    (copy,) = copies_to_set_aside(
        [Pair(a.image, b.image, 0, None, ("hash",))], {a.image: a, b.image: b}
    )
    assert (copy.best, copy.image) == (b.image, a.image)
    assert copy.why == "as good in every respect; the higher SHA-256 is kept"


def test_a_little_more_sharpness_is_noise() -> None:
    """JPEG's ringing makes a worse copy measure a few per cent sharper."""
    a, b = replace(PLAIN, sharpness=100.0), replace(PLAIN, sharpness=107.0, size=20_000)
    assert "bytes" in kept_over(a, b)
    steps = [replace(PLAIN, sharpness=float(s)).sharpness_step for s in range(1, 3000)]
    assert steps == sorted(steps)


def test_a_chain_is_not_a_group() -> None:
    """0 is near 1 and 1 is near 2, but 2 shows something else than 0."""
    facts = {
        name: replace(PLAIN, image=name, width=width)
        for name, width in (("0", 900), ("1", 800), ("2", 700))
    }
    pairs = [Pair("0", "1", 5, None, ("hash",)), Pair("1", "2", 5, None, ("hash",))]
    assert [(c.image, c.best) for c in copies_to_set_aside(pairs, facts)] == [("1", "0")]


@pytest.mark.parametrize("evidence", [("hash (mirrored)",), ("hash (trimmed)",)])
def test_only_plain_codes_are_equal_for_others_too(evidence: tuple[str, ...]) -> None:
    """A is B mirrored and B is C mirrored: nothing says of A and C that one is the other's."""
    facts = {n: replace(PLAIN, image=n, width=w) for n, w in (("a", 9), ("b", 8), ("c", 7))}
    pairs = [Pair("a", "b", 0, None, evidence), Pair("b", "c", 0, None, evidence)]
    assert [(c.image, c.best) for c in copies_to_set_aside(pairs, facts)] == [("b", "a")]


def test_fifty_thousand_equal_images_are_grouped_at_once() -> None:
    names = [f"{i:064x}" for i in range(50_000)]
    facts = {n: replace(PLAIN, image=n, width=1 + i % 100) for i, n in enumerate(names)}
    pairs = [Pair(a, b, 0, None, ("hash",)) for a, b in itertools.pairwise(names)]
    copies = copies_to_set_aside(pairs, facts)
    assert len(copies) == len(names) - 1
    assert {c.best for c in copies} == {max(names, key=lambda n: order_of_keeping(facts[n]))}
