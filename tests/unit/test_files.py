"""Files appear whole or not at all."""

import errno
import re
from pathlib import Path

import pytest

from footwork.errors import EnvironmentProblem
from footwork.files import sha256_of, unwritable, write_text, written_aside


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")

    def interrupted() -> None:
        with written_aside(target) as partial:
            partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_good_write_replaces_and_makes_folders(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    write_text(target, "first")
    write_text(target, "second")

    assert target.read_text() == "second"
    assert target.stat().st_mode & 0o044, "others may read it, unlike a private temporary file"
    assert len(list(target.parent.iterdir())) == 1


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(EnvironmentProblem, match="could not be written"):
        write_text(tmp_path / "file" / "a.txt", "x")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "disk is full.*same command again"),
        (errno.EROFS, "cannot be written"),
        (errno.EACCES, "write permission"),
    ],
)
def test_disk_errors_say_what_to_do(number: int, said: str) -> None:
    message = str(unwritable(Path("x.bin"), OSError(number, "reason")))
    assert "x.bin" in message
    assert re.search(said, message)


def test_sha256_of_a_known_text(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc").startswith("ba7816bf8f01cfea")
