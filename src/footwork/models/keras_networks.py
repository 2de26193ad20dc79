"""Keras networks: built, opened and filled safely, judged, run and exported to ONNX.

Called by `footwork.models.conversion` only. Keras and TensorFlow (seconds to import) are
loaded by `loaded_keras`, which keeps them quiet and their global settings as they were.
"""

import contextlib
import errno
import gc
import hashlib
import importlib
import importlib.util
import logging
import os
import re
import socket
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from footwork.errors import DataError, EnvironmentProblem, MissingExtra, MissingWeights
from footwork.files import unwritable
from footwork.models.contract import InputContract
from footwork.models.keras_bases import TORCH_MEAN, TORCH_STD, KerasBase
from footwork.models.onnx_files import told

Model: TypeAlias = Any  # keras.Model: an optional package, whose types are not followed
Vectors: TypeAlias = NDArray[np.float32]

DOWNLOAD_TIMEOUT_S = 15.0  # of silence; a network that drops packets would hang for minutes
DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS)
SCALING_LAYERS = {"Rescaling", "Normalization"}
SCALING_OPERATIONS = {"TrueDivide", "Divide", "Multiply", "Subtract", "Add"}
# What TensorFlow's native code writes before its log level can be set.
_NATIVE_NOISE = re.compile(rb"WARNING: All log messages before absl|[IW]\d{4} |\d{4}-.*: [IW] |$")


@contextlib.contextmanager
def loaded_keras(needed_for: str) -> Iterator[Any]:
    """Yield the module keras, silent, with channels last and float32 until the block ends.

    needed_for: begins the message of MissingExtra ('ResNet50 needs an optional part').
    """
    for package in ("keras", "tensorflow", "tf2onnx"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtra("keras", needed_for)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _without_native_noise():
            os.environ.setdefault("KERAS_BACKEND", "tensorflow")
            os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
            import keras

            importlib.import_module("tf2onnx")  # sets up its logger, so before the next lines
        for logger in ("absl", "tensorflow", "tf2onnx"):
            logging.getLogger(logger).setLevel(logging.CRITICAL)  # what fails is raised as well
        layout, floats = keras.config.image_data_format(), keras.config.dtype_policy()
        keras.config.set_image_data_format("channels_last")
        keras.config.set_dtype_policy("float32")
        try:
            yield keras
        finally:
            keras.config.set_image_data_format(layout)
            keras.config.set_dtype_policy(floats)


@contextlib.contextmanager
def _without_native_noise() -> Iterator[None]:
    """Hold back what is written to file descriptor 2; afterwards pass on what is not noise."""
    if "tensorflow" in sys.modules:
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            for line in held:
                if not _NATIVE_NOISE.match(line):
                    os.write(2, line)


def published_weights(base: KerasBase) -> Path:
    """Return the ImageNet file of `base`, downloaded by Keras (hash checked) unless it is here.

    Raises MissingWeights with the ways out if it can be had neither here nor there.
    """
    here = base.downloaded()
    if here is not None:
        return here
    timeout = socket.getdefaulttimeout()
    try:
        with loaded_keras(base.name) as keras, contextlib.redirect_stdout(sys.stderr):
            socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_S)
            return Path(
                keras.utils.get_file(
                    base.weights_name,
                    base.weights_url,
                    cache_subdir="models",
                    file_hash=base.weights_hash,
                )
            )
    except MissingExtra:
        raise
    except Exception as error:  # get_file raises plain Exception for most failures
        if isinstance(error, OSError) and error.errno in DISK_TROUBLE:
            raise unwritable(Path(error.filename or base.weights_name), error) from error
        reason = str(error).rsplit(" -- ", 1)[-1].strip().rstrip(".")
        raise MissingWeights(
            f"The ImageNet weights of {base.name} are not here, and the download failed "
            f"({reason or type(error).__name__}). Ways out:\n"
            f"  1. Connect this machine once and run again: Keras keeps {base.weights_name}.\n"
            f"  2. Bring a file: --weights {base.name}=FILE, or [bases.{base.name}] "
            f'weights = "FILE" in footwork.toml (from {base.weights_url}).\n'
            "  3. Use a base that needs no network: efficientnet_lite0."
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)


def build(keras: Any, base: KerasBase, seed: int) -> Model:
    """Build `base` without classes, with average pooling and initial weights drawn by `seed`."""
    keras.utils.set_random_seed(seed)
    side = base.contract.side
    return getattr(keras.applications, base.builder)(
        include_top=False, weights=None, pooling="avg", input_shape=(side, side, 3)
    )


