"""Imported splits, external test sets, given groups, and weights of the user's own."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from footwork import verbs
from footwork.errors import DataError, UsageError
from footwork.images import Unreadable
from footwork.predictions import read_predictions

CLASSES = ("dark", "light")


def draw(path: Path, light: bool, seed: int) -> None:
    """A picture that the class can be read off: noise around a dark or a light grey."""
    rng = np.random.default_rng(seed)
    grey = 190 if light else 60
    pixels = np.clip(rng.normal(grey, 50, (48, 48, 3)), 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def table(folder: Path, rows: list[dict[str, str]]) -> Path:
    for number, row in enumerate(rows):
        row["file"] = f"{row['label']}/{number}.png"
        draw(folder / row["file"], row["label"] == "light", number)
    path = folder / "photos.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, sorted({key for row in rows for key in row}))
        writer.writeheader()
        writer.writerows(rows)
    return path


def rows_of(count: int, **columns: str) -> list[dict[str, str]]:
    return [{"label": CLASSES[i % 2]} | columns for i in range(count)]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def quick(project: Path, **more: object) -> verbs.Compared:
    settings = {"bases": ("efficientnet_lite0",), "folds": 3, "repeats": 2} | more
    return verbs.compare(project=project, **settings)  # type: ignore[arg-type]


def test_a_given_split_is_honoured(project: Path, tmp_path: Path) -> None:
    rows = [*rows_of(12, split="train"), *rows_of(4, split="val"), *rows_of(8, split="test")]
    verbs.import_images(table(tmp_path / "photos", rows), project=project)
    compared = quick(project, split="given")

    tested = compared.run.predictions
    assert len(tested) == len(tested.photos) == 8
    assert all("/1" in path or "/2" in path for path in tested.photos.path), "rows 16 to 23"
    assert compared.board.kind == "model"
    assert compared.run.environment.split == "given"
    assert "these very models" in compared.report.read_text()


def test_a_group_on_both_sides_of_a_given_split_is_refused(project: Path, tmp_path: Path) -> None:
    rows = [*rows_of(12, split="train", group="a"), *rows_of(8, split="test", group="a")]
    verbs.import_images(table(tmp_path / "photos", rows), project=project)
    with pytest.raises(DataError, match="both"):
        quick(project, split="given")


def test_an_external_test_set_is_scored_once_and_apart(project: Path, tmp_path: Path) -> None:
    verbs.import_images(table(tmp_path / "photos", rows_of(24)), project=project)
    outside = tmp_path / "outside"
    for number in range(6):
        draw(outside / CLASSES[number % 2] / f"{number}.png", number % 2 == 1, 1000 + number)
    verbs.import_images(outside, project=project, external=True)
    compared = quick(project)

    inside, external = compared.run.predictions, compared.run.external
    assert external is not None
    assert compared.external is not None
    assert compared.external.kind == "model"
    assert len(inside.photos) == 24
    assert len(external) == len(external.photos) == 6
    assert not set(inside.photos.image) & set(external.photos.image)
    assert compared.external.entries[0].accuracy.value == 1.0
    kept = read_predictions(compared.run.folder / "external.parquet")
    assert kept.photos.image == external.photos.image
    assert "external" in compared.report.read_text().lower()


def test_given_groups_never_span_folds(project: Path, tmp_path: Path) -> None:
    rows = [{"label": CLASSES[i % 2], "group": f"g{i // 4}"} for i in range(40)]
    verbs.import_images(table(tmp_path / "photos", rows), project=project)
    predictions = quick(project).run.predictions

    group = predictions.photos.group[predictions.photo]
    for repeat in range(predictions.repeats):
        mine = predictions.repeat == repeat
        for code in np.unique(group):
            assert len(set(predictions.fold[mine & (group == code)].tolist())) == 1
    assert len(predictions.photos.group_name) == 10


def test_a_photo_that_is_gone_is_a_failed_row(project: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    verbs.import_images(table(photos, rows_of(24)), project=project, mode="link")
    (photos / "dark" / "0.png").unlink()
    compared = quick(project)

    (failed,) = {
        compared.run.predictions.photos.path[i]
        for i in compared.run.predictions.photo[compared.run.predictions.status != 0]
    }
    assert failed.endswith("dark/0.png")
    assert compared.board.entries[0].failed == 2, "once per repeat, and counted as wrong"
    assert compared.board.entries[0].accuracy.value < 1
    assert "1 of 24 photos could not be read and count as wrong" in compared.unreadable()
    rows = json.loads((compared.run.folder / "metrics.json").read_text())
    assert rows["entries"][0]["failed"] == 2


def test_weights_for_bases_that_take_none_are_refused(project: Path, tmp_path: Path) -> None:
    verbs.import_images(table(tmp_path / "photos", rows_of(12)), project=project)
    with pytest.raises(UsageError, match="pinned by their hash"):
        quick(project, weights={"efficientnet_lite0": "x.h5"})
    with pytest.raises(UsageError, match="is not a file"):
        quick(project, bases=("ResNet50",), weights={"ResNet50": str(tmp_path / "none.h5")})


def test_a_network_of_ones_own_is_a_base(project: Path, tmp_path: Path) -> None:
    """A saved ONNX network enters by footwork.toml, unverified, and its answers are cached."""
    from footwork.models.lite import build_onnx, lite_contract

    verbs.import_images(table(tmp_path / "photos", rows_of(24)), project=project)
    (project / "mine.onnx").write_bytes(build_onnx("efficientnet_lite0"))
    contract = lite_contract("efficientnet_lite0").model_dump(mode="json")
    with (project / "footwork.toml").open("a") as toml:
        toml.write("\n[bases.mine]\nmodel = 'mine.onnx'\nlicence = 'Apache-2.0'\n")
        toml.write("[bases.mine.contract]\n")
        toml.writelines(f"{key} = {json.dumps(value)}\n" for key, value in contract.items())
    compared = quick(project, bases=("mine", "efficientnet_lite0"))

    info = {i.base: i for i in compared.run.entries}
    assert info["mine"].weights == "unverified"
    assert info["efficientnet_lite0"].weights == "verified"
    scores = [entry.macro_f1.value for entry in compared.board.entries]
    assert scores[0] == pytest.approx(scores[1], abs=0.02), "it is the same network"
    assert quick(project, bases=("mine",)).run.environment.decoded == 0


@pytest.mark.keras
def test_random_weights_say_so(project: Path, tmp_path: Path) -> None:
    verbs.import_images(table(tmp_path / "photos", rows_of(24)), project=project)
    compared = quick(project, bases=("MobileNetV3Small",), weights={"MobileNetV3Small": "random"})
    (info,) = compared.run.entries
    assert info.weights == "random"
    assert "random" in compared.report.read_text()
    assert 'weights = "random"' in compared.run.config_text


def test_linked_photos_that_changed_are_not_read(project: Path, tmp_path: Path) -> None:
    from footwork.catalog import Catalog

    photos = tmp_path / "photos"
    verbs.import_images(table(photos, rows_of(12)), project=project, mode="link")
    draw(photos / "dark" / "0.png", light=True, seed=5)
    with Catalog.open(project) as catalog:
        image = next(r.image for r in catalog.labelled() if r.path.endswith("dark/0.png"))
        with pytest.raises(Unreadable, match="changed"):
            catalog.read(image)


@pytest.mark.keras
@pytest.mark.slow
def test_the_originals_four_run_from_weight_files(project: Path, tmp_path: Path) -> None:
    """Weight files that a test makes are random, and every row of the result says so."""
    from footwork.models.keras_bases import KERAS_BASES
    from footwork.models.keras_networks import build, loaded_keras

    four = ("MobileNetV3Large", "EfficientNetB2", "ResNet50", "VGG16")
    weights = {}
    with loaded_keras("the test") as keras:
        for name in four:
            file = tmp_path / f"{name}.weights.h5"
            build(keras, KERAS_BASES[name], seed=3).save_weights(file)
            weights[name] = str(file)
    verbs.import_images(table(tmp_path / "photos", rows_of(12)), project=project)
    compared = quick(project, bases=four, weights=weights, folds=2, repeats=1)

    assert {info.base: info.weights for info in compared.run.entries} == dict.fromkeys(
        four, "random"
    )
    assert {info.base: info.vector_size for info in compared.run.entries} == {
        "MobileNetV3Large": 960,
        "EfficientNetB2": 1408,
        "ResNet50": 2048,
        "VGG16": 512,
    }
    assert compared.report.read_text().count("random weights") >= 4


def test_classes_that_differ_in_case_alone_are_refused(project: Path, tmp_path: Path) -> None:
    rows = [{"label": name} for name in ("Dark", "dark") * 6]
    verbs.import_images(table(tmp_path / "photos", rows), project=project)
    with pytest.raises(DataError, match="differ in case alone"):
        quick(project)


def test_a_class_without_a_readable_photo_is_named(project: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    verbs.import_images(table(photos, rows_of(12)), project=project, mode="link")
    for path in (photos / "dark").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="None of the 6 photos of class dark can be used"):
        quick(project)


def test_labels_that_the_toml_does_not_name_are_told(project: Path, tmp_path: Path) -> None:
    verbs.import_images(table(tmp_path / "photos", rows_of(12)), project=project)
    toml = project / "footwork.toml"
    toml.write_text(toml.read_text().replace("classes = []", "classes = ['dark', 'grey']"))
    with pytest.raises(DataError, match="6 photos are labelled light, which `classes`"):
        quick(project)


def test_a_mistyped_class_is_no_new_class(project: Path, tmp_path: Path) -> None:
    verbs.import_images(table(tmp_path / "photos", rows_of(4)), project=project)
    with pytest.raises(UsageError, match="did you mean dark"):
        verbs.label("dark/0.png", "drak", who="ada", project=project)
    assert len(verbs.label("dark/0.png", "light", who="ada", project=project)) == 64


def test_a_project_is_no_folder_of_photos(project: Path, tmp_path: Path) -> None:
    verbs.import_images(table(tmp_path / "photos", rows_of(4)), project=project)
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(UsageError, match="is a footwork project"):
        verbs.import_images(project, project=other)


def test_a_first_import_that_fails_half_way_keeps_what_came_in(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from footwork.errors import EnvironmentProblem
    from footwork.importing import ingest

    photos = table(tmp_path / "photos", rows_of(12))

    def full_disk(*_words: object) -> list[str]:
        raise EnvironmentProblem("The disk is full.")

    monkeypatch.setattr(ingest, "notes_on", full_disk)  # called once the photos are in
    with pytest.raises(EnvironmentProblem):
        verbs.import_images(photos, project=project)
    assert verbs.status(project).counts.labelled == 12


def test_photos_decoded_to_try_bfloat16_are_counted(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from footwork.evaluate import precision
    from footwork.models.networks import Prepared

    def pretended(prepared: Prepared) -> Prepared:
        return replace(prepared, precision="bfloat16")

    monkeypatch.setattr(precision, "in_bfloat16", pretended)
    verbs.import_images(table(tmp_path / "photos", rows_of(24)), project=project)
    compared = quick(project, precision="bfloat16")

    assert compared.run.entries[0].precision == "bfloat16"
    assert compared.run.environment.decoded == 48, "24 in each precision, and none twice"
