"""Copies as people and the web make them: thousands, almost the same, changed under their name."""

import random
import shutil
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from footwork import verbs
from footwork.catalog import Catalog
from footwork.cleaned import Cleaned, Flag, Quality

RADIUS = 8


def scene(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def photos(root: Path) -> Path:
    for name in ("a", "b"):
        (root / "photos" / name).mkdir(parents=True)
        for seed in range(3):
            scene(10 * (name == "b") + seed).save(root / "photos" / name / f"{seed}.png")
    return root / "photos"


def names(catalog: Catalog) -> dict[str, str]:
    return {i.sha256: Path(catalog.provenance(i.sha256)[0].origin).name for i in catalog.images()}


def test_thousands_of_identical_files_are_one_photo_of_many_places(tmp_path: Path) -> None:
    folder = photos(tmp_path)
    scene(0, (64, 48)).save(folder / "a" / "0.png")  # small: 2,000 are decoded
    scene(0, (64, 48)).save(folder / "a" / "worse.jpg", quality=60)
    for number in range(2000):
        shutil.copyfile(folder / "a" / "0.png", folder / "a" / f"again{number:04}.png")
    verbs.import_images(folder, project=tmp_path, mode="link")
    found = verbs.dedupe(project=tmp_path, max_bits=RADIUS, features=False)
    assert (found.images, len(found.copies)) == (7, 1)
    with Catalog.open(tmp_path) as catalog:
        assert len(catalog.provenance(found.copies[0].best)) == 2001
        assert len(catalog.labelled()) == 6


def test_of_two_that_differ_by_a_small_overlay_the_one_without_is_kept(tmp_path: Path) -> None:
    folder = photos(tmp_path)
    marked = scene(0, (640, 480))
    ImageDraw.Draw(marked).polygon([(300, 220), (300, 260), (340, 240)], fill="white")
    marked.save(folder / "a" / "marked.png")
    verbs.import_images(folder, project=tmp_path)
    found = verbs.dedupe(project=tmp_path, max_bits=RADIUS, features=False)
    with Catalog.open(tmp_path) as catalog:
        name = names(catalog)
        assert {name[c.image]: name[c.best] for c in found.copies} == {"0.png": "marked.png"}

        larger = found.copies[0].best
        facts = Quality(640, 480, 9.0, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 9)
        flags = (Flag(larger, "large_text", 0.9),)
        catalog.add_cleaned([Cleaned(larger, "1", 1, None, facts, flags)])
    found = verbs.dedupe(project=tmp_path, max_bits=RADIUS, features=False)
    assert {name[c.image]: name[c.best] for c in found.copies} == {"marked.png": "0.png"}
    assert found.copies[0].why == "no overlay(s), the other has large_text"
    with Catalog.open(tmp_path) as catalog:
        assert [d.undone_at is None for d in catalog.decisions()] == [False, True]


def test_a_changed_file_under_the_same_name_is_another_photo(tmp_path: Path) -> None:
    folder = photos(tmp_path)
    scene(0).save(folder / "a" / "x.jpg", quality=60)
    verbs.import_images(folder, project=tmp_path, mode="link")
    assert len(verbs.dedupe(project=tmp_path, max_bits=RADIUS, features=False).copies) == 1

    scene(77).save(folder / "a" / "x.jpg", quality=60)
    found = verbs.dedupe(project=tmp_path, max_bits=RADIUS, features=False)
    assert len(found.copies) == 1, "what was hashed before the change is still known"
    verbs.import_images(folder, project=tmp_path, mode="link")
    found = verbs.dedupe(project=tmp_path, max_bits=RADIUS, features=False)
    with Catalog.open(tmp_path) as catalog:
        rows = catalog.labelled()
        assert len(rows) == 7, "six scenes and the new one; the old x.jpg counts no more"
        new = next(row.image for row in rows if Path(row.path).name == "x.jpg")
        assert new not in {c.image for c in found.copies} | {c.best for c in found.copies}


def test_shuffled_and_renamed_files_give_the_same_groups(tmp_path: Path) -> None:
    folder = photos(tmp_path / "one")
    for seed in range(3):
        for quality in (50, 70):
            scene(seed).save(folder / "a" / f"{seed}_{quality}.jpg", quality=quality)
    files = sorted(folder.glob("*/*"))
    random.Random(1).shuffle(files)
    other = tmp_path / "two"
    for number, path in enumerate(files):
        (other / "photos" / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, other / "photos" / path.parent.name / f"{number:03}{path.suffix}")
    results = []
    for project in (tmp_path / "one", other):
        verbs.import_images(project / "photos", project=project)
        results.append(verbs.dedupe(project=project, max_bits=RADIUS, features=False).copies)
    assert results[0] == results[1]
    assert len(results[0]) == 6
