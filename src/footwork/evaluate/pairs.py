"""All pairs of a leaderboard's entries compared, and the tiers that follow from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import stdtr

from footwork.evaluate.intervals import GroupBootstrap
from footwork.evaluate.tiers import exact_mcnemar, holm, p_of_difference, pair_table, tiers
from footwork.predictions import NO_ANSWER
from footwork.records import PairScores
from footwork.scores import Floats, surprisals


def compared_pairs(bootstrap: GroupBootstrap, entries: Sequence[str]) -> tuple[PairScores, ...]:
    """Compare entries with each other; entries: hashes, best score first.

    The difference of macro-F1 is the paired one of `intervals.py` and decides; the other tests
    are of accuracy and log loss, stand beside it and are not corrected.
    """
    found = [(a, b, bootstrap.difference(a, b)) for a, b in combinations(entries, 2)]
    freedom = bootstrap.reach().freedom
    alone = np.array([p_of_difference(gap, freedom) for _, _, gap in found])
    right = rights(bootstrap, entries)
    folds = {entry: fold_scores(bootstrap, entry) for entry in entries if len(entries) > 1}
    pairs = []
    for (a, b, difference), p, by_itself in zip(found, holm(alone), alone, strict=True):
        one, other = folds[a], folds[b]
        mcnemar = None
        if right:
            mcnemar = exact_mcnemar(
                int((right[a] & ~right[b]).sum()), int((right[b] & ~right[a]).sum())
            )
        pairs.append(
            PairScores(
                a=a,
                b=b,
                difference=difference,
                p=float(p),
                p_alone=float(by_itself),
                mcnemar=mcnemar,
                accuracy_p=nadeau_bengio(one.accuracy, other.accuracy, one, other),
                log_loss_p=nadeau_bengio(one.log_loss, other.log_loss, one, other),
            )
        )
    return tuple(pairs)


def tiers_of(pairs: Sequence[PairScores], entries: Sequence[str]) -> dict[str, int]:
    """Return the tier of every entry, 1 the best; pairs: as `compared_pairs` gives them."""
    table = pair_table(np.array([pair.p for pair in pairs]), len(entries))
    return dict(zip(entries, tiers(table), strict=True))


def rights(bootstrap: GroupBootstrap, entries: Sequence[str]) -> dict[str, np.ndarray]:
    """Return what each entry gets right, (photos,), where McNemar's test may be used, else {}.

    That is where every photo is answered once, by models that never saw any of them, and is
    alone in its group. Cross-validated answers are not independent: folds share photos.
    """
    table = bootstrap.predictions
    if bootstrap.kind == "recipe" or table.repeats > 1 or bootstrap.groups < len(table.photos):
        return {}
    return {entry: bootstrap.entry(entry).answers[0] == table.photos.label for entry in entries}


@dataclass(frozen=True)
class FoldScores:
    """Scores of one entry on every fold; fold: (repeats, photos), which fold tested a photo.

    accuracy, log_loss: (repeats * folds,) or None where not defined. empty if not
    cross-validated.
    """

    fold: np.ndarray
    accuracy: Floats | None
    log_loss: Floats | None


def fold_scores(bootstrap: GroupBootstrap, entry: str) -> FoldScores:
    """Return accuracy and log loss per fold, None where there are no folds or no answers."""
    table, index = bootstrap.predictions, bootstrap.index[entry]
    fold = np.full((table.repeats, len(table.photos)), NO_ANSWER, dtype=np.int64)
    rows = table.entry == index
    fold[table.repeat[rows], table.photo[rows]] = table.fold[rows]
    cell = np.arange(len(fold))[:, None] * table.folds + fold
    sizes = np.bincount(cell[fold >= 0], minlength=len(fold) * table.folds)
    if bootstrap.kind == "model" or (fold < 0).any() or not sizes.all():
        return FoldScores(fold, None, None)
    right = bootstrap.entry(entry).answers == table.photos.label
    loss = surprisals(table.photos.label, table.probabilities(index))

    def means(values: np.ndarray) -> Floats:
        return np.asarray(np.bincount(cell.ravel(), weights=values.ravel()) / sizes)

    return FoldScores(fold, means(right), None if np.isnan(loss).any() else means(loss))


def nadeau_bengio(
    a: Floats | None, b: Floats | None, of_a: FoldScores, of_b: FoldScores
) -> float | None:
    """Return the two-sided p of 'no difference' of two recipes' scores on the same folds.

    a, b: (repeats * folds,) scores per fold. The corrected resampled t test: the variance of
    the mean over J folds is taken as (1 / J + test / train photos) times that of the folds.
    Meant for means over photos (accuracy, log loss); the macro-F1 of a dozen photos is none.
    None where scores are missing or the folds are not the same.
    Source: Nadeau and Bengio 2003, doi:10.1023/A:1024068626366.
    """
    if a is None or b is None or not np.array_equal(of_a.fold, of_b.fold):
        return None
    folds = int(of_a.fold.max()) + 1
    gap = a - b
    variance = (1 / len(gap) + 1 / (folds - 1)) * float(gap.var(ddof=1))
    if variance == 0:
        return 1.0 if gap.mean() == 0 else 0.0
    return float(2 * stdtr(len(gap) - 1, -abs(gap.mean()) / np.sqrt(variance)))
