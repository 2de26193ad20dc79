import json
import os
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from footwork.backups import MANIFEST, restore
from footwork.catalog import Catalog
from footwork.errors import DataError, EnvironmentProblem
from footwork.images import Unreadable
from footwork.importing.ingest import import_images
from photo_folders import contents, numbered, png, write


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Three stored images, one linked, one decision and one rejection."""
    folder = write(tmp_path / "project", {"footwork.toml": 'name = "x"\n'})
    stored = write(tmp_path / "stored", {**numbered({"ants": 2, "bees": 1}), "ants/bad": "x"})
    linked = write(tmp_path / "linked", {"bees/l.png": png(77)})
    with Catalog.open(folder) as catalog:
        import_images(catalog, stored, classes=())
        import_images(catalog, linked, classes=(), mode="link")
        catalog.decide_label("ants/000.png", "bees", "person:anna", "wings")
    return folder


def backed_up(project: Path, target: Path) -> Path:
    with Catalog.open(project) as catalog:
        catalog.backup(target)
    return target


def test_a_backup_restores_equal_tables_and_files(tmp_path: Path, project: Path) -> None:
    with Catalog.open(project) as catalog:
        backup = catalog.backup(tmp_path / "b.zip")
        before = (catalog.judged(), catalog.rejections(), catalog.decisions(), catalog.counts())
    assert (backup.images, backup.linked, backup.damaged) == (3, 1, ())
    assert backup.size == (tmp_path / "b.zip").stat().st_size
    restored = restore(tmp_path / "b.zip", tmp_path / "new" / "place")
    assert contents(restored) == contents(project)
    assert (restored / "footwork.toml").read_text() == 'name = "x"\n'
    shutil.rmtree(project)
    with Catalog.open(restored) as catalog:
        after = (catalog.judged(), catalog.rejections(), catalog.decisions(), catalog.counts())
        assert after == before
        assert all(catalog.read(item.image) for item in catalog.labelled())
        catalog.decide_label("bees/000.png", "ants", "person:anna")  # it can be worked with


def test_a_backup_is_made_while_another_writes(tmp_path: Path, project: Path) -> None:
    other = sqlite3.connect(project / ".footwork" / "catalog.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("DELETE FROM label")
    backed_up(project, tmp_path / "b.zip")
    other.execute("COMMIT")
    other.close()
    with Catalog.open(restore(tmp_path / "b.zip", tmp_path / "r")) as catalog:
        assert len(catalog.labelled()) == 4
        assert len(catalog.rejections()) == 1


def test_equal_projects_make_equal_backups(tmp_path: Path, project: Path) -> None:
    first = backed_up(project, tmp_path / "1.zip").read_bytes()
    assert first == backed_up(project, tmp_path / "2.zip").read_bytes()


def test_an_existing_file_is_never_replaced(tmp_path: Path, project: Path) -> None:
    target = write(tmp_path, {"precious.jpg": "mine"}) / "precious.jpg"
    with pytest.raises(DataError, match=r"precious\.jpg exists already"):
        backed_up(project, target)
    assert target.read_text() == "mine"
    backed_up(project, tmp_path / "b.zip")
    with pytest.raises(DataError, match="not an empty folder"):
        restore(tmp_path / "b.zip", project)
    with pytest.raises(DataError, match="not an empty folder"):
        restore(tmp_path / "b.zip", target)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert restore(tmp_path / "b.zip", empty) == empty


def test_a_damaged_image_is_left_out_and_named(tmp_path: Path, project: Path) -> None:
    damaged = sorted((project / "images").glob("*/*"))[0]
    damaged.write_bytes(b"rotten")
    with Catalog.open(project) as catalog:
        backup = catalog.backup(tmp_path / "b.zip")
    assert backup.images == 2
    assert backup.damaged == ((damaged.stem, "its bytes have changed since it was imported"),)
    with Catalog.open(restore(tmp_path / "b.zip", tmp_path / "r")) as catalog:
        for item in catalog.labelled():
            if item.image == damaged.stem and item.path.startswith("stored"):
                assert catalog.read(item.image)  # still where it was imported from
        shutil.rmtree(tmp_path / "stored")
        with pytest.raises(Unreadable):
            catalog.read(damaged.stem)


def test_an_interrupted_backup_or_restore_leaves_nothing(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backed_up(project, tmp_path / "b.zip")
    before = sorted(os.listdir(tmp_path))  # noqa: PTH208

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EnvironmentProblem, match=r"disk is full: .*c\.zip"):
        backed_up(project, tmp_path / "c.zip")
    monkeypatch.setattr(os, "sync", full)
    with pytest.raises(EnvironmentProblem, match=r"disk is full: .*/r "):
        restore(tmp_path / "b.zip", tmp_path / "r")
    assert sorted(os.listdir(tmp_path)) == before  # noqa: PTH208


Change = Callable[[dict[str, bytes]], None]


def changed(source: Path, target: Path, change: Change, compression: int = 0) -> Path:
    """Write a copy of a backup in which `change` has had its way with name -> bytes."""
    with zipfile.ZipFile(source) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target


def renamed(old: str, new: str) -> Change:
    """Smuggle a file in under another name, manifest included."""

    def change(files: dict[str, bytes]) -> None:
        found = next(name for name in files if name.startswith(old))
        files[new] = files.pop(found)
        files[MANIFEST] = files[MANIFEST].replace(found.encode(), new.encode())

    return change


def relisted(old: str, **fields: object) -> Change:
    def change(files: dict[str, bytes]) -> None:
        manifest = json.loads(files[MANIFEST])
        next(entry for entry in manifest["files"] if entry["name"].startswith(old)).update(fields)
        files[MANIFEST] = json.dumps(manifest).encode()

    return change


def flipped(files: dict[str, bytes]) -> None:
    name = next(name for name in files if name.startswith("images/"))
    files[name] = files[name][:-1] + b"!"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (flipped, "does not have the hash in its list"),
        (
            renamed("images/", "../../evil.jpg"),
            r"names a file that no backup holds: '\.\./\.\./evil",
        ),
        (renamed("images/", "/etc/evil"), "names a file that no backup holds"),
        (renamed("images/", "images/ab/../../x.jpg"), "names a file that no backup holds"),
        (renamed("footwork.toml", ".bashrc"), "names a file that no backup holds"),
        (renamed(".footwork/", "images/ab/" + "ab" * 32 + ".png"), "holds no catalog"),
        (relisted("images/", size=5), "is not as long as its list says"),
        (lambda files: files.pop("footwork.toml"), "not those that its list names"),
        (lambda files: files.update({"extra": b""}), "not those that its list names"),
        (lambda files: files.pop(MANIFEST), "is not a footwork backup"),
        (lambda files: files.update({MANIFEST: b"{}"}), "is not a footwork backup"),
    ],
)
def test_a_backup_that_was_tampered_with_restores_nothing(
    tmp_path: Path, project: Path, change: Change, message: str
) -> None:
    good = backed_up(project, tmp_path / "good.zip")
    bad = changed(good, tmp_path / "bad.zip", change)
    before = [*sorted(tmp_path.parent.iterdir()), *sorted(tmp_path.rglob("*"))]
    with pytest.raises(DataError, match=message):
        restore(bad, tmp_path / "r")
    assert [*sorted(tmp_path.parent.iterdir()), *sorted(tmp_path.rglob("*"))] == before


def test_compressed_contents_are_refused(tmp_path: Path, project: Path) -> None:
    """Nothing that we write is compressed, so a bomb is not even unpacked."""
    good = backed_up(project, tmp_path / "good.zip")
    bomb = changed(good, tmp_path / "bad.zip", lambda files: None, zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match="is not as long as its list says"):
        restore(bomb, tmp_path / "r")


def test_files_that_are_no_backups(tmp_path: Path, project: Path) -> None:
    good = backed_up(project, tmp_path / "good.zip").read_bytes()
    write(tmp_path, {"cut.zip": good[: len(good) // 2], "text.zip": "no zip"})
    for name in ("cut.zip", "text.zip"):
        with pytest.raises(DataError, match="is not a footwork backup, or is cut short"):
            restore(tmp_path / name, tmp_path / "r")
    with pytest.raises(DataError, match=r"nowhere\.zip cannot be read"):
        restore(tmp_path / "nowhere.zip", tmp_path / "r")
    fake = changed(
        tmp_path / "good.zip",
        tmp_path / "fake.zip",
        lambda files: files.update({".footwork/catalog.sqlite": b"x" * 4096}),
    )
    with pytest.raises(DataError, match="damaged"):
        restore(fake, tmp_path / "r")
    assert not (tmp_path / "r").exists()
