"""Is a recipe better than nothing? The same recipe, refitted on labels permuted by group.

Permuting the labels of finished predictions asks another question and cries wolf in one case of
ten; what has to be permuted is what the recipe learns from, so every permutation is a
cross-validation of its own, on the cached features. One cut of the folds each: its score varies
more than the mean over repeats that it is held against, which makes the test the stricter. The
scores are kept in the run's folder as `null.parquet` (entry, permutation, macro_f1).
"""

import hashlib
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from footwork.errors import DataError
from footwork.evaluate.answers import Entry, kept_only, load_array, write_array
from footwork.evaluate.dataset import DataSet
from footwork.folds import Fold, cross_validation
from footwork.models.features import Features
from footwork.models.head import out_of_fold
from footwork.predictions import NO_ANSWER
from footwork.progress import Progress
from footwork.project import CompareSettings
from footwork.scores import Floats, confusions, macro_f1, tally

STREAM = 4  # of the seed; 1 to 3 are taken by the intervals and the floors
ATTEMPTS = 20  # to permute so that every training side holds every class


def permuted_scores(
    entry: Entry,
    data: DataSet,
    seen: Features,
    cache: Path,
    settings: CompareSettings,
    progress: Progress,
) -> Floats:
    """Return (permutations,) the macro-F1 of an entry's recipe on permuted labels.

    The permutations and their folds depend on the seed and the data only, so they are the same
    for all entries. Photos that failed count as wrong, as they do in the entry's score. Kept on
    disk per entry and data. Raises DataError where the groups allow no permutation.
    """
    whole = json.dumps([entry.digest, data.sha256(), sorted(seen.failed), settings.permutations])
    kept = cache / "permuted" / f"{hashlib.sha256(whole.encode()).hexdigest()[:20]}.npy"
    cached = load_array(kept, (settings.permutations,))
    if cached is not None:
        return cached
    good, k = seen.good(), len(data.classes)
    place = np.full(len(data.photos), -1, dtype=np.int64)
    place[good] = np.arange(len(good))
    scores = np.empty(settings.permutations)
    title = f"permuted labels, {entry.recipe.name} on {entry.base}"
    with progress.task(title, settings.permutations, unit="permutations") as advance:
        for number in range(settings.permutations):
            label, folds = permuted_cut(data, place, settings, number)
            proba = out_of_fold(
                seen.vectors[good],
                label[good],
                data.photos.group[good],
                k,
                [folds],
                seed=settings.seed,
                kind=entry.recipe.kind,
                blocks=entry.blocks,
                bank=None if seen.bank is None else seen.bank[:, good],
            )[0]
            answers = np.full(len(label), NO_ANSWER, dtype=np.int64)
            answers[good] = proba.argmax(axis=1)
            scores[number] = macro_f1(tally(confusions(label, answers, data.classes)))
            advance(1)
    write_array(kept, scores)
    return scores


def permuted_cut(
    data: DataSet, place: NDArray[np.int64], settings: CompareSettings, number: int
) -> tuple[NDArray[np.int64], list[Fold]]:
    """Return permuted labels, (n,), and one cut of folds over the photos that can be used.

    place: (n,) where each photo lies among those that can be used, -1 if it cannot.
    """
    photos, k = data.photos, len(data.classes)
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([settings.seed, STREAM, number, attempt])
        label = permuted_by_group(photos.label, photos.group, rng)
        try:
            cut = cross_validation(
                label,
                photos.group,
                image=photos.image,
                folds=settings.folds,
                repeats=1,
                seed=settings.seed + number,
                classes=data.classes,
            )[0]
        except DataError:
            continue  # mixed groups of many sizes: another permutation will do
        if all(len(np.unique(label[f.train][place[f.train] >= 0])) == k for f in cut):
            return label, [Fold(kept_only(place[f.train]), kept_only(place[f.test])) for f in cut]
    raise DataError(
        f"The labels cannot be permuted by group so that {settings.folds} folds can be cut: the "
        "groups are too few or too mixed. Compare with --permutations 0."
    )


def permuted_by_group(
    label: NDArray[np.int64], group: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Deal the labels of groups out to other groups; (n,) int64.

    A group whose photos share a class gets another group's class, whatever their sizes, so as
    many groups as before are of each class and photos of a group still share theirs. The labels
    of a mixed group are repeated or cut to the size of the group that gets them.
    """
    order = np.argsort(group, kind="stable")
    starts = np.unique(group[order], return_index=True)[1]
    members = np.split(order, starts[1:])
    permuted = np.empty_like(label)
    for mine, giver in zip(members, rng.permutation(len(members)), strict=True):
        permuted[mine] = np.resize(label[members[giver]], len(mine))
    return permuted
