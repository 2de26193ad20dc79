"""Findings that only a model can make: labels that are likely wrong, photos of another kind."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from footwork.errors import DataError
from footwork.evaluate.doctor.findings import SHOWN, Finding, Looked, fine, not_checked
from footwork.evaluate.doctor.patient import FOLDS, File, Patient
from footwork.evaluate.exact import clopper_pearson
from footwork.evaluate.noise import label_noise
from footwork.evaluate.words import two
from footwork.folds import cross_validation
from footwork.models.head import out_of_fold
from footwork.predictions import NO_ANSWER
from footwork.records import Estimate
from footwork.scores import Floats, confusions, macro_f1, tally

# Where no label is wrong, a model of macro-F1 F doubts about 2.3 (1 - F) ** 2 of the labels, a
# tenth at 0.8. Where a tenth is wrong, it doubts that tenth, two thirds of its mistakes. Worse
# models doubt nearly all that they get wrong, right labels or not (simulated, three classes).
WRONG = 0.04  # of the labels: below, hard photos of a good model look the same
LEAST_WRONG = 3
OF_MISTAKES, SQUARED = 0.5, 2.5  # what wrong labels must be of the model's mistakes, or of their
# square: whichever is less
# What the doubts must be of all labels for sure, by their exact bound. Of 50 draws of right labels
# (ants and bees, 80, 154 and 380 photos each) none was above; of 50 with 12 of 154 wrong, 48 were.
# Of 40 photos three or four are doubted often enough, right labels or not.
SURELY, ENOUGH = 0.015, 60
ABLE = 0.78  # the macro-F1 from which a model's doubts say something about labels
TOLD_APART = 0.65  # the AUC that a drift must exceed with certainty


def labels(patient: Patient) -> Finding | Looked:
    """Labels that are likely wrong, by confident learning on out-of-fold probabilities."""
    if patient.eyes is None:
        return not_checked("labels", patient.no_eyes)
    try:
        fair = patient.fair
    except DataError as error:
        return not_checked("labels", str(error))
    proba = fair.proba.mean(axis=0)
    found = label_noise(fair.photos.label, proba)
    answers = np.where(np.isfinite(proba).all(axis=1), proba.argmax(axis=1), NO_ANSWER)
    counts = confusions(fair.photos.label, answers[None], patient.classes)
    score = float(macro_f1(tally(counts))[0])
    if score < ABLE:
        return not_checked(
            "labels",
            f"the model that looks scores a macro-F1 of {two(score)} itself; its doubts would say "
            f"more about it than about labels ({two(ABLE)} is asked).",
        )
    if found.judged < ENOUGH:
        return not_checked(
            "labels", f"{found.judged} photos are too few to tell wrong labels from hard photos."
        )
    said = (
        f"{len(found.suspects)} of {found.judged} labels are likely wrong (an estimated "
        f"{found.share:.1%} by confident learning, of a model with a macro-F1 of {two(score)})"
    )
    mistakes = 1 - score
    least = max(WRONG, min(OF_MISTAKES * mistakes, SQUARED * mistakes**2))
    surely, _ = clopper_pearson(len(found.suspects) / found.judged, found.judged)
    if found.share < least or len(found.suspects) < LEAST_WRONG or surely < SURELY:
        return fine("labels", f"{said}: no more than hard photos look like.")
    names = [
        f"{fair.photos.path[one.photo]} ({patient.classes[one.label]}, likely "
        f"{patient.classes[one.likely]})"
        for one in found.suspects
    ]
    return Finding(
        check="labels",
        title=f"{len(found.suspects)} labels are likely wrong",
        evidence=(f"{said}; the surest first. A hard photo looks the same: look at each.",),
        cost=found.share,
        cost_words=f"about {two(found.share)} of accuracy is out of reach of any model",
        mend="footwork label PHOTO CLASS",
        photos=tuple(names[:SHOWN]),
        more=max(0, len(names) - SHOWN),
    )


def drift(patient: Patient) -> Finding | Looked:
    """Whether a model can tell the new photos from the labelled ones."""
    if not patient.new:
        return not_checked("drift", "no new photos were given (--new FOLDER).")
    if patient.eyes is None:
        return not_checked("drift", patient.no_eyes)
    known = {file.image for file in patient.files}
    new = tuple({file.image: file for file in patient.new if file.image not in known}.values())
    files: tuple[File, ...] = tuple(sorted((*patient.unique, *new), key=lambda file: file.image))
    fresh = {file.image for file in new}
    is_new = np.array([file.image in fresh for file in files], dtype=np.int64)
    try:
        vectors = patient.vectors(files)
        good = np.flatnonzero(np.isfinite(vectors).all(axis=1))
        files = tuple(files[i] for i in good)
        vectors, is_new = vectors[good], is_new[good]
        group = patient.groups_of(files)
        folds = cross_validation(
            is_new, group, image=[file.image for file in files], folds=FOLDS, repeats=1,
            seed=patient.seed, classes=("labelled", "new"),
        )  # fmt: skip
    except DataError as error:
        return not_checked("drift", str(error))
    proba = out_of_fold(vectors, is_new, group, 2, folds, seed=patient.seed)[0, :, 1]
    area = auc_estimate([(is_new[fold.test], proba[fold.test]) for fold in folds[0]])
    said = (
        f"a probe tells the {is_new.sum()} new photos from the {len(is_new) - is_new.sum()} "
        f"labelled ones with an AUC of {two(area.value)} ({two(area.low)} to {two(area.high)}; "
        "0.50 is not at all)"
    )
    if area.low <= TOLD_APART:
        return fine("drift", f"{said}.")
    order = np.argsort(-np.where(is_new == 1, proba, -1), kind="stable")[: min(SHOWN, is_new.sum())]
    return Finding(
        check="drift",
        title="The new photos are of another kind than the labelled ones",
        evidence=(f"{said}.", "The photos listed are the least like the labelled ones."),
        cost=None,
        cost_words="scores on the labelled photos promise nothing for these; label some to see",
        mend="label some of them and footwork import NEW --external",
        photos=tuple(files[i].path for i in order),
        more=max(0, int(is_new.sum()) - SHOWN),
    )


def auc_estimate(parts: list[tuple[NDArray[np.int64], Floats]]) -> Estimate:
    """Return the mean AUC of parts, (0/1 truth, score) each, with its 95 % interval.

    Source of the standard error: Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747.
    """
    from sklearn.metrics import roc_auc_score

    value = float(np.mean([roc_auc_score(truth, score) for truth, score in parts]))
    ones = sum(int(truth.sum()) for truth, _ in parts)
    zeros = sum(len(truth) for truth, _ in parts) - ones
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    variance = (
        value * (1 - value) + (ones - 1) * (q1 - value**2) + (zeros - 1) * (q2 - value**2)
    ) / (ones * zeros)
    reach = float(norm.ppf(0.975) * np.sqrt(max(variance, 0)))
    return Estimate(value=value, low=max(value - reach, 0.0), high=min(value + reach, 1.0))
