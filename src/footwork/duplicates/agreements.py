"""What comparing details said before: kept pair by pair, for it is the dear step.

A file of SQLite in the cache. Written in batches, so that a kill loses the last few seconds, and
by several processes, which wait for each other. It is only a memory: where it cannot be read or
written, everything is compared again.
"""

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

TABLES = """
CREATE TABLE IF NOT EXISTS agreement (
    how TEXT NOT NULL, first TEXT NOT NULL, second TEXT NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (how, first, second)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS proposed (
    how TEXT NOT NULL, first TEXT NOT NULL, second TEXT NOT NULL,
    PRIMARY KEY (how, first, second)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS examined (
    how TEXT NOT NULL, image TEXT NOT NULL, PRIMARY KEY (how, image)
) STRICT, WITHOUT ROWID;
"""
WAIT_S = 10.0  # for another process, which holds the file for a moment only

PairOfNames = tuple[str, str]


class Agreements:
    """known: pair of images -> agreement. proposed: pairs that features proposed; examined:
    images all of whose nearest are among these. Only of one way of asking, `how`, which holds
    every version that matters.
    """

    def __init__(self, cache: Path | None, how: str) -> None:
        """cache: a folder; None: nothing is remembered beyond this object."""
        self.path = None if cache is None else cache / "agreements.sqlite"
        self.how = hashlib.sha256(how.encode()).hexdigest()[:20]
        self.known: dict[PairOfNames, float] = {}
        self.proposed: set[PairOfNames] = set()
        self.examined: set[str] = set()
        try:
            self.read()
        except sqlite3.DatabaseError as error:
            if not isinstance(error, sqlite3.OperationalError) and self.path is not None:
                with contextlib.suppress(OSError):
                    self.path.unlink(missing_ok=True)  # damaged

    def read(self) -> None:
        if self.path is None or not self.path.exists():
            return
        with self.opened(self.path) as file:
            asked = (self.how,)
            rows = file.execute("SELECT first, second, value FROM agreement WHERE how = ?", asked)
            self.known = {(first, second): value for first, second, value in rows}
            self.proposed = set(
                file.execute("SELECT first, second FROM proposed WHERE how = ?", asked)
            )
            images = file.execute("SELECT image FROM examined WHERE how = ?", asked)
            self.examined = {image for (image,) in images}

    def keep(self, measured: Sequence[tuple[PairOfNames, float]]) -> None:
        """Write down what was measured, in one transaction."""
        self.known.update(measured)
        rows = [(self.how, *pair, value) for pair, value in measured]
        self.write(("INSERT OR REPLACE INTO agreement VALUES (?, ?, ?, ?)", rows))

    def keep_proposed(self, pairs: Iterable[PairOfNames], examined: Iterable[str]) -> None:
        """Put these in place of what was proposed, and say whose nearest they hold."""
        self.proposed, self.examined = set(pairs), set(examined)
        asked = (self.how,)
        self.write(
            ("DELETE FROM proposed WHERE how = ?", [asked]),
            ("DELETE FROM examined WHERE how = ?", [asked]),
            ("INSERT INTO proposed VALUES (?, ?, ?)", [(self.how, *p) for p in self.proposed]),
            ("INSERT INTO examined VALUES (?, ?)", [(self.how, i) for i in self.examined]),
        )

    def write(self, *changes: tuple[str, Sequence[tuple[object, ...]]]) -> None:
        if self.path is None or not any(rows for _statement, rows in changes):
            return
        with contextlib.suppress(sqlite3.DatabaseError, OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.opened(self.path) as file:
                for statement, rows in changes:
                    file.executemany(statement, rows)

    @contextlib.contextmanager
    def opened(self, path: Path) -> Iterator[sqlite3.Connection]:
        """Yield the file, with its tables; commit what is done with it."""
        file = sqlite3.connect(path, timeout=WAIT_S)
        try:
            file.executescript(TABLES)
            with file:
                yield file
        finally:
            file.close()
