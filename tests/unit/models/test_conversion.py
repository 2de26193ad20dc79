"""Keras networks turned into ONNX: filled from files, judged, compared, kept."""

import errno
import hashlib
import shutil
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from footwork.errors import DataError, EnvironmentProblem, MissingWeights
from footwork.images import decode, fit, read_bytes
from footwork.models import keras_networks, onnx_files
from footwork.models.contract import InputContract
from footwork.models.conversion import Converted, KerasNetwork, convert_application, convert_file
from footwork.models.keras_bases import CAFFE_MEAN, KERAS_BASES, KerasBase
from footwork.models.runtimes import MAX_DIFFERENCE, largest_difference

pytestmark = pytest.mark.keras

RAW = InputContract(side=32)
# The smallest network of the table, looking at 32 pixels: its conversion takes seconds.
SMALL = replace(KERAS_BASES["MobileNetV3Small"], contract=RAW)


def photos(side: int, n: int = 4) -> NDArray[np.uint8]:
    """Smooth coloured patches with some grain: as varied as photos, made without any."""
    rng = np.random.default_rng(7)
    coarse = rng.integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)
    big = coarse.repeat(-(-side // 4), axis=1).repeat(-(-side // 4), axis=2)[:, :side, :side]
    grain = rng.integers(-20, 21, big.shape)
    return np.clip(big.astype(int) + grain, 0, 255).astype(np.uint8)


def sample(contract: InputContract) -> Callable[[], NDArray[np.float32]]:
    return lambda: contract.apply(photos(contract.side))


def must_not_be_asked() -> NDArray[np.float32]:
    raise AssertionError("the network was converted again")


@pytest.fixture(scope="module")
def keras() -> Iterator[Any]:
    with keras_networks.loaded_keras("the tests") as module:
        yield module


def touch(model: Any) -> Any:
    """Move the weights as training would: statistics and biases off their starting values."""
    rng = np.random.default_rng(3)
    for variable in model.weights:
        if variable.path.endswith(("moving_mean", "bias", "beta")):
            variable.assign(rng.normal(0, 0.02, variable.shape))
    return model


@pytest.fixture(scope="module")
def files(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """fresh.weights.h5 (never trained), trained.weights.h5, .keras and .h5 (the older format)."""
    folder = tmp_path_factory.mktemp("weights")
    model = keras_networks.build(keras, SMALL, seed=1)
    model.save_weights(folder / "fresh.weights.h5")
    touch(model).save_weights(folder / "trained.weights.h5")
    model.save(folder / "trained.h5")
    model.save(folder / "trained.keras")
    return folder


@pytest.fixture(scope="module")
def trained(files: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Converted, Path]:
    cache = tmp_path_factory.mktemp("cache")
    weights = files / "trained.weights.h5"
    return convert_application(SMALL, weights, sample(RAW), cache), cache


@pytest.fixture
def no_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the export where a test is about something else."""

    def export(*_args: object) -> None:
        raise RuntimeError("no operator for this layer")

    monkeypatch.setattr(keras_networks, "export", export)


# ------------------------------------------------------------------ what comes out


def test_the_converted_network_answers_like_keras(
    keras: Any, files: Path, trained: tuple[Converted, Path]
) -> None:
    result, _ = trained
    model = keras_networks.build(keras, SMALL, seed=99)
    model.load_weights(files / "trained.weights.h5")
    inputs = RAW.apply(photos(32, 32))

    assert result.onnx is not None
    answers = onnx_files.run(result.onnx, inputs)
    expected = np.asarray(model(inputs, training=False))
    assert answers.dtype == np.float32
    assert answers.shape == (32, SMALL.vector_size) == (32, result.vector_size)
    apart = np.linalg.norm(answers - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert apart.max() < 1e-4
    assert np.linalg.norm(answers[0] - answers[1]) > 0  # and not one answer for all
    # The same file takes one photo as well as 32.
    assert largest_difference(onnx_files.run(result.onnx, inputs[:1]), answers[:1]) < 1e-4


def test_what_is_known_of_it(files: Path, trained: tuple[Converted, Path]) -> None:
    result, cache = trained
    digest = hashlib.sha256((files / "trained.weights.h5").read_bytes()).hexdigest()

    assert result.onnx is not None
    assert result.keras is None
    assert (result.runtime, result.weights, result.notes) == ("onnxruntime", "unverified", ())
    assert result.weights_sha256 == digest
    assert result.parameters == SMALL.parameters
    assert 0 <= result.parity <= MAX_DIFFERENCE
    assert result.megabytes == round(result.onnx.stat().st_size / 1e6, 1) > 3
    assert sorted(file.suffix for file in cache.iterdir()) == [".json", ".onnx"]


def test_a_second_call_converts_nothing(files: Path, trained: tuple[Converted, Path]) -> None:
    result, cache = trained
    again = convert_application(SMALL, files / "trained.weights.h5", must_not_be_asked, cache)
    assert again == result


def test_the_cache_may_move(files: Path, trained: tuple[Converted, Path], tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(trained[1], moved)
    again = convert_application(SMALL, files / "trained.weights.h5", must_not_be_asked, moved)
    assert again.onnx is not None
    assert again.onnx.parent == moved


@pytest.mark.parametrize("harm", ["json cut off", "network gone", "json of another version"])
def test_a_damaged_cache_is_made_anew(
    harm: str, files: Path, trained: tuple[Converted, Path], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(trained[1], cache)
    (facts,) = cache.glob("*.json")
    if harm == "json cut off":
        facts.write_bytes(facts.read_bytes()[:40])
    elif harm == "json of another version":
        facts.write_text('{"onnx": "x.onnx", "unknown": 1}')
    else:
        facts.with_suffix(".onnx").unlink()

    class Asked(Exception):
        pass

    def asked() -> NDArray[np.float32]:
        raise Asked

    with pytest.raises(Asked):
        convert_application(SMALL, files / "trained.weights.h5", asked, cache)


def test_other_weights_or_another_contract_are_another_network(
    files: Path, trained: tuple[Converted, Path]
) -> None:
    _, cache = trained

    class Asked(Exception):
        pass

    def asked() -> NDArray[np.float32]:
        raise Asked

    with pytest.raises(Asked):
        convert_application(SMALL, files / "fresh.weights.h5", asked, cache)
    wider = replace(SMALL, contract=InputContract(side=64))
    with pytest.raises(Asked):
        convert_application(wider, files / "trained.weights.h5", asked, cache)


@pytest.mark.slow
def test_tensorflow_is_imported_once_and_says_nothing(files: Path, tmp_path: Path) -> None:
    code = textwrap.dedent(
        f"""
        import sys
        from dataclasses import replace
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_conversion import SMALL, RAW, convert_application, sample
        result = convert_application(
            SMALL, Path({str(files / "trained.weights.h5")!r}), sample(RAW), Path(sys.argv[1])
        )
        loaded = [name for name in ("tensorflow", "keras", "tf2onnx") if name in sys.modules]
        print(result.runtime, result.parity < 1e-3, *loaded)
        """
    )

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True
        )

    first, second = run(), run()
    assert first.stdout.split() == ["onnxruntime", "True", "tensorflow", "keras", "tf2onnx"]
    assert first.stderr == ""
    assert second.stdout.split() == ["onnxruntime", "True"]
    assert second.stderr == ""


# ------------------------------------------------------------------ where ONNX will not do


def test_a_network_that_answers_differently_is_run_by_keras(
    keras: Any, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = keras_networks.export

    def off_by_one_percent(module: Any, model: Any, side: int, target: Path) -> None:
        real(module, keras.Model(model.inputs[0], model.outputs[0] * 1.01), side, target)

    monkeypatch.setattr(keras_networks, "export", off_by_one_percent)
    weights = files / "trained.weights.h5"
    result = convert_application(SMALL, weights, sample(RAW), tmp_path)

    assert (result.runtime, result.onnx) == ("keras", None)
    assert result.parity == pytest.approx(0.01, rel=0.01)
    assert "answers differently as ONNX (by 0.01" in result.notes[0]
    assert "Keras itself" in result.notes[0]
    assert not list(tmp_path.glob("*.onnx"))
    assert result.keras is not None
    model = keras_networks.build(keras, SMALL, seed=99)
    model.load_weights(weights)
    inputs = RAW.apply(photos(32, 3))
    vectors = KerasNetwork(result.keras).vectors(inputs)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, model(inputs, training=False), rtol=1e-4, atol=1e-7)


@pytest.mark.usefixtures("no_onnx")
def test_a_network_that_cannot_be_exported_is_run_by_keras(files: Path, tmp_path: Path) -> None:
    weights = files / "trained.weights.h5"
    result = convert_application(SMALL, weights, sample(RAW), tmp_path)

    assert (result.runtime, result.onnx, result.parity) == ("keras", None, float("inf"))
    assert "could not be converted to ONNX (no operator for this layer)" in result.notes[0]
    assert convert_application(SMALL, weights, must_not_be_asked, tmp_path) == result


@pytest.mark.slow
def test_convnext_is_run_by_keras(tmp_path: Path) -> None:
    """The one network of the table that tf2onnx cannot convert; once it can, say so there."""
    base = replace(KERAS_BASES["ConvNeXtTiny"], contract=InputContract(side=64))
    result = convert_application(base, "random", sample(base.contract), tmp_path)
    assert result.runtime == "keras"
    assert "ONNX has no StatefulPartitionedCall), so Keras itself" in result.notes[1]
    assert result.keras is not None
    vectors = KerasNetwork(result.keras).vectors(base.contract.apply(photos(64, 2)))
    assert vectors.shape == (2, 768)


def test_the_difference_is_the_worst_over_the_photos() -> None:
    vectors = np.array([[3, 4], [0, 10]], dtype=np.float32)
    other = np.array([[3, 4], [0, 9]], dtype=np.float32)
    assert largest_difference(other, vectors) == pytest.approx(0.1)
    assert largest_difference(vectors, vectors) == 0
    assert largest_difference(vectors[:1], vectors) == float("inf")
    assert not largest_difference(other * np.nan, vectors) <= MAX_DIFFERENCE


def test_a_batch_of_another_range_is_refused(files: Path, tmp_path: Path) -> None:
    unit = RAW.apply(photos(32), position="unit-range")
    with pytest.raises(DataError, match=r"wants inputs in \[0, 255\].*lies in \[0, 1\]"):
        convert_application(SMALL, files / "trained.weights.h5", lambda: unit, tmp_path)


# ------------------------------------------------------------------ whose weights they are


@pytest.mark.usefixtures("no_onnx")
@pytest.mark.parametrize("name", ["trained.weights.h5", "trained.h5", "trained.keras"])
def test_the_published_file_is_verified(name: str, files: Path, tmp_path: Path) -> None:
    pinned = hashlib.md5((files / name).read_bytes(), usedforsecurity=False).hexdigest()
    base = replace(SMALL, weights_hash=pinned)
    result = convert_application(base, files / name, sample(RAW), tmp_path)
    assert result.weights == "verified"
    assert result.notes[1:] == ()  # the first says why Keras runs it


@pytest.mark.usefixtures("no_onnx")
def test_never_trained_weights_are_random_whatever_the_hash(files: Path, tmp_path: Path) -> None:
    fresh = files / "fresh.weights.h5"
    pinned = hashlib.md5(fresh.read_bytes(), usedforsecurity=False).hexdigest()
    for base in (SMALL, replace(SMALL, weights_hash=pinned)):
        result = convert_application(base, fresh, sample(RAW), tmp_path)
        assert result.weights == "random"
        assert "never trained: every batch-norm statistic is at its starting" in result.notes[0]


@pytest.mark.usefixtures("no_onnx")
def test_random_weights_follow_the_seed(tmp_path: Path) -> None:
    one, again, two = (
        convert_application(SMALL, "random", sample(RAW), tmp_path / folder, seed=seed)
        for folder, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert one.weights == "random"
    assert "drawn at random (seed 1)" in one.notes[0]
    assert one.weights_sha256 == again.weights_sha256 != two.weights_sha256


@pytest.mark.usefixtures("no_onnx")
def test_a_file_that_keras_downloaded_is_used_without_a_network(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_args: object, **_options: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    data = (files / "trained.h5").read_bytes()
    pinned = hashlib.md5(data, usedforsecurity=False).hexdigest()
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / SMALL.weights_name).write_bytes(data)
    base = replace(SMALL, weights_hash=pinned)
    result = convert_application(base, "imagenet", sample(RAW), tmp_path / "cache")

    assert result.weights == "verified"
    assert result.weights_sha256 == hashlib.sha256(data).hexdigest()
    # Converted once, it is not needed any more.
    shutil.rmtree(tmp_path / "models")
    assert convert_application(base, "imagenet", must_not_be_asked, tmp_path / "cache") == result


@pytest.mark.parametrize(
    "failure",
    [
        socket.gaierror(-2, "Name or service not known"),
        TimeoutError("timed out"),
        ConnectionRefusedError(111, "Connection refused"),
    ],
)
def test_without_a_network_the_error_says_the_ways_out(
    failure: OSError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise failure

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    before = socket.getdefaulttimeout()
    with pytest.raises(MissingWeights) as error:
        convert_application(
            KERAS_BASES["ResNet50"], "imagenet", must_not_be_asked, tmp_path / "cache"
        )

    head, *ways = str(error.value).splitlines()
    assert "ResNet50" in head
    assert str(failure.args[-1]) in head
    assert [way.strip()[:2] for way in ways] == ["1.", "2.", "3."]
    assert "--weights ResNet50=FILE" in ways[1]
    assert "[bases.ResNet50] weights" in ways[1]
    assert "efficientnet_lite0" in ways[2]
    assert socket.getdefaulttimeout() == before
    assert not list((tmp_path / "models").glob("*"))


def test_a_full_disk_is_not_a_missing_network(
    keras: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(keras.utils, "get_file", full)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match=r"The disk is full") as error:
        convert_application(KERAS_BASES["VGG16"], "imagenet", must_not_be_asked, tmp_path)
    assert not isinstance(error.value, MissingWeights)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda file: file.write_text("not a weight file"), "file signature not found"),
        (lambda file: file.write_bytes(b""), ""),
    ],
)
def test_a_file_that_holds_no_weights(
    make: Callable[[Path], object], told: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.weights.h5"
    make(file)
    with pytest.raises(DataError, match=f"mine.weights.h5.*MobileNetV3Small.*939,120.*{told}"):
        convert_application(SMALL, file, must_not_be_asked, tmp_path)


@pytest.mark.parametrize("name", ["trained.weights.h5", "trained.h5"])
@pytest.mark.parametrize("other", ["VGG16", "MobileNetV2"])
def test_the_weights_of_another_network(name: str, other: str, files: Path, tmp_path: Path) -> None:
    base = replace(KERAS_BASES[other], contract=RAW)
    with pytest.raises(DataError, match=f"{name} does not hold the weights of {other}"):
        convert_application(base, files / name, must_not_be_asked, tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"MobileNetV3Small: there is no file .*gone\.h5"):
        convert_application(SMALL, tmp_path / "gone.h5", must_not_be_asked, tmp_path)


def stem(model: Any, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    layer = model.get_layer("stem_conv")
    return keras_networks.predict(type(model)(model.inputs[0], layer.output), inputs)


def test_efficientnet_weights_answer_as_when_keras_loads_them(
    keras: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras rescales once more where it downloads the weights itself; a file must not differ."""
    from keras.src.utils import file_utils

    base = replace(KERAS_BASES["EfficientNetB0"], contract=RAW)
    inputs = RAW.apply(photos(32))
    model = touch(keras_networks.build(keras, base, seed=1))
    own = tmp_path / "own.h5"  # trained behind a Normalization that was never adapted
    model.save(own)
    (first,) = (step for step in model.layers if type(step).__name__ == "Normalization")
    first.adapt_mean.assign([0.485, 0.456, 0.406])
    first.adapt_variance.assign([0.229, 0.224, 0.225])
    published = tmp_path / "published.h5"
    model.save(published)
    monkeypatch.setattr(file_utils, "get_file", lambda *_args, **_options: str(published))
    original = keras.applications.EfficientNetB0(
        weights="imagenet", include_top=False, pooling="avg", input_shape=(32, 32, 3)
    )
    expected = stem(original, inputs)

    ours = keras_networks.build(keras, base, seed=2)
    ours.load_weights(published)
    off = np.linalg.norm(stem(ours, inputs) - expected) / np.linalg.norm(expected)
    assert off > 0.3  # what loading the file the plain way costs
    keras_networks.fill(keras, ours, base, published)
    np.testing.assert_allclose(stem(ours, inputs), expected, rtol=1e-4, atol=1e-4)

    ours.load_weights(own)
    plain = stem(ours, inputs)
    keras_networks.fill(keras, ours, base, own)
    np.testing.assert_array_equal(stem(ours, inputs), plain)


# ------------------------------------------------------------------ never trained?


def network(keras: Any, *layers: Any) -> Any:
    return keras.Sequential([keras.Input((32, 32, 3)), *layers])


def test_training_shows_in_batch_norm_or_biases(keras: Any) -> None:
    layers = keras.layers
    normed = network(
        keras,
        layers.Conv2D(4, 3),
        layers.BatchNormalization(),
        keras.Sequential([layers.Conv2D(4, 3, use_bias=False), layers.BatchNormalization()]),
        layers.Dense(2),
    )
    assert "batch-norm" in str(keras_networks.never_trained(normed))
    inner = normed.layers[2].layers[1]
    for part, value in (("moving_mean", 0.1), ("moving_variance", 2.0), ("beta", -0.1)):
        variable = getattr(inner, part)
        before = variable.numpy()
        variable.assign(np.full(4, value))
        assert keras_networks.never_trained(normed) is None, part
        variable.assign(before)
    inner.gamma.assign([1, 1, 1, 1.5])
    assert keras_networks.never_trained(normed) is None

    biased = network(keras, layers.Conv2D(4, 3), layers.Conv2D(4, 3), layers.Flatten())
    assert "bias" in str(keras_networks.never_trained(biased))
    biased.layers[1].bias.assign([0, 0, 0, 1e-6])
    assert keras_networks.never_trained(biased) is None

    unknowable = network(keras, layers.Conv2D(4, 3, use_bias=False), layers.Flatten())
    assert keras_networks.never_trained(unknowable) is None


def test_one_training_step_is_enough_to_count(keras: Any) -> None:
    model = network(
        keras,
        keras.layers.Conv2D(4, 3),
        keras.layers.BatchNormalization(),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(2, activation="softmax"),
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert keras_networks.never_trained(model) is not None
    model.fit(RAW.apply(photos(32)), np.array([0, 1, 0, 1]), verbose=0)
    assert keras_networks.never_trained(model) is None


# ------------------------------------------------------------------ a network of one's own


@pytest.fixture
def save(keras: Any, tmp_path: Path) -> Callable[..., Path]:
    def make(*layers: Any, name: str = "mine.keras") -> Path:
        file = tmp_path / name
        keras.utils.set_random_seed(7)  # else now and then a feature is all but zero
        touch(network(keras, *layers)).save(file)
        return file

    return make


@pytest.mark.parametrize("name", ["mine.keras", "mine.h5"])
def test_a_feature_map_is_averaged(
    name: str, keras: Any, save: Callable[..., Path], tmp_path: Path
) -> None:
    file = save(keras.layers.Conv2D(6, 3, strides=2, activation="relu"), name=name)
    result = convert_file("mine", file, RAW, sample(RAW), tmp_path / "cache")

    assert (result.runtime, result.weights, result.vector_size) == ("onnxruntime", "unverified", 6)
    assert result.onnx is not None
    inputs = RAW.apply(photos(32, 5))
    whole = keras.models.load_model(file, compile=False)(inputs, training=False)
    expected = np.asarray(whole).mean(axis=(1, 2))
    # By the whole vector, as the parity gate does: 4e-4 beside 212 is float32's noise.
    assert largest_difference(onnx_files.run(result.onnx, inputs), expected) < 1e-6
    assert convert_file("mine", file, RAW, must_not_be_asked, tmp_path / "cache") == result


def test_a_classifier_stays_and_is_named(
    keras: Any, save: Callable[..., Path], tmp_path: Path
) -> None:
    layers = keras.layers
    file = save(layers.Conv2D(6, 3), layers.Flatten(), layers.Dense(3, activation="softmax"))
    result = convert_file("mine", file, RAW, sample(RAW), tmp_path / "cache")
    assert result.vector_size == 3
    assert any("ends in a classifier" in note for note in result.notes)


def test_a_network_of_any_input_side_takes_the_contracts(keras: Any, tmp_path: Path) -> None:
    open_sided = keras.Input((None, None, 3))
    model = keras.Model(open_sided, keras.layers.Conv2D(5, 3)(open_sided))
    touch(model).save(tmp_path / "open.keras")
    result = convert_file("mine", tmp_path / "open.keras", RAW, sample(RAW), tmp_path / "cache")
    assert (result.runtime, result.vector_size) == ("onnxruntime", 5)


UNIT = InputContract(side=32, scale=255.0)
SIGNED = InputContract(side=32, scale=127.5, mean=(1.0, 1.0, 1.0))
CAFFE = InputContract(side=32, channels="bgr", mean=CAFFE_MEAN)


def by_layer(keras: Any) -> Any:
    return network(keras, keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(4, 3))


def by_normalization(keras: Any) -> Any:
    scaling = keras.layers.Normalization(mean=[120.0] * 3, variance=[3600.0] * 3)
    return network(keras, scaling, keras.layers.Conv2D(4, 3))


def by_operations(keras: Any) -> Any:
    photo = keras.Input((32, 32, 3))
    scaled = keras.applications.mobilenet_v2.preprocess_input(photo)
    return keras.Model(photo, keras.layers.Conv2D(4, 3)(scaled))


def inside_another(keras: Any) -> Any:
    return network(keras, keras.layers.RandomFlip(), by_layer(keras))


@pytest.mark.parametrize("contract", [UNIT, SIGNED, CAFFE], ids=["unit", "signed", "caffe"])
@pytest.mark.parametrize("make", [by_layer, by_normalization, by_operations, inside_another])
@pytest.mark.usefixtures("no_onnx")
def test_inputs_are_not_scaled_twice(
    make: Callable[[Any], Any], contract: InputContract, keras: Any, tmp_path: Path
) -> None:
    touch(make(keras)).save(tmp_path / "mine.keras")
    with pytest.raises(DataError, match=r"mine would be scaled twice.*its own first layers"):
        convert_file("mine", tmp_path / "mine.keras", contract, sample(contract), tmp_path / "c")
    raw = convert_file("mine", tmp_path / "mine.keras", RAW, sample(RAW), tmp_path / "c")
    assert raw.weights == "unverified"


@pytest.mark.usefixtures("no_onnx")
def test_a_layer_that_completes_the_contract_is_welcome(keras: Any, tmp_path: Path) -> None:
    """[0, 1] by the contract, then the network's own mean and deviation of [0, 1]."""
    completing = keras.layers.Normalization(mean=[0.48] * 3, variance=[0.05] * 3)
    model = touch(network(keras, completing, keras.layers.Conv2D(4, 3)))
    model.save(tmp_path / "mine.keras")
    result = convert_file("mine", tmp_path / "mine.keras", UNIT, sample(UNIT), tmp_path / "c")
    assert result.vector_size == 4


@pytest.mark.parametrize("name", ["mine.keras", "mine.h5"])
def test_code_in_a_file_is_never_run(
    name: str, keras: Any, save: Callable[..., Path], tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    body = f"lambda x: (__import__('pathlib').Path({str(trap)!r}).touch(), x)[1]"
    layer = keras.layers.Lambda(eval(body), output_shape=(32, 32, 3))  # noqa: S307
    file = save(layer, keras.layers.Conv2D(4, 3), name=name)
    trap.unlink(missing_ok=True)  # building the model ran it here
    with pytest.raises(DataError, match=r"cannot be opened as a Keras model.*(?i:lambda)"):
        convert_file("mine", file, RAW, must_not_be_asked, tmp_path / "cache")
    assert not trap.exists()


def test_files_that_are_no_base(keras: Any, files: Path, tmp_path: Path) -> None:
    def refused(model: Any, told: str, contract: InputContract = RAW) -> None:
        file = tmp_path / "mine.keras"
        if hasattr(model, "save"):
            model.save(file)
        else:
            file.write_bytes(model)
        with pytest.raises(DataError, match=told):
            convert_file("mine", file, contract, must_not_be_asked, tmp_path / "cache")

    conv = keras.layers.Conv2D(4, 3)
    refused(b"PK not a model", "cannot be opened as a Keras model for the base mine")
    refused(network(keras, conv), r"takes \(None, 32, 32, 3\)", InputContract(side=48))
    refused(network(keras, conv), "'nhwc'", InputContract(side=32, layout="nchw"))
    grey = keras.Input((32, 32, 1))
    refused(keras.Model(grey, keras.layers.Flatten()(grey)), r"takes \(None, 32, 32, 1\)")
    one, two = keras.Input((32, 32, 3)), keras.Input((32, 32, 3))
    refused(keras.Model([one, two], keras.layers.Add()([one, two])), r"takes .* and ")
    both = [keras.layers.Flatten()(one), keras.layers.GlobalAveragePooling2D()(one)]
    refused(keras.Model(one, both), "has 2 outputs")
    rows = keras.layers.Reshape((32, 96))(one)
    refused(keras.Model(one, rows), r"gives \(None, 32, 96\)")
    with pytest.raises(DataError, match=r"cannot be opened.*weights only|No model config"):
        convert_file("mine", files / "trained.weights.h5", RAW, must_not_be_asked, tmp_path)
    (tmp_path / "net.pt").touch()
    with pytest.raises(DataError, match=r"mine is net\.pt; a network is a \.keras, \.h5 or \.onnx"):
        convert_file("mine", tmp_path / "net.pt", RAW, must_not_be_asked, tmp_path)
    with pytest.raises(DataError, match=r"\[bases\.mine\] model.*there is no file"):
        convert_file("mine", tmp_path / "gone.keras", RAW, must_not_be_asked, tmp_path)


def test_answers_that_are_no_numbers_are_refused(
    keras: Any, save: Callable[..., Path], tmp_path: Path
) -> None:
    file = save(keras.layers.Rescaling(float("inf")), keras.layers.Conv2D(4, 3))
    with pytest.raises(DataError, match="values that are not numbers"):
        convert_file("mine", file, RAW, sample(RAW), tmp_path / "cache")


# ------------------------------------------------------------------ the real ones


def real_photos(shared: Path, contract: InputContract, n: int) -> NDArray[np.float32]:
    chosen = sorted((shared / "data" / "hymenoptera").glob("*/*.jpg"))
    cut = [
        fit(
            decode(read_bytes(file)),
            contract.side,
            contract.crop,
            contract.crop_fraction,
            contract.resize,
        )
        for file in chosen[:: max(1, len(chosen) // n)][:n]
    ]
    return contract.apply(np.stack(cut))


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("base", ["ResNet50-conv4", "DenseNet169"])
def test_real_weights_on_real_photos(base: str, shared: Path, tmp_path: Path) -> None:
    weights = shared / "weights"
    if base == "DenseNet169":
        facts = KERAS_BASES[base]
        batch = real_photos(shared, facts.contract, 8)
        file = weights / "densenet169_notop_imagenet.weights.h5"
        result = convert_application(facts, file, lambda: batch, tmp_path)
        assert (result.parameters, result.vector_size) == (12_642_880, 1664)
    else:
        contract = InputContract(side=224, channels="bgr", mean=CAFFE_MEAN)
        batch = real_photos(shared, contract, 8)
        file = weights / "resnet50_c4_imagenet.keras"
        result = convert_file(base, file, contract, lambda: batch, tmp_path)
        assert (result.parameters, result.vector_size) == (8_589_184, 1024)

    assert (result.runtime, result.weights, result.notes) == ("onnxruntime", "unverified", ())
    assert result.parity < 1e-4
    assert result.onnx is not None
    assert onnx_files.run(result.onnx, batch[:1]).shape == (1, result.vector_size)
    assert onnx_files.run(result.onnx, batch.repeat(4, axis=0)).shape == (32, result.vector_size)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNetV3Large", "EfficientNetB2", "ResNet50", "VGG16"])
def test_the_originals_four_from_weight_files(name: str, keras: Any, tmp_path: Path) -> None:
    base: KerasBase = KERAS_BASES[name]
    file = tmp_path / f"{name}.weights.h5"
    getattr(keras.applications, name)(include_top=False, weights=None).save_weights(file)
    result = convert_application(base, file, sample(base.contract), tmp_path / "cache")

    assert (result.runtime, result.weights) == ("onnxruntime", "random")
    assert result.parity <= MAX_DIFFERENCE
    assert (result.parameters, result.vector_size) == (base.parameters, base.vector_size)
    assert "never trained" in result.notes[0]
    assert result.megabytes == pytest.approx(base.megabytes, rel=0.05)
    assert result.onnx is not None
    many = base.contract.apply(photos(base.contract.side, 32))
    assert onnx_files.run(result.onnx, many).shape == (32, base.vector_size)
    assert onnx_files.run(result.onnx, many[:1]).shape == (1, base.vector_size)
