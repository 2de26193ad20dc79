"""Tables of predictions that others made: read, checked, and turned into Predictions.

One row per model, photo and (if there are several) repeat. Columns: `image`, `label`, `model`,
then `p_CLASS` per class, or `prediction`, or both; optional `group`, `fold`, `repeat`, and
`status` and `path` as in footwork.predictions. The table of a run of footwork, with `entry`,
`base` and `recipe` instead of `model`, is read too. Nothing is guessed: what could mean two
things is refused with a sentence that says what to do.
"""

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from footwork.errors import DataError, nearest
from footwork.evaluate.foreign_answers import checked_answers
from footwork.predictions import EntryName, Photos, Predictions
from footwork.tables import Coded, read_coded, read_names

NEEDED = ("image", "label", "model")
OPTIONAL = ("prediction", "group", "fold", "repeat", "status", "path")
OWN = ("entry", "base", "recipe")  # what a run of footwork has instead of `model`
LOOKS_LIKE = 0.75  # an unknown column this close to a known one is taken for a slip
SHOWN = 3  # examples in a message

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Foreign:
    """Predictions of models that were never seen. titles: a readable name per entry.

    notes: sentences that a reader must see beside the scores.
    """

    predictions: Predictions
    titles: Mapping[str, str]
    notes: tuple[str, ...]


def read_foreign(path: Path, *, common: bool = False) -> Foreign:
    """Read and check a table of predictions (.csv, .tsv, .parquet or .jsonl).

    common: where models predict different photos, keep those that all of them predict (in the
    repeats that all of them have) instead of refusing. Rows and models may come in any order;
    the classes are those of the p_CLASS columns, in their order, or else those of the labels.
    An empty `prediction`, or a `status` other than 'ok', is no answer and counts as wrong.
    See `checked_answers` for what is asked of probabilities.

    Raises DataError, one sentence or two each, for everything that has no clear meaning.
    """
    columns = read_names(path)
    check_columns(columns, path)
    probabilities = [name for name in columns if name.startswith("p_")]
    own = "model" not in columns
    known = (*NEEDED, *OPTIONAL, *(OWN if own else ()))
    texts = [name for name in columns if name in known]
    text, numbers = read_coded(path, texts, probabilities)
    if own:
        text["model"] = text["entry"]
    if not len(text["image"].code):
        raise DataError(f"{path} holds no rows: there is nothing to judge.")
    for name in (*NEEDED, *(c for c in ("fold", "repeat", "status") if c in text)):
        check_filled(text[name], name, path)

    notes = []
    rows = Rows.of(text)
    kept = rows.checked(path, common)
    if kept is not None:
        dropped = len(rows.image.names) - len(np.unique(rows.image.code[kept]))
        notes.append(
            f"{dropped:,} of {len(rows.image.names):,} photos were left out (--common): not all "
            "models predict them."
        )
        text = {name: compact(Coded(c.names, c.code[kept])) for name, c in text.items()}
        numbers = {name: column[kept] for name, column in numbers.items()}
        rows = Rows.of(text)
    strangers = [c for c in columns if c not in texts and c not in probabilities]
    if strangers:
        notes.append(f"Columns that were not used: {', '.join(strangers)}.")
    order = rows.order
    photos, classes = photos_of(text, [name[2:] for name in probabilities], path)
    answers = checked_answers(text, numbers, classes, path)
    notes += answers.notes
    models = rows.model
    titles = own_titles(text) if own else {name: name for name in models.names}
    return Foreign(
        predictions=Predictions(
            classes=classes,
            photos=photos,
            entries=tuple(EntryName(name, titles[name], "") for name in models.names),
            entry=models.code[order],
            photo=rows.image.code[order],
            repeat=rows.repeat.code[order],
            fold=rows.folds(path)[order],
            status=answers.status[order],
            reason=answers.reason[order],
            predicted=answers.predicted[order],
            proba=answers.proba[order],
        ),
        titles=titles,
        notes=tuple(notes),
    )


def check_columns(columns: Sequence[str], path: Path) -> None:
    """Raise DataError if a needed column is missing or an unknown one looks like a slip."""
    own = set(OWN) <= set(columns)
    missing = [name for name in NEEDED if name not in columns and not (own and name == "model")]
    if not any(name.startswith("p_") or name == "prediction" for name in columns):
        missing.append("p_CLASS for each class (or prediction)")
    absent = [name for name in (*NEEDED, *OPTIONAL) if name not in columns]
    said, slips = [], 0
    for name in columns:
        if name in (*NEEDED, *OPTIONAL, *OWN) or name.startswith("p_"):
            continue
        close = difflib.get_close_matches(name.strip().lower(), absent, n=1, cutoff=LOOKS_LIKE)
        slips += bool(close)
        said.append(f"{name!r}" + (f" (did you mean {close[0]}?)" if close else ""))
    unknown = f" Unknown columns: {', '.join(said)}." if said else ""
    if missing:
        raise DataError(
            f"{path} is no table of predictions: it lacks {', '.join(missing)}.{unknown}"
        )
    if slips:
        raise DataError(f"{path} has columns that look misspelt.{unknown} Rename or drop them.")


