"""Learning curves: the score against the number of training photos, measured and not assumed.

In every repeat the photos are cut into folds as for a comparison. The training side of each fold
is thinned to several sizes, group by group, every class in proportion, smaller ones inside larger
ones; the fold's test photos stay. So every size is tested on all photos, and by pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from footwork.errors import DataError
from footwork.files import write_text
from footwork.folds import Fold, cross_validation
from footwork.models.head import fit_probe
from footwork.predictions import Photos
from footwork.progress import Advance
from footwork.records import Record
from footwork.tables import parquet_note, read_table, write_parquet

FORMAT = "curve 1"  # in the file's metadata; another number when a column changes
SIZES = 7  # sizes that are measured, if the photos allow it
LEAST_OF_CLASS = 3  # photos of the rarest class in the smallest size
LEAST_SIZES = 4  # fewer points cannot bend


@dataclass(frozen=True)
class CurveTable:
    """What a learning curve is computed from.

    trained: (s,) training photos at each size, means over folds and repeats, rising.
    trained_groups: (s,) the same in groups. answers: (s, repeats, photos) class indices, each
    photo answered by a model of its fold that has not seen it. fold: (repeats, photos).
    """

    photos: Photos
    classes: tuple[str, ...]
    trained: NDArray[np.float64]
    trained_groups: NDArray[np.float64]
    answers: NDArray[np.int64]
    fold: NDArray[np.int64]

    @property
    def folds(self) -> int:
        return int(self.fold.max()) + 1


def measure_curve(
    vectors: NDArray[np.float32],
    photos: Photos,
    classes: Sequence[str],
    *,
    folds: int,
    repeats: int,
    seed: int,
    advance: Advance = lambda _done: None,
) -> CurveTable:
    """Train on growing parts of the training sides and answer every photo at each size.

    vectors: (n, d) finite, in the order of `photos`. advance: called with 1 after each fold of
    each size. Raises DataError if the photos allow no folds or no curve.
    """
    label, group = photos.label, photos.group
    cuts = cross_validation(
        label, group, image=photos.image, folds=folds, repeats=repeats, seed=seed, classes=classes
    )
    sizes = sizes_for(label, folds)
    answers = np.empty((len(sizes), repeats, len(label)), dtype=np.int64)
    fold_of = np.empty((repeats, len(label)), dtype=np.int64)
    trained = np.zeros((2, len(sizes)))
    for repeat, cut in enumerate(cuts):
        for number, fold in enumerate(cut):
            fold_of[repeat, fold.test] = number
            order = growing(fold, photos, np.random.default_rng([seed, repeat, number]))
            for at, size in enumerate(sizes):
                rows = first_groups(order, group, size)
                probe = fit_probe(vectors[rows], label[rows], group[rows], len(classes), seed=seed)
                proba = probe.predict_proba(vectors[fold.test])
                answers[at, repeat, fold.test] = proba.argmax(axis=1)
                trained[:, at] += len(rows), len(np.unique(group[rows]))
                advance(1)
    mean = trained / (repeats * folds)
    return CurveTable(photos, tuple(classes), mean[0], mean[1], answers, fold_of)


def sizes_for(label: NDArray[np.int64], folds: int) -> NDArray[np.int64]:
    """Return how many photos are trained on, rising, equally far apart in the logarithm."""
    counts = np.bincount(label)
    largest = len(label) * (folds - 1) // folds
    smallest = max(
        largest / 16, LEAST_OF_CLASS * len(label) / counts[counts > 0].min(), 2 * len(counts)
    )
    sizes: NDArray[np.int64] = np.unique(
        np.geomspace(min(smallest, largest), largest, SIZES).round().astype(np.int64)
    )
    apart = np.append(True, sizes[1:] >= 1.1 * sizes[:-1])
    sizes = sizes[np.flatnonzero(apart)]
    if len(sizes) < LEAST_SIZES or sizes[-1] < 2.5 * sizes[0]:
        needed = ceil(2.5 * LEAST_OF_CLASS * folds / (folds - 1))
        raise DataError(
            f"The rarest class has {int(counts[counts > 0].min())} photos, which is too few for a "
            f"learning curve; it takes about {needed} of each class."
        )
    return sizes


def growing(fold: Fold, photos: Photos, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the training photos in the order of joining, groups together, classes in proportion.

    A group counts for the class of most of its photos; groups of a class come in random order,
    each at a random point of the part of the class that it makes up.
    """
    group, label = photos.group[fold.train], photos.label[fold.train]
    codes, of = np.unique(group, return_inverse=True)
    size = np.bincount(of)
    table = np.zeros((len(codes), int(label.max()) + 1), dtype=np.int64)
    np.add.at(table, (of, label), 1)
    main = table.argmax(axis=1)
    place = np.empty(len(codes))
    for k in np.unique(main):
        mine = rng.permutation(np.flatnonzero(main == k))
        end = np.cumsum(size[mine])
        place[mine] = (end - size[mine] * rng.random(len(mine))) / end[-1]
    rank = np.argsort(np.argsort(place, kind="stable"), kind="stable")
    ordered: NDArray[np.int64] = fold.train[np.argsort(rank[of], kind="stable")]
    return ordered


