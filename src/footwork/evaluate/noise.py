"""Labels that are likely wrong: confident learning on out-of-fold probabilities.

A photo counts against its label where the model, which never saw it, is as sure of another class
as it usually is of that class's own photos. What comes out is a list for a person to look at: a
hard photo looks the same to a model as a wrong label.
Source: Northcutt, Jiang and Chuang 2021, Confident Learning, doi:10.1613/jair.1.12125. The rules
for ties and for photos that are sure of nothing are cleanlab's (`find_label_issues` with
filter_by='confident_learning'), which the tests hold this against.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from footwork.predictions import Predictions
from footwork.scores import Floats

SLACK = 1e-6  # below a threshold that still counts as reaching it


@dataclass(frozen=True)
class Suspect:
    """A photo whose label is likely wrong. photo: index; label, likely: class indices.

    margin: probability of the likely class less that of the label, in [0, 1], higher is worse.
    """

    photo: int
    label: int
    likely: int
    margin: float


@dataclass(frozen=True)
class LabelNoise:
    """suspects: the worst first. share: estimated share of wrong labels, in [0, 1].

    judged: photos that were answered at all.
    """

    suspects: tuple[Suspect, ...]
    share: float
    judged: int


def label_noise(label: NDArray[np.int64], proba: Floats) -> LabelNoise:
    """Return which labels are likely wrong.

    label: (n,) int64 in [0, k). proba: (n, k) out-of-fold probabilities, rows sum to 1, or NaN
    for a photo without an answer, which is then not judged.
    The share is the off-diagonal part of the calibrated confident joint: what is not on the list
    because nothing is sure of it is counted in proportion.
    """
    rows = np.flatnonzero(np.isfinite(proba).all(axis=1))
    if not len(rows):
        return LabelNoise((), 0.0, 0)
    y, p = label[rows], proba[rows]
    likely, sure = confident_classes(y, p)
    margin = p.max(axis=1) - p[np.arange(len(y)), y]
    # A tie with the label's own probability is no evidence against the label.
    wrong = sure & (likely != y) & (margin > SLACK)
    found = [
        Suspect(int(rows[i]), int(y[i]), int(likely[i]), float(margin[i]))
        for i in np.flatnonzero(wrong)
    ]
    found.sort(key=lambda one: (-one.margin, one.photo))
    joint = confident_joint(y, likely, sure, p.shape[1])
    return LabelNoise(tuple(found), float(1 - np.trace(joint) / joint.sum()), len(rows))


def confident_classes(
    label: NDArray[np.int64], proba: Floats
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the class that each photo is confidently of, (n,), and whether there is one, (n,).

    The threshold of a class is the mean probability that its own photos give it.
    """
    k = proba.shape[1]
    threshold = np.full(k, 2.0)  # a class without a photo is never reached
    for c in np.unique(label):
        threshold[c] = max(float(proba[label == c, c].mean()), SLACK)
    reached = proba >= threshold - SLACK
    several = reached.sum(axis=1) > 1
    likely = np.where(several, proba.argmax(axis=1), reached.argmax(axis=1)).astype(np.int64)
    return likely, reached.sum(axis=1) > 0


def confident_joint(
    label: NDArray[np.int64], likely: NDArray[np.int64], sure: NDArray[np.bool_], k: int
) -> Floats:
    """Return the (k, k) counts of photos by label and likely class, calibrated to the labels.

    Rows sum to the photos of each label.
    """
    joint = np.zeros((k, k))
    np.add.at(joint, (label[sure], likely[sure]), 1)
    np.fill_diagonal(joint, np.maximum(joint.diagonal(), 1))
    calibrated: Floats = (
        joint / joint.sum(axis=1, keepdims=True) * np.bincount(label, minlength=k)[:, None]
    )
    return calibrated


def mean_probabilities(predictions: Predictions, entry: int) -> Floats:
    """Return (photos, k) probabilities of one entry, means over the repeats that answered."""
    proba = predictions.probabilities(entry)
    times = np.isfinite(proba).sum(axis=0)
    mean: Floats = np.full(times.shape, np.nan)
    np.divide(np.nansum(proba, axis=0), times, out=mean, where=times > 0)
    return mean
