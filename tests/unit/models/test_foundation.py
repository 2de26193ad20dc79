"""Foundation bases: facts, the preset's own preprocessing, and a tiny preset made here."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from footwork import verbs
from footwork.errors import DataError, MissingExtra, MissingWeights, UsageError
from footwork.models import foundation
from footwork.models.bases import HUB, registry, with_weights
from footwork.models.contract import InputContract
from footwork.models.conversion import convert_foundation
from footwork.models.foundation import FOUNDATION, FoundationBase, check_contract, preset_folder
from footwork.models.keras_bases import TORCH_MEAN, TORCH_STD
from footwork.models.keras_networks import loaded_keras
from footwork.models.onnx_files import run
from footwork.project import init_project

needs_hub = pytest.mark.skipif(
    importlib.util.find_spec("keras_hub") is None,
    reason="the extra footwork[foundation] is not installed",
)
SIDE = 56
TINY = FoundationBase(
    name="tiny",
    handle="nobody/tiny/keras/tiny/1",
    contract=InputContract(side=SIDE, scale=255.0, mean=TORCH_MEAN, std=TORCH_STD),
    parameters=0,
    vector_size=16,
    licence="none",
)
SMALL = FOUNDATION["dinov2_small"]
CONVERTER = {
    "class_name": "DINOV2ImageConverter",
    "config": {
        "image_size": [518, 518],
        "scale": [1 / 255 / s for s in TORCH_STD],
        "offset": [-m / s for m, s in zip(TORCH_MEAN, TORCH_STD, strict=True)],
    },
}


def photos(n: int = 4) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (n, SIDE, SIDE, 3), dtype=np.uint8)


def test_the_registry_lists_them_with_licence_and_size(tmp_path: Path) -> None:
    base = registry()["dinov2_small"]
    assert (base.kind, base.weights, base.vector_size) == ("foundation", HUB, 384)
    assert base.licence.startswith("Apache-2.0")
    assert base.megabytes == pytest.approx(90.3)
    project = init_project(tmp_path / "p", name="p")
    with pytest.raises(UsageError, match="is not a folder"):
        with_weights(registry(), "dinov2_small", "nowhere", project)
    assert "dinov2_base" in {base.name for base in verbs.bases(project.folder)}


def test_weights_count_as_here_once_kagglehub_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    assert registry()["dinov2_small"].weights_here is False
    folder = tmp_path / "models/keras/dinov2/keras/dinov2_small/1"
    folder.mkdir(parents=True)
    for name in ("config.json", "model.weights.h5"):
        (folder / name).touch()
    assert registry()["dinov2_small"].weights_here is True


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foundation, "PACKAGE", "no_such_package")
    with pytest.raises(MissingExtra, match=r"dinov2_small .*pip install 'footwork\[foundation\]'"):
        preset_folder(SMALL, None)


def test_without_network_it_says_what_would_come_from_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(handle: str) -> str:
        raise ConnectionError(f"no route to {handle}")

    fake = ModuleType("kagglehub")
    fake.model_download = offline  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kagglehub", fake)
    monkeypatch.setattr(foundation, "PACKAGE", "json")
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    with pytest.raises(MissingWeights) as caught:
        preset_folder(SMALL, None)
    said = str(caught.value)
    for part in ("keras/dinov2/keras/dinov2_small/1", "90 MB", "ConnectionError",
                 "--weights dinov2_small=FOLDER", "https://www.kaggle.com/models/keras/dinov2",
                 "efficientnet_lite0"):  # fmt: skip
        assert part in said
    with pytest.raises(DataError, match=r"has no config\.json"):
        preset_folder(SMALL, tmp_path)


@pytest.mark.parametrize("key", ["scale", "offset"])
def test_a_preset_that_wants_other_inputs_is_refused(key: str, tmp_path: Path) -> None:
    file = tmp_path / "image_converter.json"
    with pytest.raises(DataError, match="has no image_converter"):
        check_contract(SMALL, tmp_path)
    file.write_text(json.dumps(CONVERTER))
    check_contract(SMALL, tmp_path)
    said = CONVERTER["config"]
    assert isinstance(said, dict)
    file.write_text(json.dumps(CONVERTER | {"config": said | {key: None}}))
    with pytest.raises(DataError, match="It is not the preset that footwork knows"):
        check_contract(SMALL, tmp_path)
    for broken in ("[]", "{", '{"config": {"scale": "x"}}', '{"config": {"scale": [1, 2]}}'):
        file.write_text(broken)
        with pytest.raises(DataError, match="cannot be"):
            check_contract(SMALL, tmp_path)


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DINOv2 of two layers with weights drawn at random, none of them at its start."""
    folder = tmp_path_factory.mktemp("preset")
    with loaded_keras("a test") as keras:
        import keras_hub

        keras.utils.set_random_seed(1)
        backbone = keras_hub.models.DINOV2Backbone(
            patch_size=14, num_layers=2, hidden_dim=16, num_heads=2, intermediate_dim=32,
            image_shape=(112, 112, 3), position_embedding_shape=(112, 112),
        )  # fmt: skip
        rng = np.random.default_rng(3)
        for variable in backbone.weights:
            variable.assign(variable + rng.normal(0, 0.2, variable.shape).astype("f4"))
        backbone.save_to_preset(str(folder))
        said: Any = CONVERTER["config"]
        converter = keras_hub.layers.DINOV2ImageConverter(
            image_size=(SIDE, SIDE), scale=said["scale"], offset=said["offset"]
        )
        converter.save_to_preset(str(folder))
    return folder


