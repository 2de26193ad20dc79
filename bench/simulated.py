"""Simulated photos, folds and heads for `coverage_of_intervals.py`: small, compiled, no libraries.

A photo is a point of `dimensions` normal features around the mean of its class; the three means
are an equilateral triangle in the first two of them, `signal` away from its centre. Several
feature sets of the same photos share half of their noise: what is hard for one is often hard for
the others. Photos of a group share their class and 80 % of their noise, like copies.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CLASSES = 3
SHARED = 0.5  # of the noise of two feature sets
COPIED = 0.8  # of the noise of two photos of a group
FOLDS_NEED = 5  # groups of every class
VARIANCES = (10.0**0.5, 10.0**1.5, 10.0**2.5)  # of the log odds, as in footwork.models.head


@dataclass(frozen=True)
class Design:
    """What is drawn anew in every draw: n photos, their class shares, group sizes, features."""

    photos: int
    shares: tuple[float, float, float]
    largest_group: int
    dimensions: int

    def labels(self, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Return class and group of every photo; class counts are fixed, group sizes random."""
        counts = np.round(np.array(self.shares) * self.photos).astype(int)
        counts[0] += self.photos - counts.sum()
        label, group, groups = [], [], 0
        for k, photos in enumerate(counts):
            sizes = self.group_sizes(int(photos), rng)
            label += [k] * int(photos)
            group += np.repeat(np.arange(len(sizes)) + groups, sizes).tolist()
            groups += len(sizes)
        return np.array(label), np.array(group)

    def group_sizes(self, photos: int, rng: np.random.Generator) -> Ints:
        """Uniform from 1 to largest_group; a class too small for five such groups gets five."""
        sizes: list[int] = []
        while sum(sizes) < photos:
            sizes.append(min(int(rng.integers(1, self.largest_group + 1)), photos - sum(sizes)))
        if len(sizes) >= FOLDS_NEED or photos < FOLDS_NEED:  # too few: for fixed models only
            return np.array(sizes)
        spread = rng.multinomial(photos - FOLDS_NEED, np.full(FOLDS_NEED, 1 / FOLDS_NEED))
        return np.asarray(1 + spread)

    def features(
        self, label: Ints, group: Ints, signals: tuple[float, ...], rng: np.random.Generator
    ) -> Floats:
        """Return (feature sets, photos, dimensions), one set per signal."""
        angle = 2 * np.pi * np.arange(CLASSES) / CLASSES
        mean = np.zeros((CLASSES, self.dimensions))
        mean[:, 0], mean[:, 1] = np.cos(angle), np.sin(angle)

        def noise(sets: int) -> Floats:
            own = rng.normal(size=(sets, len(label), self.dimensions))
            if self.largest_group == 1:
                return own
            of_group = rng.normal(size=(sets, group.max() + 1, self.dimensions))
            return np.asarray(np.sqrt(COPIED) * of_group[:, group] + np.sqrt(1 - COPIED) * own)

        both = np.sqrt(SHARED) * noise(1) + np.sqrt(1 - SHARED) * noise(len(signals))
        centre: Floats = np.array(signals)[:, None, None] * mean[label]
        return np.asarray(centre + both)


def deal(label: Ints, group: Ints, folds: int, rng: np.random.Generator) -> Ints:
    """Return the fold of every photo: the groups of each class shuffled and dealt in turn."""
    _, first, number = np.unique(group, return_index=True, return_inverse=True)
    of_group = label[first]
    fold = np.empty(len(first), dtype=np.int64)
    start = 0
    for k in range(CLASSES):
        mine = rng.permutation(np.flatnonzero(of_group == k))
        fold[mine] = (np.arange(len(mine)) + start) % folds
        start += len(mine)
    return np.asarray(fold[number])


