"""Choosing among many is itself over-fitting: variants are counted, a lock-box is offered."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import footwork
from footwork.catalog import Catalog
from footwork.images import encode_jpeg

QUICK = ("--base", "efficientnet_lite0", "--folds", "3", "--repeats", "1", "--json")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty pictures, light and dark, of which six are locked away."""
    folder = tmp_path_factory.mktemp("lock")
    rng = np.random.default_rng(0)
    for name, level in (("dark", 60), ("light", 190)):
        for i in range(15):
            small = rng.integers(level - 60, level + 60, (6, 8, 3)).astype(np.uint8)
            large = Image.fromarray(small).resize((240, 180), Image.Resampling.BICUBIC)
            file = folder / "photos" / name / f"{i:02}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encode_jpeg(np.array(large), 240))
    footwork("import", "photos", cwd=folder)
    said = footwork("lock", "20%", "--who", "me", cwd=folder).stdout
    assert "6 photos are locked away" in said
    return folder


def test_what_is_locked_is_in_nothing_but_the_count(project: Path) -> None:
    seen = json.loads(footwork("status", "--json", cwd=project).stdout)
    assert (seen["photos"], seen["locked"], seen["unlabelled"]) == (24, 6, 0)
    assert seen["per_class"] == {"dark": 12, "light": 12}
    run = json.loads(footwork("compare", *QUICK, cwd=project).stdout)
    assert run["photos"] == 24
    assert run["notes"][0].startswith("Nobody has looked for near-copies among these 24 photos.")
    with Catalog.open(project) as catalog:
        locked = catalog.lock_box().images
        assert not locked & {row.image for row in catalog.labelled()}
        assert not locked & {row.image for row in catalog.judged(copies=True)[0]}
        external = {r.image for r in catalog.judged(opened=True)[0] if r.split == "external"}
    assert external == locked


def test_a_second_lock_or_a_silly_share_is_refused(project: Path) -> None:
    assert "locked away already" in footwork("lock", "10%", cwd=project, code=2).stderr
    assert "5 % to 50 %" in footwork("lock", "90%", cwd=project, code=2).stderr
    assert "a number like 20%" in footwork("lock", "some", cwd=project, code=2).stderr


def test_every_opening_is_counted_and_said_and_cannot_be_taken_back(project: Path) -> None:
    first = json.loads(footwork("compare", *QUICK, "--open-lock", cwd=project).stdout)
    assert "6 photos, opened for the first time" in first["notes"][0]
    run = project / "runs" / first["run"]
    assert json.loads((run / "external.json").read_text())["photos"] == 6
    assert first["photos"] == 24
    with Catalog.open(project) as catalog:
        number = catalog.decisions()[-1].number
    footwork("undo", str(number), cwd=project)  # of the opening: the look stays a look
    second = json.loads(footwork("compare", *QUICK, "--open-lock", cwd=project).stdout)
    assert "opened for the 2. time" in second["notes"][0]


def test_a_copy_that_comes_later_is_locked_with_its_group(project: Path, tmp_path: Path) -> None:
    with Catalog.open(project) as catalog:
        image = min(catalog.lock_box().images)
        data = catalog.read(image)
        label = next(r.label for r in catalog.judged(opened=True)[0] if r.image == image)
    again = tmp_path / "more" / label / "copy.jpg"
    again.parent.mkdir(parents=True)
    again.write_bytes(data + b"\0")  # other bytes, the same picture
    footwork("import", tmp_path / "more", cwd=project)
    assert json.loads(footwork("status", "--json", cwd=project).stdout)["photos"] == 25
    footwork("dedupe", "--radius", "0", "--no-features", cwd=project)
    seen = json.loads(footwork("status", "--json", cwd=project).stdout)
    assert seen["photos"] == 24


def test_undoing_everything_does_not_open_the_lock_box(project: Path) -> None:
    footwork("undo", "--all", cwd=project)
    assert json.loads(footwork("status", "--json", cwd=project).stdout)["locked"] > 0


def test_nothing_to_open_is_said(tmp_path: Path) -> None:
    footwork("init", "p", cwd=tmp_path)
    said = footwork("compare", "--open-lock", cwd=tmp_path / "p", code=2).stderr
    assert "footwork lock 20%" in said


def test_variants_are_counted_per_version_of_the_photos(project: Path) -> None:
    with Catalog.open(project) as catalog:
        assert catalog.tried("x" * 64, ["a", "b"]) == 2
        assert catalog.tried("x" * 64, ["b", "c"]) == 3
        assert catalog.tried("y" * 64, ["a"]) == 1
    one = variants_of(project, "-r", "probe")
    many = ("-r", "probe", "-r", "mirrored", "-r", "squash", "-r", "letterbox")
    assert variants_of(project, *many) == one + 3


def variants_of(project: Path, *recipes: str) -> int:
    """How many variants the run of these recipes says were tried on its photos."""
    run = json.loads(footwork("compare", *QUICK, *recipes, cwd=project).stdout)["run"]
    environment = json.loads((project / "runs" / run / "environment.json").read_text())
    return int(environment["data"]["variants"])


def test_averaging_nothing_is_refused(project: Path) -> None:
    said = footwork("compare", *QUICK, "-r", "average", cwd=project, code=2).stderr
    assert "Nothing is left to compare" in said
