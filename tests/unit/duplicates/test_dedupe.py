"""The stage `dedupe` on a real catalog: groups, folds, conflicts, restarts."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from footwork import verbs
from footwork.catalog import Catalog
from footwork.duplicates.dedupe import SAFE_RADIUS, dedupe
from footwork.errors import UsageError


def scene(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A picture with large shapes, so that its hash has firm bits."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Eight scenes; scene 0 has a smaller and a recompressed copy, scene 1 one elsewhere."""
    folder = tmp_path / "photos"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
    for seed in range(8):
        scene(seed).save(folder / "ab"[seed % 2] / f"{seed}.png")
    scene(0).resize((160, 120)).save(folder / "a" / "small.jpg", quality=70)
    scene(0).save(folder / "a" / "again.jpg", quality=60)
    scene(1).save(folder / "a" / "other_class.jpg", quality=60)
    return folder


@pytest.fixture
def project(photos: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    verbs.import_images(photos, project=folder)
    return folder


def origins(catalog: Catalog) -> dict[str, str]:
    return {i.sha256: Path(catalog.provenance(i.sha256)[0].origin).name for i in catalog.images()}


def test_copies_are_found_and_the_best_is_named(project: Path) -> None:
    with Catalog.open(project) as catalog:
        found = dedupe(catalog)
        name = origins(catalog)
        copies = {name[c.image]: name[c.best] for c in found.copies}

    assert copies == {"small.jpg": "0.png", "again.jpg": "0.png", "other_class.jpg": "1.png"}
    assert found.radius == SAFE_RADIUS
    assert found.groups == 2
    assert {c.why for c in found.copies if name[c.image] == "small.jpg"} == {
        "320x240 has more pixels than 160x120"
    }


def test_copies_are_set_aside_and_share_a_fold_group(project: Path) -> None:
    with Catalog.open(project) as catalog:
        before = len(catalog.labelled())
        dedupe(catalog, max_bits=8)
        name = origins(catalog)
        kept = {name[row.image] for row in catalog.labelled()}
        group = {name[row.image]: row.group for row in catalog.judged(copies=True)[0]}

    assert before == 11
    assert kept == {f"{n}.png" for n in (0, 2, 3, 4, 5, 6, 7)}, "1.png is under two labels"
    assert group["0.png"] == group["small.jpg"] == group["again.jpg"]
    assert group["1.png"] == group["other_class.jpg"]
    assert len(set(group.values())) == 8


def test_one_photo_under_two_labels_is_a_conflict_until_decided(project: Path) -> None:
    with Catalog.open(project) as catalog:
        assert dedupe(catalog, max_bits=8).conflicts == 1
        name = origins(catalog)
        (conflict,) = catalog.conflicts()
        assert {label for label, _, _ in conflict.labels} == {"a", "b"}
        said = {name[image]: label for image, label in conflict.images}
        assert said == {"1.png": "b", "other_class.jpg": "a"}

        worse = next(image for image, _label in conflict.images if image != conflict.image)
        catalog.decide_label(worse, "b", "person:ada")
        labels = {name[row.image]: row.label for row in catalog.labelled()}
        assert catalog.conflicts() == []
        assert labels["1.png"] == "b", "what a person says of a copy is said of the photo"
        assert "other_class.jpg" not in labels


def test_a_second_run_hashes_nothing_and_says_the_same(project: Path) -> None:
    with Catalog.open(project) as catalog:
        first = dedupe(catalog)
        second = dedupe(catalog)
        none = dedupe(catalog, max_bits=0)
        kept = catalog.copies()
    assert (first.hashed, second.hashed) == (11, 0)
    assert second.copies == first.copies
    assert tuple(kept) == none.copies, "another radius replaces what was found"


def test_order_and_names_of_files_do_not_matter(
    project: Path, photos: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    for number, path in enumerate(sorted(photos.glob("*/*"), reverse=True)):
        (other / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, other / path.parent.name / f"{number:02}{path.suffix}")
    again = tmp_path / "again"
    again.mkdir()
    verbs.import_images(other, project=again)
    with Catalog.open(project) as a, Catalog.open(again) as b:
        assert dedupe(a, max_bits=8).copies == dedupe(b, max_bits=8).copies != ()


def test_blank_pictures_are_never_grouped_by_their_hash(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for grey in range(4):
            value = 40 * grey + (20 if name == "b" else 0)
            Image.new("RGB", (64, 64), (value, value, value)).save(
                tmp_path / "photos" / name / f"{grey}.png"
            )
    verbs.import_images(tmp_path / "photos", project=tmp_path)
    with Catalog.open(tmp_path) as catalog:
        found = dedupe(catalog, max_bits=8)
    assert found.weak == 8
    assert found.copies == ()


def test_hundreds_of_equal_pictures_are_one_group(tmp_path: Path) -> None:
    """The same pixels under 400 SHA-256s: one code, and no 80,000 pairs."""
    folder = tmp_path / "photos" / "a"
    folder.mkdir(parents=True)
    (tmp_path / "photos" / "b").mkdir()
    scene(1).save(tmp_path / "photos" / "b" / "x.png")
    picture = scene(0, (64, 48))
    for number in range(400):
        exif = Image.Exif()
        exif[0x010E] = str(number)
        picture.save(folder / f"{number}.jpg", exif=exif)
    verbs.import_images(tmp_path / "photos", project=tmp_path)
    with Catalog.open(tmp_path) as catalog:
        found = dedupe(catalog, max_bits=8)
    assert (found.groups, len(found.copies)) == (1, 399)


def test_a_radius_that_means_nothing_is_refused(project: Path) -> None:
    with Catalog.open(project) as catalog, pytest.raises(UsageError, match="0 to 16"):
        dedupe(catalog, max_bits=40)


def test_gone_files_are_told_and_retried(photos: Path, tmp_path: Path) -> None:
    verbs.import_images(photos, project=tmp_path, mode="link")
    kept = (photos / "a" / "0.png").read_bytes()
    (photos / "a" / "0.png").unlink()
    with Catalog.open(tmp_path) as catalog:
        found = dedupe(catalog, max_bits=8)
        assert len(found.failed) == 1
        (photos / "a" / "0.png").write_bytes(kept)
        assert dedupe(catalog, max_bits=8).failed == ()


@pytest.mark.shared
def test_climbing_tiles_against_their_manifest(shared: Path, tmp_path: Path) -> None:
    """108 tiles of 67 photos: every repeat is found and no two photos are joined."""
    verbs.import_images(shared / "data" / "climbing_tiles" / "manifest.csv", project=tmp_path)
    with Catalog.open(tmp_path) as catalog:
        found = dedupe(catalog)
        photo = {image: name.split("_")[0] for image, name in origins(catalog).items()}
        groups = {row.group for row in catalog.judged(copies=True)[0]}

    assert all(photo[c.image] == photo[c.best] for c in found.copies), "precision 1.0"
    assert len(photo) - len(found.copies) == len(set(photo.values())) == 67, "recall 1.0"
    assert len(groups) == 67


@pytest.mark.shared
def test_no_two_of_396_different_photos_are_joined(shared: Path, tmp_path: Path) -> None:
    verbs.import_images(shared / "data" / "hymenoptera", project=tmp_path)
    with Catalog.open(tmp_path) as catalog:
        assert dedupe(catalog).copies == ()
