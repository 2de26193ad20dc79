"""Which files are photos of which class: read off folders or a table, no image opened.

Understood are

    PATH/CLASS/…/photo                 class folders
    PATH/{train,val,test}/CLASS/…      the same with a split above (valid, validation too)
    PATH/metadata.{csv,jsonl,parquet}  a Hugging Face image folder: file_name and label; also in
                                       train/, val/ and test/ below PATH
    PATH.{csv,tsv,jsonl,parquet}       a table of path and label, paths relative to the table

In class folders, hidden files, IGNORED_NAMES and IGNORED_SUFFIXES are left out and counted:
nobody means them as an image. Everything else is for the decoder to judge. Links are followed,
but never back into a folder that was walked already.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from footwork.errors import DataError, EnvironmentProblem, UsageError, nearest
from footwork.findings import Rejection, readable
from footwork.importing.listing import SPLIT_NAMES, Listing, Row, chosen_columns, read_listing, tidy
from footwork.project import usable_class
from footwork.tables import READERS, read_table

IGNORED_NAMES = {"thumbs.db", "desktop.ini", "icon\r", "__macosx", "license", "readme"}
# fmt: off
IGNORED_SUFFIXES = {
    ".aae", ".bat", ".bib", ".cfg", ".css", ".csv", ".db", ".doc", ".docx", ".h5", ".htm", ".html",
    ".ini", ".ipynb", ".js", ".json", ".jsonl", ".lnk", ".log", ".mat", ".md", ".npy", ".npz",
    ".parquet", ".pdf", ".pkl", ".py", ".rst", ".sh", ".sqlite", ".toml", ".tsv", ".txt", ".url",
    ".xls", ".xlsx", ".xml", ".xmp", ".yaml", ".yml",
}
IMAGE_SUFFIXES = {
    ".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif",
}
# fmt: on
METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
UNDERSTOOD = (
    "An import understands class folders (PATH/CLASS/photos, also below train/, val/ and test/), "
    f"a table of path and label ({', '.join(READERS)}), and a Hugging Face image folder with a "
    "metadata file."
)


@dataclass(frozen=True)
class Layout:
    """What an import is about to read.

    source: the folder or table, absolute; folder: the one that paths are shown from. rows:
    sorted by path. left_out: what was not meant as an image, by kind -> how many.
    """

    source: Path
    folder: Path
    rows: tuple[Row, ...]
    rejected: tuple[Rejection, ...]
    left_out: Mapping[str, int]
    notes: tuple[str, ...]


def find_rows(
    source: Path,
    *,
    classes: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    where: Mapping[str, str] | None = None,
) -> Layout:
    """Find out how `source` is laid out and which photos of which class it names.

    classes: the only ones allowed, in any order; none means any. columns, where: for tables,
    see listing.read_listing. Raises UsageError if `source` is missing or has no table to which
    columns or where apply; DataError if nothing in it is understood, or a class is empty, not
    allowed, or cannot be a class's name.
    """
    columns, where = columns or {}, where or {}
    try:
        source = Path(os.path.realpath(source))
        is_folder, is_file = source.is_dir(), source.is_file()
    except (OSError, ValueError) as error:
        raise EnvironmentProblem(f"{source} cannot be looked at: {error}") from error
    if is_folder:
        found = of_folder(source, classes, columns, where)
    elif is_file and source.suffix.lower() in READERS:
        listing = read_listing(source, columns, where)
        found = Layout(source, source.parent, listing.rows, listing.rejected, {}, (listing.note,))
    elif source.exists():
        raise DataError(f"{source} is neither a folder nor a table. {UNDERSTOOD}")
    else:
        raise UsageError(f"{source} does not exist.")
    rows = with_checked_classes(found.rows, classes, source)
    return replace(found, rows=tuple(sorted(rows, key=lambda row: str(row.path))))


def of_folder(
    source: Path, classes: Sequence[str], columns: Mapping[str, str], where: Mapping[str, str]
) -> Layout:
    folders, files = visible(source)
    splits = {
        folder: SPLIT_NAMES[folder.name.lower()]
        for folder in folders
        if folder.name.lower() in SPLIT_NAMES and folder.name not in classes
    }
    described = hugging_face(source, splits, columns, where)
    if described is not None:
        return described
    tables = [path for path in files if path.suffix.lower() in READERS]
    if columns or where:
        hint = f": footwork import {tables[0]}" if tables else ""
        raise UsageError(
            f"{source} is imported by its folders; columns and filters are for tables{hint}"
        )
    class_folders: list[tuple[Path, str | None]] = [(path, None) for path in folders]
    inner = {folder: visible(folder)[0] for folder in splits}
    if any(inner.values()):
        others = sorted(folder.name for folder in folders if folder not in splits)
        if others:
            named = ", ".join(sorted(folder.name for folder in splits))
            raise DataError(
                f"{source} holds split folders ({named}) beside others "
                f"({', '.join(others[:8])}): which are classes? Move one or the other."
            )
        class_folders = [(path, splits[split]) for split, some in inner.items() for path in some]
    if not class_folders:
        raise nothing_found(source, tables, files)
    found = of_class_folders(source, class_folders, [source, *splits])
    notes = [
        f"{path.name} lies beside the class folders and was not used; to import what it lists: "
        f"footwork import {path}"
        for path in tables
    ]
    stray = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    if stray:
        notes.append(
            f"{len(stray):,} image(s) lie outside the class folders and were left out "
            f"({stray[0].name} first)."
        )
    return replace(found, notes=tuple(notes))


def visible(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the folders and the files in `folder` that are not hidden, sorted."""
    try:
        paths = sorted(path for path in folder.iterdir() if not hidden(path.name))
        return [p for p in paths if p.is_dir()], [p for p in paths if not p.is_dir()]
    except OSError as error:
        raise EnvironmentProblem(f"{folder} cannot be listed: {error.strerror}") from error


def hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() == "__macosx"


def nothing_found(source: Path, tables: Sequence[Path], files: Sequence[Path]) -> DataError:
    if tables:
        hint = f" To import the files that a table lists: footwork import {tables[0]}"
    elif files:
        hint = " Put its photos into one folder per class."
    else:
        hint = ""
    return DataError(f"{source} holds no class folders. {UNDERSTOOD}{hint}")


def of_class_folders(
    source: Path, class_folders: Sequence[tuple[Path, str | None]], above: Iterable[Path]
) -> Layout:
    """Take every file below a class folder for a photo of that class.

    class_folders: with the split that they lie in; above: folders that links may lead back to.
    """
    left_out: Counter[str] = Counter()
    rows: list[Row] = []
    rejected: list[Rejection] = []
    walked = {identity(folder) for folder in above} | {identity(path) for path, _ in class_folders}
    found: Counter[str] = Counter()
    for folder, split in class_folders:
        photos, troubles = photos_below(folder, set(walked), left_out)
        rows += [Row(path, tidy(folder.name), split) for path in photos]
        rejected += troubles
        found[folder.name] += len(photos) + len(troubles)
    empty = sorted(name for name, count in found.items() if count == 0)
    if empty:
        raise DataError(
            f"{source} has class folders without a photo: {', '.join(map(readable, empty))}. "
            "Fill or remove them."
        )
    return Layout(source, source, tuple(rows), tuple(rejected), left_out, ())


def photos_below(
    top: Path, walked: set[tuple[int, int]], left_out: Counter[str]
) -> tuple[list[Path], list[Rejection]]:
    """Return the files at any depth that may be photos, and folders that cannot be listed.

    walked: folders not to be entered, by device and inode; `top` itself is.
    """
    photos: list[Path] = []
    rejected: list[Rejection] = []
    pending = [top]
    while pending:
        folder = pending.pop()
        try:
            names = sorted(os.listdir(folder))  # noqa: PTH208  names are enough
        except OSError as error:
            rejected.append(Rejection(readable(str(folder)), f"not listed: {error.strerror}"))
            continue
        for name in names:
            path = folder / name
            suffix = path.suffix.lower()
            if hidden(name):
                left_out["hidden"] += 1
            elif is_folder(path) and suffix not in IMAGE_SUFFIXES:
                if identity(path) in walked:
                    left_out["link back to a folder"] += 1
                else:
                    walked.add(identity(path))
                    pending.append(path)
            elif name.lower() in IGNORED_NAMES or suffix in IGNORED_SUFFIXES:
                left_out[suffix or name] += 1
            else:
                photos.append(path)
    return photos, rejected


def is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # behind a folder without permission: for the reader to reject
        return False


def identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def hugging_face(
    source: Path,
    splits: Mapping[Path, str],
    columns: Mapping[str, str],
    where: Mapping[str, str],
) -> Layout | None:
    """Read an image folder by its metadata files, or return None if none gives labels."""
    listings: list[Listing] = []
    notes: list[str] = []
    for folder in (source, *splits):
        for path in (folder / name for name in METADATA):
            if not path.is_file():
                continue
            try:
                chosen_columns(read_table(path), {"path": "file_name", **columns}, path)
            except DataError as error:
                notes.append(f"{path} was not used: {error}")
                continue
            listing = read_listing(path, {"path": "file_name", **columns}, where)
            rows = tuple(
                replace(row, split=row.split or splits.get(folder) or split_above(row.path, source))
                for row in listing.rows
            )
            listings.append(replace(listing, rows=rows))
    if not listings:
        return None
    return Layout(
        source,
        source,
        tuple(row for listing in listings for row in listing.rows),
        tuple(item for listing in listings for item in listing.rejected),
        {},
        (*(listing.note for listing in listings), *notes),
    )


def split_above(path: Path, source: Path) -> str | None:
    """Return the split of SOURCE/train/…: how the Hub's own image folders name it."""
    if not path.is_relative_to(source):
        return None
    return SPLIT_NAMES.get(path.relative_to(source).parts[0].lower())


def with_checked_classes(
    rows: Iterable[Row], classes: Sequence[str], source: Path
) -> Iterable[Row]:
    """Return the rows with their classes spelt as declared. Raises DataError for other ones."""
    rows = list(rows)
    declared = {tidy(name): name for name in classes}
    for name, count in sorted(Counter(row.label for row in rows).items()):
        try:
            usable_class(name)
        except ValueError as error:
            raise DataError(f"{source} has a class {readable(name)!r}: {error}.") from None
        if declared and name not in declared:
            raise DataError(
                f"{source} has a class {name!r} ({count:,} files) that `classes` in footwork.toml "
                f"does not name; {nearest(name, declared)} Rename it, or add it there."
            )
    return [replace(row, label=declared.get(row.label, row.label)) for row in rows]
