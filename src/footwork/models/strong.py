"""The head of the recipe `strong`: which one, and how sure of itself, inner folds choose.

From the simplest to the most flexible: class means (prototypes), discriminant analysis with the
shrunk covariance of Ledoit and Wolf (2004, doi:10.1016/S0047-259X(03)00096-4), logistic
regression as in `probe`, a linear support vector machine, a small network. The simplest that inner
folds cannot tell from the best is taken, and one temperature for its answers; both on training
photos alone.
"""

import warnings
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from footwork.folds import Fold
from footwork.machine import one_thread
from footwork.models.head import (
    DEFAULT_VARIANCE,
    Layers,
    Probe,
    choose_strength,
    evidence,
    fit_linear,
    inner_cut,
    smallest_untold,
    standardised,
    surprise,
)

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
TEMPERATURES = tuple(float(2.0**i) for i in range(-3, 4))  # of scores whose spread is 1
UNITS, AXES = 32, 64  # of the small network: hidden units, principal axes that it sees


Head = Callable[[Floats, Labels, int], Layers]


def prototypes(rows: Floats, y: Labels, k: int) -> Layers:
    """The nearest class mean."""
    means = np.stack([rows[y == c].mean(axis=0) for c in range(k)])
    return Layers(means.T.copy(), -(means**2).sum(axis=1) / 2)


def discriminant(rows: Floats, y: Labels, k: int) -> Layers:
    """Linear discriminant analysis with equal priors; the covariance is within classes."""
    from scipy.linalg import cho_factor, cho_solve
    from sklearn.covariance import ledoit_wolf

    means = np.stack([rows[y == c].mean(axis=0) for c in range(k)])
    covariance, _ = ledoit_wolf(rows - means[y], assume_centered=True)
    floor = 1e-9 * np.trace(covariance) / len(covariance) + np.finfo(float).tiny
    weights = cho_solve(cho_factor(covariance + floor * np.eye(len(covariance))), means.T)
    return Layers(weights, -(means * weights.T).sum(axis=1) / 2)


def margins(rows: Floats, y: Labels, k: int, *, draws: int = 1) -> Layers:
    """A linear support vector machine per class against the others, classes balanced."""
    from sklearn.svm import LinearSVC

    model = LinearSVC(
        C=DEFAULT_VARIANCE / evidence(rows, draws), class_weight="balanced", dual=True,
        random_state=0, max_iter=5000, tol=1e-3,
    )  # fmt: skip
    weights, bias = np.empty((rows.shape[1], k)), np.empty(k)
    for c in range(k):
        model.fit(rows, y == c)
        weights[:, c], bias[c] = model.coef_[0], model.intercept_[0]
    return Layers(weights, bias)


def network(rows: Floats, y: Labels, k: int, *, draws: int = 1) -> Layers:
    """One layer of rectified units on the rows' first principal axes, classes balanced.

    The axes are scaled to a mean square of 1. Of the penalties 1, 3, 10 and 30 this one was best or
    near it on climbing photos, on ants and bees, and on a table where only the product of two
    columns tells (log loss 0.61, logistic regression 0.76).
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    _, axes = np.linalg.eigh(rows.T @ rows)
    axes = axes[:, ::-1][:, :AXES]
    seen = rows @ axes
    size = max(float(np.sqrt((seen**2).mean())), np.finfo(float).tiny)
    model = MLPClassifier(
        (UNITS,), solver="lbfgs", alpha=draws * DEFAULT_VARIANCE, max_iter=200, random_state=0
    )
    with warnings.catch_warnings():  # it may stop before it has settled: so does early stopping
        warnings.simplefilter("ignore", ConvergenceWarning)
        balance = (len(y) / (k * np.bincount(y, minlength=k)))[y]
        model.fit(seen / size, y, sample_weight=balance)
    (first, last), (offset, bias) = model.coefs_, model.intercepts_
    if k == 2:  # one column of log odds; halves keep it symmetric
        last, bias = np.hstack([-last, last]) / 2, np.concatenate([-bias, bias]) / 2
    return Layers(last, bias, (axes @ first / size, offset))


def fit_strong(
    X: NDArray[np.floating],  # noqa: N803
    y: Labels,
    group: Labels,
    k: int,
    *,
    seed: int,
    blocks: Sequence[int] = (),
    inner_folds: int = 5,
    draws: int = 1,
) -> Probe:
    """Fit the head on all rows given. Arguments, errors and result as in `head.fit_probe`."""
    with one_thread():
        mean, scale, rows, basis = standardised(X, y, k, blocks)
        strength, inside = choose_strength(
            rows, y, group, k, seed=seed, inner_folds=inner_folds, draws=draws
        )
        logistic: Head = partial(fit_linear, strength=strength)
        others: tuple[Head, ...] = (
            prototypes,
            discriminant,
            partial(margins, draws=draws),
            partial(network, draws=draws),
        )
        heads = (*others[:2], logistic, *others[2:])
        chosen, factor = 2, 1.0  # without inner folds: logistic regression as it is
        if inside is not None:
            folds = inner_cut(y, group, k, seed=seed, most=inner_folds)
            scores = [out_of_inner(head, rows, y, k, folds) for head in others]
            chosen, factor = choice([*scores[:2], inside, *scores[2:]], y, group)
        fitted = heads[chosen](rows, y, k).times(factor).behind(basis)
    return Probe(mean, scale, fitted.weights, fitted.bias, strength, fitted.hidden)


def out_of_inner(
    head: Head,
    rows: Floats,
    y: Labels,
    k: int,
    folds: Sequence[Fold],
) -> Floats:
    scores = np.empty((len(y), k))
    for fold in folds:
        scores[fold.test] = head(rows[fold.train], y[fold.train], k).scores(rows[fold.test])
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
