"""Every score of a table of predictions, with its interval: one function per kind of score.

The table may come from a run (`footwork.runs.read_run(folder).predictions`), from
`footwork.evaluate.foreign.read_foreign`, or be made by hand. What the intervals are about, and how
they are made, says `footwork.evaluate.intervals`; these functions only read.

    made = GroupBootstrap(checked(table), kind="recipe", seed=0)
    made.estimate(entry), class_f1(made, entry), mean_log_loss(made, entry)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import NDArray

from footwork.errors import DataError
from footwork.evaluate.exact import clopper_pearson
from footwork.evaluate.intervals import FEW_GROUPS, GroupBootstrap, Kind
from footwork.predictions import NO_ANSWER, OK, Predictions
from footwork.records import Estimate
from footwork.scores import (
    Floats,
    brier_losses,
    calibration_counts,
    calibration_error,
    f1,
    surprisals,
    tally,
)

BINS = 10  # of confidence, equal widths
SUM_TOLERANCE = 1e-4  # of the probabilities of a row; float32 is off by less
WORST_LOG_LOSS = -float(np.log(np.finfo(np.float64).eps))  # 36.04: see scores.surprisals
WORST_BRIER = 2.0
SIMULATED = 200  # tables of a perfectly calibrated model


@dataclass(frozen=True)
class Calibration:
    """An expected calibration error with its interval, in [0, 1], lower is better.

    calibrated: what a perfectly calibrated model of the same confidences scores on as many
    photos, on average. It is not 0, and an error near it shows nothing.
    """

    error: Estimate
    calibrated: float


@dataclass(frozen=True)
class Measures:
    """All scores of one entry. class_f1: per class name.

    log_loss, brier, calibration: None where a planned answer is missing, since any price for a
    missing probability would be invented.
    """

    entry: str
    macro_f1: Estimate
    accuracy: Estimate
    balanced_accuracy: Estimate
    class_f1: Mapping[str, Estimate]
    log_loss: Estimate | None
    brier: Estimate | None
    calibration: Calibration | None


def measures(predictions: Predictions, *, kind: Kind, seed: int) -> tuple[Measures, ...]:
    """Return all scores of all entries, in the order of `predictions.entries`.

    kind, seed: as for GroupBootstrap. Raises DataError for a table that cannot be scored (see
    `checked`): a sentence, never a number that means nothing.
    """
    made = GroupBootstrap(checked(predictions), kind=kind, seed=seed)
    present = set(np.unique(predictions.entry).tolist())
    return tuple(
        Measures(
            entry=name.entry,
            macro_f1=made.estimate(name.entry),
            accuracy=made.estimate(name.entry, "accuracy"),
            balanced_accuracy=made.estimate(name.entry, "balanced_accuracy"),
            class_f1=class_f1(made, name.entry),
            log_loss=mean_log_loss(made, name.entry),
            brier=mean_brier(made, name.entry),
            calibration=calibration(made, name.entry),
        )
        for i, name in enumerate(predictions.entries)
        if i in present
    )


def checked(predictions: Predictions) -> Predictions:
    """Return the table unchanged if every row of it can be scored.

    Raises DataError, with the first photo concerned, for an empty table; photos whose class or
    group is out of range; answers for other photos or classes than there are; an answer twice;
    probabilities that are NaN where there is an answer, outside [0, 1], or do not sum to 1.
    """
    p, k, n = predictions, len(predictions.classes), len(predictions.photos)
    if not len(p):
        raise DataError("The table of predictions is empty: there is nothing to score.")
    rows = [
        (p.photo < 0) | (p.photo >= n),
        (p.entry < 0) | (p.entry >= len(p.entries)),
        (p.predicted >= k) | ((p.predicted < 0) & (p.status == OK)),
    ]
    what = [
        f"are for a photo that is not among the {n:,} of the truth",
        f"are by an entry that is not among the {len(p.entries)}",
        f"answer a class that is not among the {k} of the truth",
    ]
    for wrong, words in zip(rows, what, strict=True):
        if wrong.any():
            raise DataError(f"{int(wrong.sum()):,} rows of predictions {words}.")
    labels = p.photos.label
    if ((labels < 0) | (labels >= k)).any():
        raise DataError(f"The labels of the photos must lie in 0 to {k - 1}, one per class.")
    cell = (p.entry * p.repeats + p.repeat) * n + p.photo
    if len(np.unique(cell)) < len(cell):
        raise DataError("Some photos are answered twice by one entry in one repeat.")
    answered = p.status == OK
    # A table of answers alone has no probabilities at all.
    if np.isnan(p.proba).all():
        return p
    refuse(p, answered & np.isnan(p.proba).any(axis=1), "a probability that is NaN")
    with np.errstate(invalid="ignore"):
        outside = ((p.proba < 0) | (p.proba > 1 + SUM_TOLERANCE)).any(axis=1)
        refuse(p, answered & outside, "a probability outside 0 to 1")
        off = np.abs(p.proba.sum(axis=1) - 1) > SUM_TOLERANCE
    refuse(p, answered & off, "probabilities that do not sum to 1")
    return p


def refuse(predictions: Predictions, wrong: NDArray[np.bool_], what: str) -> None:
    if not wrong.any():
        return
    row = int(wrong.argmax())
    numbers = ", ".join(f"{value:.4g}" for value in predictions.proba[row][:6])
    path = predictions.photos.path[int(predictions.photo[row])]
    raise DataError(f"{int(wrong.sum()):,} rows have {what} (first: {path}: {numbers}).")


def class_f1(made: GroupBootstrap, entry: str) -> dict[str, Estimate]:
    """Return the F1 of every class with its 95 % interval, by class name, in [0, 1].

    As for macro-F1, a mean over repeats. Where fewer than 6 groups of the class are answered
    rightly, or fewer than 6 wrongly, the interval reaches at least as far as the exact bounds of
    a share as high as the F1 over the groups of the class; that also holds for a class never hit.
    """
    classes, k = made.predictions.classes, len(made.predictions.classes)
    resampled = made.entry(entry)
    value = f1(tally(resampled.confusion)).mean(axis=0)
    if made.groups < 2:
        return {
            name: Estimate(value=float(v), low=0.0, high=1.0)
            for name, v in zip(classes, value, strict=True)
        }
    draws = np.zeros((len(made.weights), k))
    for part, counted in made.tallies(resampled.answers):
        draws[part] += f1(made.with_pretended(counted, part)).sum(axis=1)
    error = made.widening * draws.std(axis=0, ddof=1) / len(resampled.answers)
    label = made.predictions.photos.label
    right = resampled.answers == label
    found = {}
    for c, name in enumerate(classes):
        down = up = made.reach(c).errors * float(error[c])
        mine, share = label == c, float(value[c])
        if min(made.touched(right & mine), made.touched(~right & mine)) < FEW_GROUPS:
            low, high = clopper_pearson(share, int(made.groups_per_class[c]))
            down, up = max(down, share - low), max(up, high - share)
        found[name] = Estimate(value=share, low=max(share - down, 0.0), high=min(share + up, 1.0))
    return found


def mean_log_loss(made: GroupBootstrap, entry: str) -> Estimate | None:
    """Return the mean log loss (see `scores.log_loss`) in nats, lower is better, 0 to 36.04."""
    return mean_of(made, surprisals(*truth_and_proba(made, entry)), WORST_LOG_LOSS)


def mean_brier(made: GroupBootstrap, entry: str) -> Estimate | None:
    """Return the Brier score (see `scores.brier_losses`), lower is better, in [0, 2]."""
    return mean_of(made, brier_losses(*truth_and_proba(made, entry)), WORST_BRIER)


def mean_of(made: GroupBootstrap, losses: Floats, worst: float) -> Estimate | None:
    """Return the mean of (repeats, photos) losses in [0, worst] with its 95 % interval.

    Groups resampled whole, widened as for macro-F1. Losses have a long upper tail, of which few
    photos show little, so the interval reaches up as far as one of the logarithm does: where 95 %
    of 60 photos are right it covers 87 to 97 % with that and 79 to 91 % without (simulated).
    Where all resamples have the same mean, what other photos may cost is bounded by the exact
    bound of the share of groups that is like none seen, times the worst loss there is. None if a
    loss is NaN.
    """
    if np.isnan(losses).any():
        return None
    value = float(losses.mean())
    if made.groups < 2:
        return Estimate(value=value, low=0.0, high=worst)
    per_photo = losses.mean(axis=0)
    draws = resampled_sums(made, per_photo[:, None])[:, 0] / made.support.sum(axis=1)
    if np.ptp(draws) <= 1e-12:
        unseen = clopper_pearson(0.0, made.groups)[1]
        return Estimate(
            value=value, low=value * (1 - unseen), high=value + unseen * (worst - value)
        )
    half = made.reach("accuracy").errors * made.widening * float(draws.std(ddof=1))
    return Estimate(
        value=value, low=max(value - half, 0.0), high=min(value * exp(min(half / value, 99)), worst)
    )


def calibration(made: GroupBootstrap, entry: str, bins: int = BINS) -> Calibration | None:
    """Return the expected calibration error of an entry, mean over repeats, with its interval.

    See `scores.calibration_error`: confidence of the answered class in `bins` bins of equal
    width. None where a planned answer is missing.
    """
    truth, proba = truth_and_proba(made, entry)
    if np.isnan(proba).any():
        return None
    bin_of, gap = calibration_counts(truth, proba, bins)
    repeats, n = bin_of.shape
    value = float(np.mean([calibration_error(truth, one, bins) for one in proba]))
    calibrated = calibrated_error(proba, bin_of, bins, made.seed)
    if made.groups < 2:
        return Calibration(Estimate(value=value, low=0.0, high=1.0), calibrated)
    sizes = made.support.sum(axis=1)
    draws = np.zeros(len(made.weights))
    for one, differences in zip(bin_of, gap, strict=True):
        table = np.zeros((n, bins))
        table[np.arange(n), one] = differences
        draws += np.abs(resampled_sums(made, table)).sum(axis=1) / sizes
    half = made.reach("accuracy").errors * made.widening * float((draws / repeats).std(ddof=1))
    if half == 0:
        half = clopper_pearson(0.0, made.groups)[1]
    estimate = Estimate(value=value, low=max(value - half, 0.0), high=min(value + half, 1.0))
    return Calibration(estimate, calibrated)


def calibrated_error(proba: Floats, bin_of: NDArray[np.int64], bins: int, seed: int) -> float:
    """Return the mean error of tables whose answers are right as often as their confidence says."""
    confidence = proba[0].max(axis=-1)
    rng = np.random.default_rng([seed, 5])  # 1 to 4: see intervals, leaderboard, permuted
    hits = rng.random((SIMULATED, len(confidence))) < confidence
    errors = [
        np.abs(np.bincount(bin_of[0], weights=confidence - hit, minlength=bins)).sum()
        for hit in hits
    ]
    return float(np.mean(errors) / len(confidence))


def truth_and_proba(made: GroupBootstrap, entry: str) -> tuple[NDArray[np.int64], Floats]:
    made.entry(entry)  # an unknown one is said
    proba = made.predictions.probabilities(made.index[entry])
    proba[made.entry(entry).answers == NO_ANSWER] = np.nan
    return made.predictions.photos.label, proba


def resampled_sums(made: GroupBootstrap, per_photo: Floats) -> Floats:
    """Return (draws, columns) sums of (photos, columns) numbers under every resample of groups."""
    sums = np.zeros((made.groups, per_photo.shape[1]))
    np.add.at(sums, made.group, per_photo)
    return np.concatenate(
        [
            made.weights[i : i + 256].astype(np.float64) @ sums
            for i in range(0, len(made.weights), 256)
        ]
    )