@njit(cache=True)
def lda(X, y, weight, shrinkage, test):  # type: ignore[no-untyped-def]
    """Fit linear discriminants with a shrunk pooled covariance; return log scores of `test`.

    The formula of scikit-learn's LinearDiscriminantAnalysis(solver='lsqr', shrinkage=...); a
    weight counts a photo that often. A class without a photo is never answered.
    """
    n, d = X.shape
    mean = np.zeros((CLASSES, d))
    size = np.zeros(CLASSES)
    for i in range(n):
        size[y[i]] += weight[i]
        mean[y[i]] += weight[i] * X[i]
    for k in range(CLASSES):
        if size[k] > 0:
            mean[k] /= size[k]
    centred = np.empty((n, d))
    for i in range(n):
        centred[i] = np.sqrt(weight[i]) * (X[i] - mean[y[i]])
    total = size.sum()
    covariance = centred.T @ centred / total
    ridge = shrinkage * np.trace(covariance) / d
    covariance *= 1 - shrinkage
    for j in range(d):
        covariance[j, j] += ridge
    coefficients = np.linalg.solve(covariance, np.ascontiguousarray(mean.T))
    scores = test @ coefficients
    for k in range(CLASSES):
        offset = -np.inf
        if size[k] > 0:
            offset = np.log(size[k] / total) - 0.5 * (mean[k] * coefficients[:, k]).sum()
        scores[:, k] += offset
    return scores


@njit(cache=True)
def standardised(X, test):  # type: ignore[no-untyped-def]
    n, d = X.shape
    one, other = np.ones((n, d + 1)), np.ones((len(test), d + 1))
    for j in range(d):
        mean, scale = X[:, j].mean(), X[:, j].std()
        one[:, j] = (X[:, j] - mean) / scale
        other[:, j] = (test[:, j] - mean) / scale
    return one, other


@njit(cache=True)
def softmax_rows(scores):  # type: ignore[no-untyped-def]
    proba = np.empty_like(scores)
    for i in range(len(scores)):
        top = scores[i].max()
        total = 0.0
        for k in range(scores.shape[1]):
            proba[i, k] = np.exp(scores[i, k] - top)
            total += proba[i, k]
        proba[i] /= total
    return proba


@njit(cache=True)
def logistic(X, y, C, start):  # type: ignore[no-untyped-def]
    """Fit multinomial logistic regression by Newton steps; X's last column is 1, unpenalised.

    The objective of scikit-learn's LogisticRegression(C=C, class_weight='balanced').
    Returns weights (d + 1, k). start: the weights to begin with.
    """
    n, p = X.shape
    size = np.zeros(CLASSES)
    for i in range(n):
        size[y[i]] += 1
    weights = start.copy()
    for _ in range(60):
        proba = softmax_rows(X @ weights)
        error = np.empty((n, CLASSES))
        balance = np.empty(n)
        for i in range(n):
            balance[i] = C * n / (CLASSES * size[y[i]])
            for k in range(CLASSES):
                error[i, k] = balance[i] * (proba[i, k] - (1.0 if y[i] == k else 0.0))
        gradient = X.T @ error
        gradient[: p - 1] += weights[: p - 1]
        hessian = np.zeros((CLASSES * p, CLASSES * p))
        for a in range(CLASSES):
            for b in range(a, CLASSES):
                scaled = np.empty((n, p))
                for i in range(n):
                    same = 1.0 if a == b else 0.0
                    scaled[i] = balance[i] * proba[i, a] * (same - proba[i, b]) * X[i]
                block = scaled.T @ X
                hessian[a * p : (a + 1) * p, b * p : (b + 1) * p] = block
                hessian[b * p : (b + 1) * p, a * p : (a + 1) * p] = block.T
        for a in range(CLASSES):
            for j in range(p):
                hessian[a * p + j, a * p + j] += 1.0 if j < p - 1 else 1e-8
        flat = np.ascontiguousarray(gradient.T).reshape(CLASSES * p)
        step = np.linalg.solve(hessian, flat)
        longest = np.abs(step).max()
        if longest > 2.0:  # far from the optimum a full step may overshoot
            step *= 2.0 / longest
        weights -= np.ascontiguousarray(step.reshape(CLASSES, p).T)
        if longest < 1e-5:
            break
    return weights


