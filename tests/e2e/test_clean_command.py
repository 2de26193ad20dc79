"""`footwork clean` through the real command line."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import footwork
from footwork.images import decode
from photo_folders import png, write


def with_place() -> bytes:
    tags = Image.Exif()
    tags[0x010F] = "SecretCamera"
    tags[0x8825] = {1: "N", 2: (47.0, 22.0, 7.0)}
    pixels = np.random.default_rng(5).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", exif=tags, quality=90)
    return out.getvalue()


def blank() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (300, 300), (100, 110, 120)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of five linked photos: one with a place, one blank, one that is lost later."""
    files = {
        "photos/a/place.jpg": with_place(),
        "photos/a/lost.png": png(1, 240),
        "photos/a/small.png": png(2, 60),
        "photos/b/blank[1].png": blank(),
        "photos/b/fine.png": png(3, 240),
    }
    write(tmp_path, files)
    footwork("import", "photos", "--link", cwd=tmp_path)
    (tmp_path / "photos" / "a" / "lost.png").unlink()
    return tmp_path


def test_photos_become_pngs_and_flags_are_listed(folder: Path) -> None:
    said = footwork("clean", cwd=folder).stdout

    assert "4 photos cleaned, 0 there already, 1 failed." in said
    flat = said.replace("\n", "")
    assert "a/lost.png: no such file" in flat
    for flag, count in (("too small", 1), ("blank", 1)):
        assert re.search(rf"^{flag} +{count} +[01]\.\d\d ", said, re.MULTILINE), said
    assert "[1].png" in flat
    made = {path.stem: path for path in (folder / "clean").glob("*/*.png")}
    assert len(made) == 4
    decoded = [decode(path.read_bytes()) for path in (folder / "photos").rglob("*.*")]
    for path in made.values():
        data = path.read_bytes()
        assert b"SecretCamera" not in data
        with Image.open(path) as image:
            assert image.mode == "RGB"
            assert not image.getexif()
            pixels = np.asarray(image)
        assert any(np.array_equal(pixels, other) for other in decoded)


def test_json_and_a_second_run_that_does_nothing(folder: Path) -> None:
    first = json.loads(footwork("clean", "--json", cwd=folder).stdout)
    assert (first["converted"], first["already_there"]) == (4, 0)
    (failed,) = first["failed"]
    assert failed["path"].endswith("photos/a/lost.png")
    assert failed["reason"] == "no such file"
    assert first["flags"]["blank"]["count"] == 1
    assert first["flags"]["blank"]["example"].endswith("blank[1].png")
    assert 0.5 <= first["flags"]["blank"]["score"] <= 1

    second = json.loads(footwork("clean", "--json", cwd=folder).stdout)
    assert second == first | {"converted": 0, "already_there": 4}
    (folder / "photos" / "a" / "lost.png").write_bytes(png(1, 240))
    assert "1 photos cleaned, 4 there already, 0 failed." in footwork("clean", cwd=folder).stdout
    assert "Nothing to do: all 5 photos were clean already." in (
        footwork("clean", cwd=folder).stdout
    )


def test_the_toml_decides_what_is_set_aside(folder: Path) -> None:
    toml = folder / "footwork.toml"
    before = toml.read_text()
    toml.write_text(before + '\n[clean]\nreject = ["blank", "too_small"]\n')
    said = json.loads(footwork("clean", "--json", cwd=folder).stdout)
    assert said["rejected"] == 2
    assert json.loads(footwork("status", "--json", cwd=folder).stdout)["photos"] == 3
    assert "set aside by [clean] reject" not in footwork("clean", cwd=folder).stdout, "only once"

    toml.write_text(before)
    assert json.loads(footwork("clean", "--json", cwd=folder).stdout)["taken_back"] == 2
    assert json.loads(footwork("status", "--json", cwd=folder).stdout)["photos"] == 5

    toml.write_text(before + '\n[clean]\nreject = ["blury"]\n')
    message = footwork("clean", cwd=folder, code=3).stderr
    assert "clean.reject" in message
    assert "'blurred'" in message
    assert "blury" in message


def test_without_a_project_it_says_how_to_make_one(tmp_path: Path) -> None:
    assert "footwork init" in footwork("clean", cwd=tmp_path, code=2).stderr
