"""bfloat16 only where the scores stay: tried on some of the photos before it is used on all."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from footwork import scores
from footwork.errors import DataError, EnvironmentProblem
from footwork.evaluate.dataset import DataSet
from footwork.folds import cross_validation
from footwork.models.features import Features
from footwork.models.head import out_of_fold
from footwork.models.networks import Prepared, in_bfloat16

TRIED = 128  # photos that both precisions are computed for
MAX_MOVE = 0.005  # of macro-F1 on these photos
FOLDS, REPEATS = 3, 5


def gated(
    prepared: Prepared, data: DataSet, features: Callable[[Prepared, DataSet], Features], seed: int
) -> Prepared:
    """Return `prepared` in bfloat16 if macro-F1 moves by at most MAX_MOVE, else as it is.

    data: the photos to be compared on; features: computes (or knows) their vectors. Either way
    a note says what was found.
    """
    try:
        fast = in_bfloat16(prepared)
    except EnvironmentProblem as error:
        return with_note(prepared, f"bfloat16 was asked for and is not used: {error}")
    # Sorted by SHA-256, so that the first ones are as good as drawn at random.
    some = data.subset(np.arange(min(TRIED, len(data.photos))))
    try:
        move = abs(macro_f1(features(fast, some), some, seed)
                   - macro_f1(features(prepared, some), some, seed))  # fmt: skip
    except DataError as error:
        return with_note(prepared, f"bfloat16 is not used, it cannot be tried here: {error}")
    said = f"macro-F1 moved by {move:.4f} on {len(some.photos)} photos"
    if move > MAX_MOVE:
        return with_note(prepared, f"bfloat16 is not used: {said}, more than {MAX_MOVE}.")
    return with_note(fast, f"Computed in bfloat16: {said}, at most {MAX_MOVE} is allowed.")


def with_note(prepared: Prepared, note: str) -> Prepared:
    return replace(prepared, notes=(*prepared.notes, note))


def macro_f1(seen: Features, data: DataSet, seed: int) -> float:
    """Return the mean macro-F1 of the probe over a few quick folds."""
    photos, k = data.photos, len(data.classes)
    if seen.failed:
        raise DataError(f"{len(seen.failed)} of the photos to try it on cannot be read.")
    folds = cross_validation(
        photos.label,
        photos.group,
        image=photos.image,
        folds=FOLDS,
        repeats=REPEATS,
        seed=seed,
        classes=data.classes,
    )
    proba = out_of_fold(seen.vectors, photos.label, photos.group, k, folds, seed=seed)
    counts = scores.confusions(photos.label, proba.argmax(axis=2), data.classes)
    return float(np.mean(scores.macro_f1(scores.tally(counts))))
