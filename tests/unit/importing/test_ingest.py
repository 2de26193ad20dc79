import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from footwork import images
from footwork.catalog import Catalog
from footwork.errors import DataError, EnvironmentProblem
from footwork.images import Unreadable
from footwork.importing import ingest
from footwork.importing.ingest import Imported, import_images
from footwork.progress import Advance, Progress
from photo_folders import contents, numbered, png, write


def bring(project: Path, source: Path, **options: object) -> Imported:
    project.mkdir(exist_ok=True)
    with Catalog.open(project) as catalog:
        return import_images(catalog, source, classes=(), **options)  # type: ignore[arg-type]


def labels(project: Path) -> dict[str, str]:
    with Catalog.open(project) as catalog:
        return {item.path: item.label for item in catalog.labelled()}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Five pictures, old enough that their times can be trusted."""
    folder = write(tmp_path / "photos", numbered({"ants": 3, "bees": 2}))
    time.sleep(0.03)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file whose bytes an import reads."""
    seen: list[Path] = []

    def counted(path: Path) -> bytes:
        seen.append(path)
        return images.read_bytes(path)

    monkeypatch.setattr(ingest, "read_bytes", counted)
    return seen


@pytest.mark.parametrize("mode", ["copy", "link"])
def test_import_twice_is_import_once(
    project: Path, source: Path, mode: str, reads: list[Path]
) -> None:
    first = bring(project, source, mode=mode)
    assert (first.new, first.already_known, first.per_class) == (5, 0, {"ants": 3, "bees": 2})
    assert len(reads) == 5
    once = contents(project)
    second = bring(project, source, mode=mode)
    assert (second.new, second.already_known, second.relabelled) == (0, 5, 0)
    assert second.per_class == first.per_class
    assert len(reads) == 5  # no byte was read again
    assert contents(project) == once
    assert len(once["files on disk"]) == (5 if mode == "copy" else 0)


def test_copy_survives_the_source_and_link_does_not(tmp_path: Path, source: Path) -> None:
    bring(tmp_path / "copied", source)
    bring(tmp_path / "linked", source, mode="link")
    with Catalog.open(tmp_path / "linked") as catalog:
        first = catalog.labelled()[0].image
        assert catalog.read(first)
    shutil.rmtree(source)
    with Catalog.open(tmp_path / "copied") as catalog:
        assert all(catalog.read(item.image) for item in catalog.labelled())
    with (
        Catalog.open(tmp_path / "linked") as catalog,
        pytest.raises(Unreadable, match="no such file"),
    ):
        catalog.read(first)


def test_a_linked_file_that_changed_is_not_passed_off_as_the_image(
    project: Path, source: Path
) -> None:
    bring(project, source, mode="link")
    (source / "ants" / "000.png").write_bytes(png(99))
    with Catalog.open(project) as catalog:
        changed = [item for item in catalog.labelled() if item.path.endswith("ants/000.png")]
        with pytest.raises(Unreadable, match="changed since it was imported"):
            catalog.read(changed[0].image)


def test_copying_what_was_linked_stores_it(project: Path, source: Path) -> None:
    bring(project, source, mode="link")
    again = bring(project, source, mode="copy")
    assert (again.new, again.already_known) == (0, 5)
    assert len(contents(project)["files on disk"]) == 5
    with Catalog.open(project) as catalog:
        assert catalog.counts().linked == 0


def test_a_changed_file_is_a_new_image_and_the_old_one_keeps_its_rows(
    project: Path, source: Path
) -> None:
    bring(project, source)
    before = contents(project)
    (source / "ants" / "000.png").write_bytes(png(99))
    assert bring(project, source).new == 1
    after = contents(project)
    for table in ("image", "label", "provenance"):
        assert set(before[table]) < set(after[table])
        assert len(after[table]) == 6
    assert bring(project, source).new == 0