def fill(keras: Any, model: Model, base: KerasBase, file: Path) -> None:
    """Load a weight file into the freshly built network of `base`.

    Only arrays are read, never code. Raises DataError for a file of another network.
    """
    try:
        model.load_weights(str(file))
    except Exception as error:  # ValueError, KeyError, OSError, BadZipFile, ... by its content
        raise DataError(
            f"{file} does not hold the weights of {base.name} without its classes "
            f"({base.parameters:,} parameters; keras.applications.{base.builder}"
            f"(include_top=False)): {told(error)} A file in Keras's older format must be called "
            "NAME.h5, one in its newer format NAME.weights.h5."
        ) from error
    if base.preprocess_module == "efficientnet":
        _restore_efficientnet_scaling(keras, model)


def _restore_efficientnet_scaling(keras: Any, model: Model) -> None:
    """Do to ImageNet weights what `EfficientNetB*(weights="imagenet")` does, and only that does.

    Keras puts another Rescaling by 1 / sqrt(std) behind the Normalization when it downloads
    the weights itself, none when it is given the same file (tensorflow issue 49930). The same
    is reached inside the Normalization: variance times std. Weights that do not carry
    ImageNet's mean were not trained behind that Rescaling and are left alone.
    """
    (layer,) = (step for step in model.layers if isinstance(step, keras.layers.Normalization))
    mean = np.ravel(layer.adapt_mean.numpy())
    if not np.allclose(mean, TORCH_MEAN, atol=1e-3):
        return
    layer.adapt_variance.assign(
        layer.adapt_variance.numpy() * np.array(TORCH_STD, dtype=np.float32)
    )
    layer.finalize_state()


def open_model(keras: Any, name: str, file: Path, contract: InputContract) -> Model:
    """Open a saved Keras model (.keras, or a whole model as .h5) and end it in one vector.

    No code of the file is run: lambdas and classes from elsewhere are refused. A rank-4 output
    gets global average pooling. Raises DataError for what cannot be a base.
    """
    try:
        model = keras.models.load_model(str(file), compile=False, safe_mode=True)
    except Exception as error:  # many kinds; the first line says what Keras stumbled over
        hint = ""
        if "No model config" in told(error):
            hint = (
                " It holds weights only: save the whole model (model.save), or, if they belong "
                f"to a known base, use [bases.BASE] weights instead of [bases.{name}] model."
            )
        raise DataError(
            f"{file} cannot be opened as a Keras model for the base {name}: {told(error)}{hint}"
        ) from error
    wanted = (None, contract.side, contract.side, 3)
    if not getattr(model, "inputs", None):
        raise DataError(
            f"{file} says nothing of its inputs; for the base {name} save a functional or "
            f"sequential model that starts with keras.Input({wanted[1:]})."
        )
    shapes = [tuple(tensor.shape) for tensor in model.inputs]
    fits = len(shapes) == 1 and len(shapes[0]) == 4
    fits = fits and all(seen in (None, want) for seen, want in zip(shapes[0], wanted, strict=True))
    if not fits or contract.layout != "nhwc":
        raise DataError(
            f"The base {name} ({file.name}) takes {' and '.join(map(str, shapes))}, its contract "
            f"gives {wanted} ('nhwc'). Correct side or layout in [bases.{name}] contract."
        )
    if len(model.outputs) != 1:
        raise DataError(
            f"The base {name} ({file.name}) has {len(model.outputs)} outputs; a base gives one. "
            "Save keras.Model(model.input, OUTPUT) with the one that you mean."
        )
    rank = len(model.outputs[0].shape)
    if rank == 4:
        pooled = keras.layers.GlobalAveragePooling2D()(model.outputs[0])
        return keras.Model(model.inputs[0], pooled)
    if rank != 2:
        raise DataError(
            f"The base {name} ({file.name}) gives {tuple(model.outputs[0].shape)}; a base gives "
            "one vector (n, d) or one feature map (n, h, w, c) per photo."
        )
    return model


def refuse_double_scaling(
    keras: Any, name: str, model: Model, contract: InputContract, inputs: Vectors
) -> None:
    """Raise DataError if both the contract and the network's first layers scale the pixels.

    A network whose first layers shrink values (Rescaling(1/255) and the like) wants raw RGB in
    [0, 255], so any other contract scales twice: the commonest mistake, and a silent one.
    Layers that widen them (a Normalization of [0, 1] by its deviation) go with a contract.
    """
    values, names = _scaled_by_itself(keras, model, inputs)
    plain = contract.scale == 1 and not any(contract.mean) and set(contract.std) == {1.0}
    if plain or not names or np.ptp(values) > np.ptp(inputs) / 2:
        return
    raise DataError(
        f"The inputs of {name} would be scaled twice: by its contract ({contract.describe()}) and "
        f"by its own first layers ({', '.join(names)}), which would leave them in "
        f"[{values.min():.3g}, {values.max():.3g}]. Leave scale, mean and std out of "
        f"[bases.{name}] contract, or save the network without those layers."
    )


