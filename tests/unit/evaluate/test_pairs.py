"""Comparisons of two entries against their references: statsmodels, SciPy, and by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm, ttest_rel
from scipy.stats import t as student
from sklearn.metrics import log_loss
from statsmodels.stats.contingency_tables import mcnemar  # type: ignore[import-untyped]

from answer_tables import answer_table, noisy
from footwork.evaluate.intervals import GroupBootstrap, Kind
from footwork.evaluate.pairs import compared_pairs, tiers_of
from footwork.predictions import Predictions
from footwork.records import PairScores

LABEL = np.repeat([0, 1, 2], [25, 25, 17])


def pairs_of(table: Predictions, entries: str, kind: Kind = "recipe") -> tuple[PairScores, ...]:
    return compared_pairs(GroupBootstrap(table, kind=kind, seed=1), list(entries))


@pytest.mark.parametrize("seed", range(4))
def test_mcnemar_is_statsmodels(seed: int) -> None:
    a, b = noisy(LABEL, 0.7, repeats=1, seed=seed), noisy(LABEL, 0.4, repeats=1, seed=seed + 9)
    (pair,) = pairs_of(answer_table(LABEL, {"a": a, "b": b}, folds=1), "ab", "model")
    right = [(a == LABEL).ravel(), (b == LABEL).ravel()]
    table = [[int((right[0] == i)[right[1] == j].sum()) for j in (True, False)]
             for i in (True, False)]  # fmt: skip

    assert pair.mcnemar == pytest.approx(mcnemar(table, exact=True).pvalue, rel=1e-12)
    assert pair.accuracy_p is None  # there are no folds


def test_mcnemar_only_where_answers_are_independent() -> None:
    answers = {"a": noisy(LABEL, 0.7, repeats=1), "b": noisy(LABEL, 0.4, repeats=1, seed=1)}
    once = answer_table(LABEL, answers)
    copies = answer_table(LABEL, answers, group=[i // 2 for i in range(67)])

    assert pairs_of(once, "ab", "model")[0].mcnemar is not None
    assert pairs_of(once, "ab", "recipe")[0].mcnemar is None  # folds share training photos
    assert pairs_of(copies, "ab", "model")[0].mcnemar is None


def test_nadeau_bengio_is_a_paired_t_test_with_more_variance() -> None:
    """t shrinks by sqrt(1 + J test / train): J folds in all, one fourth of the photos tested."""
    answers = {"a": noisy(LABEL, 0.6), "b": noisy(LABEL, 0.5, seed=1)}
    table = answer_table(LABEL, answers)
    (pair,) = pairs_of(table, "ab")
    fold = np.arange(67) % 5
    means = [
        np.array([(one[r] == LABEL)[fold == f].mean() for r in range(5) for f in range(5)])
        for one in answers.values()
    ]
    plain = ttest_rel(*means)
    t = plain.statistic / np.sqrt(1 + 25 / 4)

    assert pair.accuracy_p == pytest.approx(2 * student.sf(abs(t), 24))
    assert pair.accuracy_p > plain.pvalue


def test_log_loss_per_fold_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    table = answer_table(LABEL, {"a": noisy(LABEL, 0.6), "b": noisy(LABEL, 0.5, seed=1)})
    proba = rng.dirichlet([1, 1, 1], size=len(table))
    (pair,) = pairs_of(replace(table, proba=proba), "ab")
    grid, fold = proba.reshape(2, 5, 67, 3), np.arange(67) % 5
    losses = [
        np.array([log_loss(LABEL[fold == f], grid[i, r][fold == f], labels=[0, 1, 2])
                  for r in range(5) for f in range(5)])
        for i in range(2)
    ]  # fmt: skip
    t = ttest_rel(*losses).statistic / np.sqrt(1 + 25 / 4)

    assert pair.log_loss_p == pytest.approx(2 * student.sf(abs(t), 24))


def test_a_missing_answer_leaves_no_test_of_log_loss() -> None:
    answers = {"a": noisy(LABEL, 0.6), "b": noisy(LABEL, 0.5, seed=1)}
    answers["a"][0, 0] = -1
    (pair,) = pairs_of(answer_table(LABEL, answers), "ab")

    assert pair.log_loss_p is None
    assert pair.accuracy_p is not None  # no answer is a wrong answer


def test_other_folds_are_no_pairs_of_folds() -> None:
    table = answer_table(LABEL, {"a": noisy(LABEL, 0.6), "b": noisy(LABEL, 0.5, seed=1)})
    other = replace(
        table, fold=np.where(table.entry == 1, (table.fold + table.photo) % 5, table.fold)
    )

    assert pairs_of(other, "ab")[0].accuracy_p is None


def test_equal_answers_are_one_tier_and_p_is_one() -> None:
    answers = {name: noisy(LABEL, 0.5) for name in "abc"}
    pairs = pairs_of(answer_table(LABEL, answers), "abc")

    assert [(pair.p, pair.accuracy_p) for pair in pairs] == [(1, 1)] * 3
    assert tiers_of(pairs, list("abc")) == {"a": 1, "b": 1, "c": 1}


def test_p_is_of_students_t() -> None:
    """Eight groups leave five degrees of freedom: the normal p would be too small."""
    label = np.tile([0, 1, 2], 8)
    group = [i // 3 for i in range(24)]
    answers = {"a": noisy(label, 0.9, repeats=1), "b": noisy(label, 0.3, repeats=1, seed=1)}
    made = GroupBootstrap(answer_table(label, answers, group=group), kind="model", seed=1)
    (pair,) = compared_pairs(made, ["a", "b"])
    reach = pair.difference.high - pair.difference.value

    t = pair.difference.value / (reach / student.ppf(0.975, 5))
    assert made.reach().freedom == 5
    assert pair.p_alone == pytest.approx(2 * student.sf(t, 5))
    assert pair.p_alone > 2 * norm.sf(t)
