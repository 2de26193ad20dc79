"""Scores of answers against labels: pure functions on arrays, no files and no models.

Conventions and last digits are scikit-learn's (`zero_division=0`), with two differences that
are meant: no answer is a wrong answer, and a class without a photo is an error instead of
something that leaves the mean.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from footwork.errors import DataError
from footwork.predictions import NO_ANSWER

Metric = Literal["macro_f1", "accuracy", "balanced_accuracy"]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tally:
    """What precision, recall and F1 of k classes are made of; (..., k) each, any number dtype.

    hits: photos of the class that were answered with it; answered: photos that were answered
    with it; support: photos of it. Leading axes are repeats or bootstrap draws.
    """

    hits: NDArray[np.int64] | Floats
    answered: NDArray[np.int64] | Floats
    support: NDArray[np.int64] | Floats


def confusions(
    truth: NDArray[np.int64], answers: NDArray[np.integer], classes: Sequence[str]
) -> NDArray[np.int64]:
    """Count the answers per true class.

    truth: (n,) in [0, k). answers: (..., n) in [0, k) or NO_ANSWER (abstained or failed).
    Result: (..., k, k + 1); rows are true classes, columns the answers, the last column is no
    answer. Raises DataError if a class of `classes` is missing in `truth`.
    """
    k = len(classes)
    support = np.bincount(truth, minlength=k)
    if not support.all():
        raise DataError(
            f"Class {classes[int(support.argmin())]!r} has 0 of {len(truth)} test photos, and a "
            "mean that leaves it out would be another score. Label some photos of it, or drop "
            "it from `classes` in footwork.toml."
        )
    column = np.where(answers == NO_ANSWER, k, answers).reshape(-1, len(truth))
    tables = len(column)
    cell = (np.arange(tables)[:, None] * k + truth) * (k + 1) + column
    counts = np.bincount(cell.ravel(), minlength=tables * k * (k + 1))
    return counts.reshape(*answers.shape[:-1], k, k + 1)


def tally(confusion: NDArray[np.int64]) -> Tally:
    """Reduce (..., k, k + 1) confusion counts to a Tally."""
    answered = confusion[..., :-1]
    return Tally(
        hits=np.diagonal(answered, axis1=-2, axis2=-1),
        answered=answered.sum(axis=-2),
        support=confusion.sum(axis=-1),
    )


def precision(tally: Tally) -> Floats:
    """(..., k) in [0, 1]: of the photos answered with a class, the share that is of it."""
    return ratio(tally.hits, tally.answered)


def recall(tally: Tally) -> Floats:
    """(..., k) in [0, 1]: of the photos of a class, the share that was answered with it."""
    return ratio(tally.hits, tally.support)


def f1(tally: Tally) -> Floats:
    """(..., k) in [0, 1]: harmonic mean of precision and recall; 0 where both are 0 / 0."""
    return ratio(2 * tally.hits, tally.answered + tally.support)


def macro_f1(tally: Tally) -> Floats:
    """(...,) in [0, 1]: mean F1 of the classes, whatever their sizes."""
    return mean_of_classes(f1(tally))


def balanced_accuracy(tally: Tally) -> Floats:
    """(...,) in [0, 1]: mean recall of the classes; constant guessing scores 1 / k.

    Source: Brodersen et al. 2010, doi:10.1109/ICPR.2010.764.
    """
    return mean_of_classes(recall(tally))


def accuracy(tally: Tally) -> Floats:
    """(...,) in [0, 1]: share of the photos that were answered rightly."""
    return ratio(tally.hits.sum(axis=-1), tally.support.sum(axis=-1))


METRICS: Mapping[Metric, Callable[[Tally], Floats]] = {
    "macro_f1": macro_f1,
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
}


def log_loss(truth: NDArray[np.int64], proba: Floats) -> float | None:
    """Return the mean of -ln(probability given to the true class), in nats, lower is better.

    truth: (n,) in [0, k). proba: (..., n, k), rows sum to 1, NaN where there is no answer.
    Probabilities are clipped to [eps, 1 - eps] of float64 as `sklearn.metrics.log_loss` does.
    None if any photo has no answer: leaving it out would reward giving up on hard photos, and
    any other price for it would be invented.
    """
    if np.isnan(proba).any():
        return None
    eps = np.finfo(np.float64).eps
    of_truth = np.take_along_axis(
        proba, np.broadcast_to(truth[:, None], (*proba.shape[:-1], 1)), axis=-1
    )
    return float(-np.log(np.clip(of_truth, eps, 1 - eps)).mean())


def ratio(part: NDArray[np.generic], whole: NDArray[np.generic]) -> Floats:
    """part / whole as float64, and 0 where whole is 0."""
    part, whole = np.broadcast_arrays(part, whole)
    out = np.zeros(whole.shape)
    np.divide(part, whole, out=out, where=whole != 0)
    return out


def mean_of_classes(values: Floats) -> Floats:
    # Contiguous, so that NumPy adds in the same order as in a single (k,) vector.
    return np.asarray(np.ascontiguousarray(values).mean(axis=-1))
