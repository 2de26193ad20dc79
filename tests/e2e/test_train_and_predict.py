"""A classifier through the real command line: trained, loaded by another process, damaged."""

import csv
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from command_line import footwork
from footwork.classifier import Classifier, head_bytes, photos_in, read_facts, read_head
from footwork.errors import DataError
from footwork.files import sha256_of
from footwork.images import encode_jpeg


def stripes(seed: int, upright: bool) -> bytes:
    """A JPEG with upright or level stripes of random width, place and colours."""
    random = np.random.default_rng(seed)
    wave = np.sin(np.arange(96) * 2 * np.pi / random.uniform(8, 24) + random.uniform(0, 6)) > 0
    colours = random.integers(0, 256, (2, 3))
    line = np.where(wave[:, None], colours[0], colours[1])
    pixels = np.broadcast_to(line[None] if upright else line[:, None], (96, 96, 3))
    noise = random.integers(-20, 21, (96, 96, 3))
    return encode_jpeg(np.clip(pixels + noise, 0, 255).astype(np.uint8), 96)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a run and one trained classifier, `first`."""
    folder = tmp_path_factory.mktemp("train")
    for name, upright in (("level", False), ("upright", True)):
        for i in range(12):
            file = folder / "photos" / name / f"{i:02}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(stripes(100 * upright + i, upright))
    footwork("import", "photos", cwd=folder)
    footwork(
        "compare", "--base", "efficientnet_lite0", "--folds", "3", "--repeats", "1", cwd=folder
    )
    said = json.loads(footwork("train", "--name", "first", "--json", cwd=folder).stdout)
    assert Path(said["folder"]) == folder / "classifiers" / "first"
    return folder


def new_photos(folder: Path) -> Path:
    for i in range(6):
        upright = i % 2 == 0
        file = folder / "new" / f"{'upright' if upright else 'level'}{i}.jpg"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(stripes(500 + i, upright))
    return folder / "new"


def test_what_it_promises_is_the_score_of_the_run_not_of_its_own_photos(project: Path) -> None:
    (run,) = (project / "runs").iterdir()
    board = json.loads((run / "metrics.json").read_text())
    facts = json.loads((project / "classifiers/first/classifier.json").read_text())

    assert facts["promise"]["run"] == run.name
    assert facts["promise"]["scores"] == board["entries"][0]
    assert (
        f"{board['entries'][0]['macro_f1']['value']:.2f}"
        in (project / "classifiers/first/card.md").read_text()
    )


def test_another_process_gives_the_same_probabilities(project: Path, tmp_path: Path) -> None:
    photos = new_photos(tmp_path)
    said = json.loads(footwork("predict", photos, "--json", cwd=project).stdout)

    answers = Classifier.load(project / "classifiers/first").predict(list(photos_in([photos])))
    told = np.array([list(row["probabilities"].values()) for row in said])
    np.testing.assert_allclose(told, answers.proba, atol=1e-6, rtol=0)
    np.testing.assert_allclose(told.sum(axis=1), 1, atol=1e-9)
    assert [row["photo"] for row in said] == list(answers.names)
    for row in said:
        assert row["label"] == Path(row["photo"]).name[:-5]  # the stripes are easy


def test_bytes_and_files_get_one_answer_alone_or_together(project: Path, tmp_path: Path) -> None:
    files = list(photos_in([new_photos(tmp_path)]))
    classifier = Classifier.load(project / "classifiers/first")

    together = classifier.predict(files)
    alone = [classifier.predict_bytes([file.read_bytes()]).proba[0] for file in files]
    np.testing.assert_allclose(np.stack(alone), together.proba, atol=1e-5)


def test_a_photo_that_cannot_be_read_is_a_row_with_its_reason(
    project: Path, tmp_path: Path
) -> None:
    photos = new_photos(tmp_path)
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing more")
    (photos / "empty.jpg").write_bytes(b"")

    done = footwork("predict", photos, tmp_path / "gone.jpg", "--csv", cwd=project, code=1)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == 9
    failed = {Path(row["photo"]).name: row["reason"] for row in rows if row["reason"]}
    assert set(failed) == {"broken.jpg", "empty.jpg", "gone.jpg"}
    assert failed["gone.jpg"] == "no such file"
    assert all(row["p_level"] == "" for row in rows if row["reason"])


def test_one_flat_photo_alone_is_answered(project: Path, tmp_path: Path) -> None:
    black = tmp_path / "black.jpg"
    black.write_bytes(encode_jpeg(np.zeros((64, 64, 3), np.uint8), 64))
    (row,) = json.loads(footwork("predict", black, "--json", cwd=project).stdout)
    assert row["label"] in ("level", "upright")


def test_training_again_measures_nothing_again_and_overwrites_nothing(project: Path) -> None:
    runs = sorted((project / "runs").iterdir())
    footwork("train", "--name", "first", cwd=project, code=2)
    footwork("train", cwd=project)
    footwork("train", cwd=project)
    assert sorted((project / "runs").iterdir()) == runs
    assert len(list((project / "classifiers").iterdir())) == 3


def test_a_recipe_that_was_not_measured_is_measured_first(project: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(project, tmp_path / "copy")
    shutil.rmtree(copy / "runs")
    said = json.loads(footwork("train", "-b", "efficientnet_lite0", "--json", cwd=copy).stdout)
    (run,) = (copy / "runs").iterdir()
    assert said["promise"]["run"] == run.name


def test_photos_that_came_later_are_measured_before_they_are_trained_on(
    project: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(project, tmp_path / "copy")
    (tmp_path / "more/level").mkdir(parents=True)
    (tmp_path / "more/level/new.jpg").write_bytes(stripes(900, upright=False))
    footwork("import", tmp_path / "more", cwd=copy)
    said = json.loads(footwork("train", "-b", "efficientnet_lite0", "--json", cwd=copy).stdout)
    assert len(list((copy / "runs").iterdir())) == 2
    assert said["promise"]["photos"] == 25


def flip_a_byte(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def edit(key: str, value: object) -> Callable[[Path], None]:
    def edited(folder: Path) -> None:
        file = folder / "classifier.json"
        facts = json.loads(file.read_text())
        facts[key] = value
        file.write_text(json.dumps(facts))

    return edited


def outside(folder: Path) -> None:
    (folder / "head.npz").rename(folder.parent / "elsewhere.npz")
    (folder / "head.npz").symlink_to(folder.parent / "elsewhere.npz")


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "network": (lambda f: flip_a_byte(f / "network1.onnx"), "network1.onnx is not the file"),
    "head": (lambda f: flip_a_byte(f / "head.npz"), "head.npz is not the file"),
    "no head": (lambda f: (f / "head.npz").unlink(), "head.npz is missing"),
    "link": (outside, "head.npz is missing"),
    "no facts": (lambda f: (f / "classifier.json").unlink(), "is not a classifier"),
    "cut": (lambda f: (f / "classifier.json").write_text('{"format": '), "is damaged"),
    "newer": (edit("format", "footwork classifier 2"), "pip install -U footwork"),
    "classes": (edit("classes", ["level"]), "classes: Tuple should have at least 2 items"),
    "unknown key": (edit("surprise", 1), "surprise: Extra inputs are not permitted"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_folder_is_refused(case: str, project: Path, tmp_path: Path) -> None:
    damage, told = DAMAGE[case]
    folder = tmp_path / "broken"
    shutil.copytree(project / "classifiers/first", folder)
    damage(folder)
    with pytest.raises(DataError, match=told.replace(".", r"\.")):
        Classifier.load(folder)


def test_a_head_of_another_shape_or_a_pickle_is_refused(project: Path, tmp_path: Path) -> None:
    with np.load(project / "classifiers/first/head.npz") as arrays:
        good = dict(arrays)
    cases = {
        "shape": good | {"mean": good["mean"][:-1]},
        "nan": good | {"bias": good["bias"] * np.nan},
        "object": good | {"bias": np.array([print, None], dtype=object)},
        "half a layer": good | {"hidden_weights": np.zeros((len(good["mean"]), 2))},
        "layer": good
        | {"hidden_weights": np.zeros((len(good["mean"]), 3)), "hidden_bias": np.zeros(2)},
    }
    for name, changed in cases.items():
        folder = shutil.copytree(project / "classifiers/first", tmp_path / name)
        np.savez(folder / "head.npz", **changed)
        facts = json.loads((folder / "classifier.json").read_text())
        edit("files", facts["files"] | {"head.npz": sha256_of(folder / "head.npz")})(folder)
        with pytest.raises(DataError, match=r"head\.npz is not"):
            Classifier.load(folder)


def test_a_head_with_a_layer_in_front_is_kept_as_it_is(project: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(project / "classifiers/first", tmp_path / "layered")
    with np.load(folder / "head.npz") as arrays:
        size = len(arrays["mean"])
    plain = read_head(folder, read_facts(folder), size)
    rng = np.random.default_rng(0)
    layer = (rng.normal(size=(len(plain.mean), 4)), rng.normal(size=4))
    layered = replace(plain, weights=rng.normal(size=(4, len(plain.bias))), hidden=layer)
    (folder / "head.npz").write_bytes(head_bytes(layered))
    facts = json.loads((folder / "classifier.json").read_text())
    edit("files", facts["files"] | {"head.npz": sha256_of(folder / "head.npz")})(folder)
    rows = rng.normal(size=(5, len(plain.mean)))
    found = read_head(folder, read_facts(folder), size).predict_proba(rows)
    assert np.array_equal(found, layered.predict_proba(rows))
    assert not np.allclose(found, plain.predict_proba(rows))


def test_where_there_is_no_classifier_it_says_how_to_make_one(tmp_path: Path) -> None:
    footwork("init", "empty", cwd=tmp_path)
    said = footwork("predict", "x.jpg", cwd=tmp_path / "empty", code=2).stderr
    assert "footwork train" in said
    said = footwork("predict", "x.jpg", "-c", "nowhere", cwd=tmp_path / "empty", code=3).stderr
    assert "is not a classifier" in said