def test_a_change_that_keeps_size_and_time_is_still_seen(project: Path, source: Path) -> None:
    path = source / "ants" / "000.png"
    bring(project, source)
    times = path.stat()
    data = bytearray(path.read_bytes())
    data[-1:] = b"!"  # behind the last chunk: still a picture
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path.stat().st_size == times.st_size
    assert bring(project, source).new == 1


def test_a_file_changed_while_it_was_being_read_is_read_again(
    project: Path, source: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "TICK_NS", 10**11)  # so they count as changed just now
    bring(project, source)
    bring(project, source)
    assert len(reads) == 10


def test_a_time_beyond_the_databases_numbers_is_no_crash(project: Path, source: Path) -> None:
    os.utime(source / "ants" / "000.png", (2**34 - 5, 2**34 - 5))  # the year 2514
    assert bring(project, source).new == 5
    assert bring(project, source).already_known == 5


def test_a_damaged_stored_copy_is_mended_by_importing_again(project: Path, source: Path) -> None:
    bring(project, source)
    whole = contents(project)
    stored = next((project / "images").glob("*/*"))
    stored.write_bytes(b"cut")
    bring(project, source)
    assert contents(project) == whole


def test_the_same_bytes_in_two_classes_are_a_conflict_until_decided(
    project: Path, source: Path
) -> None:
    shutil.copy(source / "ants" / "000.png", source / "bees" / "copy.png")
    result = bring(project, source)
    assert (result.new, result.already_known, result.conflicts) == (5, 1, 1)
    assert result.per_class == {"ants": 2, "bees": 2}
    with Catalog.open(project) as catalog:
        assert len(catalog.labelled()) == 4
        (conflict,) = catalog.conflicts()
        assert [(label, origin) for label, _, origin in conflict.labels] == [
            ("ants", "photos/ants/000.png"),
            ("bees", "photos/bees/copy.png"),
        ]
        catalog.decide_label("bees/copy.png", "ants", "person:anna")
        assert catalog.conflicts() == []
        assert len(catalog.labelled()) == 5
    assert bring(project, source).conflicts == 0


def test_exact_copies_within_a_class_are_one_image_of_two_places(
    project: Path, source: Path
) -> None:
    shutil.copy(source / "ants" / "000.png", source / "ants" / "copy.png")
    result = bring(project, source)
    assert (result.new, result.already_known, result.conflicts) == (5, 1, 0)
    with Catalog.open(project) as catalog:
        assert len(catalog.provenance(catalog.find("ants/copy.png"))) == 2
        assert len({catalog.find("ants/copy.png"), catalog.find("ants/000.png")}) == 1


def test_moving_a_photo_to_another_class_folder_relabels_it(project: Path, source: Path) -> None:
    bring(project, source)
    (source / "ants" / "000.png").rename(source / "bees" / "moved.png")
    result = bring(project, source)
    assert (result.new, result.relabelled, result.conflicts) == (0, 1, 0)
    assert "1 files have another label" in result.notes[0]
    assert labels(project)["photos/bees/moved.png"] == "bees"
    assert bring(project, source).relabelled == 0


def test_a_table_that_says_something_else_now_replaces_what_it_said(
    project: Path, source: Path
) -> None:
    table = source / "t.csv"
    table.write_text("path,label,split,group\nants/000.png,ants,train,g\nbees/000.png,bees,,h\n")
    bring(project, table)
    table.write_text("path,label,split\nants/000.png,bees,test\nbees/000.png,bees,\n")
    result = bring(project, table)
    assert (result.new, result.relabelled) == (0, 1)
    with Catalog.open(project) as catalog:
        said = {item.path: item for item in catalog.labelled()}
    moved = said["photos/ants/000.png"]
    assert (moved.label, moved.split) == ("bees", "test")
    assert moved.group == "g"  # a table without groups does not take them back


def test_a_table_that_names_a_file_twice_with_two_classes_is_a_conflict(
    project: Path, source: Path
) -> None:
    (source / "t.csv").write_text("path,label\nants/000.png,x\nants/000.png,y\nbees/000.png,x\n")
    result = bring(project, source / "t.csv")
    assert (result.files, result.new, result.conflicts) == (2, 2, 1)
    assert bring(project, source / "t.csv").conflicts == 0


