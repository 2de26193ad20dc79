"""The table of out-of-fold predictions: the single source of every number in a run.

One row per entry, repeat and planned test photo. On disk (`predictions.parquet`, format 1):

    entry       str   hash of the entry's whole configuration
    image       str   SHA-256 of the image's bytes
    path        str   where the image came from
    label       str   its class
    group       str   its fold group: images of one group are never on both sides of a fold
    base, recipe str  for reading; `entry` is what identifies
    repeat      int   0, 1, ...; every repeat cuts the folds anew
    fold        int   the fold of this repeat in which the image was tested
    status      str   'ok', 'abstained', or 'failed: REASON'
    prediction  str   the class answered, NULL unless ok
    p_CLASS     float one column per class, its probability, NULL unless ok

In memory the names are stored once and the rows are integers, so that every score is
arithmetic on small arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from footwork.errors import DataError
from footwork.tables import Column, Table, parquet_note, read_table, write_parquet

FORMAT = "predictions 1"  # in the file's metadata; another number when a column changes
OK, ABSTAINED, FAILED = 0, 1, 2
NO_ANSWER = -1  # in `predicted`, where the status is not ok
REQUIRED = ("entry", "image", "path", "label", "group", "base", "recipe", "repeat", "fold",
            "status", "prediction")  # fmt: skip


@dataclass(frozen=True)
class Photos:
    """The photos that were planned to be tested, in a fixed order (by `image`).

    image: SHA-256 hex digits; path: origin; label: (m,) int64 in [0, k); group: (m,) int64
    codes; group_name: the name behind each code.
    """

    image: tuple[str, ...]
    path: tuple[str, ...]
    label: NDArray[np.int64]
    group: NDArray[np.int64]
    group_name: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.image)


@dataclass(frozen=True)
class EntryName:
    entry: str
    base: str
    recipe: str


@dataclass(frozen=True)
class Predictions:
    """Rows of predictions over `photos` by `entries`.

    entry, photo: (n,) int64 indices into `entries` and `photos`; repeat, fold: (n,) int64;
    status: (n,) uint8, one of OK, ABSTAINED, FAILED; reason: (n,) str, '' unless failed;
    predicted: (n,) int64 class index or NO_ANSWER; proba: (n, k) float64, rows sum to 1, NaN
    unless ok. Rows are sorted by entry, repeat, photo.
    """

    classes: tuple[str, ...]
    photos: Photos
    entries: tuple[EntryName, ...]
    entry: NDArray[np.int64]
    photo: NDArray[np.int64]
    repeat: NDArray[np.int64]
    fold: NDArray[np.int64]
    status: NDArray[np.uint8]
    reason: NDArray[np.object_]
    predicted: NDArray[np.int64]
    proba: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.entry)

    @property
    def truth(self) -> NDArray[np.int64]:
        """(n,) the labelled class of each row."""
        return self.photos.label[self.photo]

    @property
    def repeats(self) -> int:
        return int(self.repeat.max()) + 1 if len(self) else 0

    @property
    def folds(self) -> int:
        return int(self.fold.max()) + 1 if len(self) else 0

    def of_entry(self, index: int) -> "Predictions":
        """Return only the rows of entry `index` (`entries` unchanged)."""
        return self.where(self.entry == index)

    def where(self, rows: NDArray[np.bool_]) -> "Predictions":
        return replace(
            self,
            **{name: getattr(self, name)[rows] for name in ROW_FIELDS},
        )

    def answers(self, index: int) -> NDArray[np.int64]:
        """Return entry `index`'s answers as (repeats, photos) class indices or NO_ANSWER.

        Every planned photo has a cell; one without a row counts as NO_ANSWER.
        """
        grid = np.full((self.repeats, len(self.photos)), NO_ANSWER, dtype=np.int64)
        rows = self.entry == index
        grid[self.repeat[rows], self.photo[rows]] = self.predicted[rows]
        return grid

    def probabilities(self, index: int) -> NDArray[np.float64]:
        """Return entry `index`'s probabilities as (repeats, photos, k), NaN where no answer."""
        grid = np.full((self.repeats, len(self.photos), len(self.classes)), np.nan)
        rows = self.entry == index
        grid[self.repeat[rows], self.photo[rows]] = self.proba[rows]
        return grid

    def write(self, path: Path) -> None:
        """Write the table in the form documented at the top of this module."""
        names = np.array([*self.classes, None], dtype=object)  # NO_ANSWER is the last: None
        entries = np.array([(e.entry, e.base, e.recipe) for e in self.entries], dtype=object)
        entries = entries.reshape(len(self.entries), 3)
        photos = self.photos
        status = np.array(["ok", "abstained", "failed"], dtype=object)[self.status]
        failed = self.status == FAILED
        status[failed] = "failed: " + self.reason[failed]
        columns: dict[str, Column] = {
            "entry": entries[self.entry, 0],
            "image": as_text(photos.image)[self.photo],
            "path": as_text(photos.path)[self.photo],
            "label": names[self.truth],
            "group": as_text(photos.group_name)[photos.group][self.photo],
            "base": entries[self.entry, 1],
            "recipe": entries[self.entry, 2],
            "repeat": self.repeat.astype(np.int16),
            "fold": self.fold.astype(np.int16),
            "status": status,
            "prediction": names[self.predicted],
        }
        for k, name in enumerate(self.classes):
            columns[f"p_{name}"] = self.proba[:, k]
        write_parquet(path, columns, note=FORMAT)


