"""Real training by Keras: layers against hand-computed references, stops, and the NumPy twin."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from footwork.errors import DataError, EnvironmentProblem
from footwork.models.bases import registry
from footwork.models.fit import Fitted, Trainer, out_of_memory
from footwork.models.lite import build_onnx
from footwork.models.mlp import fit_mlp
from footwork.models.runtimes import OnnxNetwork
from footwork.models.seed import SeedSettings
from footwork.models.trainable import check_backend, trainable, training_keras
from tiny_keras import pixels, tiny_base, write_network

pytestmark = pytest.mark.keras

PLAIN = SeedSettings(
    flip="none", rotation=0, zoom=0, stretch=0, dropout=0, contract="right", epochs=12,
    learning_rate=3e-3, widths=(16, 8), batch=8,
)  # fmt: skip


def nothing() -> None:
    pass


@pytest.fixture(scope="module")
def keras() -> Iterator[Any]:
    with training_keras("a test") as module:
        yield module


@pytest.fixture
def network(keras: Any, tmp_path: Path) -> Any:
    return trainable(keras, tiny_base(write_network(keras, tmp_path / "tiny.keras")), None)


def bilinear(lines: np.ndarray, size: int) -> np.ndarray:
    """Resize axis 0 by hand: pixel centres at i + 0.5, edges repeated."""
    at = np.clip((np.arange(size) + 0.5) * len(lines) / size - 0.5, 0, len(lines) - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, len(lines) - 1)
    share = (at - low).reshape(-1, *[1] * (lines.ndim - 1))
    return np.asarray(lines[low] * (1 - share) + lines[high] * share)


@pytest.mark.parametrize("axis", [1, 2])
def test_random_height_and_width_resize_by_the_factor_drawn(keras: Any, axis: int) -> None:
    from footwork.models.layers import RandomHeight, RandomWidth

    images = np.random.default_rng(0).random((3, 20, 20, 2), dtype=np.float32)
    layer = (RandomHeight if axis == 1 else RandomWidth)(0.2, seed=7)
    drawn = keras.random.SeedGenerator(7)
    sizes = []
    for _ in range(6):
        size = int(20 * float(keras.random.uniform((), 0.8, 1.2, seed=drawn)))
        out = np.asarray(layer(images, training=True))
        wanted = np.moveaxis(bilinear(np.moveaxis(images, axis, 0), size), 0, axis)
        np.testing.assert_allclose(out, wanted, atol=1e-5)
        sizes.append(size)
    assert len(set(sizes)) > 2
    assert all(16 <= size < 24 for size in sizes)
    np.testing.assert_array_equal(layer(images, training=False), images)


def test_the_whole_augmentation_keeps_size_and_range(keras: Any) -> None:
    from footwork.models.layers import Augmentation

    images, _ = pixels(6)
    out = Augmentation(SeedSettings(), 40, seed=1)(images)
    assert out.shape == (6, 40, 40, 3)
    assert out.min() >= 0
    assert out.max() <= 255.01
    again = Augmentation(SeedSettings(), 40, seed=1)(images)
    np.testing.assert_array_equal(out, again)
    off = SeedSettings(flip="none", rotation=0, zoom=0, stretch=0)
    np.testing.assert_array_equal(Augmentation(off, 32, seed=1)(images), images)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_lite1"])
def test_lite_in_keras_says_what_lite_in_onnx_says(keras: Any, name: str) -> None:
    base = registry()[name]
    side = base.contract.side
    photos = np.random.default_rng(1).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    built = trainable(keras, base, None)
    ours = built.model.predict(built.contract.apply(photos), verbose=0)
    known = OnnxNetwork(build_onnx(name)).vectors(base.contract.apply(photos))
    assert np.ptp(known) > 1
    np.testing.assert_allclose(ours, known, atol=1e-4)
    assert built.weights == "verified"


def test_the_numpy_head_trains_as_keras_does(keras: Any, network: Any) -> None:
    """The bank's head and `fit` agree in every epoch, where no chance is involved."""
    images, labels = pixels(28)
    train, held = (images[:20], labels[:20]), (images[20:], labels[20:])
    trainer = Trainer(keras, network, PLAIN, 2)
    fitted = trainer.fit(train, held, 5, nothing, print)
    features = network.model.predict(network.contract.apply(images), verbose=0)
    head, twin = fit_mlp(features[None, :20], train[1], features[20:], held[1], 2, PLAIN, 5)
    assert fitted.curves[0, 2] - fitted.curves[-1, 2] > 0.01, "something was learnt"
    np.testing.assert_allclose(twin.curves, fitted.curves, atol=2e-3)
    np.testing.assert_allclose(
        head.predict_proba(features[20:]), trainer.predict(held[0]), atol=2e-3
    )


