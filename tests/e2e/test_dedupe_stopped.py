"""Real `footwork dedupe` processes: killed, beside each other, taken back."""

import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from footwork import verbs
from footwork.catalog import Catalog
from photo_folders import contents

FOOTWORK = [sys.executable, "-m", "footwork"]
RADIUS = 8  # a given one: what is tested here is not how it is chosen, which takes seconds
DEDUPE = [*FOOTWORK, "dedupe", "--json", "--radius", str(RADIUS), "--no-features"]
DERIVED = {"hash", "pair", "copy", "decision"}  # what dedupe writes; all else is not its business


def scene(seed: int, size: tuple[int, int] = (240, 180)) -> Image.Image:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of 40 scenes of two classes, ten of them with two copies, one in both classes."""
    folder = tmp_path_factory.mktemp("killed")
    for name in ("a", "b"):
        (folder / "photos" / name).mkdir(parents=True)
    for seed in range(40):
        own = folder / "photos" / "ab"[seed % 2]
        scene(seed).save(own / f"{seed}.png")
        if seed < 10:
            scene(seed).resize((120, 90)).save(own / f"{seed}_small.jpg")
            scene(seed).save(own / f"{seed}_again.jpg", quality=70)
    scene(3).save(folder / "photos" / "a" / "3_elsewhere.jpg", quality=50)
    project = folder / "project"
    project.mkdir()
    verbs.import_images(folder / "photos", project=project)
    return project


def groups(project: Path) -> set[tuple[str, str, str]]:
    with Catalog.open(project) as catalog:
        return {(copy.image, copy.best, copy.why) for copy in catalog.copies()}


def untouched(project: Path) -> dict[str, list[tuple[object, ...]]]:
    return {name: rows for name, rows in contents(project).items() if name not in DERIVED}


def test_killed_at_twenty_random_moments_the_rerun_gives_the_same(
    imported: Path, tmp_path: Path
) -> None:
    before = untouched(imported)
    whole = shutil.copytree(imported, tmp_path / "whole")
    started = time.monotonic()
    subprocess.run(DEDUPE, cwd=whole, check=True, capture_output=True)
    took = time.monotonic() - started
    expected = groups(whole)
    assert len(expected) == 21

    rng = random.Random(4)
    killed = half_way = 0
    for number in range(20):
        project = shutil.copytree(imported, tmp_path / str(number))
        process = subprocess.Popen(DEDUPE, cwd=project, stdout=subprocess.PIPE, text=True)
        # Half of the time goes by before the catalog is opened: aim behind that.
        time.sleep(took * rng.uniform(0.4, 1.0))
        process.kill()
        process.communicate()
        killed += process.returncode == -signal.SIGKILL

        database = sqlite3.connect(project / ".footwork" / "catalog.sqlite")
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        hashed = database.execute("SELECT count(*) FROM hash").fetchone()[0]
        grouped = database.execute("SELECT count(*) FROM copy").fetchone()[0]
        database.close()
        assert grouped in (0, 21), "groups appear whole or not at all"
        half_way += hashed > 0 and process.returncode != 0
        found = verbs.dedupe(project=project, max_bits=RADIUS, features=False)
        assert groups(project) == expected
        assert untouched(project) == before, "nothing was lost"
        assert found.conflicts == 1
    assert killed >= 10, f"only {killed} processes were still running when they were killed"


def test_undo_back_to_the_start_restores_every_row(imported: Path, tmp_path: Path) -> None:
    project = shutil.copytree(imported, tmp_path / "project")
    with Catalog.open(project) as catalog:
        before = [(row.image, row.label, row.path) for row in catalog.labelled()]
    rows = untouched(project)
    verbs.dedupe(project=project, max_bits=RADIUS, features=False)
    verbs.dedupe(project=project, max_bits=0, features=False)
    with Catalog.open(project) as catalog:
        assert [(row.image, row.label, row.path) for row in catalog.labelled()] != before

    listed = subprocess.run(
        [*FOOTWORK, "undo", "--list", "--json"],
        cwd=project, check=True, capture_output=True, text=True,
    )  # fmt: skip
    numbers = [one["number"] for one in json.loads(listed.stdout) if not one["undone_at"]]
    one = subprocess.run(
        [*FOOTWORK, "undo", str(numbers[0])], cwd=project, capture_output=True, text=True
    )
    assert one.returncode == 0
    assert one.stdout.startswith(f"Took back {numbers[0]}: keep photo ")
    every = subprocess.run([*FOOTWORK, "undo", "--all"], cwd=project, capture_output=True)
    assert every.returncode == 0
    with Catalog.open(project) as catalog:
        assert [(row.image, row.label, row.path) for row in catalog.labelled()] == before
        assert catalog.copies() == []
    assert untouched(project) == rows

    assert verbs.dedupe(project=project, max_bits=RADIUS, features=False).copies == (), (
        "what was taken apart stays apart"
    )
    assert (
        len(verbs.dedupe(project=project, max_bits=RADIUS, features=False, again=True).copies) == 21
    )
    nothing = subprocess.run([*FOOTWORK, "undo", "99"], cwd=project, capture_output=True, text=True)
    assert nothing.returncode == 3
    assert "no decision 99" in nothing.stderr.replace("\n", " ")


def test_two_processes_on_one_catalog_wait_for_each_other(imported: Path, tmp_path: Path) -> None:
    alone = shutil.copytree(imported, tmp_path / "alone")
    verbs.dedupe(project=alone, max_bits=RADIUS, features=False)
    project = shutil.copytree(imported, tmp_path / "project")
    held = sqlite3.connect(project / ".footwork" / "catalog.sqlite", isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    both = [
        subprocess.Popen(
            DEDUPE, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    time.sleep(1.5)
    assert [process.poll() for process in both] == [None, None], "both wait for who holds it"
    held.execute("COMMIT")
    held.close()
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert groups(project) == groups(alone)
    with Catalog.open(project) as catalog, Catalog.open(alone) as other:
        assert len(catalog.decisions()) == len(other.decisions()), "no group is decided twice"
