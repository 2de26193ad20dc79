"""Files appear whole or not at all: written aside, flushed to disk, then renamed."""

import contextlib
import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from footwork.errors import EnvironmentProblem

PARTIAL = ".partial-"  # prefix of anything that is not finished yet


@contextlib.contextmanager
def written_aside(target: Path) -> Iterator[Path]:
    """Yield a path beside `target` to write to; rename it onto `target` on success.

    On any failure, Ctrl-C included, the partial file is removed and `target` is untouched.
    Raises EnvironmentProblem for a full disk or a folder that cannot be written to.
    """
    partial = target.parent / f"{PARTIAL}{secrets.token_hex(8)}{target.suffix}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.open("xb").close()
    except OSError as error:
        raise unwritable(target, error) from error
    try:
        yield partial
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(target)
    except OSError as error:
        raise unwritable(target, error) from error
    finally:
        partial.unlink(missing_ok=True)


def write_bytes(target: Path, data: bytes) -> None:
    with written_aside(target) as partial:
        partial.write_bytes(data)


def write_text(target: Path, text: str) -> None:
    write_bytes(target, text.encode())


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unwritable(target: Path, error: OSError) -> EnvironmentProblem:
    """Say in one sentence why `target` could not be written and what to do about it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return EnvironmentProblem(
            f"The disk is full: {target} could not be written. Nothing was left half-written; "
            "free some space and run the same command again, it goes on from there."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return EnvironmentProblem(
            f"{target} cannot be written ({error.strerror}). Give yourself write permission "
            "for that folder, or work in another one."
        )
    return EnvironmentProblem(f"{target} could not be written: {error}")