ROW_FIELDS = ("entry", "photo", "repeat", "fold", "status", "reason", "predicted", "proba")


def stacked(tables: Sequence[Predictions]) -> Predictions:
    """Put tables of one entry each, all over the same photos, under each other."""
    sizes = [len(table) for table in tables]
    return replace(
        tables[0],
        entries=tuple(table.entries[0] for table in tables),
        entry=np.repeat(np.arange(len(tables)), sizes),
        photo=np.concatenate([t.photo for t in tables]),
        repeat=np.concatenate([t.repeat for t in tables]),
        fold=np.concatenate([t.fold for t in tables]),
        status=np.concatenate([t.status for t in tables]),
        reason=np.concatenate([t.reason for t in tables]),
        predicted=np.concatenate([t.predicted for t in tables]),
        proba=np.concatenate([t.proba for t in tables]),
    )


def read_predictions(path: Path) -> Predictions:
    """Read a `predictions.parquet` back.

    Raises DataError if it is of another format, or a column is missing or wrong.
    """
    note = parquet_note(path)
    if note not in ("", FORMAT):
        raise DataError(f"{path} is of the format {note!r}; this footwork reads {FORMAT!r}.")
    return from_table(read_table(path), path)


def from_table(table: Table, source: Path) -> Predictions:
    missing = [name for name in REQUIRED if name not in table]
    classes = tuple(name[2:] for name in table if name.startswith("p_"))
    if missing or not classes:
        wanted = ", ".join(missing) or "p_CLASS, one per class"
        raise DataError(f"{source} is not a table of predictions: it lacks {wanted}.")
    image, first, photo = np.unique(table["image"], return_index=True, return_inverse=True)
    group_name, group = np.unique(table["group"][first], return_inverse=True)
    index_of = {name: k for k, name in enumerate(classes)}
    try:
        label = np.array([index_of[name] for name in table["label"][first]], dtype=np.int64)
        predicted = np.array(
            [NO_ANSWER if name is None else index_of[name] for name in table["prediction"]],
            dtype=np.int64,
        )
    except KeyError as error:
        raise DataError(
            f"{source}: class {error.args[0]!r} has no column p_{error.args[0]}."
        ) from None
    # Entries keep the order in which they were written.
    entry_hash, entry_first = np.unique(table["entry"], return_index=True)
    entry_hash = entry_hash[np.argsort(entry_first)]
    entry_first = np.sort(entry_first)
    position = {name: i for i, name in enumerate(entry_hash)}
    entry = np.array([position[name] for name in table["entry"]], dtype=np.int64)
    status, reason = parsed_status(table["status"])
    repeat = table["repeat"].astype(np.int64)
    order = np.lexsort((photo, repeat, entry))
    return Predictions(
        classes=classes,
        photos=Photos(
            image=tuple(image),
            path=tuple(table["path"][first]),
            label=label,
            group=group.astype(np.int64),
            group_name=tuple(group_name),
        ),
        entries=tuple(
            EntryName(table["entry"][i], table["base"][i], table["recipe"][i]) for i in entry_first
        ),
        entry=entry[order],
        photo=photo.astype(np.int64)[order],
        repeat=repeat[order],
        fold=table["fold"].astype(np.int64)[order],
        status=status[order],
        reason=reason[order],
        predicted=predicted[order],
        proba=np.column_stack([table[f"p_{name}"].astype(np.float64) for name in classes])[order],
    )


def parsed_status(column: Column) -> tuple[NDArray[np.uint8], NDArray[np.object_]]:
    status = np.zeros(len(column), dtype=np.uint8)
    reason = np.full(len(column), "", dtype=object)
    for i, text in enumerate(column):
        if text == "abstained":
            status[i] = ABSTAINED
        elif text != "ok":
            status[i] = FAILED
            reason[i] = str(text).removeprefix("failed: ")
    return status, reason


def as_text(values: tuple[str, ...]) -> NDArray[np.object_]:
    return np.array(values, dtype=object)
