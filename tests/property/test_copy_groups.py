"""Laws of grouping near-copies: no chaining, no order, nobody in two groups."""

from hypothesis import given
from hypothesis import strategies as st

from footwork.duplicates.groups import star_groups


@st.composite
def near_pairs(draw: st.DrawFn) -> tuple[int, list[tuple[int, int, int]]]:
    n = draw(st.integers(2, 12))
    every = [(a, b) for a in range(n) for b in range(a + 1, n)]
    chosen = draw(st.lists(st.sampled_from(every), unique=True))
    return n, [(a, b, draw(st.integers(0, 8))) for a, b in chosen]


@given(near_pairs(), st.randoms(use_true_random=False))
def test_laws(case: tuple[int, list[tuple[int, int, int]]], random: object) -> None:
    n, pairs = case
    order = list(range(n))
    groups = star_groups(order, pairs)

    near = {frozenset(p[:2]): p[2] for p in pairs}
    listed = [m for best, members in groups for m in [best, *(m for m, _ in members)]]
    assert len(listed) == len(set(listed)), "nobody is in two groups"
    for best, members in groups:
        assert members
        for member, bits in members:
            assert near[frozenset((best, member))] == bits, "every member is near the best"
            assert best < member, "the best comes first in the order"
    alone = set(range(n)) - set(listed)
    for a in alone:
        for b in alone:
            assert frozenset((a, b)) not in near, "two that are near are not both left alone"

    shuffled = pairs[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert star_groups(order, [(b, a, bits) for a, b, bits in shuffled]) == groups


def test_a_chain_is_not_a_group() -> None:
    """0 is near 1 and 1 is near 2, but 2 shows something else than 0."""
    assert star_groups([0, 1, 2], [(0, 1, 5), (1, 2, 5)]) == [(0, [(1, 5)])]
