"""Image files by content: images/ab/<sha256>.<extension>, written once and never changed.

A file is on disk, whole, before any row speaks of it. So a kill can only leave files without a
row; the next one who fills the store removes those that the killed one wrote.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import os
import re
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from footwork.files import PARTIAL, unwritable
from footwork.images import Unreadable, read_bytes

EXTENSIONS = {"jpeg": "jpg", "tiff": "tif"}
STORED_NAME = re.compile(r"([0-9a-f]{64})\.[a-z0-9]{1,8}")
MARKER = "importing-"
FLUSHES = 16  # files that are flushed at once: the disk takes about as long for one
MANY = 16  # files from which on their whole file system is flushed at once
NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC


class ImageStore:
    """The image files of the project in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images = folder / "images"

    def path(self, sha256: str, image_format: str) -> Path:
        """Where an image of that hash and sniffed format lies. Safe for any `image_format`."""
        name = re.sub(r"[^a-z0-9]", "", image_format.lower())[:8] or "img"
        return self.images / sha256[:2] / f"{sha256}.{EXTENSIONS.get(name, name)}"

    def put(self, data: bytes, sha256: str, image_format: str, *, flushed: bool = True) -> None:
        """Keep `data`; from any thread. Raises EnvironmentProblem if it cannot be written.

        flushed: it is on the disk afterwards; else only once `flush` was called.
        """
        target = self.path(sha256, image_format)
        # Not files.written_aside: that reads the process's umask, which threads must not.
        partial = target.parent / f"{PARTIAL}{uuid.uuid4().hex}"
        try:
            if self.has(sha256, image_format, len(data)):
                return
            try:
                file = os.open(partial, NEW, 0o666)
            except FileNotFoundError:
                target.parent.mkdir(parents=True, exist_ok=True)
                file = os.open(partial, NEW, 0o666)
            try:
                try:
                    write_all(file, data)
                    if flushed:
                        os.fsync(file)
                finally:
                    os.close(file)
                partial.replace(target)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise unwritable(target, error) from error

    def flush(self, images: Iterable[tuple[str, str]]) -> None:
        """Have images (hash, format) that were put without it on the disk.
        Raises EnvironmentProblem if it cannot.
        """
        paths = sorted({self.path(*image) for image in images})
        if len(paths) < MANY or not flush_all(self.images):
            with ThreadPoolExecutor(FLUSHES) as pool:
                list(pool.map(flush, paths))

    def has(self, sha256: str, image_format: str, size: int) -> bool:
        try:
            return self.path(sha256, image_format).stat().st_size == size
        except OSError:
            return False

    def read(self, sha256: str, image_format: str) -> bytes:
        """Return the bytes. Raises Unreadable if they are gone or no longer those bytes."""
        return read_verified(self.path(sha256, image_format), sha256)

    @contextlib.contextmanager
    def filling(self, in_catalog: Callable[[Collection[str]], set[str]]) -> Iterator[None]:
        """Hold this while putting images and adding their rows; first clean up after a kill.

        in_catalog: given hashes, returns those that have a row.
        Nobody cleans up while anybody is filling; the kernel drops the lock of a killed one.
        """
        notes = self.folder / ".footwork"
        marker = notes / f"{MARKER}{uuid.uuid4().hex}"
        with contextlib.ExitStack() as stack:
            try:
                notes.mkdir(parents=True, exist_ok=True)
                lock = stack.enter_context((notes / "importing.lock").open("ab"))
                if locked(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB):
                    self._sweep(notes, in_catalog)
                locked(lock.fileno(), fcntl.LOCK_SH)
                marker.touch()
            except OSError as error:
                raise unwritable(notes, error) from error
            yield
            marker.unlink(missing_ok=True)  # stays after any failure: something may be left over

    def _sweep(self, notes: Path, in_catalog: Callable[[Collection[str]], set[str]]) -> None:
        markers = list(notes.glob(f"{MARKER}*"))
        if not markers:
            return
        # Only what the killed ones wrote: files from before belong to a catalog that someone
        # took away, and may be all that is left of it.
        since_ns = min(marker.stat().st_mtime_ns for marker in markers)
        orphans: dict[str, Path] = {}
        for path in self.images.glob("??/*"):
            named = STORED_NAME.fullmatch(path.name)
            if path.name.startswith(PARTIAL):
                path.unlink(missing_ok=True)
            elif named and path.stat().st_mtime_ns >= since_ns:
                orphans[named[1]] = path
        for sha256 in orphans.keys() - in_catalog(orphans.keys()):
            orphans[sha256].unlink(missing_ok=True)
        for marker in markers:
            marker.unlink(missing_ok=True)


def flush_all(folder: Path) -> bool:
    """Have all that was written to the file system of `folder` on the disk; False if this system
    cannot. One call for 200 new files is several times as fast as a flush of each: each would
    write a journal of its own. Source: syncfs(2), which tells of failed writing since Linux 5.8.
    """
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        return False
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if syncfs(descriptor) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unwritable(folder, error) from error
    return True


def flush(path: Path) -> None:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        raise unwritable(path, error) from error


def write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:  # one call may write less: Linux stops at 2 GiB, a full disk anywhere
        rest = rest[os.write(descriptor, rest) :]


def locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how)
    except OSError:
        return False  # held by another, or a file system without locks: then nobody cleans up
    return True


def read_verified(path: Path, sha256: str) -> bytes:
    """Return the bytes of `path`. Raises Unreadable unless they hash to `sha256`."""
    data = read_bytes(path)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise Unreadable("its bytes have changed since it was imported")
    return data
