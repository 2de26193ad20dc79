"""The table of keras.applications networks, held row by row against the installed Keras."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from footwork.models.keras_bases import KERAS_BASES, KerasBase

NAMES = sorted(KERAS_BASES)


@pytest.fixture(scope="module")
def pixels(shared: Path) -> NDArray[np.uint8]:
    """Every value that a pixel can have, and real photos where there are any, 96 x 96."""
    every = np.resize(np.arange(256, dtype=np.uint8), (96, 96, 3))
    files = sorted((shared / "data" / "hymenoptera").glob("*/*.jpg"))[::60]
    photos = [Image.open(file).convert("RGB").resize((96, 96)) for file in files]
    return np.stack([every, *(np.asarray(photo) for photo in photos)])


def test_the_originals_four_and_a_good_dozen_others_are_there() -> None:
    assert {"MobileNetV3Large", "EfficientNetB2", "ResNet50", "VGG16", "DenseNet169"} <= set(NAMES)
    assert len(NAMES) >= 20
    assert all(base.name == name for name, base in KERAS_BASES.items())
    assert KERAS_BASES["ResNet50"].megabytes == 94.4


def test_the_table_is_read_without_keras() -> None:
    loaded = (
        "import sys, footwork.models.keras_bases\n"
        "print([m for m in ('keras', 'tensorflow', 'onnxruntime', 'onnx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.keras
@pytest.mark.parametrize("name", NAMES)
def test_the_contract_equals_the_networks_own_preprocessing(
    name: str, pixels: NDArray[np.uint8]
) -> None:
    import keras

    base = KERAS_BASES[name]
    module = getattr(keras.applications, base.preprocess_module)
    expected = module.preprocess_input(pixels.astype(np.float32))  # over its argument, so a copy
    compiled = base.contract.model_copy(update={"side": 96}).apply(pixels)

    np.testing.assert_allclose(compiled, expected, rtol=0, atol=1e-6)
    assert expected.max() - expected.min() > 1  # and it is not a comparison of nothing


@pytest.mark.keras
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_facts_are_those_of_keras(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parameters, vector size, side, and what Keras itself would download."""
    import keras
    from keras.src.applications import imagenet_utils
    from keras.src.utils import file_utils

    asked: list[tuple[Any, ...]] = []
    native = {224}  # MobileNetV3 knows no other and does not ask for one
    real = imagenet_utils.obtain_input_shape

    def get_file(fname: str, origin: str, **options: Any) -> str:
        asked.append((fname, origin, options.get("file_hash")))
        return "nowhere.h5"

    def obtain_input_shape(shape: Any, default_size: int, **options: Any) -> Any:
        native.clear()
        native.add(default_size)
        return real(shape, default_size=default_size, **options)

    monkeypatch.setattr(file_utils, "get_file", get_file)
    monkeypatch.setattr(imagenet_utils, "obtain_input_shape", obtain_input_shape)
    monkeypatch.setattr(keras.Model, "load_weights", lambda *_args, **_options: None)
    base = KERAS_BASES[name]
    side = base.contract.side
    model = getattr(keras.applications, base.builder)(
        weights="imagenet", include_top=False, pooling="avg", input_shape=(side, side, 3)
    )

    assert model.count_params() == base.parameters
    assert model.output_shape == (None, base.vector_size)
    assert native == {side}
    assert asked == [(base.weights_name, base.weights_url, base.weights_hash)]


def test_only_the_pinned_bytes_are_published(tmp_path: Path) -> None:
    file = tmp_path / "weights.h5"
    file.write_bytes(b"abc")
    base = KERAS_BASES["VGG16"]
    md5 = replace(base, weights_hash="900150983cd24fb0d6963f7d28e17f72")
    sha256 = replace(
        base, weights_hash="ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )

    assert md5.is_published(file)
    assert sha256.is_published(file)
    assert not base.is_published(file)
    assert not replace(base, weights_hash=None).is_published(file)


def test_a_download_counts_only_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    base: KerasBase = replace(KERAS_BASES["VGG16"], weights_hash="900150983cd24fb0d6963f7d28e17f72")
    file = tmp_path / "models" / base.weights_name
    assert base.downloaded() is None
    file.parent.mkdir()
    file.write_bytes(b"ab")  # the download was cut off
    assert base.downloaded() is None
    file.write_bytes(b"abc")
    assert base.downloaded() == file