def test_external_images_are_apart_and_leave_the_training(project: Path, source: Path) -> None:
    bring(project, source)
    outside = write(source.parent / "outside", {"ants/new.png": png(50)})
    shutil.copy(source / "bees" / "000.png", outside / "ants" / "known.png")
    (outside / "ants" / "known.png").rename(write(outside, {"bees/x.png": png(51)}) / "bees/k.png")
    result = bring(project, outside, external=True)
    assert "1 of these images were there for training" in result.notes[0]
    with Catalog.open(project) as catalog:
        splits = [item.split for item in catalog.labelled()]
        assert (splits.count("external"), splits.count(None)) == (3, 4)
        assert catalog.counts().external == 3


def test_held_out_wins_where_one_image_lies_in_two_splits(project: Path, tmp_path: Path) -> None:
    root = write(
        tmp_path / "set",
        {
            "train/ants/a": png(1),
            "test/ants/b": png(1),
            "val/ants/c": png(2),
            "train/bees/d": png(3),
        },
    )
    result = bring(project, root)
    assert "1 images lie in two splits" in result.notes[0]
    with Catalog.open(project) as catalog:
        assert sorted((i.path, i.split) for i in catalog.labelled()) == [
            ("set/test/ants/b", "test"),
            ("set/train/bees/d", "train"),
            ("set/val/ants/c", "val"),
        ]


def test_bad_files_are_rows_with_reasons_and_the_rest_goes_on(project: Path, source: Path) -> None:
    ants = source / "ants"
    (ants / "cut.png").write_bytes(png(7)[:60])
    (ants / "empty.jpg").write_bytes(b"")
    (ants / "text.jpg").write_text("a text file called .jpg")
    (ants / "folder.jpg").mkdir()
    (ants / "dangling.png").symlink_to("nowhere.png")
    os.mkfifo(ants / "pipe.png")
    result = bring(project, source)
    assert result.new == 5
    reasons = {Path(origin).name: reason for origin, reason in result.rejected}
    assert reasons.keys() == {
        "cut.png",
        "empty.jpg",
        "text.jpg",
        "folder.jpg",
        "dangling.png",
        "pipe.png",
    }
    assert reasons["folder.jpg"] == "a directory, not a file"
    assert reasons["dangling.png"] == "a link whose target is missing"
    with Catalog.open(project) as catalog:
        assert len(catalog.rejections()) == 6
        assert {item.sha256 is None for item in catalog.rejections()} == {True, False}
    # Tried again every time: one may have been mended, or a decoder installed.
    (ants / "cut.png").write_bytes(png(7))
    (ants / "empty.jpg").unlink()
    again = bring(project, source)
    assert (again.new, len(again.rejected)) == (1, 4)
    with Catalog.open(project) as catalog:
        assert len(catalog.rejections()) == 4


def test_table_rows_that_name_nothing_are_rejections(project: Path, source: Path) -> None:
    table = source / "t.csv"
    table.write_text("path,label\n,ants\nants/000.png,ants\ngone.png,ants\nbees/000.png,\n")
    result = bring(project, table)
    assert result.new == 1
    assert sorted(result.rejected) == [
        (str(source / "gone.png"), "no such file"),
        (f"row 1 of {table}", "it gives no path"),
        (f"row 4 of {table}", "it gives no label"),
    ]
    table.write_text("path,label\nants/000.png,ants\n")
    bring(project, table)
    with Catalog.open(project) as catalog:
        assert catalog.rejections() == []


