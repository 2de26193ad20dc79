"""Near-copies in any folders, in no project: read only, nothing is written there."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np

from footwork.copies import Copy, Facts, Pair
from footwork.duplicates.calibrate import Calibration
from footwork.duplicates.evidence import Codes, codes_of
from footwork.duplicates.keep import copies_to_set_aside
from footwork.duplicates.search import Search, search
from footwork.errors import DataError, UsageError
from footwork.findings import readable
from footwork.images import Unreadable, orientation, parsed, read_bytes, sniffed
from footwork.imagestore import read_verified
from footwork.models.networks import network_cache
from footwork.progress import Progress

IMAGES = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif",
    ".heic", ".heif", "",
}  # fmt: skip
SPLITS = {"train", "training", "val", "valid", "validation", "dev", "test", "testing"}
BATCH = 512  # files whose hashes are made at a time
SAME_BYTES = "bytes"
SAME = "the same bytes"


@dataclass(frozen=True)
class File:
    """name: as shown, relative to its folder. label: its class folder, '' without one.

    old: it lies in the folder that is compared against.
    """

    path: Path
    name: str
    label: str
    old: bool


@dataclass(frozen=True)
class Group:
    """Files that show one photo. copies: (name, why it is not kept, how far from the kept one)."""

    keep: File
    copies: tuple[tuple[File, str, Pair], ...]

    @property
    def reason(self) -> str:
        return "; ".join(dict.fromkeys(why for _file, why, _pair in self.copies))

    @property
    def labels(self) -> dict[str, list[str]]:
        """Class -> the files that lie under it."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for file in (self.keep, *(file for file, _why, _pair in self.copies)):
            if file.label:
                found[file.label].append(file.name)
        return dict(found)


@dataclass(frozen=True)
class FolderCopies:
    """pairs: (name, name, distance, cosine, evidence). rejected: (name, reason).

    files: all that were read, by name; against: whether they were compared with an old folder.
    """

    files: tuple[File, ...]
    pairs: tuple[tuple[str, str, Pair], ...]
    groups: tuple[Group, ...]
    rejected: tuple[tuple[str, str], ...]
    calibration: Calibration
    weak: int
    against: bool
    notes: tuple[str, ...]

    @property
    def conflicts(self) -> list[Group]:
        """Groups whose files lie in several class folders."""
        return [group for group in self.groups if len(group.labels) > 1]

    @property
    def new(self) -> list[File]:
        """The files of the new folders that are nobody's copy."""
        copies = {file.path for group in self.groups for file, _why, _pair in group.copies}
        return [file for file in self.files if not file.old and file.path not in copies]


def folder_copies(
    folders: Sequence[Path],
    wanted: Search,
    *,
    against: Path | None = None,
    progress: Progress | None = None,
) -> FolderCopies:
    """Find the files below `folders` that show the same photo, and say which one to keep.

    against: a folder of older files: only copies of new files are looked for, among these and the
    old ones, and an old file is kept before a new one. Every file is read, so a changed one under
    an old name is seen; features are kept in the user's cache. Raises UsageError for a path that
    is no folder, DataError where there is no image.
    """
    progress = progress or Progress()
    files = listed(folders, against)
    held, rejected = by_bytes(files, progress)
    if not held:
        raise DataError(
            f"No image was found below {', '.join(str(folder) for folder in folders)} "
            f"({len(rejected):,} files could not be read)."
        )
    images = sorted(held)
    new = frozenset(i for i in images if not all(file.old for file in held[i]))
    read = partial(read_held, held)
    hashed = []
    with progress.task("hashing", len(images)) as advance:
        for start in range(0, len(images), BATCH):
            hashed.append(codes_of(images[start : start + BATCH], read))
            advance(len(images[start : start + BATCH]))
    reasons = [reason for _codes, some in hashed for reason in some]
    good = [image for image, reason in zip(images, reasons, strict=True) if not reason]
    for image, reason in zip(images, reasons, strict=True):
        rejected += [(file.name, reason) for file in held[image] if reason]
    is_good = np.array([not reason for reason in reasons], dtype=bool)
    codes = Codes.joined([some for some, _reasons in hashed]).of(is_good)
    found = search(
        good, codes, read, network_cache().parent / "dedupe",
        replace(wanted, new=new if against is not None else None), progress,
    )  # fmt: skip
    pairs = [
        pair
        for pair in found.pairs
        if against is None or not new.isdisjoint((pair.first, pair.second))
    ]
    facts = {image: facts_of(image, held[image], read) for image in found_in(pairs)}
    copies = copies_to_set_aside(pairs, facts)
    inside = [image for image in good if against is None or image in new]
    return FolderCopies(
        files=tuple(file for image in good for file in held[image]),
        pairs=tuple(named_pairs(held, inside, pairs)),
        groups=tuple(groups_of(held, inside, copies)),
        rejected=tuple(sorted(rejected)),
        calibration=found.calibration,
        weak=found.weak,
        against=against is not None,
        notes=found.notes,
    )