def _scaled_by_itself(keras: Any, model: Model, inputs: Vectors) -> tuple[Vectors, list[str]]:
    """Return the values that reach the first layer with weights, and what scaled them before."""
    names: list[str] = []
    last = None
    for step in getattr(model, "operations", None) or model.layers:
        kind = type(step).__name__
        if kind == "InputLayer":
            continue
        if isinstance(step, keras.Model):
            values = inputs if last is None else predict(keras.Model(model.inputs[0], last), inputs)
            inner, more = _scaled_by_itself(keras, step, values)
            return inner, names + more
        if kind in SCALING_LAYERS | SCALING_OPERATIONS:
            names.append(step.name)
        elif getattr(step, "weights", None):
            break
        last = step.output
    return (inputs if last is None else predict(keras.Model(model.inputs[0], last), inputs)), names


def never_trained(model: Model) -> str | None:
    """Say why the network cannot have been trained, or None if it may have been.

    With batch-norm: every moving mean is 0, every moving variance 1, every shift 0 and every
    gain the same, as they start; one training step moves them. Without: every bias and shift is
    exactly 0. A network with neither batch-norm nor biases cannot be judged.
    """
    arrays = {variable.path: variable.numpy() for variable in model.weights}
    norms = {path.rpartition("/")[0] for path in arrays if path.endswith("/moving_mean")}
    if norms:
        start = {"moving_mean": 0.0, "moving_variance": 1.0, "beta": 0.0}
        for path, values in arrays.items():
            layer, _, kind = path.rpartition("/")
            if layer not in norms:
                continue
            if kind in start and not np.all(values == start[kind]):
                return None
            if kind == "gamma" and np.ptp(values) != 0:
                return None
        return "every batch-norm statistic is at its starting value"
    shifts = [array for path, array in arrays.items() if path.endswith(("/bias", "/beta"))]
    if shifts and not any(array.any() for array in shifts):
        return "every bias is exactly 0"
    return None


def is_classifier(model: Model) -> bool:
    """Whether the last step turns its values into probabilities of classes."""
    last = model.layers[-1]
    if type(last).__name__ == "Softmax":
        return True
    activation = getattr(getattr(last, "activation", None), "__name__", "")
    return activation in ("softmax", "sigmoid")


def weights_digest(model: Model) -> str:
    """SHA-256 over names, shapes and values of all weights, in the model's order."""
    digest = hashlib.sha256()
    for variable in model.weights:
        array = np.ascontiguousarray(variable.numpy())
        digest.update(f"{variable.name} {array.shape} {array.dtype}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def predict(model: Model, inputs: Vectors) -> Vectors:
    """Return the model's answers to `inputs`, float32, first axis n."""
    try:
        answers = model.predict(inputs, batch_size=16, verbose=0)
    except Exception as error:  # whatever the back end raises for a graph that it cannot run
        raise EnvironmentProblem(f"Keras cannot run the network: {told(error)}") from error
    return np.asarray(answers, dtype=np.float32)


def export(keras: Any, model: Model, side: int, target: Path) -> None:
    """Write the model as ONNX: input (n, side, side, 3) float32, n left open."""
    for layer in model._flatten_layers():  # also those inside other layers, unlike model.layers
        if isinstance(layer, keras.layers.Normalization):
            # As tensors, tf2onnx 1.17 takes them for inputs of the network (seen: EfficientNet).
            layer.mean, layer.variance = np.asarray(layer.mean), np.asarray(layer.variance)
    photos = keras.InputSpec(shape=(None, side, side, 3), dtype="float32", name="photos")
    with _swept():
        model.export(str(target), format="onnx", verbose=False, input_signature=[photos])


@contextlib.contextmanager
def _swept() -> Iterator[None]:
    """Collect garbage all along: tf2onnx copies the whole network for each of its passes.

    The copies are few objects, so Python lets dozens of them pile up: seen 6.6 GB for ResNet50
    (94 MB), 2.6 GB with this, in the same time. Freezing what was there makes a sweep cheap.
    """
    done = threading.Event()

    def sweep() -> None:
        while not done.wait(0.2):
            gc.collect()

    sweeper = threading.Thread(target=sweep, daemon=True)
    gc.collect()
    gc.freeze()
    sweeper.start()
    try:
        yield
    finally:
        done.set()
        sweeper.join()
        gc.unfreeze()
        gc.collect()