def test_names_that_are_not_text_can_be_copied_but_not_linked(
    project: Path, tmp_path: Path
) -> None:
    root = write(tmp_path / "set", {"ants/tal\udcf3n.png": png(1), "ants/\x1b[2Jb.png": png(2)})
    linked = bring(project, root, mode="link")
    assert linked.new == 1
    assert [(Path(o).name, r) for o, r in linked.rejected] == [
        ("tal\\xf3n.png", "its name is not UTF-8, so it cannot be linked; import by --copy")
    ]
    assert bring(project, root).new == 1
    assert bring(project, root).already_known == 2
    assert set(labels(project)) == {"set/ants/tal\\xf3n.png", "set/ants/\\x1b[2Jb.png"}


def test_order_of_imports_does_not_matter(tmp_path: Path) -> None:
    a = write(tmp_path / "a", {"ants/1": png(1), "ants/2": png(2), "bees/3": png(3)})
    b = write(tmp_path / "b", {"ants/3": png(3), "bees/x/1": png(4)})
    write(b, {"t.csv": "file,label,group\nants/3,bees,g\nbees/x/1,bees,g\n"})
    sources = [a, b, b / "t.csv"]
    outcomes = []
    for number, order in enumerate([sources, sources[::-1]]):
        for one in order:
            bring(tmp_path / f"p{number}", one)
        with Catalog.open(tmp_path / f"p{number}") as catalog:
            outcomes.append((catalog.judged(), contents(tmp_path / f"p{number}")))
    assert outcomes[0] == outcomes[1]


def test_two_sources_may_both_count_their_groups_from_one(project: Path, tmp_path: Path) -> None:
    root = write(tmp_path / "set", {"a": png(1), "b": png(2), "c": png(3), "d": png(4)})
    write(root, {"t.csv": "file,label,group\na,x,1\nb,x,1\n", "u.csv": "file,label,group\nc,x,1\n"})
    bring(project, root / "t.csv")
    bring(project, root / "u.csv")
    write(root, {"v.csv": "file,label,group\nd,x,2\n"})
    bring(project, root / "v.csv")
    with Catalog.open(project) as catalog:
        group = {item.path[-1]: item.group for item in catalog.labelled()}
    assert group["a"] == group["b"] != group["c"]
    assert group["d"] == "2"
    # A third table that joins b and c joins everything that hangs on them.
    write(root, {"w.csv": "file,label,group\nb,x,both\nc,x,both\n"})
    bring(project, root / "w.csv")
    with Catalog.open(project) as catalog:
        group = {item.path[-1]: item.group for item in catalog.labelled()}
    assert group == {"a": "1", "b": "1", "c": "1", "d": "2"}


def test_an_undeclared_class_changes_nothing(project: Path, source: Path) -> None:
    with Catalog.open(project) as catalog, pytest.raises(DataError, match="did you mean beez"):
        import_images(catalog, source, classes=("ants", "beez"))
    assert contents(project)["image"] == []


def test_progress_counts_every_file(project: Path, source: Path) -> None:
    seen: list[tuple[str, int]] = []

    class Recorded(Progress):
        @contextmanager
        def task(self, title: str, total: int, unit: str = "photos") -> Iterator[Advance]:
            seen.append((title, total))
            yield lambda done: seen.append(("done", done))

    bring(project, source, progress=Recorded())
    assert seen == [("importing", 5), ("done", 5)]


def test_a_full_disk_leaves_whole_batches_and_the_next_import_goes_on(
    project: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "BATCH", 2)
    fsync, written = os.fsync, iter(range(100))

    def full(descriptor: int) -> None:
        if next(written) >= 3:
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EnvironmentProblem, match="The disk is full"):
        bring(project, source)
    monkeypatch.setattr(os, "fsync", fsync)
    assert len(contents(project)["image"]) == 2
    assert bring(project, source).new == 3
    fresh = project.parent / "fresh"
    bring(fresh, source)
    assert contents(project) == contents(fresh)


