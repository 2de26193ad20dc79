"""Corrected p-values and tiers: against their definitions, and against luck."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from footwork.evaluate.tiers import exact_mcnemar, holm, p_of_difference, pair_table, tiers
from footwork.records import Estimate

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def estimate(value: float, half: float) -> Estimate:
    return Estimate(value=value, low=max(value - half, -1), high=min(value + half, 1))


def test_p_follows_from_the_interval() -> None:
    assert p_of_difference(estimate(0.1, 0.1)) == pytest.approx(0.05, abs=1e-6)
    assert p_of_difference(estimate(0.2, 0.1)) == pytest.approx(2 * norm.sf(2 * 1.959964))
    assert p_of_difference(estimate(0.0, 0.1)) == 1
    assert p_of_difference(estimate(0.9, 0.3)) == pytest.approx(2 * norm.sf(3 * 1.959964))


def test_an_interval_that_says_nothing_has_no_p() -> None:
    assert p_of_difference(Estimate(value=0.5, low=-1, high=1)) == 1
    assert p_of_difference(Estimate(value=0.0, low=0, high=0)) == 1


def test_holm_on_its_textbook_example() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])).tolist() == pytest.approx(
        [0.03, 0.06, 0.06, 0.02]
    )


@given(P_VALUES)
def test_holm_only_raises_and_keeps_the_order(p: list[float]) -> None:
    raw = np.array(p)
    corrected = holm(raw)

    assert (corrected >= raw).all()
    assert (corrected <= np.minimum(len(raw) * raw, 1) + 1e-12).all()  # never above Bonferroni
    order = np.argsort(raw)
    assert (np.diff(corrected[order]) >= 0).all()


def test_tiers_take_away_what_is_not_worse_than_the_best() -> None:
    corrected = pair_table(
        # (0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)
        np.array([0.2, 0.04, 0.001, 0.001, 0.001, 0.3]),
        4,
    )

    assert tiers(corrected) == (1, 1, 2, 2)
    assert tiers(np.ones((1, 1))) == (1,)


def test_an_uncertain_entry_may_pass_a_better_one() -> None:
    assert tiers(pair_table(np.array([0.01, 0.5, 0.5]), 3)) == (1, 2, 1)


@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_every_entry_has_a_tier_and_none_is_skipped(m: int, seed: int) -> None:
    p = np.random.default_rng(seed).random(m * (m - 1) // 2) ** 4
    found = tiers(pair_table(p, m))

    assert found[:1] == (1,)
    assert set(found) == set(range(1, max(found) + 1))
    firsts = [found.index(number) for number in range(1, max(found) + 1)]
    assert firsts == sorted(firsts)


def test_equal_entries_are_rarely_torn_apart() -> None:
    """Ten equal scores with independent errors, 2,000 boards: counting only the nine pairs with
    the best, whoever that turns out to be, tears 13 % apart; counting all pairs at most 5 %.
    """
    rng, m = np.random.default_rng(1), 10
    pairs = list(combinations(range(m), 2))
    with_best, with_all = 0, 0
    for _ in range(2000):
        score = np.sort(rng.normal(size=m))[::-1]
        p = np.array([2 * norm.sf((score[a] - score[b]) / np.sqrt(2)) for a, b in pairs])
        with_all += max(tiers(pair_table(holm(p), m))) > 1
        with_best += holm(p[: m - 1]).min() < 0.05

    assert with_all / 2000 <= 0.05
    assert 0.10 < with_best / 2000 < 0.17


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_counts_coin_tosses(b: int, c: int) -> None:
    n = b + c
    tails = sum(comb(n, i) for i in range(min(b, c) + 1)) / 2**n

    assert exact_mcnemar(b, c) == pytest.approx(min(1.0, 2 * tails))
    assert exact_mcnemar(b, c) == exact_mcnemar(c, b)
