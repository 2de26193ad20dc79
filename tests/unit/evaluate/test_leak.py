"""What ignoring copies would have pretended, measured on answers that only copies can give."""

from pathlib import Path

import numpy as np
import pytest

from footwork import verbs
from footwork.catalog import Catalog
from footwork.copies import Copy, Pair
from footwork.evaluate.answers import Entry
from footwork.evaluate.dataset import DataSet, sides
from footwork.evaluate.leak import GROUPED, IGNORED, Leak, files_of, leak_of, measure_leak
from footwork.models.features import Features
from footwork.models.recipes import find_recipes
from footwork.predictions import Photos, read_predictions
from footwork.progress import Progress
from footwork.project import Config, Project
from footwork.records import Estimate
from photo_folders import png, write


def files(groups: int, of_each: int, seed: int = 0) -> tuple[DataSet, Features]:
    """Photos whose label nothing but a copy can tell: noise, almost the same within a group."""
    rng = np.random.default_rng(seed)
    n = groups * of_each
    group = np.repeat(np.arange(groups), of_each)
    photos = Photos(
        image=tuple(f"{i:064x}" for i in range(n)),
        path=tuple(f"{i}.png" for i in range(n)),
        label=rng.permutation(np.arange(groups) % 2)[group],
        group=group,
        group_name=tuple(f"g{i:03}" for i in range(groups)),
    )
    data = DataSet(photos, ("a", "b"), (None,) * n, 0)
    vectors = rng.normal(size=(groups, 60))[group] + 0.01 * rng.normal(size=(n, 60))
    return data, Features(vectors.astype(np.float32), {}, 1.0, 0)


def entry(project: Project) -> Entry:
    (recipe,) = find_recipes(("probe",), project.config)
    return Entry((), recipe, "right", "abc")


def test_copies_of_noise_pretend_what_groups_take_back(tmp_path: Path) -> None:
    project = Project(tmp_path, Config())
    data, seen = files(40, 3)
    table = measure_leak(entry(project), data, lambda d: seen, project, Progress())
    assert table is not None
    leak = leak_of(table, 12)

    assert leak.ignored.value > 0.95
    assert 0.25 < leak.grouped.value < 0.7
    assert leak.pretended.low > 0
    assert (leak.files, leak.groups) == (120, 40)
    assert f"Believe {leak.grouped.value:.2f}" in leak.sentence()
    assert "too high" in leak.sentence()

    table.write(tmp_path / "leak.parquet")
    again = leak_of(read_predictions(tmp_path / "leak.parquet"), 12)
    assert again == leak, "every number comes from the kept table"
    for index, name in enumerate((GROUPED, IGNORED)):
        rows = table.of_entry(index)
        assert table.entries[index].entry == name
        folds_of_group: dict[tuple[int, int], set[int]] = {}
        for r, p, f in zip(rows.repeat, rows.photo, rows.fold, strict=True):
            folds_of_group.setdefault((r, data.photos.group[p]), set()).add(f)
        split = sum(len(folds) > 1 for folds in folds_of_group.values())
        assert (split > 0) == (name == IGNORED)


def test_nothing_is_called_too_high_where_nothing_leaks(tmp_path: Path) -> None:
    """Groups whose photos have nothing in common: both ways score alike."""
    project = Project(tmp_path, Config())
    data, _ = files(40, 3)
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(120, 20)) + data.photos.label[:, None] * 0.8
    seen = Features(vectors.astype(np.float32), {}, 1.0, 0)
    table = measure_leak(entry(project), data, lambda d: seen, project, Progress())
    assert table is not None
    assert "cannot be told from zero" in leak_of(table, 12).sentence()


def test_files_are_counted_down_to_the_same_bytes(tmp_path: Path) -> None:
    photos = write(tmp_path / "photos", {f"{c}/{i}.png": png(10 * (c == "b") + i)
                                         for c in "ab" for i in range(4)})  # fmt: skip
    write(photos, {"a/again.png": png(0), "a/third.png": png(0)})
    verbs.import_images(photos, project=tmp_path)
    project = Project(tmp_path, Config())
    with Catalog.open(tmp_path) as catalog:
        found = files_of(catalog, project)
        assert found is not None
        names = [name for name in found.photos.image if ":" in name]
        assert len(found.photos) == 10
        assert [name[-2:] for name in names] == [":2", ":3"]
        assert len(found.photos.group_name) == 8

        # A copy under another label, and all photos of a conflict, are not held against each other.
        one, other = sorted(row.image for row in catalog.labelled() if row.label == "b")[:2]
        third = next(r.image for r in catalog.labelled() if r.label == "a" and r.image not in names)
        pairs = [Pair.of(one, other, 1), Pair.of(one, third, 1)]
        catalog.keep(pairs, [Copy(other, one, 1, None, ("hash",), "")])
        with_copy = files_of(catalog, project)
        assert with_copy is not None
        assert {one, other} <= set(with_copy.photos.image), "copies are in, with their own label"
        catalog.keep(pairs, [Copy(third, one, 1, None, ("hash",), "")])
        quarrel = files_of(catalog, project)
        assert quarrel is not None
        assert not {one, third} & set(quarrel.photos.image)


def test_where_every_file_is_alone_there_is_nothing_to_measure(tmp_path: Path) -> None:
    write(tmp_path / "photos", {f"{c}/{i}.png": png(10 * (c == "b") + i)
                                for c in "ab" for i in range(3)})  # fmt: skip
    verbs.import_images(tmp_path / "photos", project=tmp_path)
    with Catalog.open(tmp_path) as catalog:
        assert files_of(catalog, Project(tmp_path, Config())) is None


def test_photos_tied_to_the_external_set_are_on_neither_side() -> None:
    data, _ = files(3, 2)
    data = DataSet(data.photos, data.classes, (None, "external", None, None, None, "external"), 0)
    cut = sides(data)
    assert (cut.inside.tolist(), cut.outside.tolist(), cut.tied) == ([2, 3], [1, 5], 2)
    assert "2 photos are left out of training" in cut.notes()[0]


@pytest.mark.shared
def test_climbing_tiles_pretend_far_too_much(shared: Path, tmp_path: Path) -> None:
    """All 108 tiles of 67 photos: copies on both sides of a fold double the score."""
    verbs.import_images(shared / "data" / "climbing_tiles" / "manifest.csv", project=tmp_path)
    verbs.dedupe(project=tmp_path, max_bits=8, features=False)
    done = verbs.compare(project=tmp_path, bases=["efficientnet_lite0"], repeats=1)
    assert done.leak is not None
    assert (done.leak.files, done.leak.groups) == (108, 67)
    assert done.board.photos == 67
    assert "33 photos are set aside as copies" in done.left_out()
    assert done.leak.pretended.low > 0.1
    page = done.report.read_text(encoding="utf-8")
    assert done.leak.sentence() in page


def told(value: float, low: float, high: float) -> str:
    one = Estimate(value=0.5, low=0.4, high=0.6)
    gap = Estimate(value=value, low=low, high=high)
    return Leak(
        base="b", recipe="r", files=9, groups=5, grouped=one, ignored=one, pretended=gap
    ).sentence()


def test_the_sentence_gives_the_difference_with_its_own_interval() -> None:
    assert "The difference of -0.02 (-0.05 to +0.01) cannot be told from zero" in told(
        -0.02, -0.05, 0.01
    )
    assert "0.10 (+0.05 to +0.15) too high" in told(0.1, 0.05, 0.15)
    assert "cannot be told" not in told(-0.1, -0.15, -0.05)