def first_groups(
    order: NDArray[np.int64], group: NDArray[np.int64], size: int
) -> NDArray[np.int64]:
    """Return the first `size` photos of `order` and the rest of the last one's group, sorted."""
    last = group[order[min(size, len(order)) - 1]]
    end = int(np.flatnonzero(group[order] == last)[-1]) + 1
    return np.sort(order[:end])


class CurveFacts(Record):
    """What was asked for a curve, kept beside its answers."""

    title: str
    target: float | None
    seed: int
    drawn: bool
    classes: tuple[str, ...]
    trained: tuple[float, ...]
    trained_groups: tuple[float, ...]


def write_curve(table: CurveTable, facts: CurveFacts, folder: Path) -> None:
    """Write curve.parquet, one row per size, repeat and photo, and facts.json into `folder`."""
    photos, names = table.photos, np.array(table.classes, dtype=object)
    sizes, repeats, n = table.answers.shape
    photo = np.tile(np.arange(n), sizes * repeats)
    repeat = np.tile(np.repeat(np.arange(repeats), n), sizes)
    text = {
        "image": np.array(photos.image, dtype=object)[photo],
        "path": np.array(photos.path, dtype=object)[photo],
        "label": names[photos.label][photo],
        "group": np.array(photos.group_name, dtype=object)[photos.group][photo],
    }
    numbers = {
        "size": np.repeat(np.arange(sizes), repeats * n).astype(np.int16),
        "repeat": repeat.astype(np.int16),
        "fold": table.fold[repeat, photo].astype(np.int16),
    }
    answers = {"prediction": names[table.answers.reshape(-1)]}
    write_parquet(folder / "curve.parquet", {**text, **numbers, **answers}, note=FORMAT)
    write_text(folder / "facts.json", facts.model_dump_json(indent=1))


def read_curve(folder: Path) -> tuple[CurveTable, CurveFacts]:
    """Read what `write_curve` wrote. Raises DataError if a part is missing or damaged."""
    try:
        facts = CurveFacts.model_validate_json((folder / "facts.json").read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} does not hold a learning curve: {error}") from error
    path = folder / "curve.parquet"
    if (note := parquet_note(path)) != FORMAT:
        raise DataError(f"{path} is of the format {note!r}; this footwork reads {FORMAT!r}.")
    rows = read_table(path)
    image, first, photo = np.unique(rows["image"], return_index=True, return_inverse=True)
    number = {name: k for k, name in enumerate(facts.classes)}
    groups, group = np.unique(rows["group"][first], return_inverse=True)
    size, repeat = rows["size"].astype(np.int64), rows["repeat"].astype(np.int64)
    answers = np.zeros((int(size.max()) + 1, int(repeat.max()) + 1, len(image)), dtype=np.int64)
    answers[size, repeat, photo] = [number[name] for name in rows["prediction"]]
    fold = np.zeros(answers.shape[1:], dtype=np.int64)
    fold[repeat, photo] = rows["fold"]
    photos = Photos(
        image=tuple(image),
        path=tuple(rows["path"][first]),
        label=np.array([number[name] for name in rows["label"][first]], dtype=np.int64),
        group=group.astype(np.int64),
        group_name=tuple(groups),
    )
    trained, trained_groups = np.array(facts.trained), np.array(facts.trained_groups)
    return CurveTable(photos, facts.classes, trained, trained_groups, answers, fold), facts