def check_filled(column: Coded, name: str, path: Path) -> None:
    if empty := int((column.code < 0).sum()):
        raise DataError(f"{path}: {name} is empty in {empty:,} of {len(column.code):,} rows.")


def compact(column: Coded) -> Coded:
    """Drop the names that no row has any more."""
    used, code = np.unique(column.code, return_inverse=True)
    has_empty = int(len(used) > 0 and used[0] < 0)
    names = tuple(column.names[i] for i in used[has_empty:])
    return Coded(names, code.astype(np.int64) - has_empty)


@dataclass(frozen=True)
class Rows:
    """Who answered for which photo when: what makes a row unique."""

    image: Coded
    model: Coded
    repeat: Coded
    fold: Coded | None

    @classmethod
    def of(cls, text: Mapping[str, Coded]) -> "Rows":
        image = text["image"]
        once = Coded(("0",), np.zeros(len(image.code), dtype=np.int64))
        return cls(image, text["model"], text.get("repeat", once), text.get("fold"))

    @property
    def cell(self) -> Codes:
        """(n,) the model and repeat of a row as one number."""
        return self.model.code * len(self.repeat.names) + self.repeat.code

    @cached_property
    def order(self) -> Codes:
        """(n,) the rows sorted by model, repeat and image."""
        photos = len(self.image.names)
        if len(self.model.names) * len(self.repeat.names) * photos < 2**62:
            return np.argsort(self.cell * photos + self.image.code)  # no two rows are alike
        return np.lexsort((self.image.code, self.cell))

    def checked(self, path: Path, common: bool) -> NDArray[np.bool_] | None:
        """Return which rows to keep, None for all: every model once per photo and repeat."""
        self.check_unique(path)
        models, repeats, photos = (
            len(c.names) for c in (self.model, self.repeat, self.image)
        )  # fmt: skip
        if len(self.image.code) == models * repeats * photos:
            return None
        if not common:
            raise DataError(f"{path}: {self.difference()}")
        cells = np.unique(self.cell)
        shared = np.bincount(cells % repeats, minlength=repeats) == models
        kept: NDArray[np.bool_] = shared[self.repeat.code]
        times = np.bincount(self.image.code[kept], minlength=photos)
        everywhere = times == models * int(shared.sum())
        if not shared.any() or not everywhere.any():
            raise DataError(f"{path}: no photo is predicted by all {models} models.")
        kept &= everywhere[self.image.code]
        return kept

    def check_unique(self, path: Path) -> None:
        order = self.order
        image, cell = self.image.code[order], self.cell[order]
        twice = np.flatnonzero((image[1:] == image[:-1]) & (cell[1:] == cell[:-1]))
        if not len(twice):
            return
        row = order[twice[0]]
        where = f"model {self.model.names[self.model.code[row]]}"
        if len(self.repeat.names) > 1:
            where += f", repeat {self.repeat.names[self.repeat.code[row]]}"
        raise DataError(
            f"{path}: {len(twice):,} rows repeat a photo that the same model has answered before "
            f"(first: {self.image.names[self.image.code[row]]}, {where}). If the cross-validation "
            "was repeated, add a column `repeat`; else drop the copies."
        )

    def difference(self) -> str:
        """Say which models lack which photos, or which repeats."""
        models, photos = len(self.model.names), len(self.image.names)
        pairs = np.unique(self.model.code * photos + self.image.code)
        count = np.bincount(pairs // photos, minlength=models)
        way_out = "Predict the same photos with all, or add --common to judge on the shared ones."
        lacking = int(count.argmin())
        if count[lacking] == photos:
            cells, times = np.unique(self.cell, return_counts=True)
            all_cells = np.bincount(cells, times, minlength=models * len(self.repeat.names))
            model, repeat = divmod(int(all_cells.argmin()), len(self.repeat.names))
            return (
                f"model {self.model.names[model]} answers {int(all_cells.min()):,} of the "
                f"{photos:,} photos in repeat {self.repeat.names[repeat]}. {way_out}"
            )
        seen = pairs[pairs // photos == lacking] % photos
        absent = np.setdiff1d(np.arange(photos), seen)
        first = ", ".join(self.image.names[i] for i in absent[:SHOWN])
        more = f" and {len(absent) - SHOWN:,} more" if len(absent) > SHOWN else ""
        whole = int((count == photos).sum())
        return (
            f"the models predict different photos: of {photos:,}, {self.model.names[lacking]} "
            f"lacks {len(absent):,} ({first}{more}); {whole} of {models} models have all. "
            f"{way_out}"
        )

    def folds(self, path: Path) -> Codes:
        """(n,) the fold within its model and repeat, from 0; 0 where there are none.

        Folds that are numbered through all repeats are numbered anew in each.
        """
        if self.fold is None:
            return np.zeros(len(self.image.code), dtype=np.int64)
        size = len(self.fold.names)
        used, row = distinct(self.cell * size + self.fold.code)
        _, first, times = np.unique(used // size, return_index=True, return_counts=True)
        if times.min() != times.max():
            raise DataError(
                f"{path}: some models or repeats are cut into {times.min()} folds and others "
                f"into {times.max()}; they were trained on unlike numbers of photos. Judge them "
                "apart, or drop the column fold to judge these very models."
            )
        rank = np.arange(len(used)) - np.repeat(first, times)
        return rank[row].astype(np.int64)


def distinct(codes: Codes) -> tuple[Codes, Codes]:
    """Do np.unique(codes, return_inverse=True), without sorting where the codes are dense."""
    most = int(codes.max()) + 1
    if most > len(codes):
        values, place = np.unique(codes, return_inverse=True)
        return values, place.astype(np.int64)
    present = np.zeros(most, dtype=bool)
    present[codes] = True
    return np.flatnonzero(present), (np.cumsum(present) - 1)[codes]


def photos_of(
    text: Mapping[str, Coded], classes: Sequence[str], path: Path
) -> tuple[Photos, tuple[str, ...]]:
    """Return the photos, with one label and group each, and the classes."""
    image, label = text["image"], text["label"]
    of_image = single(text, "label", path)
    if not classes:
        classes = label.names
    lost = [name for name in label.names if name not in classes]
    if lost:
        raise DataError(
            f"{path}: label {lost[0]!r} has no column p_{lost[0]}; {nearest(lost[0], classes)}"
        )
    bare = [name for name in classes if name not in label.names]
    if bare:
        raise DataError(
            f"{path}: class {bare[0]!r} has a column but no photo, and a mean that leaves it out "
            "would be another score. Add photos of it, or drop the column and let the others "
            "sum to 1."
        )
    if len(classes) < 2:
        raise DataError(f"{path}: all photos are labelled {classes[0]!r}; there is no choice.")
    index = np.array([classes.index(name) for name in label.names], dtype=np.int64)
    group, group_name = np.arange(len(image.names)), image.names
    if "group" in text and text["group"].names:
        given = text["group"]
        group = single(text, "group", path)
        alone = np.flatnonzero(group < 0)  # a photo without a group is its own
        group[alone] = len(given.names) + np.arange(len(alone))
        group_name = (*given.names, *(image.names[i] for i in alone))
    shown = image.names
    if "path" in text and text["path"].names:
        code = single(text, "path", path)
        shown = tuple(
            text["path"].names[c] if c >= 0 else image.names[i] for i, c in enumerate(code)
        )
    photos = Photos(
        image=image.names, path=shown, label=index[of_image], group=group, group_name=group_name
    )
    return photos, tuple(classes)


def single(text: Mapping[str, Coded], name: str, path: Path) -> Codes:
    """Return the code of the one value that column `name` has for each image."""
    image, column, model = text["image"], text[name], text["model"]
    said = np.full(len(image.names), -1, dtype=np.int64)
    said[image.code] = column.code
    other = np.flatnonzero(column.code != said[image.code])
    if not len(other):
        return said
    row = other[0]
    against = np.flatnonzero((image.code == image.code[row]) & (column.code != column.code[row]))[0]
    (a, who_a), (b, who_b) = sorted(
        (
            column.names[column.code[r]] if column.code[r] >= 0 else "nothing",
            model.names[model.code[r]],
        )
        for r in (row, against)
    )
    count = len(np.unique(image.code[other]))
    raise DataError(
        f"{path}: {count:,} photos have more than one {name}: {image.names[image.code[row]]} is "
        f"{a!r} in a row of {who_a} and {b!r} in a row of {who_b}. Give each photo one."
    )


def own_titles(text: Mapping[str, Coded]) -> dict[str, str]:
    """Return 'base · recipe' per entry of a run, with its hash where two are called the same."""
    names = []
    for code in range(len(text["entry"].names)):
        row = int((text["entry"].code == code).argmax())
        base, recipe = (text[c].names[text[c].code[row]] for c in ("base", "recipe"))
        names.append(f"{base} · {recipe}")
    times = Counter(names)
    return {
        entry: name if times[name] == 1 else f"{name} ({entry[:6]})"
        for entry, name in zip(text["entry"].names, names, strict=True)
    }
