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
    losses = surprisals(truth, proba)
    return None if np.isnan(losses).any() else float(losses.mean())


def surprisals(truth: NDArray[np.int64], proba: Floats) -> Floats:
    """Return -ln(probability given to the true class), (..., n), in nats, NaN where no answer.

    truth: (n,) in [0, k); proba: (..., n, k). Clipped as in `log_loss`, so at most 36.04.
    """
    eps = np.finfo(np.float64).eps
    of_truth = np.take_along_axis(
        proba, np.broadcast_to(truth[:, None], (*proba.shape[:-1], 1)), axis=-1
    )
    return np.asarray(-np.log(np.clip(of_truth[..., 0], eps, 1 - eps)))


def brier_losses(truth: NDArray[np.int64], proba: Floats) -> Floats:
    """Return the squared distance to the truth, summed over classes: (..., n) in [0, 2].

    Lower is better; NaN where there is no answer. The mean over photos is the Brier score in
    its original form, for two classes twice `sklearn.metrics.brier_score_loss` of one column.
    Source: Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    return np.asarray(((proba - np.eye(proba.shape[-1])[truth]) ** 2).sum(axis=-1))


def calibration_counts(
    truth: NDArray[np.int64], proba: Floats, bins: int = 10
) -> tuple[NDArray[np.int64], Floats]:
    """Return (..., n) the bin of each answer's confidence, and confidence less hit.

    Confidence is the highest probability; bin b of `bins` equal ones holds [b, b + 1) / bins, the
    last one 1 too. The calibration error is the sum over bins of |sum of the second| / n.
    """
    confidence = proba.max(axis=-1)
    hit = proba.argmax(axis=-1) == truth
    bin_of = np.clip((confidence * bins).astype(np.int64), 0, bins - 1)
    return bin_of, np.asarray(confidence - hit)


def calibration_error(truth: NDArray[np.int64], proba: Floats, bins: int = 10) -> float:
    """Return the expected calibration error of the answered class, in [0, 1], lower is better.

    truth: (n,) in [0, k); proba: (n, k), rows sum to 1, no NaN. Mean over photos, bin by bin, of
    |mean confidence - share right|; 10 bins of equal width, see `calibration_counts`. It is
    biased upwards on few photos: a perfectly calibrated model does not score 0.
    Source: Guo et al. 2017, arXiv:1706.04599, after Naeini et al. 2015.
    """
    bin_of, gap = calibration_counts(truth, proba, bins)
    return float(np.abs(np.bincount(bin_of, weights=gap, minlength=bins)).sum() / len(truth))


def ratio(part: NDArray[np.generic], whole: NDArray[np.generic]) -> Floats:
    """part / whole as float64, and 0 where whole is 0."""
    part, whole = np.broadcast_arrays(part, whole)
    out = np.zeros(whole.shape)
    np.divide(part, whole, out=out, where=whole != 0)
    return out


def mean_of_classes(values: Floats) -> Floats:
    # Contiguous, so that NumPy adds in the same order as in a single (k,) vector.
    return np.asarray(np.ascontiguousarray(values).mean(axis=-1))
