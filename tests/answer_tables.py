"""Small tables of predictions for the tests of scores, intervals and leaderboards."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from footwork.predictions import ABSTAINED, NO_ANSWER, OK, EntryName, Photos, Predictions


def answer_table(
    label: ArrayLike,
    answers: Mapping[str, ArrayLike],
    *,
    group: Sequence[int] | None = None,
    classes: Sequence[str] | None = None,
    folds: int = 5,
) -> Predictions:
    """Make a table from (repeats, photos) answers per entry hash; -1 is an abstention.

    Every photo is a group of its own unless `group` says otherwise. An answer gets the
    probability 0.7.
    """
    truth = np.asarray(label, dtype=np.int64)
    k = int(truth.max()) + 1
    names = tuple(classes or "abcdefgh"[:k])
    m, k = len(truth), len(names)
    code = np.arange(m) if group is None else np.asarray(group, dtype=np.int64)
    grids = [np.atleast_2d(np.asarray(grid, dtype=np.int64)) for grid in answers.values()]
    repeats = len(grids[0])
    predicted = np.concatenate([grid.ravel() for grid in grids])
    answered = predicted != NO_ANSWER
    proba = np.full((len(predicted), k), 0.3 / (k - 1))
    proba[answered, predicted[answered]] = 0.7
    proba[~answered] = np.nan
    photo = np.tile(np.arange(m), len(grids) * repeats)
    return Predictions(
        classes=names,
        photos=Photos(
            image=tuple(f"{i:064x}" for i in range(m)),
            path=tuple(f"{i}.jpg" for i in range(m)),
            label=truth,
            group=code,
            group_name=tuple(f"g{i:05}" for i in range(int(code.max()) + 1)),
        ),
        entries=tuple(EntryName(entry, f"base_{entry}", "probe") for entry in answers),
        entry=np.repeat(np.arange(len(grids)), repeats * m),
        photo=photo,
        repeat=np.tile(np.repeat(np.arange(repeats), m), len(grids)),
        fold=photo % folds,
        status=np.where(answered, OK, ABSTAINED).astype(np.uint8),
        reason=np.full(len(predicted), "", dtype=object),
        predicted=predicted,
        proba=proba,
    )


def noisy(
    label: ArrayLike, right: float, *, repeats: int = 5, seed: int = 0, steady: float = 0.8
) -> NDArray[np.int64]:
    """Answers that are right with probability `right`, else uniform guesses: (repeats, m).

    steady: the share of photos answered alike in every repeat, as real recipes do.
    """
    truth, rng = np.asarray(label, dtype=np.int64), np.random.default_rng(seed)
    k, m = int(truth.max()) + 1, len(truth)
    once = np.where(rng.random(m) < right, truth, rng.integers(k, size=m))
    anew = np.where(rng.random((repeats, m)) < right, truth, rng.integers(k, size=(repeats, m)))
    return np.where(rng.random(m) < steady, once, anew)
