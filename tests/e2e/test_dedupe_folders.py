"""footwork dedupe on folders that are in no project: the real command line."""

import csv
import json
import os
import shutil
import subprocess
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import command_line
from footwork.duplicates.edits import Pixels, edited

FAST = ("--no-features", "--radius", "8")  # nothing is calibrated, no network asked


def footwork(*words: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    wide = {**os.environ, "COLUMNS": "300"}
    return command_line.footwork("dedupe", *words, code=code, env=wide)


def found(*words: str | Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(footwork(*words, "--json").stdout)
    assert list(answer) == ["pairs", "groups", "conflicts", "rejected"]
    return answer


def scene(seed: int, height: int = 210, width: int = 300) -> Pixels:
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), dtype=np.float32)
    for cells in (3, 7, 16, 40):
        noise = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        picture += np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC)) / 4
    return picture.clip(0, 255).astype(np.uint8)


def save(path: Path, pixels: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=90)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six scenes; of 0 a smaller copy, of 1 the same bytes twice, of 2 a copy in another class."""
    folder = tmp_path / "photos"
    for seed in range(6):
        save(folder / "ab"[seed % 2] / f"{seed}.png", scene(seed))
    save(folder / "a" / "small.jpg", edited(scene(0), "resize", 1))
    shutil.copy(folder / "b" / "1.png", folder / "b" / "again.png")
    save(folder / "b" / "other.jpg", edited(scene(2), "border", 0))
    (folder / "a" / "cut.jpg").write_bytes((folder / "a" / "small.jpg").read_bytes()[:900])
    (folder / "notes.txt").write_text("no image, and not meant as one")
    return folder


def state(folder: Path) -> list[tuple[str, int, int]]:
    paths = sorted(folder.rglob("*"))
    return [(str(p), p.stat().st_mtime_ns, p.stat().st_size) for p in paths]


def test_a_folder_is_read_and_left_as_it_was(photos: Path, tmp_path: Path) -> None:
    before = state(photos)
    answer = found(photos, *FAST)

    pairs = {(p["a"], p["b"]): p for p in answer["pairs"]}
    assert pairs.keys() == {
        ("a/0.png", "a/small.jpg"),
        ("b/1.png", "b/again.png"),
        ("a/2.png", "b/other.jpg"),
    }
    assert pairs["b/1.png", "b/again.png"]["evidence"] == ["bytes"]
    assert pairs["a/0.png", "a/small.jpg"]["distance"] <= 8
    assert "hash (trimmed)" in pairs["a/2.png", "b/other.jpg"]["evidence"]
    kept = {group["keep"]: group for group in answer["groups"]}
    assert kept["a/0.png"]["copies"] == ["a/small.jpg"]
    assert kept["a/0.png"]["reason"] == "300x210 has more pixels than 150x105"
    assert kept["b/1.png"]["reason"] == "the same bytes"
    assert answer["conflicts"] == [{"classes": {"a": ["a/2.png"], "b": ["b/other.jpg"]}}]
    assert [one["path"] for one in answer["rejected"]] == ["a/cut.jpg"]
    assert "truncated" in answer["rejected"][0]["reason"]
    assert state(photos) == before


def test_the_table_and_the_csv_say_the_same(photos: Path, tmp_path: Path) -> None:
    done = footwork(photos, *FAST, "--csv", tmp_path / "found.csv")
    assert "3 copies in 3 groups among 9 files" in done.stdout
    assert "Radius 8 of 64 bits, as asked" in done.stdout
    assert "Two classes for one photo" in done.stdout
    with (tmp_path / "found.csv").open() as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    assert {name for name, row in rows.items() if row["status"] == "copy"} == {
        "a/small.jpg",
        "b/again.png",
        "a/2.png" if rows["b/other.jpg"]["status"] == "kept" else "b/other.jpg",
    }
    assert rows["a/small.jpg"]["kept"] == "a/0.png"
    assert rows["a/cut.jpg"]["status"] == "rejected"
    assert rows["b/3.png"]["status"] == "single"
    assert len(rows) == 10


def test_against_an_old_folder_only_what_is_new_is_left(photos: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    save(new / "a" / "known.jpg", edited(scene(4), "jpeg", 1))
    save(new / "a" / "0.png", scene(10))
    save(new / "a" / "twice.jpg", edited(scene(10), "resize", 0))
    done = footwork(new, "--against", photos, *FAST, "--csv", tmp_path / "found.csv")
    assert "1 of 3 files are new" in done.stdout
    assert "a/0.png" in done.stdout
    with (tmp_path / "found.csv").open() as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    assert rows["a/0.png"]["status"] == "kept"
    assert rows["a/twice.jpg"]["kept"] == "a/0.png"
    assert rows["a/known.jpg"]["kept"] == str(photos / "a" / "4.png")
    assert rows["a/known.jpg"]["reason"] == "the kept one was there before"

    answer = found(new, "--against", photos, *FAST)
    assert len(answer["pairs"]) == 2, "what is doubled among the old ones was not asked for"


def test_a_folder_given_twice_is_one_folder_and_has_nothing_new(photos: Path) -> None:
    once, twice = found(photos, *FAST), found(photos, photos, *FAST)
    assert len(twice["pairs"]) == len(once["pairs"])
    assert "0 of 9 files are new" in footwork(photos, "--against", photos, *FAST).stdout


def test_a_changed_file_under_the_same_name_is_seen(photos: Path) -> None:
    assert len(found(photos, *FAST)["pairs"]) == 3
    stamp = (photos / "b" / "again.png").stat()
    save(photos / "b" / "again.png", scene(20))
    os.utime(photos / "b" / "again.png", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert len(found(photos, *FAST)["pairs"]) == 2


def test_names_and_order_of_files_do_not_matter(photos: Path, tmp_path: Path) -> None:
    renamed: dict[str, str] = {}
    for number, path in enumerate(sorted(photos.glob("*/*.*"), reverse=True)):
        target = tmp_path / "renamed" / path.parent.name / f"{number:02}{path.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
        name = f"{path.parent.name}/{path.name}"
        renamed[f"{path.parent.name}/{target.name}"] = name
    first, second = (found(f, *FAST) for f in (photos, tmp_path / "renamed"))
    groups = {frozenset([g["keep"], *g["copies"]]) for g in first["groups"]}
    assert groups == {
        frozenset(renamed[name] for name in (g["keep"], *g["copies"])) for g in second["groups"]
    }


def test_mirrored_copies_and_crops_are_found_where_asked(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for seed in range(4):
        save(folder / f"{seed}.png", scene(seed))
    save(folder / "flipped.jpg", edited(scene(0), "flip", 0))
    save(folder / "crop.png", edited(scene(1), "crop", 2))
    assert found(folder, *FAST)["pairs"] == []
    plain = found(folder, "--radius", "8")["pairs"]
    assert [(p["a"], p["b"], p["evidence"]) for p in plain] == [
        ("1.png", "crop.png", ["features", "detail"])
    ]
    mirrored = found(folder, *FAST, "--mirror")["pairs"]
    assert [(p["a"], p["b"], p["evidence"]) for p in mirrored] == [
        ("0.png", "flipped.jpg", ["hash (mirrored)"])
    ]


def test_thousands_of_equal_files_are_one_group(tmp_path: Path) -> None:
    """2,000 times the same bytes, and 300 files of the same pixels with other bytes."""
    folder = tmp_path / "photos"
    folder.mkdir()
    save(folder / "first.jpg", scene(0, 60, 80))
    data = (folder / "first.jpg").read_bytes()
    for number in range(2000):
        (folder / f"{number:04}.jpg").write_bytes(data)
    for number in range(300):  # what follows the end of a JPEG is not looked at
        (folder / f"other{number:04}.jpg").write_bytes(data + b"%d" % number)
    save(folder / "single.png", scene(1))
    answer = found(folder, *FAST)
    assert len(answer["groups"]) == 1
    assert len(answer["groups"][0]["copies"]) == 2300
    assert len(answer["pairs"]) == 2300, "a chain, not two and a half million"


def test_mistakes_are_said_with_their_exit_code(photos: Path, tmp_path: Path) -> None:
    assert "is not a folder" in footwork(tmp_path / "absent", code=2).stderr
    assert "--against needs" in footwork("--against", photos, code=2).stderr
    assert "--again is for a project" in footwork(photos, "--again", code=2).stderr
    (tmp_path / "empty").mkdir()
    assert "No image was found" in footwork(tmp_path / "empty", code=3).stderr


@pytest.mark.shared
def test_tiles_of_one_photo_are_found_and_nothing_else(shared: Path) -> None:
    """Precision 1 and recall 1 of pairs against the manifest, and no group with two photos."""
    folder = shared / "data" / "climbing_tiles"
    with (folder / "manifest.csv").open() as file:
        photo = {row["file"]: row["photo"] for row in csv.DictReader(file)}
    tiles: defaultdict[str, list[str]] = defaultdict(list)
    for name, number in photo.items():
        tiles[number].append(name)
    truth = {pair for some in tiles.values() for pair in combinations(sorted(some), 2)}

    answer = found(folder)

    groups = [[group["keep"], *group["copies"]] for group in answer["groups"]]
    assert {len({photo[name] for name in group}) for group in groups} == {1}
    pairs = {pair for group in groups for pair in combinations(sorted(group), 2)}
    assert (len(pairs & truth), len(pairs - truth), len(truth - pairs)) == (59, 0, 0)
