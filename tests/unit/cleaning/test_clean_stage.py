"""The stage: every image once, resumable, with rows for what failed and decisions that undo."""

import io
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from footwork.catalog import Catalog
from footwork.cleaning import clean as stage
from footwork.cleaning.clean import CleanResult, clean, png_path
from footwork.errors import EnvironmentProblem
from footwork.images import decode
from footwork.importing.ingest import import_images
from photo_folders import contents, numbered, png, write


def blank(value: int, side: int = 300) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), (value, 90, 40)).save(out, "PNG")
    return out.getvalue()


def project(tmp_path: Path, files: dict[str, bytes], *, link: bool = False) -> Catalog:
    write(tmp_path / "source", files)
    (tmp_path / "project").mkdir()
    catalog = Catalog.open(tmp_path / "project")
    mode = "link" if link else "copy"
    import_images(catalog, tmp_path / "source", classes=(), mode=mode)  # type: ignore[arg-type]
    return catalog


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with project(tmp_path, numbered({"a": 3, "b": 3})) as opened:
        yield opened


def pngs(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "clean").glob("*/*"))}


def test_every_image_gets_a_png_of_its_pixels_and_facts(catalog: Catalog) -> None:
    result = clean(catalog)

    assert (result.converted, result.already_there, result.failed) == (6, 0, ())
    for image in catalog.images():
        path = png_path(catalog.folder, image.sha256)
        assert path == catalog.folder / "clean" / image.sha256[:2] / f"{image.sha256}.png"
        with Image.open(path) as read_back:
            assert (np.asarray(read_back) == decode(catalog.read(image.sha256))).all()
        facts = catalog.qualities()[image.sha256]
        assert (facts.width, facts.height) == (image.width, image.height)
    assert result.bytes == sum(len(data) for data in pngs(catalog.folder).values())
    assert result.flags["too_small"][0] == 6  # 12 pixels
    assert {flag.image for flag in catalog.flags()} == {i.sha256 for i in catalog.images()}


def test_the_second_run_does_nothing(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = clean(catalog)
    before = contents(catalog.folder)
    times = {path: path.stat().st_mtime_ns for path in (catalog.folder / "clean").rglob("*.png")}

    def never(*_: object) -> None:
        raise AssertionError("read or decoded again")

    monkeypatch.setattr(stage, "made", never)
    second = clean(catalog)

    assert (second.converted, second.already_there, second.failed) == (0, 6, ())
    assert second.flags == first.flags
    assert contents(catalog.folder) == before
    assert times == {path: path.stat().st_mtime_ns for path in times}


def test_only_what_is_new_missing_or_cut_is_made(catalog: Catalog, tmp_path: Path) -> None:
    clean(catalog)
    whole = pngs(catalog.folder)
    gone, cut, *_ = sorted((catalog.folder / "clean").rglob("*.png"))
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:-9])
    write(tmp_path / "source", {"a/new.png": png(99)})
    import_images(catalog, tmp_path / "source", classes=())

    result = clean(catalog)

    assert (result.converted, result.already_there) == (3, 4)
    after = pngs(catalog.folder)
    assert len(after) == 7
    assert {name: after[name] for name in whole} == whole


