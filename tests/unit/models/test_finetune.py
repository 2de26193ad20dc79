"""The recipe `finetune`: the probe first, then the last layers alone, never worse on purpose."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax

from footwork.models.bases import Base
from footwork.models.conversion import KerasNetwork
from footwork.models.finetune import FinetuneSettings
from footwork.models.finetune_fit import NO_GAIN, FinetuneTrainer, Mild
from footwork.models.fit import Labels, Pixels, Trainer, leaves
from footwork.models.head import fit_probe
from footwork.models.recipes import find_recipes
from footwork.models.seed import SeedSettings
from footwork.models.trainable import Trainable, trainable, training_keras
from footwork.project import Config
from footwork.records import Position
from tiny_keras import CONTRACT, SIDE, pixels

pytestmark = pytest.mark.keras

Split = tuple[tuple[Pixels, Labels], tuple[Pixels, Labels]]


def nothing() -> None:
    pass


@pytest.fixture(scope="module")
def keras() -> Iterator[Any]:
    with training_keras("a test") as module:
        yield module


@pytest.fixture
def network(keras: Any, tmp_path: Path) -> Trainable:
    """Four convolutions, two of them in a block of their own, each with a batch-norm."""
    layers = keras.layers
    keras.utils.set_random_seed(4)

    def step(x: Any, name: str) -> Any:
        x = layers.Conv2D(6, 3, strides=2, activation="relu", name=name)(x)
        return layers.BatchNormalization(name=f"{name}_bn")(x)

    block_in = keras.Input((15, 15, 6))
    block = keras.Model(block_in, step(step(block_in, "second"), "third"), name="block")
    inputs = keras.Input((SIDE, SIDE, 3))
    model = keras.Model(inputs, step(block(step(inputs, "first")), "fourth"))
    file = tmp_path / "deep.keras"
    model.save(file)
    base = Base(name="deep", kind="file", contract=CONTRACT, weights=str(file), licence="none")
    return trainable(keras, base, None)


@pytest.fixture
def data() -> Split:
    """Noise whose class, 0 or 1, is the half that is brighter, the lower or the upper."""
    rng = np.random.default_rng(0)
    label = np.arange(60) % 2
    values = rng.integers(0, 120, (60, SIDE, SIDE, 3))
    for image, upper in zip(values, label, strict=True):
        image[: SIDE // 2] += 40 * upper
        image[SIDE // 2 :] += 40 * (1 - upper)
    images = values.astype(np.uint8)
    return (images[:44], label[:44]), (images[44:], label[44:])


def by_layer(network: Trainable) -> dict[str, list[np.ndarray]]:
    return {layer.name: layer.get_weights() for layer in leaves(network.model) if layer.weights}


def test_it_begins_as_the_probe_on_the_frozen_base(
    keras: Any, network: Trainable, data: Split
) -> None:
    (images, labels), (held, truth) = data
    features = network.model.predict(network.contract.apply(images), verbose=0)
    others = network.model.predict(network.contract.apply(held), verbose=0)
    group = np.arange(len(labels)) // 2
    probe = fit_probe(features, labels, group, 2, seed=3)
    trainer = FinetuneTrainer(keras, network, FinetuneSettings(batch=8), 2)
    trainer.group = group
    trainer.begin(data[0], data[1], 3)

    wanted = probe.predict_proba(others)
    np.testing.assert_allclose(trainer.predict(held), wanted, atol=1e-5)
    loss = -np.log(wanted[np.arange(len(truth)), truth]).mean()
    assert trainer.loss_at_start == pytest.approx(loss, abs=1e-4)


def test_only_the_last_layers_move_and_batch_norm_never(
    keras: Any, network: Trainable, data: Split
) -> None:
    names = [name for name in by_layer(network) if not name.endswith("_bn")]
    assert names == ["first", "second", "third", "fourth"]
    before = by_layer(network)
    settings = FinetuneSettings(depth=0.3, learning_rate=3e-3, epochs=3, batch=8)
    trainer = FinetuneTrainer(keras, network, settings, 2)
    fitted = trainer.fit(*data, 1, nothing, print)
    assert fitted.kept > 0, "the test needs an epoch that counts"
    for name, weights in by_layer(network).items():
        same = all(np.array_equal(a, b) for a, b in zip(weights, before[name], strict=True))
        assert same == (name not in ("third", "fourth")), name


def test_an_unfrozen_base_keeps_its_batch_norm_when_seed_trains_it(
    keras: Any, network: Trainable, data: Split
) -> None:
    before = by_layer(network)
    settings = SeedSettings(frozen=False, side=None, epochs=1, batch=8, learning_rate=1e-3)
    Trainer(keras, network, settings, 2).fit(*data, 1, nothing, print)
    for name, weights in by_layer(network).items():
        same = all(np.array_equal(a, b) for a, b in zip(weights, before[name], strict=True))
        assert same == name.endswith("_bn"), name


def test_fine_tuning_that_helps_is_kept_and_the_best_epoch_answers(
    keras: Any, network: Trainable, data: Split
) -> None:
    settings = FinetuneSettings(depth=1, learning_rate=3e-3, epochs=3, batch=8)
    trainer = FinetuneTrainer(keras, network, settings, 2)
    fitted = trainer.fit(*data, 1, nothing, print)
    assert fitted.kept == fitted.best > 0
    assert fitted.curves[:, 2].min() < trainer.loss_at_start
    (images, truth) = data[1]
    loss = -np.log(trainer.predict(images)[np.arange(len(truth)), truth]).mean()
    assert loss == pytest.approx(fitted.curves[:, 2].min(), abs=1e-4)
    again = trainer.fit(*data, 1, nothing, print)
    np.testing.assert_allclose(again.curves, fitted.curves, atol=1e-5)


def test_where_no_epoch_helps_the_head_on_the_frozen_base_answers(
    keras: Any, network: Trainable, data: Split
) -> None:
    settings = FinetuneSettings(depth=1, learning_rate=0.5, epochs=6, patience=2, batch=8)
    trainer = FinetuneTrainer(keras, network, settings, 2)
    fitted = trainer.fit(*data, 1, nothing, print)
    assert fitted.kept == 0
    assert len(fitted.curves) == 2, "stopped early"
    assert fitted.remarks == (NO_GAIN,)
    after = trainer.predict(data[1][0])
    trainer.begin(*data, 1)
    np.testing.assert_allclose(after, trainer.predict(data[1][0]), atol=1e-6)


def test_mild_changes_keep_size_and_are_repeatable() -> None:
    images, _ = pixels(5)
    draw = Mild(SIDE, 1)
    first, second = draw(images), draw(images)
    assert first.shape == images.shape
    assert first.dtype == np.uint8
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, Mild(SIDE, 1)(images))


def test_the_recipe_and_its_settings() -> None:
    (built_in,) = find_recipes(["finetune"], Config(name="x"))
    assert built_in.training is not None
    assert (built_in.training.contract, built_in.training.split) == ("right", "grouped")
    config = Config.model_validate(
        {"name": "x", "recipes": {"deep": {"kind": "finetune", "finetuning": {"depth": 0.5}}}}
    )
    (deep,) = find_recipes(["deep"], config)
    assert deep.finetuning == FinetuneSettings(depth=0.5)
    for wrong in (
        {"kind": "probe", "finetuning": {}},
        {"kind": "finetune", "bank": 3},
        {"kind": "finetune", "training": {}},
    ):
        with pytest.raises(ValueError, match=r"kind 'finetune'|kind 'seed'"):
            Config.model_validate({"name": "x", "recipes": {"bad": wrong}})


@pytest.mark.parametrize("position", ["right", "unit-range", "right-then-divided"])
def test_a_saved_network_answers_as_the_trained_one(
    position: Position, keras: Any, network: Trainable, data: Split, tmp_path: Path
) -> None:
    settings = SeedSettings(contract=position, side=None, epochs=1, learning_rate=1e-2, batch=8)
    trainer = Trainer(keras, network, settings, 2)
    trainer.fit(*data, 1, nothing, print)
    trainer.save(tmp_path / "trained.keras")
    images, _ = data[1]
    fed = network.contract.as_fed(position).apply(images)
    odds = KerasNetwork(tmp_path / "trained.keras").vectors(fed)
    np.testing.assert_allclose(softmax(odds, axis=1), trainer.predict(images), atol=1e-5)
