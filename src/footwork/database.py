"""An SQLite file with a schema version, shared by processes; its errors become sentences.

Migrations are scripts that are never edited once released: the n-th takes a file from version
n - 1 to n. The version is kept in SQLite's own `user_version`.
"""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from footwork.errors import DataError, EnvironmentProblem, FootworkError
from footwork.files import unwritable

# What SQLite calls our own mistakes: they are to be seen as such, with a traceback.
MISTAKES = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISUSE)
OLDEST = (3, 37)  # STRICT tables, https://www.sqlite.org/stricttables.html


class Database:
    """One connection, usable from any thread. Everyone else may read and write beside it."""

    def __init__(self, path: Path, connection: sqlite3.Connection, wait_s: float) -> None:
        self.path = path
        self.connection = connection
        self.wait_s = wait_s
        self._lock = threading.RLock()

    @classmethod
    def open(cls, path: Path, migrations: Sequence[str], *, wait_s: float) -> "Database":
        """Open `path`, made if absent, and bring it to version len(migrations).

        wait_s: how long to wait for another process that is writing.
        Raises EnvironmentProblem if it was made by a newer version, is held by another process
        for too long or cannot be written; DataError if it is damaged or of another program.
        """
        if sqlite3.sqlite_version_info < OLDEST:
            raise EnvironmentProblem(
                f"This Python has SQLite {sqlite3.sqlite_version}; footwork needs 3.37 or newer. "
                "Use a newer Python."
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(path, error) from error
        with told(path, wait_s):
            connection = sqlite3.connect(
                path, timeout=wait_s, isolation_level=None, check_same_thread=False
            )
        database = cls(path, connection, wait_s)
        try:
            database._prepare(migrations)
        except BaseException:
            database.close()
            raise
        return database

    def _prepare(self, migrations: Sequence[str]) -> None:
        if self._version() > len(migrations):  # before anything is touched
            raise EnvironmentProblem(
                f"{self.path} was written by a newer footwork (schema {self._version()}; this one "
                f"knows up to {len(migrations)}). Update: pip install --upgrade footwork"
            )
        self.rows("PRAGMA foreign_keys = ON")
        self.rows("PRAGMA trusted_schema = OFF")
        self.rows("PRAGMA synchronous = FULL")  # one flush per transaction, of many images
        self._use_wal()
        if self._version() < len(migrations):
            self._migrate(migrations)

    def _version(self) -> int:
        return int(self.rows("PRAGMA user_version")[0][0])

    def _use_wal(self) -> None:
        """Readers beside one writer. SQLite does not wait by itself for this one change."""
        deadline = time.monotonic() + self.wait_s
        while True:
            try:
                with self._lock:
                    self.connection.execute("PRAGMA journal_mode = WAL").fetchall()
                return
            except sqlite3.Error as error:
                if primary(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise explained(self.path, error, self.wait_s) from error
            time.sleep(0.02)

    def _migrate(self, migrations: Sequence[str]) -> None:
        with self.transaction() as connection:
            version = self._version()  # again: another process may have done it meanwhile
            if version == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                raise DataError(
                    f"{self.path} is a database of another program; move it out of the way."
                )
            for script in migrations[version:]:
                for statement in script.split(";"):  # executescript would commit half-way
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {max(version, len(migrations))}")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is written inside is kept or, on any error or kill, nothing of it."""
        with self._lock, told(self.path, self.wait_s):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.commit()
            except BaseException:
                self.connection.rollback()
                raise

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that is read inside is of one moment, whoever else is writing."""
        with self._lock, told(self.path, self.wait_s):
            self.connection.execute("BEGIN")
            try:
                yield
            finally:
                self.connection.rollback()

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._lock, told(self.path, self.wait_s):
            return self.connection.execute(sql, tuple(values)).fetchall()

    def copy_to(self, target: Path) -> None:
        """Write a consistent copy to `target` while others go on reading and writing."""
        with self._lock, told(self.path, self.wait_s):
            copy = sqlite3.connect(target)
            try:
                self.connection.backup(copy)
            finally:
                copy.close()

    def __enter__(self) -> "Database":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            self.connection.close()


@contextlib.contextmanager
def told(path: Path, wait_s: float) -> Iterator[None]:
    """Turn what SQLite says about the file or the machine into footwork's own errors."""
    try:
        yield
    except sqlite3.Error as error:
        if primary(error) in MISTAKES:
            raise
        raise explained(path, error, wait_s) from error


def primary(error: sqlite3.Error) -> int:
    """SQLite's primary result code, https://www.sqlite.org/rescode.html"""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) or 0) & 0xFF


def explained(path: Path, error: sqlite3.Error, wait_s: float) -> FootworkError:
    code = primary(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return EnvironmentProblem(
            f"Another process has held {path} for more than {wait_s:g} s. Wait until the other "
            "footwork has finished, or stop it, and run the same command again."
        )
    if code == sqlite3.SQLITE_FULL:
        return EnvironmentProblem(
            f"The disk is full: {path} could not be written. Nothing was left half-written; "
            "free some space and run the same command again, it goes on from there."
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
        return EnvironmentProblem(
            f"{path} cannot be opened for writing ({error}). Give yourself write permission for "
            "its folder, or work in another one."
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DataError(
            f"{path} is damaged ({error}). Move it away and restore a backup: "
            "footwork restore BACKUP FOLDER"
        )
    return EnvironmentProblem(f"{path} could not be read or written: {error}")