def test_another_version_is_made_again(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    clean(catalog)
    monkeypatch.setattr(stage, "VERSION", "next")
    assert clean(catalog).converted == 6
    assert clean(catalog).converted == 0
    assert {item.version for item in catalog.cleaned()} == {"next"}


def test_an_image_that_cannot_be_read_is_a_row_and_tried_again(tmp_path: Path) -> None:
    with project(tmp_path, numbered({"a": 2, "b": 2}), link=True) as catalog:
        lost, changed = tmp_path / "source" / "a" / "000.png", tmp_path / "source" / "b" / "001.png"
        kept = lost.read_bytes()
        lost.unlink()
        changed.write_bytes(png(77))

        result = clean(catalog)

        assert (result.converted, result.already_there) == (2, 0)
        assert sorted((path, reason) for _image, path, reason in result.failed) == [
            (str(lost), "no such file"),
            (str(changed), "its bytes have changed since it was imported"),
        ]
        rows = {item.image: item.reason for item in catalog.cleaned()}
        assert sorted(filter(None, rows.values())) == [
            "its bytes have changed since it was imported",
            "no such file",
        ]
        lost.write_bytes(kept)
        again = clean(catalog)
        assert (again.converted, again.already_there, len(again.failed)) == (1, 2, 1)
        lost.unlink()  # its PNG is there: nothing is missing
        assert (clean(catalog).already_there, len(clean(catalog).failed)) == (3, 1)


def test_flags_only_reject_where_asked_and_undo_is_for_good(tmp_path: Path) -> None:
    files = {"a/blank.png": blank(100), "a/1.png": png(1, 300), "b/2.png": png(2, 300)}
    with project(tmp_path, files) as catalog:
        assert clean(catalog).rejected == 0
        assert {flag.name for flag in catalog.flags()} == {"blank", "blurred", "drawing"}
        assert len(catalog.labelled()) == 3

        result = clean(catalog, reject=["blank", "too_small"])

        assert (result.rejected, result.taken_back) == (1, 0)
        assert [item.path for item in catalog.labelled()] == ["source/a/1.png", "source/b/2.png"]
        counts = catalog.counts()
        assert (counts.images, counts.labelled, counts.unlabelled, counts.set_aside) == (3, 2, 0, 1)
        (decision,) = catalog.decisions()
        assert (decision.verb, decision.who) == ("reject", "rule:clean")
        assert '"flag": "blank"' in decision.detail
        assert clean(catalog, reject=["blank"]).rejected == 0  # once is enough

        catalog.undo(decision.number)
        assert len(catalog.labelled()) == 3
        assert clean(catalog, reject=["blank"]).rejected == 0
        assert len(catalog.labelled()) == 3


def test_a_rule_that_no_longer_asks_takes_its_decisions_back(tmp_path: Path) -> None:
    with project(tmp_path, {"a/blank.png": blank(100), "b/2.png": png(2, 300)}) as catalog:
        assert clean(catalog, reject=["blank"]).rejected == 1
        back = clean(catalog)
        assert (back.rejected, back.taken_back) == (0, 1)
        assert len(catalog.labelled()) == 2
        assert clean(catalog, reject=["blank"]).rejected == 1  # nobody but the rule undid it
        assert len(catalog.labelled()) == 1
        assert len(catalog.decisions()) == 2


def test_two_runs_at_once_say_who_is_at_work(catalog: Catalog) -> None:
    with (
        stage.alone(catalog.folder),
        pytest.raises(EnvironmentProblem, match=rf"process {os.getpid()}\) is at work on"),
    ):
        clean(catalog)
    assert clean(catalog).converted == 6


def test_what_a_killed_run_left_half_written_is_removed(catalog: Catalog) -> None:
    half = catalog.folder / "clean" / "ab" / ".partial-0123.png"
    write(catalog.folder, {half.relative_to(catalog.folder).as_posix(): b"half"})
    clean(catalog)
    assert not half.exists()


def test_a_folder_that_cannot_be_written_is_named(catalog: Catalog) -> None:
    (catalog.folder / "clean").write_text("a file in the way")
    with pytest.raises(EnvironmentProblem, match="clean"):
        clean(catalog)


RUN = """
import sys
from pathlib import Path
from footwork.catalog import Catalog
from footwork.cleaning import clean as stage
stage.BATCH = 4
print("ready", flush=True)
with Catalog.open(Path(sys.argv[1])) as catalog:
    stage.clean(catalog)
print("done", flush=True)
"""


def test_killed_at_any_moment_a_rerun_equals_an_unbroken_run(tmp_path: Path) -> None:
    files = {f"{'ab'[i % 2]}/{i:02}.png": png(i, 120) for i in range(24)}
    with project(tmp_path, files) as catalog:
        whole = tmp_path / "whole"
        shutil.copytree(catalog.folder, whole)
    started = time.monotonic()
    unbroken = subprocess.Popen([sys.executable, "-c", RUN, whole], stdout=subprocess.PIPE)
    assert unbroken.stdout is not None
    unbroken.stdout.readline()
    ready = time.monotonic()
    assert unbroken.wait(60) == 0
    took = time.monotonic() - ready
    assert ready > started
    random = np.random.default_rng(0)
    stopped = 0
    for moment in (0.0, *random.uniform(0, took, 7)):
        broken = tmp_path / "broken"
        shutil.copytree(tmp_path / "project", broken)
        for _ in range(2):  # killed twice in a row
            running = subprocess.Popen([sys.executable, "-c", RUN, broken], stdout=subprocess.PIPE)
            assert running.stdout is not None
            running.stdout.readline()
            time.sleep(moment)
            running.send_signal(signal.SIGKILL)
            stopped += running.wait() == -signal.SIGKILL and b"done" not in running.stdout.read()
        with Catalog.open(broken) as catalog:
            result = clean(catalog)
        assert result.converted + result.already_there == 24
        assert pngs(broken) == pngs(whole)
        assert contents(broken) == contents(whole)
        shutil.rmtree(broken)
    assert stopped >= 4, "too few runs were really killed to mean anything"


def test_the_order_of_images_does_not_matter(tmp_path: Path) -> None:
    results: list[CleanResult] = []
    for name, seeds in (("one", range(6)), ("two", reversed(range(6)))):
        folder = tmp_path / name
        folder.mkdir()
        with project(folder, {f"a/{seed}.png": png(seed) for seed in seeds}) as catalog:
            results.append(clean(catalog))
    assert pngs(tmp_path / "one" / "project") == pngs(tmp_path / "two" / "project")
    assert results[0].flagged == results[1].flagged


def test_a_catalog_of_version_1_is_migrated(tmp_path: Path, catalog: Catalog) -> None:
    """The tables of `clean` come to a project that was made before them."""
    catalog.close()
    path = catalog.folder / ".footwork" / "catalog.sqlite"
    connection = sqlite3.connect(path)
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master")]
    first = {"image", "file", "provenance", "decision", "label", "fold_group", "given_split"}
    for name in tables:
        kind = connection.execute("SELECT type FROM sqlite_master WHERE name = ?", (name,))
        if kind.fetchone() == ("table",) and name not in first | {"rejection", "sqlite_sequence"}:
            connection.execute(f"DROP TABLE {name}")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    with Catalog.open(tmp_path / "project") as opened:
        assert clean(opened).converted == 6
