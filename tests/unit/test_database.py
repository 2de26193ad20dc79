import multiprocessing
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from footwork.database import Database
from footwork.errors import DataError, EnvironmentProblem

V1 = "CREATE TABLE photo (name TEXT PRIMARY KEY) STRICT; CREATE INDEX by_name ON photo (name)"
V2 = "ALTER TABLE photo ADD COLUMN width INTEGER NOT NULL DEFAULT 0"
BROKEN = "DROP TABLE photo; DELETE FROM nowhere"
V3 = "UPDATE photo SET width = 7; CREATE TABLE other (x INTEGER) STRICT"


def version_1(path: Path) -> Path:
    with Database.open(path, (V1,), wait_s=1) as database, database.transaction() as connection:
        connection.execute("INSERT INTO photo VALUES ('a')")
    return path


def version(path: Path) -> int:
    connection = sqlite3.connect(path)
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return int(found)


def test_an_older_file_is_migrated_step_by_step_and_keeps_its_rows(tmp_path: Path) -> None:
    path = version_1(tmp_path / "c.sqlite")
    with Database.open(path, (V1, V2, V3), wait_s=1) as database:
        assert database.rows("SELECT name, width FROM photo") == [("a", 7)]
    assert version(path) == 3


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = version_1(tmp_path / "c.sqlite")
    with pytest.raises(sqlite3.OperationalError, match="no such table: nowhere"):
        Database.open(path, (V1, V2, BROKEN), wait_s=1)
    assert version(path) == 1
    with Database.open(path, (V1,), wait_s=1) as database:
        assert database.rows("SELECT * FROM photo") == [("a",)]


def test_a_newer_file_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    Database.open(path, (V1, V2), wait_s=1).close()
    before = path.read_bytes()
    with pytest.raises(EnvironmentProblem, match=r"newer footwork \(schema 2; .* knows up to 1\)"):
        Database.open(path, (V1,), wait_s=1)
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE bookmark (url)")
    connection.close()
    with pytest.raises(DataError, match="another program"):
        Database.open(path, (V1,), wait_s=1)


def test_a_damaged_file_is_named_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    path.write_bytes(b"this is no database at all. " * 100)
    with pytest.raises(DataError, match=r"c\.sqlite is damaged .*footwork restore"):
        Database.open(path, (V1,), wait_s=1)


def test_pages_that_were_overwritten_are_damage_not_a_crash(tmp_path: Path) -> None:
    path = version_1(tmp_path / "c.sqlite")
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with (
        Database.open(path, (V1,), wait_s=1) as database,
        pytest.raises(DataError, match="is damaged"),
    ):
        database.rows("SELECT * FROM photo")


def test_a_writer_that_holds_on_is_waited_for_then_named(tmp_path: Path) -> None:
    path = version_1(tmp_path / "c.sqlite")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with Database.open(path, (V1,), wait_s=0.1) as database:
        assert database.rows("SELECT count(*) FROM photo") == [(1,)]  # reading needs no waiting
        with (
            pytest.raises(
                EnvironmentProblem, match=r"Another process has held .* more than 0\.1 s"
            ),
            database.transaction(),
        ):
            pass
        holder.execute("COMMIT")
        with database.transaction() as connection:
            connection.execute("INSERT INTO photo VALUES ('b')")
    holder.close()


def test_a_full_disk_is_one_sentence_and_nothing_is_half_written(tmp_path: Path) -> None:
    path = version_1(tmp_path / "c.sqlite")
    with Database.open(path, (V1,), wait_s=1) as database:
        database.rows("PRAGMA max_page_count = 8")
        with (
            pytest.raises(EnvironmentProblem, match="The disk is full"),
            database.transaction() as connection,
        ):
            connection.executemany(
                "INSERT INTO photo VALUES (?)", [(f"{i:0500}",) for i in range(500)]
            )
        assert database.rows("SELECT name FROM photo") == [("a",)]


def test_an_interrupt_rolls_back(tmp_path: Path) -> None:
    with Database.open(version_1(tmp_path / "c.sqlite"), (V1,), wait_s=1) as database:

        def interrupted() -> None:
            with database.transaction() as connection:
                connection.execute("INSERT INTO photo VALUES ('b')")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert database.rows("SELECT name FROM photo") == [("a",)]


def test_mistakes_in_our_own_sql_are_not_blamed_on_the_machine(tmp_path: Path) -> None:
    with Database.open(tmp_path / "c.sqlite", (V1,), wait_s=1) as database:
        with pytest.raises(sqlite3.OperationalError, match="no such column"):
            database.rows("SELECT nonsense FROM photo")
        with pytest.raises(sqlite3.IntegrityError), database.transaction() as connection:
            connection.execute("INSERT INTO photo VALUES (NULL)")


def test_a_folder_that_is_a_file_is_the_environments_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match=r"c\.sqlite"):
        Database.open(tmp_path / "file" / "c.sqlite", (V1,), wait_s=1)


@pytest.fixture
def readable_folder() -> Iterator[Path]:
    """A folder with a catalog that this process may read but not write, even if it is root."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        version_1(folder / "c.sqlite").chmod(0o444)
        folder.chmod(0o555)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o755)


def test_a_read_only_folder_is_one_sentence(readable_folder: Path) -> None:
    def attempt() -> None:
        with (
            Database.open(readable_folder / "c.sqlite", (V1,), wait_s=1) as database,
            database.transaction() as connection,
        ):
            connection.execute("INSERT INTO photo VALUES ('b')")

    with pytest.raises(EnvironmentProblem, match="Give yourself write permission"):
        attempt()


def open_and_add(path: Path, name: str) -> None:
    with Database.open(path, (V1, V2), wait_s=30) as database:
        for i in range(20):
            with database.transaction() as connection:
                connection.execute("INSERT INTO photo (name) VALUES (?)", (f"{name}{i}",))


def test_processes_that_open_a_new_file_at_once_all_succeed(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    spawning = multiprocessing.get_context("spawn")
    processes = [spawning.Process(target=open_and_add, args=(path, name)) for name in "abcd"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    with Database.open(path, (V1, V2), wait_s=1) as database:
        assert database.rows("SELECT count(*) FROM photo") == [(80,)]
