"""The catalog's labelled photos as arrays, and the folds over them."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from footwork.catalog import Labelled
from footwork.errors import DataError
from footwork.folds import Fold, cross_validation, given_split
from footwork.models.seed import original_split
from footwork.predictions import Photos
from footwork.project import CompareSettings


@dataclass(frozen=True)
class DataSet:
    """Labelled photos sorted by SHA-256, as arrays. label and group index into the names."""

    photos: Photos
    classes: tuple[str, ...]
    split: tuple[str | None, ...]
    provisional: int

    def sha256(self) -> str:
        p = self.photos
        rows = [
            [image, self.classes[p.label[i]], p.group_name[p.group[i]], self.split[i]]
            for i, image in enumerate(p.image)
        ]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    def subset(self, keep: NDArray[np.int64]) -> "DataSet":
        p = self.photos
        names, group = np.unique(
            np.array(p.group_name, dtype=object)[p.group[keep]], return_inverse=True
        )
        photos = Photos(
            image=tuple(p.image[i] for i in keep),
            path=tuple(p.path[i] for i in keep),
            label=p.label[keep],
            group=group.astype(np.int64).reshape(-1),
            group_name=tuple(names),
        )
        return replace(self, photos=photos, split=tuple(self.split[i] for i in keep))


def data_set(rows: Sequence[Labelled], classes: tuple[str, ...]) -> DataSet:
    """Turn the catalog's labelled photos into arrays. classes: () means those that occur."""
    rows = sorted(rows, key=lambda row: row.image)
    found = sorted({row.label for row in rows})
    undeclared = sorted(set(found) - set(classes)) if classes else []
    if undeclared:
        count = sum(row.label in undeclared for row in rows)
        raise DataError(
            f"{count} photos are labelled {', '.join(undeclared)}, which `classes` in "
            f"footwork.toml does not name (it names {', '.join(classes)}). Add the class there, "
            "or label these photos anew."
        )
    used = tuple(name for name in (classes or found) if name in set(found))
    if not rows:
        raise DataError(
            "There are no labelled photos to compare on. Import some: `footwork import FOLDER`, "
            "where FOLDER holds one folder of photos per class."
        )
    if len(used) < 2:
        raise DataError(
            f"All {len(rows)} labelled photos are of one class ({found[0]}); a comparison needs "
            "at least two classes. Import photos of another one."
        )
    if len({name.lower() for name in used}) < len(used):
        alike = [name for name in used if [n.lower() for n in used].count(name.lower()) > 1]
        raise DataError(
            f"The classes {', '.join(alike)} differ in case alone, which tables cannot hold apart. "
            "Rename one and import it again."
        )
    group_name, group = np.unique(
        np.array([row.group for row in rows], dtype=object), return_inverse=True
    )
    photos = Photos(
        image=tuple(row.image for row in rows),
        path=tuple(row.path for row in rows),
        label=np.array([used.index(row.label) for row in rows], dtype=np.int64),
        group=group.astype(np.int64),
        group_name=tuple(group_name),
    )
    provisional = sum(row.provisional for row in rows)
    return DataSet(photos, used, tuple(row.split for row in rows), provisional)


@dataclass(frozen=True)
class Sides:
    """inside, outside: indices of photos to compare on and of external ones, sorted.

    tied: photos that share a fold group with an external one, by a copy, a page or an author.
    They are on neither side: trained on, they would make the external set less than external.
    """

    inside: NDArray[np.int64]
    outside: NDArray[np.int64]
    tied: int

    def notes(self) -> tuple[str, ...]:
        if not self.tied:
            return ()
        return (
            f"{self.tied} photos are left out of training: they share a group (a copy, a page, an "
            "author) with photos of the external test set.",
        )


def sides(data: DataSet) -> Sides:
    external = np.array([split == "external" for split in data.split], dtype=np.bool_)
    tied = np.isin(data.photos.group, data.photos.group[external]) & ~external
    return Sides(np.flatnonzero(~external & ~tied), np.flatnonzero(external), int(tied.sum()))


@dataclass(frozen=True)
class Plan:
    """What is tested and what it is trained on. test: indices of the planned test photos."""

    data: DataSet
    folds: list[list[Fold]]
    test: NDArray[np.int64]


def plan_folds(data: DataSet, settings: CompareSettings) -> Plan:
    """Cut the folds, or take the imported split. Raises DataError if the photos do not allow it."""
    photos = data.photos
    if settings.split == "given":
        fold = given_split(
            data.split, photos.label, photos.group, names=photos.path, classes=data.classes
        )
        return Plan(data, [[fold]], fold.test)
    if settings.split == "seed":
        fold = original_split(photos.label, data.classes)
        return Plan(data, [[fold]], fold.test)
    folds = cross_validation(
        photos.label,
        photos.group,
        image=photos.image,
        folds=settings.folds,
        repeats=settings.repeats,
        seed=settings.seed,
        classes=data.classes,
    )
    return Plan(data, folds, np.arange(len(photos)))