@needs_hub
@pytest.mark.keras
def test_the_contract_feeds_what_the_preset_feeds_itself(preset: Path) -> None:
    pixels = photos()
    check_contract(TINY, preset)
    with loaded_keras("a test"):
        import keras_hub

        converter = keras_hub.layers.ImageConverter.from_preset(str(preset))
        theirs = np.asarray(converter(pixels.astype(np.float32)))
    np.testing.assert_allclose(TINY.contract.apply(pixels), theirs, atol=1e-5)


@needs_hub
@pytest.mark.keras
def test_a_preset_becomes_a_network_that_answers_as_keras_hub_does(
    preset: Path, tmp_path: Path
) -> None:
    inputs = TINY.contract.apply(photos())
    made = convert_foundation(TINY, preset, lambda: inputs, tmp_path)
    assert (made.weights, made.vector_size, made.runtime) == ("unverified", 16, "onnxruntime")
    assert "no hash" in made.notes[0]
    with loaded_keras("a test"):
        import keras_hub

        theirs = keras_hub.models.DINOV2Backbone.from_preset(
            str(preset), image_shape=(SIDE, SIDE, 3)
        )
        token = np.asarray(theirs.predict({"images": inputs}, verbose=0))[:, 0]
    assert made.onnx is not None
    np.testing.assert_allclose(run(made.onnx.read_bytes(), inputs), token, atol=1e-4)
    assert token.std() > 0.1

    def never() -> np.ndarray:
        raise AssertionError("what was converted is converted again")

    assert convert_foundation(TINY, preset, never, tmp_path) == made


@needs_hub
@pytest.mark.keras
def test_another_or_a_damaged_preset_is_refused(preset: Path, tmp_path: Path) -> None:
    def copied(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for file in preset.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        return folder

    def sample() -> np.ndarray:
        return TINY.contract.apply(photos())

    with pytest.raises(DataError, match="16 numbers per photo; dinov2_small gives 384"):
        convert_foundation(SMALL, preset, sample, tmp_path / "cache")
    weights = copied("weights")
    (weights / "model.weights.h5").write_bytes(b"no weights")
    with pytest.raises(DataError, match="does not hold the weights of tiny"):
        convert_foundation(TINY, weights, sample, tmp_path / "cache")
    other = copied("other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"class_name": "ViTBackbone"}))
    with pytest.raises(DataError, match="does not describe a DINOV2Backbone"):
        convert_foundation(TINY, other, sample, tmp_path / "cache")
