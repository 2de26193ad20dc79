"""A project's catalog in one file, and back.

The file is a zip without compression (photos do not shrink) that any unzip opens:

    backup.json                what follows, with sizes and SHA-256
    footwork.toml              if there is one
    .footwork/catalog.sqlite   a consistent copy of the database
    images/ab/<sha256>.<ext>   the stored image files

Linked images stay where they are: their rows come back, their bytes are not in the backup.
"""

import contextlib
import hashlib
import io
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from pydantic import ValidationError

from footwork.catalog import Catalog
from footwork.errors import DataError
from footwork.files import PARTIAL, unwritable, written_aside
from footwork.images import Unreadable
from footwork.project import FILE
from footwork.records import Record

MANIFEST = "backup.json"
DATABASE = ".footwork/catalog.sqlite"
# The only names that are ever written, so that no archive can reach outside its folder.
RESTORABLE = re.compile(
    rf"{re.escape(FILE)}|{re.escape(DATABASE)}|images/[0-9a-f]{{2}}/[0-9a-f]{{64}}\.[a-z0-9]{{1,8}}"
)
CHUNK = 1 << 20
DAY_ONE = (1980, 1, 1, 0, 0, 0)  # one time for all: equal catalogs make equal backups


class Entry(Record):
    name: str
    size: int
    sha256: str


class Manifest(Record):
    """What a backup holds besides this manifest."""

    format: Literal["footwork backup 1"] = "footwork backup 1"
    files: tuple[Entry, ...]


@dataclass(frozen=True)
class Backup:
    """What was written. linked: images whose bytes lie elsewhere and are not in the backup.

    damaged: (sha256, reason) of stored images that no longer are what they were, left out.
    """

    path: Path
    images: int
    linked: int
    size: int
    damaged: tuple[tuple[str, str], ...]


def write_backup(catalog: Catalog, target: Path) -> Backup:
    """Write the project of `catalog` into the new file `target`, whole or not at all.

    Raises DataError if `target` exists, EnvironmentProblem if it cannot be written.
    """
    if target.exists() or target.is_symlink():
        raise DataError(f"{target} exists already; a backup never replaces a file. Name another.")
    entries: list[Entry] = []
    damaged: list[tuple[str, str]] = []
    kept = catalog.stored()
    settings = catalog.folder / FILE
    with written_aside(target) as partial, zipfile.ZipFile(partial, "w") as archive:
        with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=target.parent) as scratch:
            copy = Path(scratch) / "catalog.sqlite"
            catalog.copy_to(copy)
            with copy.open("rb") as file:
                entries.append(packed(archive, DATABASE, file))
        if settings.is_file():
            with settings.open("rb") as file:
                entries.append(packed(archive, FILE, file))
        for image in kept:
            try:
                data = catalog.store.read(image.sha256, image.format)
            except Unreadable as error:
                damaged.append((image.sha256, error.reason))
                continue
            path = catalog.store.path(image.sha256, image.format)
            name = path.relative_to(catalog.folder).as_posix()
            entries.append(packed(archive, name, io.BytesIO(data)))
        manifest = Manifest(files=tuple(entries)).model_dump_json()
        packed(archive, MANIFEST, io.BytesIO(manifest.encode()))
    return Backup(
        path=target,
        images=len(kept) - len(damaged),
        linked=catalog.counts().linked,
        size=target.stat().st_size,
        damaged=tuple(damaged),
    )


def packed(archive: zipfile.ZipFile, name: str, source: IO[bytes]) -> Entry:
    """Put `source` into `archive`, uncompressed, and return its size and hash."""
    info = zipfile.ZipInfo(name, DAY_ONE)
    info.external_attr = 0o644 << 16
    digest, size = hashlib.sha256(), 0
    with archive.open(info, "w", force_zip64=True) as target:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            target.write(chunk)
    return Entry(name=name, size=size, sha256=digest.hexdigest())


def restore(backup: Path, target_folder: Path) -> Path:
    """Turn a backup into a project in `target_folder`, which must be absent or empty.

    Everything is checked against its hash before the folder appears. Raises DataError if the
    backup is damaged or not one, or the folder holds something; EnvironmentProblem if it cannot
    be written or the catalog is of a newer footwork.
    """
    folder = target_folder.absolute()
    taken = folder.is_symlink() or (folder.exists() and not folder.is_dir())
    scratch = None
    try:
        if taken or (folder.is_dir() and any(folder.iterdir())):
            raise DataError(f"{folder} is not an empty folder; restore into a new one.")
        with opened(backup) as archive:
            entries = checked(archive, backup)
            folder.parent.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=folder.parent))
            for entry in entries:
                unpack(archive, entry, scratch / entry.name, backup)
        Catalog.open(scratch).close()  # migrates an older one, refuses what is not a catalog
        os.sync()  # once, not per file
        scratch.chmod(0o755)  # mkdtemp makes it private
        scratch.replace(folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
    return folder


@contextlib.contextmanager
def opened(backup: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(backup)
    except OSError as error:
        raise DataError(f"The backup {backup} cannot be read: {error.strerror}.") from error
    except zipfile.BadZipFile as error:
        raise DataError(f"{backup} is not a footwork backup, or is cut short: {error}.") from error
    with archive:
        yield archive


def checked(archive: zipfile.ZipFile, backup: Path) -> tuple[Entry, ...]:
    """Return what the archive says that it holds, once that is sound in every name and size."""
    try:
        if archive.getinfo(MANIFEST).file_size > backup.stat().st_size:
            raise ValueError("its manifest is larger than itself")
        manifest = Manifest.model_validate_json(archive.read(MANIFEST))
    except (KeyError, ValueError, ValidationError, zipfile.BadZipFile) as error:
        raise DataError(f"{backup} is not a footwork backup: {first_line(error)}.") from error
    held = {info.filename: info for info in archive.infolist()}
    listed = {entry.name: entry for entry in manifest.files}
    strange = [name for name in listed if not RESTORABLE.fullmatch(name)]
    if strange:
        raise DataError(f"{backup} names a file that no backup holds: {strange[0]!r}.")
    if DATABASE not in listed:
        raise DataError(f"{backup} is not a footwork backup: it holds no catalog.")
    twice = len(held) != len(archive.infolist()) or len(listed) != len(manifest.files)
    if twice or held.keys() != listed.keys() | {MANIFEST}:
        raise DataError(f"{backup} is damaged: its contents are not those that its list names.")
    for name, entry in listed.items():
        if held[name].compress_type != zipfile.ZIP_STORED or held[name].file_size != entry.size:
            raise DataError(f"{backup} is damaged: {name} is not as long as its list says.")
    if sum(entry.size for entry in manifest.files) > backup.stat().st_size:
        raise DataError(f"{backup} is damaged: it holds more than its own size.")
    return manifest.files


def unpack(archive: zipfile.ZipFile, entry: Entry, target: Path, backup: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    try:
        with archive.open(entry.name) as source, target.open("xb") as file:
            while chunk := source.read(CHUNK):
                digest.update(chunk)
                file.write(chunk)
    except zipfile.BadZipFile as error:
        raise DataError(f"{backup} is damaged: {error}.") from error
    if digest.hexdigest() != entry.sha256:
        raise DataError(f"{backup} is damaged: {entry.name} does not have the hash in its list.")


def first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
