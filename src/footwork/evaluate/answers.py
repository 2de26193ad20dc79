"""One entry's answers: heads trained on each fold, out-of-fold probabilities, rows of the table."""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import footwork
from footwork.errors import DataError
from footwork.evaluate.dataset import DataSet, Plan
from footwork.files import write_bytes
from footwork.folds import Fold
from footwork.machine import library_versions
from footwork.models.features import Features
from footwork.models.head import METHOD, fit_head, out_of_fold
from footwork.models.recipes import Recipe
from footwork.models.sights import Sight, blocks_of
from footwork.predictions import FAILED, NO_ANSWER, OK, EntryName, Predictions
from footwork.progress import Progress
from footwork.project import CompareSettings
from footwork.records import Position


@dataclass(frozen=True)
class Entry:
    """One row of the comparison to be: bases under a position of their contracts, and a recipe."""

    sights: tuple[Sight, ...]
    recipe: Recipe
    position: Position
    digest: str

    @property
    def base(self) -> str:
        return "+".join(sight.prepared.base.name for sight in self.sights)

    @property
    def blocks(self) -> tuple[int, ...]:
        return blocks_of(self.sights)


def entry_digest(sights: Sequence[Sight], recipe: Recipe, settings: CompareSettings) -> str:
    """Hash the whole configuration of an entry: inputs, head, folds, seed and versions."""
    c = settings
    whole = [
        [
            [sight.prepared.numbers, *(key.model_dump(mode="json") for key in sight.keys)]
            for sight in sights
        ],
        recipe.model_dump(mode="json"),
        [c.folds, c.repeats, c.seed] if c.split == "cv" else [c.split, c.seed],
        [footwork.__version__, METHOD],
        library_versions(("scikit-learn", "numpy", "scipy")),
    ]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:12]


def entry_answers(
    entry: Entry, plan: Plan, seen: Features, cache: Path, seed: int, progress: Progress
) -> NDArray[np.float64]:
    """Return (repeats, n, k) out-of-fold probabilities, NaN where a photo failed or is not
    tested; kept on disk per entry and data, so that an interrupted comparison goes on.
    """
    whole = json.dumps([entry.digest, plan.data.sha256(), sorted(seen.failed)])
    kept = cache / "answers" / f"{hashlib.sha256(whole.encode()).hexdigest()[:20]}.npy"
    photos = plan.data.photos
    shape = (len(plan.folds), len(photos), len(plan.data.classes))
    cached = load_array(kept, shape)
    if cached is not None:
        return cached
    good = seen.good()
    for k, name in enumerate(plan.data.classes):
        if not (photos.label[good] == k).any():
            lost = int(np.flatnonzero(photos.label == k)[0])
            raise DataError(
                f"None of the {int((photos.label == k).sum())} photos of class {name} can be used "
                f"({photos.path[lost]}: {seen.failed[lost]}). Bring them back, or import again."
            )
    place = np.full(len(photos), -1, dtype=np.int64)
    place[good] = np.arange(len(good))
    folds = [
        [Fold(train=kept_only(place[f.train]), test=kept_only(place[f.test])) for f in repeat]
        for repeat in plan.folds
    ]
    answers = np.full(shape, np.nan)
    total = sum(len(repeat) for repeat in folds)
    title = f"{entry.recipe.name} on {entry.base}"
    with progress.task(title, total, unit="folds") as advance:
        answers[:, good] = out_of_fold(
            seen.vectors[good],
            photos.label[good],
            photos.group[good],
            len(plan.data.classes),
            folds,
            seed=seed,
            kind=entry.recipe.kind,
            blocks=entry.blocks,
            bank=None if seen.bank is None else seen.bank[:, good],
            progress=advance,
        )
    write_array(kept, answers)
    return answers


def kept_only(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return rows[rows >= 0]


def load_array(path: Path, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
    try:
        array: NDArray[np.float64] = np.load(path, allow_pickle=False)
    except (OSError, ValueError):
        return None
    return array if array.shape == shape and array.dtype == np.float64 else None


def write_array(path: Path, array: NDArray[np.float64]) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_bytes(path, buffer.getvalue())


def prediction_rows(
    entry: Entry,
    plan: Plan,
    seen: Features,
    answers: NDArray[np.float64],
    classes: tuple[str, ...],
) -> Predictions:
    """Lay out an entry's answers as rows: one per repeat and planned test photo."""
    test = plan.test
    repeats = len(plan.folds)
    data = plan.data.subset(test)
    fold_of = np.zeros((repeats, len(plan.data.photos)), dtype=np.int64)
    for r, repeat in enumerate(plan.folds):
        for number, fold in enumerate(repeat):
            fold_of[r, fold.test] = number
    proba = answers[:, test].reshape(repeats * len(test), len(classes))
    reason = np.array([seen.failed.get(int(i), "") for i in test] * repeats, dtype=object)
    failed = reason != ""
    predicted = np.full(len(proba), NO_ANSWER, dtype=np.int64)
    predicted[~failed] = proba[~failed].argmax(axis=1)
    return Predictions(
        classes=classes,
        photos=data.photos,
        entries=(EntryName(entry.digest, entry.base, entry.recipe.name),),
        entry=np.zeros(len(proba), dtype=np.int64),
        photo=np.tile(np.arange(len(test)), repeats),
        repeat=np.repeat(np.arange(repeats), len(test)),
        fold=fold_of[:, test].reshape(-1),
        status=np.where(failed, FAILED, OK).astype(np.uint8),
        reason=reason,
        predicted=predicted,
        proba=proba,
    )


def external_rows(
    entry: Entry, data: DataSet, inside: Features, external: DataSet, outside: Features, seed: int
) -> Predictions:
    """Train on all photos that are not external and predict the external ones once."""
    shared = set(data.photos.group_name) & set(external.photos.group_name)
    if shared:
        raise DataError(
            f"The external test set shares {len(shared)} group(s) with the training photos "
            f"({', '.join(sorted(shared)[:3])}), so it is not external. Take those out of one."
        )
    train, test = inside.good(), outside.good()
    k = len(data.classes)
    head = fit_head(
        entry.recipe.kind,
        inside.vectors[train],
        data.photos.label[train],
        data.photos.group[train],
        k,
        seed=seed,
        blocks=entry.blocks,
        bank=None if inside.bank is None else inside.bank[:, train],
    )
    answers = np.full((1, len(external.photos), k), np.nan)
    answers[0, test] = head.predict_proba(outside.vectors[test])
    everything = np.arange(len(external.photos))
    plan = Plan(external, [[Fold(train=np.arange(0), test=everything)]], everything)
    return prediction_rows(entry, plan, outside, answers, data.classes)
