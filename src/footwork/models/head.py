"""The recipes `probe` and `average`: linear classifiers on the features of frozen base models.

Features are standardised; the classifier is multinomial logistic regression with an L2 penalty
and balanced class weights (`footwork.models.logistic`); how strong the penalty is, inner folds
decide on the training photos alone. Nothing of a fold's test photos reaches any of the three.

Where a vector is made of blocks (several bases, or views side by side), every block has the same
say: a block of 39 numbers is not drowned by one of 1,280. `average` fits a probe per block
and adds up their log odds with weights that inner folds choose; that is a linear classifier, too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from footwork.errors import DataError
from footwork.folds import Fold, as_folds, assign_folds
from footwork.machine import one_thread
from footwork.models.logistic import along

# C times the mean squared length of a standardised row (its number of columns that vary). L2 is
# a normal prior on the weights with variance C, so this is the prior variance of the log odds,
# whatever the number of features or photos. The smallest says log odds within about 2 of even;
# where nothing can be learnt the inner folds always choose it, and 1 instead of 3.2 would make
# probabilities honester there (balanced log loss 1.14 for 1.20, uniform 1.10) but leave the
# answers to noise (macro-F1 0.326 for 0.332; five bases, 67 climbing photos, 20 x 5 folds). On
# 396 photos of ants and bees 10 to 1000 was chosen.
VARIANCES = tuple(float(10.0 ** (i / 2)) for i in range(1, 9))
DEFAULT_VARIANCE = 10.0  # where the photos allow no inner folds
# How far the mean loss may lie above the lowest: probabilities to 1e-4 and to 1e-6.
CHOOSING, FINAL = 1e-7, 1e-11
METHOD = 2  # raise it when a head changes: answers that are kept are of the method before


@dataclass(frozen=True)
class Layers:
    """From standardised rows to log odds. weights: (d, k); bias: (k,), float64.

    hidden: the weights (d, h) and biases (h,) of a layer of rectified units in front, weights
    being (h, k) then; None: none.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    hidden: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    def scores(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return log odds up to a constant per row, (n, k) float64."""
        if self.hidden is not None:
            rows = np.maximum(rows @ self.hidden[0] + self.hidden[1], 0)
        found: NDArray[np.float64] = rows @ self.weights + self.bias
        return found

    def behind(self, basis: NDArray[np.float64] | None) -> "Layers":
        """Return the same for rows that a (d, n) basis turns first; None turns nothing."""
        if basis is None:
            return self
        if self.hidden is None:
            return replace(self, weights=basis @ self.weights)
        return replace(self, hidden=(basis @ self.hidden[0], self.hidden[1]))

    def times(self, factor: float) -> "Layers":
        return replace(self, weights=factor * self.weights, bias=factor * self.bias)


@dataclass(frozen=True)
class Probe:
    """A fitted head. mean, scale: (d,) float64; weights, bias, hidden: see `Layers`.

    strength: the chosen C; the larger, the weaker the penalty.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    strength: float
    hidden: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    def predict_proba(self, X: NDArray[np.floating]) -> NDArray[np.float64]:  # noqa: N803
        """Return class probabilities, (n, k) float64, rows sum to 1. X: (n, d), finite."""
        from scipy.special import softmax

        proba: NDArray[np.float64] = softmax(self.scores(X), axis=1)
        return proba

    def scores(self, X: NDArray[np.floating]) -> NDArray[np.float64]:  # noqa: N803
        """Return log odds up to a constant per row, (n, k) float64."""
        check_finite(X)
        rows = (X.astype(np.float64) - self.mean) / self.scale
        return Layers(self.weights, self.bias, self.hidden).scores(rows)


def fit_probe(
    X: NDArray[np.floating],  # noqa: N803
    y: NDArray[np.int64],
    group: NDArray[np.int64],
    k: int,
    *,
    seed: int,
    inner_folds: int = 5,
    blocks: Sequence[int] = (),
    draws: int = 1,
) -> Probe:
    """Fit the head on all rows given.

    X: (n, d) float32, finite; y: (n,) int64 in [0, k), every class occurs; group: (n,) codes of
    photos that belong together; rows in a fixed order (by image), since the inner folds
    follow it. seed: of the inner folds, at least 0. Same arguments, same bits, however
    many processor cores there are. blocks: the sizes of the parts of a row, () for one part.
    draws: how many rows each photo has, at least 1; they count as one photo's evidence.

    Raises DataError for values that are not finite and for a class without a photo.
    """
    return fit_probe_inside(
        X, y, group, k, seed=seed, inner_folds=inner_folds, blocks=blocks, draws=draws
    )[0]


def fit_probe_inside(
    X: NDArray[np.floating],  # noqa: N803
    y: NDArray[np.int64],
    group: NDArray[np.int64],
    k: int,
    *,
    seed: int,
    inner_folds: int,
    blocks: Sequence[int],
    draws: int,
) -> tuple[Probe, NDArray[np.float64] | None]:
    """Return the head of `fit_probe`, and the inner scores of `choose_strength`."""
    with one_thread():
        mean, scale, rows, basis = standardised(X, y, k, blocks)
        strength, inside = choose_strength(
            rows, y, group, k, seed=seed, inner_folds=inner_folds, draws=draws
        )
        fitted = fit_linear(rows, y, k, strength).behind(basis)
    return Probe(mean, scale, fitted.weights, fitted.bias, strength), inside


def standardised(
    X: NDArray[np.floating],  # noqa: N803
    y: NDArray[np.int64],
    k: int,
    blocks: Sequence[int],
) -> tuple[
    NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None
]:
    """Return mean and scale of the columns, the rows that a head is fitted on, and their basis.

    Arguments and errors as in `fit_probe`; rows and basis as from `compact`.
    """
    from sklearn.preprocessing import StandardScaler

    check_finite(X)
    missing = np.setdiff1d(np.arange(k), y)
    if len(missing):
        raise DataError(
            f"Class {missing[0]} (counted from 0) has none of the {len(y)} photos to train on; "
            "add readable photos of it, or leave the class out."
        )
    scaler = StandardScaler().fit(X.astype(np.float64))  # constant columns: scale 1
    scale = scaler.scale_ / equal_say(blocks or (X.shape[1],))
    return scaler.mean_, scale, *compact((X - scaler.mean_) / scale)


def equal_say(blocks: Sequence[int]) -> NDArray[np.float64]:
    """Return a factor per column, (sum of blocks,), that gives every block the same mean length.

    The mean squared length of a whole standardised row stays as it is.
    """
    sizes = np.array(blocks, dtype=np.float64)
    return np.repeat(np.sqrt(sizes.sum() / (len(sizes) * sizes)), np.array(blocks))


def fit_average(
    X: NDArray[np.floating],  # noqa: N803
    y: NDArray[np.int64],
    group: NDArray[np.int64],
    k: int,
    *,
    seed: int,
    blocks: Sequence[int],
    inner_folds: int = 5,
    draws: int = 1,
) -> Probe:
    """Fit a probe per block and add up their log odds. Arguments as in `fit_probe`.

    The weights sum to 1, in steps of 1/4, and are equal unless inner folds can tell others to be
    better: by more than one standard error of the difference of balanced log loss, over groups.
    """
    edges = np.cumsum([0, *blocks])
    parts = [X[:, a:b] for a, b in pairwise(edges)]
    with one_thread():
        fitted = [
            fit_probe_inside(
                part, y, group, k, seed=seed, inner_folds=inner_folds, blocks=(), draws=draws
            )
            for part in parts
        ]
    heads = [head for head, _ in fitted]
    scores = [inside for _, inside in fitted if inside is not None]
    shares = chosen_shares(np.stack(scores), y, group) if scores else equal_shares(len(parts))
    return Probe(
        np.concatenate([head.mean for head in heads]),
        np.concatenate([head.scale for head in heads]),
        np.concatenate([s * head.weights for s, head in zip(shares, heads, strict=True)]),
        np.sum([s * head.bias for s, head in zip(shares, heads, strict=True)], axis=0),
        float(np.exp(np.mean(np.log([head.strength for head in heads])))),
    )


def equal_shares(count: int) -> tuple[float, ...]:
    return (1 / count,) * count


def chosen_shares(
    scores: NDArray[np.float64], y: NDArray[np.int64], group: NDArray[np.int64]
) -> tuple[float, ...]:
    """Return the weight of each block's log odds, (blocks, n, k): the rule of `fit_average`."""
    blocks, _, k = scores.shape
    equal = equal_shares(blocks)
    quarters = [c for c in product(range(5), repeat=blocks) if sum(c) == 4]
    candidates = [equal, *(tuple(q / 4 for q in c) for c in quarters)]
    weight = len(y) / (k * np.bincount(y, minlength=k))
    loss = np.stack([weight[y] * surprise(np.tensordot(c, scores, axes=1), y) for c in candidates])
    best = int(loss.mean(axis=1).argmin())
    # `smallest_untold` takes the first row that cannot be told from the best: the equal shares.
    return candidates[0 if smallest_untold(loss[[0, best]], group) == 0 else best]


class Fit(Protocol):
    def __call__(
        self,
        X: NDArray[np.floating],  # noqa: N803
        y: NDArray[np.int64],
        group: NDArray[np.int64],
        k: int,
        /,
        *,
        seed: int,
        blocks: Sequence[int],
        draws: int,
    ) -> Probe: ...


def fit_head(
    kind: str,
    X: NDArray[np.floating],  # noqa: N803
    y: NDArray[np.int64],
    group: NDArray[np.int64],
    k: int,
    *,
    seed: int,
    blocks: Sequence[int] = (),
    bank: NDArray[np.floating] | None = None,
) -> Probe:
    """Fit the head of a recipe's kind. Arguments as in `fit_probe`.

    kind: 'probe', 'average' or 'strong' (`footwork.models.strong`). bank: (draws, n, d), further
    rows to train on, each draw with the labels and groups of X.
    """
    from footwork.models.strong import fit_strong

    parts = tuple(blocks) or (X.shape[1],)
    fits_of: dict[str, Fit] = {
        "probe": fit_probe,
        "average": fit_average,
        "strong": fit_strong,
    }
    draws = 1
    if bank is not None:
        draws += len(bank)
        X = np.concatenate([X, *bank])  # noqa: N806
        y, group = np.tile(y, draws), np.tile(group, draws)
    return fits_of[kind](X, y, group, k, seed=seed, blocks=parts, draws=draws)


def out_of_fold(
    X: NDArray[np.floating],  # noqa: N803
    y: NDArray[np.int64],
    group: NDArray[np.int64],
    k: int,
    folds: Sequence[Sequence[Fold]],
    *,
    seed: int,
    kind: str = "probe",
    blocks: Sequence[int] = (),
    bank: NDArray[np.floating] | None = None,
    progress: Callable[[int], None] | None = None,
) -> NDArray[np.float64]:
    """Fit a head per fold and return what it says of the fold's test photos.

    Arguments as in `fit_probe`; kind, bank: see `fit_head`; folds: [repeat][fold]; progress
    is called with 1 after each. Result: (repeats, n, k) float64, NaN for photos that no fold of
    the repeat tests.
    """
    answers = np.full((len(folds), len(y), k), np.nan)
    with one_thread():
        for repeat, cut in enumerate(folds):
            for fold in cut:
                train = fold.train
                probe = fit_head(
                    kind,
                    X[train],
                    y[train],
                    group[train],
                    k,
                    seed=seed,
                    blocks=blocks,
                    bank=None if bank is None else bank[:, train],
                )
                answers[repeat, fold.test] = probe.predict_proba(X[fold.test])
                if progress is not None:
                    progress(1)
    return answers


def compact(
    rows: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Rotate (n, d) rows into the n dimensions that they span; returns them and the (d, n) basis.

    Exact, not an approximation: weights outside the span of the training rows change no
    score and cost penalty, so the best weights lie inside, for any subset of the rows too; and an
    orthonormal basis keeps lengths, so the penalty is the same. QR, since it needs no
    threshold for small singular values. With n >= d there is nothing to gain: (rows, None).
    """
    if rows.shape[0] >= rows.shape[1]:
        return rows, None
    basis, triangle = np.linalg.qr(rows.T)
    return np.ascontiguousarray(triangle.T), basis


def choose_strength(
    rows: NDArray[np.float64],
    y: NDArray[np.int64],
    group: NDArray[np.int64],
    k: int,
    *,
    seed: int,
    inner_folds: int,
    draws: int = 1,
) -> tuple[float, NDArray[np.float64] | None]:
    """Return the smallest C that inner folds cannot tell from the best one, and what they say.

    That is log odds of each row, (n, k), by the inner head that did not train on it.

    Judged by log loss with every class weighing the same: it is smooth where the macro-F1 of 60
    photos jumps. 'Cannot tell': the mean difference to the best C is within one standard error of
    that difference, over groups, so that noise does not buy a weaker penalty (the rule of
    Breiman et al. 1984, paired). Out of fold, means over five bases, this rule / the smallest
    log loss / the best macro-F1: on 396 photos of ants and bees (2 x 5 folds) macro-F1 0.955 /
    0.955 / 0.952, log loss 0.125 / 0.125 / 0.151; on 67 climbing photos (20 x 5) 0.332 / 0.332 /
    0.329 and 1.20 / 1.20 / 1.49.

    Penalties are tried from strong to weak, and no weaker one after the first that is told to be
    worse than the best so far: those fits are the dearest, and the losses have one valley. Of
    2,130 choices on climbing photos, ants and bees (seven recipes, four bases) trying all of
    them would have changed none.

    Folds are as many as the class with the fewest groups allows, at most `inner_folds`; with
    fewer than 2, DEFAULT_VARIANCE and None. The standardisation has seen the inner test rows (not
    their labels); it has not seen the outer ones.
    """
    length = evidence(rows, draws)
    folds = inner_cut(y, group, k, seed=seed, most=inner_folds)
    if not folds:
        return DEFAULT_VARIANCE / length, None
    strengths = [variance / length for variance in VARIANCES]
    weight = len(y) / (k * np.bincount(y, minlength=k))
    scores, loss = [], np.empty((0, len(y)))
    for weights, biases in along(rows, y, k, [fold.train for fold in folds], strengths, CHOOSING):
        said = np.empty((len(y), k))
        for fold, w, b in zip(folds, weights, biases, strict=True):
            said[fold.test] = rows[fold.test] @ w + b
        scores.append(said)
        loss = np.vstack([loss, weight[y] * surprise(said, y)])
        if told_from_best(loss, group)[-1]:
            break
    chosen = smallest_untold(loss, group)
    return strengths[chosen], scores[chosen]


def evidence(rows: NDArray[np.float64], draws: int) -> float:
    """Return what C is multiplied by to be a prior variance of log odds (see VARIANCES)."""
    return draws * max(float((rows**2).sum()) / len(rows), 1.0)


def smallest_untold(loss: NDArray[np.float64], group: NDArray[np.int64]) -> int:
    """Return the first row of (m, n) losses that is within a standard error of the best row."""
    return int(np.flatnonzero(~told_from_best(loss, group))[0])


def told_from_best(loss: NDArray[np.float64], group: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which rows of (m, n) losses are more than a standard error worse than the best row.

    The error is that of the mean difference to the best row; photos of a group count as one draw.
    """
    gap = loss - loss[loss.mean(axis=1).argmin()]
    mean = gap.mean(axis=1)
    _, of_group = np.unique(group, return_inverse=True)
    spread = [np.bincount(of_group.reshape(-1), weights=row) for row in gap - mean[:, None]]
    error = np.sqrt((np.array(spread) ** 2).sum(axis=1)) / loss.shape[1]
    return np.asarray(mean > error)


def inner_cut(
    y: NDArray[np.int64], group: NDArray[np.int64], k: int, *, seed: int, most: int
) -> list[Fold]:
    """Cut the training photos like the outer folds; [] if a class would be missing in training."""
    groups = min(len(np.unique(group[y == c])) for c in range(k))
    count = min(most, groups)
    if count < 2:
        return []
    cut = as_folds(assign_folds(y, group, count, np.random.default_rng(seed)), count)
    return cut if all(len(np.unique(y[fold.train])) == k for fold in cut) else []


def fit_linear(rows: NDArray[np.float64], y: NDArray[np.int64], k: int, strength: float) -> Layers:
    """Fit logistic regression on all rows."""
    weights, biases = next(along(rows, y, k, [np.arange(len(y))], [strength], FINAL))
    return Layers(weights[0], biases[0])


def surprise(scores: NDArray[np.float64], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return -log of the probability of the true class, (n,), from (n, k) scores."""
    from scipy.special import log_softmax

    chosen: NDArray[np.float64] = -log_softmax(scores, axis=1)[np.arange(len(truth)), truth]
    return chosen


def check_finite(X: NDArray[np.floating]) -> None:  # noqa: N803
    if not np.isfinite(X).all():
        bad = int((~np.isfinite(X)).any(axis=1).sum())
        raise DataError(
            f"The features of {bad} of {len(X)} photos are not finite; leave those photos out, or "
            "extract them again (`footwork compare` does after the cache is deleted)."
        )
