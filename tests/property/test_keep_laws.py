"""Laws of grouping copies: no chaining, no order, nobody twice, taken apart stays apart."""

import itertools
import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from footwork.copies import Facts, Pair
from footwork.duplicates.keep import HASH, copies_to_set_aside, order_of_keeping

Case = tuple[list[Pair], dict[str, Facts]]


def pair(a: str, b: str, bits: int | None, cosine: float | None = None) -> Pair:
    first, second = sorted((a, b))
    evidence = (() if bits is None else (HASH,)) + (() if cosine is None else ("features",))
    return Pair(first, second, bits, cosine, evidence)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Images in sets of equal codes, some codes near each other, some images alike otherwise."""
    names = [f"{i:02}" for i in range(draw(st.integers(2, 12)))]
    code = {name: draw(st.integers(0, 5)) for name in names}
    facts = {
        name: Facts(
            image=name,
            width=draw(st.integers(1, 3)),
            height=1,
            size=draw(st.integers(1, 2)),
            decided=draw(st.booleans()),
        )
        for name in names
    }
    pairs = {}
    members: dict[int, list[str]] = {}
    for name in names:
        members.setdefault(code[name], []).append(name)
    for some in members.values():
        for a, b in itertools.pairwise(some):
            pairs[a, b] = pair(a, b, 0)
    for x, y in itertools.combinations(sorted(members), 2):
        if draw(st.booleans()):
            one = pair(draw(st.sampled_from(members[x])), draw(st.sampled_from(members[y])), 3)
            pairs[one.first, one.second] = one
    for a in names:
        for b in names:
            if a < b and (a, b) not in pairs and draw(st.integers(0, 5)) == 0:
                pairs[a, b] = pair(a, b, None, 0.97)
    return list(pairs.values()), facts


def near(pairs: list[Pair], facts: dict[str, Facts]) -> set[frozenset[str]]:
    """Every pair of images that match, spelled out by brute force."""
    code = {name: name for name in facts}
    for _ in facts:
        for p in pairs:
            if p.bits == 0:
                code[p.first] = code[p.second] = min(code[p.first], code[p.second])
    by_code = {frozenset((code[p.first], code[p.second])) for p in pairs if p.bits is not None}
    alike = {frozenset((p.first, p.second)) for p in pairs}
    for a in facts:
        for b in facts:
            if a < b and (code[a] == code[b] or frozenset((code[a], code[b])) in by_code):
                alike.add(frozenset((a, b)))
    return alike


@given(cases(), st.randoms(use_true_random=False))
def test_laws(case: Case, rng: random.Random) -> None:
    pairs, facts = case
    copies = copies_to_set_aside(pairs, facts)
    alike = near(pairs, facts)

    assert len({c.image for c in copies}) == len(copies), "nobody is set aside twice"
    assert not {c.image for c in copies} & {c.best for c in copies}, "what is kept is no copy"
    for c in copies:
        assert frozenset((c.image, c.best)) in alike, "every copy matches the kept photo itself"
        assert order_of_keeping(facts[c.best]) > order_of_keeping(facts[c.image])
    left = facts.keys() - {c.image for c in copies}
    for a in left - {c.best for c in copies}:
        for b in left - {c.best for c in copies}:
            assert frozenset((a, b)) not in alike, "two that match are not both left alone"

    shuffled = pairs[:]
    rng.shuffle(shuffled)
    again = dict(sorted(facts.items(), key=lambda _: rng.random()))
    assert copies_to_set_aside(shuffled, again) == copies


@given(cases(), st.randoms(use_true_random=False))
def test_what_was_taken_apart_stays_apart(case: Case, rng: random.Random) -> None:
    pairs, facts = case
    apart = [frozenset(rng.sample(sorted(facts), min(3, len(facts)))) for _ in range(2)]
    copies = copies_to_set_aside(pairs, facts, apart)
    group = {c.image: c.best for c in copies} | {c.best: c.best for c in copies}
    for images in apart:
        together = [group[image] for image in images if image in group]
        assert len(set(together)) == len(together)


@given(cases())
def test_fewer_pairs_of_equal_codes_say_as_much(case: Case) -> None:
    """A chain over a set of equal codes gives the groups that all of its pairs give."""
    pairs, facts = case
    alike = near([p for p in pairs if p.bits == 0], facts)
    known = {frozenset((p.first, p.second)) for p in pairs}
    every = pairs + [pair(min(both), max(both), 0) for both in alike - known]
    assert [replace(c, evidence=()) for c in copies_to_set_aside(every, facts)] == [
        replace(c, evidence=()) for c in copies_to_set_aside(pairs, facts)
    ]
