"""The head of the recipe `strong`: which linear head, and how sure of itself, inner folds choose.

From the simplest to the most flexible: class means (prototypes), discriminant analysis with the
shrunk covariance of Ledoit and Wolf (2004, doi:10.1016/S0047-259X(03)00096-4), logistic
regression as in `probe`, a linear support vector machine. The simplest that inner folds cannot
tell from the best is taken, and one temperature for its answers; both on training photos alone.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from footwork.folds import Fold
from footwork.machine import one_thread
from footwork.models.head import (
    DEFAULT_VARIANCE,
    Probe,
    choose_strength,
    fit_linear,
    inner_cut,
    smallest_untold,
    standardised,
    surprise,
)

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Linear = tuple[Floats, Floats]  # (d, k) weights and (k,) biases of log odds
Head = Callable[[Floats, Labels, int], Linear]
TEMPERATURES = tuple(float(2.0**i) for i in range(-3, 4))  # of scores whose spread is 1


def prototypes(rows: Floats, y: Labels, k: int) -> Linear:
    """The nearest class mean."""
    means = np.stack([rows[y == c].mean(axis=0) for c in range(k)])
    return means.T.copy(), -(means**2).sum(axis=1) / 2


def discriminant(rows: Floats, y: Labels, k: int) -> Linear:
    """Linear discriminant analysis with equal priors; the covariance is within classes."""
    from scipy.linalg import cho_factor, cho_solve
    from sklearn.covariance import ledoit_wolf

    means = np.stack([rows[y == c].mean(axis=0) for c in range(k)])
    covariance, _ = ledoit_wolf(rows - means[y], assume_centered=True)
    floor = 1e-9 * np.trace(covariance) / len(covariance) + np.finfo(float).tiny
    weights = cho_solve(cho_factor(covariance + floor * np.eye(len(covariance))), means.T)
    return weights, -(means * weights.T).sum(axis=1) / 2


def margins(rows: Floats, y: Labels, k: int) -> Linear:
    """A linear support vector machine per class against the others, classes balanced."""
    from sklearn.svm import LinearSVC

    length = max(float((rows**2).sum()) / len(rows), 1.0)
    model = LinearSVC(
        C=DEFAULT_VARIANCE / length, class_weight="balanced", dual=True, random_state=0,
        max_iter=5000, tol=1e-3,
    )  # fmt: skip
    weights, bias = np.empty((rows.shape[1], k)), np.empty(k)
    for c in range(k):
        model.fit(rows, y == c)
        weights[:, c], bias[c] = model.coef_[0], model.intercept_[0]
    return weights, bias


def fit_strong(
    X: NDArray[np.floating],  # noqa: N803
    y: Labels,
    group: Labels,
    k: int,
    *,
    seed: int,
    blocks: Sequence[int] = (),
    inner_folds: int = 5,
) -> Probe:
    """Fit the head on all rows given. Arguments, errors and result as in `head.fit_probe`."""
    with one_thread():
        mean, scale, rows, basis = standardised(X, y, k, blocks)
        strength, inside = choose_strength(rows, y, group, k, seed=seed, inner_folds=inner_folds)
        linear: Head = partial(fit_linear, strength=strength)
        heads: tuple[Head, ...] = (prototypes, discriminant, linear, margins)
        chosen, factor = 2, 1.0  # without inner folds: logistic regression as it is
        if inside is not None:
            folds = inner_cut(y, group, k, seed=seed, most=inner_folds)
            scores = [
                inside if i == 2 else out_of_inner(head, rows, y, k, folds)
                for i, head in enumerate(heads)
            ]
            chosen, factor = choice(scores, y, group)
        weights, bias = heads[chosen](rows, y, k)
        if basis is not None:
            weights = basis @ weights
    return Probe(mean, scale, factor * weights, factor * bias, strength)


def out_of_inner(
    head: Head,
    rows: Floats,
    y: Labels,
    k: int,
    folds: Sequence[Fold],
) -> Floats:
    scores = np.empty((len(y), k))
    for fold in folds:
        weights, bias = head(rows[fold.train], y[fold.train], k)
        scores[fold.test] = rows[fold.test] @ weights + bias
    return scores


def choice(of_heads: Sequence[Floats], y: Labels, group: Labels) -> tuple[int, float]:
    """Return which head to take, and the factor of its scores. of_heads: (n, k) scores each."""
    k = of_heads[0].shape[1]
    weight = (len(y) / (k * np.bincount(y, minlength=k)))[y]
    losses, factors = [], []
    for scores in of_heads:
        centred = scores - scores.mean(axis=1, keepdims=True)
        spread = max(float(centred.std()), np.finfo(float).tiny)
        tried = [weight * surprise(scores * t / spread, y) for t in TEMPERATURES]
        best = smallest_untold(np.stack(tried), group)  # the least sure of itself
        losses.append(tried[best])
        factors.append(TEMPERATURES[best] / spread)
    chosen = smallest_untold(np.stack(losses), group)
    return chosen, factors[chosen]