def test_early_stopping_and_the_best_weights(keras: Any, network: Any) -> None:
    images, labels = pixels(28)
    train, held = (
        (images[:20], labels[:20]),
        (images[20:], 1 - labels[20:]),
    )  # it can only get worse
    settings = PLAIN.model_copy(update={"patience": 2, "restore_best": True, "epochs": 30})
    trainer = Trainer(keras, network, settings, 2)
    fitted = trainer.fit(train, held, 5, nothing, print)
    assert len(fitted.curves) == fitted.best + 2 < 30
    assert fitted.kept == fitted.best
    loss = -np.log(trainer.predict(held[0])[np.arange(8), held[1]]).mean()
    assert loss == pytest.approx(fitted.curves[fitted.best - 1, 2], abs=1e-4)


def test_a_loss_that_is_no_number_stops_with_the_last_good_weights(
    keras: Any, network: Any
) -> None:
    images, labels = pixels(24)
    settings = PLAIN.model_copy(update={"epochs": 5})
    trainer = Trainer(keras, network, settings, 2)

    def break_it() -> None:
        trainer.dense[-1].bias.assign(np.full(2, np.nan, np.float32))

    said: list[str] = []
    data = (images[:20], labels[:20]), (images[20:], labels[20:])
    fitted = trainer.fit(*data, 1, break_it, said.append)
    assert len(fitted.curves) == fitted.kept == 1
    assert "step 4 (epoch 2)" in fitted.remarks[0]  # 3 batches an epoch
    assert "The loss was not a number" in said[0]
    assert "weights of epoch 1" in said[0]
    assert np.isfinite(trainer.predict(images)).all()


def test_running_out_of_memory_halves_the_batch(
    keras: Any, network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels = pixels(24)
    trainer = Trainer(keras, network, PLAIN.model_copy(update={"epochs": 1}), 2)
    once = trainer.fit_once

    def small(train: Any, held: Any, seed: int, batch: int, done: Any) -> Fitted:
        if batch > 2:
            raise RuntimeError("RESOURCE_EXHAUSTED: OOM when allocating")
        return once(train, held, seed, batch, done)

    monkeypatch.setattr(trainer, "fit_once", small)
    said: list[str] = []
    data = (images[:20], labels[:20]), (images[20:], labels[20:])
    fitted = trainer.fit(*data, 1, nothing, said.append)
    assert fitted.batch == 2
    assert [text for text in said if "2 photos a batch" in text]
    monkeypatch.setattr(trainer, "fit_once", lambda *_: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(EnvironmentProblem, match="single photos"):
        trainer.fit(*data, 1, nothing, said.append)
    assert not out_of_memory(ValueError("something else"))


def test_a_back_end_that_is_missing_or_cannot_train_is_named() -> None:
    with pytest.raises(EnvironmentProblem, match="'openvino', which cannot train"):
        check_backend("openvino")
    if importlib.util.find_spec("torch") is None:
        with pytest.raises(EnvironmentProblem, match="pip install torch"):
            check_backend("torch")


def test_an_onnx_base_and_pose_cannot_be_trained_through(keras: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ONNX"):
        trainable(keras, tiny_base(tmp_path / "network.onnx"), None)
    with pytest.raises(DataError, match="no network that can be trained"):
        trainable(keras, registry()["pose"], None)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_back_ends_train_too(backend: str, tmp_path: Path, keras: Any) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    file = write_network(keras, tmp_path / "tiny.keras")
    code = f"""
from pathlib import Path
from footwork.models.fit import Trainer
from footwork.models.seed import SeedSettings
from footwork.models.trainable import trainable, training_keras
from tiny_keras import pixels, tiny_base
with training_keras("a test") as keras:
    assert keras.config.backend() == {backend!r}
    network = trainable(keras, tiny_base(Path({str(file)!r})), None)
    trainer = Trainer(keras, network, SeedSettings(epochs=2, learning_rate=1e-3, batch=8), 2)
    images, labels = pixels(20)
    data = (images[:16], labels[:16]), (images[16:], labels[16:])
    fitted = trainer.fit(*data, 1, lambda: 0, print)
    assert fitted.curves.shape == (2, 4), fitted
    print(trainer.predict(images).shape)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"KERAS_BACKEND": backend},
        cwd=Path(__file__).parents[2],  # where tiny_keras lies
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "(20, 2)" in done.stdout
