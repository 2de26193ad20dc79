"""A table of path and label -> rows, with its columns found by their usual names."""

import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from footwork.errors import DataError, UsageError, nearest
from footwork.findings import Rejection
from footwork.tables import Table, read_table

# What a column is for -> the names it usually has, the first that is there wins.
COLUMNS = {
    "path": ("path", "file", "filename", "file_name", "image", "image_path"),
    "label": ("label", "class", "category", "target"),
    "split": ("split", "set", "subset", "fold_split"),
    "group": ("group", "group_id"),
}
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "external": "external",
}
URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")
LONGEST_PATH = 4096  # PATH_MAX of Linux


@dataclass(frozen=True)
class Row:
    """One file and what its source says of it. split: one of train, val, test, external."""

    path: Path
    label: str
    split: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Listing:
    """rejected: rows that name no file or no label. note: which columns were read."""

    rows: tuple[Row, ...]
    rejected: tuple[Rejection, ...]
    note: str


def read_listing(path: Path, columns: Mapping[str, str], where: Mapping[str, str]) -> Listing:
    """Read the rows of a table, in its order; relative paths are relative to the table.

    columns: overrides by purpose, {"path": "file", "group": "photo"}. where: only rows whose
    column has this value, compared as text. A row without a path or label is rejected, it does
    not end the import. Raises DataError if the table cannot be read, lacks a column, has a
    URL for a path or a split of another name, or no row is left; UsageError for a purpose that
    is not in COLUMNS.
    """
    table = read_table(path)
    used = chosen_columns(table, columns, path)
    selected = matching(table, where, path)
    texts = {purpose: [text(value) for value in table[name]] for purpose, name in used.items()}
    rows, rejected = [], []
    folders: dict[Path, Path] = {}
    for i in selected:
        values = {purpose: column[i] for purpose, column in texts.items()}
        row = f"row {i + 1} of {path}"
        value = values["path"]
        if URL.match(value):
            raise DataError(
                f"{row} gives a URL for a path ({value[:80]}). An import reads files of this "
                "machine: fetch the pictures first, then name the files."
            )
        reason = unusable(value, table[used["path"]][i])
        if reason is not None:
            rejected.append(Rejection(row, reason))
            continue
        label = tidy(values["label"])
        if not label:
            rejected.append(Rejection(row, "it gives no label"))
            continue
        file = located(path.parent / value, folders)
        split = split_named(values.get("split", ""), row)
        rows.append(Row(file, label, split, tidy(values.get("group", "")) or None))
    return Listing(tuple(rows), tuple(rejected), noted(path, used, where, len(selected), table))


def chosen_columns(table: Table, columns: Mapping[str, str], path: Path) -> dict[str, str]:
    """Return purpose -> column name; path and label are always there."""
    for purpose, name in columns.items():
        if purpose not in COLUMNS:
            raise UsageError(f"A table has no column for {purpose!r}; {nearest(purpose, COLUMNS)}")
        if name not in table:
            raise DataError(
                f"{path} has no column {name!r} (wanted for {purpose}); {nearest(name, table)} "
                f"Its columns: {', '.join(table)}."
            )
    by_name = {name.strip().lower(): name for name in reversed(table)}
    used = dict(columns)
    for purpose, names in COLUMNS.items():
        usual = next((by_name[name] for name in names if name in by_name), None)
        if purpose not in used and usual is not None and usual not in columns.values():
            used[purpose] = usual
    for purpose in ("path", "label"):
        if purpose not in used:
            raise DataError(
                f"{path} has no column for the {purpose} (usual names: "
                f"{', '.join(COLUMNS[purpose])}). Its columns: {', '.join(table)}. Say which one "
                f"it is: --column {purpose}=NAME"
            )
    return used


def matching(table: Table, where: Mapping[str, str], path: Path) -> list[int]:
    """Return the indices of the rows that have all values of `where`."""
    length = len(next(iter(table.values()), ()))
    left = list(range(length))
    for name, wanted in where.items():
        if name not in table:
            raise DataError(f"{path} has no column {name!r} to filter by; {nearest(name, table)}")
        values = [text(value) for value in table[name]]
        left = [i for i in left if values[i] == wanted]
        if not left:
            some = ", ".join(sorted(set(values))[:8])
            raise DataError(f"No row of {path} has {name} = {wanted} (its values: {some}).")
    if not left:
        raise DataError(f"{path} has no rows.")
    return left


def text(value: object) -> str:
    """Return a cell as text: NULL as '', 3.0 as '3' (integers beside NULLs are floats)."""
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return ""
    if isinstance(value, float | np.floating) and value.is_integer():
        return str(int(value))
    return str(value)


def tidy(name: str) -> str:
    """Return a name without outer blanks, composed: a Mac's é is two characters, a toml's one."""
    return unicodedata.normalize("NFC", name).strip()


def unusable(value: str, cell: object) -> str | None:
    if not value:
        return "it gives no path"
    if not isinstance(cell, str):
        return "its path is not text"
    if len(value) > LONGEST_PATH:
        return f"its path is longer than {LONGEST_PATH:,} characters"
    return "its path is a name that no file can have" if "\0" in value else None


def located(path: Path, folders: dict[Path, Path]) -> Path:
    """Return `path` with its folder's links and .. resolved, so that a file has one name."""
    folder = folders.get(path.parent)
    if folder is None:
        folder = folders[path.parent] = Path(os.path.realpath(path.parent))
    return folder / path.name


def split_named(name: str, row: str) -> str | None:
    wanted = tidy(name).lower()
    if wanted and wanted not in SPLIT_NAMES:
        raise DataError(f"{row} has a split {name!r}; {nearest(wanted, SPLIT_NAMES)}")
    return SPLIT_NAMES.get(wanted)


def noted(
    path: Path, used: Mapping[str, str], where: Mapping[str, str], rows: int, table: Table
) -> str:
    read = ", ".join(f"{used[purpose]} as {purpose}" for purpose in COLUMNS if purpose in used)
    total = len(table[used["path"]])
    only = " and ".join(f"{name} = {value}" for name, value in where.items())
    chosen = f"; {rows:,} of {total:,} rows have {only}" if where else ""
    return f"{path.name}: read {read}{chosen}."