@njit(cache=True)
def chosen_variance(X, y, part, variances):  # type: ignore[no-untyped-def]
    """Return the smallest variance within one standard error of the best, by inner folds `part`.

    Judged by balanced log loss, as footwork.models.head does it (groups count as photos here).
    """
    n, p = X.shape
    loss = np.zeros((len(variances), n))
    size = np.zeros(CLASSES)
    for i in range(n):
        size[y[i]] += 1
    for f in range(part.max() + 1):
        inside, outside = np.flatnonzero(part != f), np.flatnonzero(part == f)
        if len(outside) == 0:
            continue
        weights = np.zeros((p, CLASSES))
        for v in range(len(variances)):
            weights = logistic(X[inside], y[inside], variances[v] / (p - 1), weights)
            proba = softmax_rows(X[outside] @ weights)
            for j in range(len(outside)):
                i = outside[j]
                said = max(proba[j, y[i]], 1e-300)
                loss[v, i] = -np.log(said) * n / (CLASSES * size[y[i]])
    means = np.array([row.mean() for row in loss])
    best = means.argmin()
    for v in range(len(variances)):
        gap = loss[v] - loss[best]
        if gap.mean() <= gap.std() / np.sqrt(n):
            return variances[v]
    return variances[best]


@njit(cache=True)
def probe(X, y, part, variances, test):  # type: ignore[no-untyped-def]
    one, other = standardised(X, test)
    variance = variances[0]
    if len(variances) > 1:
        variance = chosen_variance(one, y, part, variances)
    weights = logistic(one, y, variance / X.shape[1], np.zeros((one.shape[1], CLASSES)))
    return other @ weights


@njit(cache=True)
def out_of_fold(X, y, fold, is_lda, shrinkage, variances):  # type: ignore[no-untyped-def]
    """Return (repeats, n, k) probabilities of photos by heads that have not seen their fold."""
    repeats, n = fold.shape
    answers = np.zeros((repeats, n, CLASSES))
    for r in range(repeats):
        for f in range(fold[r].max() + 1):
            inside, outside = np.flatnonzero(fold[r] != f), np.flatnonzero(fold[r] == f)
            if is_lda:
                weight = np.ones(len(inside))
                scores = lda(X[inside], y[inside], weight, shrinkage, X[outside])
            else:
                part = fold[r][inside]
                part = np.where(part > f, part - 1, part)
                scores = probe(X[inside], y[inside], part, variances, X[outside])
            proba = softmax_rows(scores)
            for j in range(len(outside)):
                answers[r, outside[j]] = proba[j]
    return answers


@njit(cache=True)
def weighted_macro_f1(y, answers, weight):  # type: ignore[no-untyped-def]
    hits, sizes = np.zeros(CLASSES), np.zeros(CLASSES)
    for i in range(len(y)):
        sizes[y[i]] += weight[i]
        sizes[answers[i]] += weight[i]
        if y[i] == answers[i]:
            hits[y[i]] += weight[i]
    total = 0.0
    for k in range(CLASSES):
        if sizes[k] > 0:
            total += 2 * hits[k] / sizes[k]
    return total / CLASSES


@njit(cache=True)
def refitted(X, y, fold, weights, shrinkage):  # type: ignore[no-untyped-def]
    """Return the macro-F1 of LDA cross-validated anew under every resample of the photos.

    weights: (draws, n), how often each photo was drawn; draw i cuts its folds as repeat i does.
    """
    draws = len(weights)
    scores = np.empty(draws)
    for b in range(draws):
        cut, weight = fold[b % len(fold)], weights[b]
        answers = np.zeros(len(y), dtype=np.int64)
        for f in range(cut.max() + 1):
            inside = np.flatnonzero((cut != f) & (weight > 0))
            outside = np.flatnonzero((cut == f) & (weight > 0))
            said = lda(X[inside], y[inside], weight[inside], shrinkage, X[outside])
            for j in range(len(outside)):
                answers[outside[j]] = said[j].argmax()
        scores[b] = weighted_macro_f1(y, answers, weight)
    return scores
