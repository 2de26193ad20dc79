"""Logistic regression on several subsets at once: scikit-learn's, each as if it were alone."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import softmax

from footwork.models import logistic
from footwork.models.logistic import along

pytestmark = pytest.mark.filterwarnings("error")  # a fit that does not converge warns


def rows_and_classes(
    n: int, d: int, k: int, seed: int, signal: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(k), rng.integers(0, k, n - k)]).astype(np.int64)
    return rng.normal(size=(n, d)) + signal * rng.normal(size=(k, d))[y], y


def cut(n: int, y: NDArray[np.int64], parts: int, seed: int) -> list[NDArray[np.int64]]:
    """Subsets that leave a part out each; one photo of each class is in all of them."""
    fold = np.random.default_rng(seed).integers(0, parts, n)
    fold[[int(np.flatnonzero(y == c)[0]) for c in np.unique(y)]] = -1
    return [np.flatnonzero(fold != part) for part in range(parts)]


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(12, 60),
    d=st.integers(1, 80),
    k=st.integers(2, 5),
    signal=st.sampled_from([0.0, 0.5, 4.0]),
    seed=st.integers(0, 10_000),
)
def test_every_subset_and_strength_is_sklearns(
    n: int, d: int, k: int, signal: float, seed: int
) -> None:
    """Also where classes are separated, so that weak penalties leave large weights."""
    from sklearn.linear_model import LogisticRegression

    rows, y = rows_and_classes(n, d, k, seed, signal)
    subsets, strengths = cut(n, y, 3, seed), [1e-4, 1e-2, 1.0]
    found = list(along(rows, y, k, subsets, strengths, 1e-12))
    for (weights, biases), strength in zip(found, strengths, strict=True):
        assert weights.shape == (3, d, k)
        assert biases.shape == (3, k)
        for inside, w, b in zip(subsets, weights, biases, strict=True):
            with warnings.catch_warnings():  # the reference at its last digits
                warnings.simplefilter("ignore")
                plain = LogisticRegression(
                    C=strength, class_weight="balanced", solver="newton-cg", tol=1e-10,
                    max_iter=10_000,
                ).fit(rows[inside], y[inside])  # fmt: skip
            assert np.abs(softmax(rows @ w + b, axis=1) - plain.predict_proba(rows)).max() < 1e-5


def test_subsets_side_by_side_are_as_if_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many go through one product, and whatever stands in rows outside a subset."""
    rows, y = rows_and_classes(50, 30, 3, seed=1)
    subsets, strengths = cut(50, y, 4, seed=1), [1e-3, 1e-1]
    together = list(along(rows, y, 3, subsets, strengths, 1e-13))
    monkeypatch.setattr(logistic, "AT_ONCE", 2 * 50 * 3)
    in_pairs = list(along(rows, y, 3, subsets, strengths, 1e-13))
    for i, (weights, biases) in enumerate(together):
        assert np.allclose(weights, in_pairs[i][0], atol=1e-6)
        for j, inside in enumerate(subsets):
            alone = list(
                along(rows[inside], y[inside], 3, [np.arange(len(inside))], strengths, 1e-13)
            )
            assert np.allclose(weights[j], alone[i][0][0], atol=1e-6)
            assert np.allclose(biases[j], alone[i][1][0], atol=1e-6)


def test_it_ends_whatever_is_asked() -> None:
    """No tolerance at all, separated classes, hardly a penalty, equal and constant rows."""
    rows, y = rows_and_classes(30, 40, 3, seed=2, signal=8.0)
    everything = [np.arange(30)]
    for table in (rows, np.zeros((30, 2)), np.ones((30, 1)), np.repeat(rows[:, :1], 5, axis=1)):
        for weights, biases in along(table, y, 3, everything, [1e-6, 1e6], 0.0):
            assert np.isfinite(weights).all()
            assert np.isfinite(biases).all()
            assert np.allclose(biases.sum(axis=1), 0, atol=1e-6)
    ((weights, biases),) = along(rows, y, 3, everything, [1e6], 0.0)
    assert ((rows @ weights[0] + biases[0]).argmax(axis=1) == y).all()


def test_nothing_to_learn_is_even_odds() -> None:
    """Classes weigh the same, however many rows they have."""
    y = np.array([0] * 20 + [1] * 3 + [2])
    ((weights, biases),) = along(np.zeros((24, 4)), y, 3, [np.arange(24)], [1.0], 1e-12)
    assert np.allclose(softmax(biases[0]), 1 / 3, atol=1e-6)
    assert np.allclose(weights, 0)