IN_SUBPROCESS = """
import sys
from contextlib import contextmanager
from pathlib import Path
from footwork.catalog import Catalog
from footwork.importing import ingest
from footwork.progress import Progress

class Telling(Progress):
    @contextmanager
    def task(self, title, total, unit="photos"):
        yield lambda done: print("batch", flush=True)

ingest.BATCH = 5
with Catalog.open(Path(sys.argv[1])) as catalog:
    print("open", flush=True)
    ingest.import_images(catalog, Path(sys.argv[2]), classes=(), progress=Telling())
"""


def in_subprocess(project: Path, source: Path) -> "subprocess.Popen[bytes]":
    """Import in another process, which prints a line when open and after each batch of 5."""
    project.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", IN_SUBPROCESS, project, source],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Enough pictures for dozens of transactions, with copies, a conflict and a bad file."""
    root = write(tmp_path / "many", numbered({"ants": 90, "bees": 60}))
    write(root, {"bees/copy.png": png(0), "ants/copy.png": png(1), "ants/bad.png": b"no image"})
    time.sleep(0.03)
    return root


def test_kill_9_at_random_moments_then_a_rerun_equals_an_unbroken_run(
    tmp_path: Path, many: Path
) -> None:
    unbroken = tmp_path / "unbroken"
    bring(unbroken, many)
    expected = contents(unbroken)
    rng = random.Random(12)
    halfway = 0
    for number, batches in enumerate([0, 1, *rng.sample(range(2, 25), 3)]):
        project = tmp_path / f"broken{number}"
        process = in_subprocess(project, many)
        assert process.stdout is not None
        for _ in range(1 + batches):
            process.stdout.readline()
        time.sleep(rng.uniform(0, 0.01))  # into the middle of the next batch
        process.send_signal(signal.SIGKILL)
        process.communicate()
        rows = len(contents(project)["image"])
        assert rows >= 5 * batches - 2  # two files of the first hundred bring no new image
        halfway += 0 < rows < 150
        with Catalog.open(project) as catalog:  # consistent as it stands
            assert all(catalog.read(item.image) for item in catalog.labelled())
        bring(project, many)
        assert contents(project) == expected
    assert halfway  # else nothing was shown


def test_ctrl_c_then_a_rerun(tmp_path: Path, many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(tmp_path / "unbroken", many)
    monkeypatch.setattr(ingest, "BATCH", 10)

    class Impatient(Progress):
        @contextmanager
        def task(self, title: str, total: int, unit: str = "photos") -> Iterator[Advance]:
            calls = iter(range(100))

            def advance(_done: int) -> None:
                if next(calls) == 3:
                    raise KeyboardInterrupt

            yield advance

    with pytest.raises(KeyboardInterrupt):
        bring(tmp_path / "broken", many, progress=Impatient())
    assert len(contents(tmp_path / "broken")["image"]) == 40
    bring(tmp_path / "broken", many)
    assert contents(tmp_path / "broken") == contents(tmp_path / "unbroken")


def test_two_processes_at_once_give_what_one_gives(tmp_path: Path, many: Path) -> None:
    bring(tmp_path / "alone", many)
    processes = [in_subprocess(tmp_path / "both", many) for _ in range(2)]
    for process in processes:
        _, complaints = process.communicate(timeout=60)
        assert process.returncode == 0, complaints.decode()
    assert contents(tmp_path / "both") == contents(tmp_path / "alone")


@pytest.mark.shared
def test_the_real_photos(project: Path, shared: Path) -> None:
    first = bring(project, shared / "data" / "hymenoptera")
    assert (first.new, first.per_class) == (396, {"ants": 192, "bees": 204})
    second = bring(project, shared / "data" / "hymenoptera")
    assert (second.new, second.already_known) == (0, 396)
    tiles = bring(
        project,
        shared / "data" / "climbing_tiles" / "manifest.csv",
        columns={"group": "photo"},
        where={"best": "1"},
    )
    assert (tiles.new, tiles.per_class) == (67, {"heel_hook": 25, "others": 25, "toe_hook": 17})
    with Catalog.open(project) as catalog:
        assert len(catalog.labelled()) == 463
        assert catalog.conflicts() == []