def listed(folders: Sequence[Path], against: Path | None) -> list[File]:
    """Return every file that may be an image, each once, by name; hidden ones are left out."""
    for folder in (*folders, *([against] if against else [])):
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder.")
    several = len(folders) > 1
    files: dict[Path, File] = {}
    for folder in folders:
        for path in below(folder):
            files.setdefault(path, file_of(path, folder, shown_with_folder=several, old=False))
    old = []
    if against is not None:
        same = {Path(os.path.realpath(folder)) for folder in folders}
        all_new = Path(os.path.realpath(against)) in same
        old = [
            file_of(path, against, shown_with_folder=True, old=True)
            for path in below(against)
            if all_new or path not in files
        ]
    return sorted([*files.values(), *old], key=lambda file: (file.name, file.old))


def below(folder: Path) -> Iterable[Path]:
    root = os.path.realpath(folder)
    for at, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in IMAGES:
                yield Path(at, name)


def file_of(path: Path, folder: Path, *, shown_with_folder: bool, old: bool) -> File:
    inner = path.relative_to(os.path.realpath(folder))
    above = [part for part in inner.parts[:-1] if part.lower() not in SPLITS]
    name = folder / inner if shown_with_folder else inner
    return File(path, readable(str(name)), above[0] if above else "", old)


def by_bytes(
    files: Sequence[File], progress: Progress
) -> tuple[dict[str, list[File]], list[tuple[str, str]]]:
    """Return SHA-256 -> its files, old ones first, and (name, reason) of those not to be read."""
    held: defaultdict[str, list[File]] = defaultdict(list)
    rejected = []
    with progress.task("reading", len(files), "files") as advance:
        for file in files:
            try:
                held[sha256(read_bytes(file.path)).hexdigest()].append(file)
            except Unreadable as error:
                rejected.append((file.name, error.reason))
            advance(1)
    return {
        image: sorted(some, key=lambda file: (not file.old, file.name))
        for image, some in held.items()
    }, rejected


def read_held(held: dict[str, list[File]], image: str) -> bytes:
    return read_verified(held[image][0].path, image)


def found_in(pairs: Iterable[Pair]) -> set[str]:
    return {image for pair in pairs for image in (pair.first, pair.second)}


def facts_of(image: str, files: Sequence[File], read: Callable[[str], bytes]) -> Facts:
    """decided: it is an old file, which is kept before all new ones."""
    width = height = size = 0
    try:
        data = read(image)
        size = len(data)
        header = parsed(data, sniffed(data))
        width, height = header.size if orientation(header) < 5 else header.size[::-1]
    except Exception:  # it was decoded before: changed or gone in this moment
        width = height = 0
    return Facts(image, width, height, size, decided=any(file.old for file in files))


def named_pairs(
    held: dict[str, list[File]], images: Iterable[str], pairs: Iterable[Pair]
) -> list[tuple[str, str, Pair]]:
    """Return all pairs by the names of their files; files of the same bytes are a chain."""
    named = []
    for image in images:
        first, *others = held[image]
        named += [(first.name, other.name, same_bytes(image)) for other in others]
    for pair in pairs:
        a, b = held[pair.first][0].name, held[pair.second][0].name
        named.append((min(a, b), max(a, b), pair))
    return sorted(named, key=lambda one: one[:2])


def groups_of(
    held: dict[str, list[File]], images: Iterable[str], copies: Iterable[Copy]
) -> list[Group]:
    members: defaultdict[str, list[Copy]] = defaultdict(list)
    for copy in copies:
        members[copy.best].append(copy)
    joined = {copy.image for some in members.values() for copy in some}
    groups = []
    for image in sorted({*members, *images} - joined):
        keep, *same = held[image]
        listed = [(file, SAME, same_bytes(image)) for file in same]
        for copy in members[image]:
            pair = Pair(copy.image, copy.best, copy.bits, copy.cosine, copy.evidence)
            was_there = keep.old and not held[copy.image][0].old
            why = "the kept one was there before" if was_there else copy.why
            listed += [(file, why, pair) for file in held[copy.image]]
        if keep.old:  # what is doubled among old files was not asked for
            listed = [one for one in listed if not one[0].old]
        if listed:
            groups.append(Group(keep, tuple(sorted(listed, key=lambda one: one[0].name))))
    return sorted(groups, key=lambda group: group.keep.name)


def same_bytes(image: str) -> Pair:
    return Pair(image, image, 0, None, (SAME_BYTES,))
