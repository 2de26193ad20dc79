"""Base models as Keras networks that can be trained through, on any of Keras's back ends."""

import contextlib
import importlib
import importlib.util
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from footwork.errors import DataError, EnvironmentProblem, MissingExtra
from footwork.files import sha256_of
from footwork.models import keras_networks
from footwork.models.bases import IMAGENET, RANDOM, Base
from footwork.models.contract import InputContract
from footwork.models.lite import LITE
from footwork.models.lite_keras import build_lite
from footwork.records import Verified

BACKENDS = ("tensorflow", "jax", "torch")  # those that can train


@dataclass(frozen=True)
class Trainable:
    """A network of Keras that gives (n, d) vectors, and what is known of its weights.

    contract: channels last, with the side that the network was built for.
    """

    model: Any
    contract: InputContract
    weights: Verified
    weights_sha256: str
    megabytes: float
    notes: tuple[str, ...]

    @property
    def vector_size(self) -> int:
        return int(self.model.outputs[0].shape[-1])


@contextlib.contextmanager
def training_keras(needed_for: str) -> Iterator[Any]:
    """Yield the module keras with the back end that KERAS_BACKEND names (TensorFlow by default).

    Raises MissingExtra without Keras, EnvironmentProblem for a back end that is not installed
    or cannot train.
    """
    if importlib.util.find_spec("keras") is None:
        raise MissingExtra("keras", needed_for)
    asked = os.environ.get("KERAS_BACKEND") or "tensorflow"
    check_backend(asked)
    if asked == "tensorflow" and importlib.util.find_spec("tf2onnx") is not None:
        with keras_networks.loaded_keras(needed_for) as keras:
            yield keras
        return
    os.environ["KERAS_BACKEND"] = asked
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = importlib.import_module("keras")
    if loaded.config.backend() != asked:
        raise EnvironmentProblem(
            f"KERAS_BACKEND asks for {asked}, but Keras was already loaded with "
            f"{loaded.config.backend()}; start footwork anew."
        )
    layout = loaded.config.image_data_format()
    loaded.config.set_image_data_format("channels_last")
    try:
        yield loaded
    finally:
        loaded.config.set_image_data_format(layout)


def check_backend(name: str) -> None:
    """Raise EnvironmentProblem, with the way out, for a back end that cannot be trained on."""
    if name not in BACKENDS:
        raise EnvironmentProblem(
            f"KERAS_BACKEND is {name!r}, which cannot train; use one of {', '.join(BACKENDS)}."
        )
    if importlib.util.find_spec(name) is None:
        raise EnvironmentProblem(
            f"KERAS_BACKEND is {name!r}, which is not installed: pip install {name}, or unset "
            "KERAS_BACKEND to use TensorFlow."
        )


def why_not(base: Base) -> str | None:
    """Say why a base cannot be trained through, None if it can."""
    if base.kind in ("lite", "keras"):
        return None
    if base.kind != "file":
        return (
            f"{base.name} is no network that can be trained further here; use an "
            "EfficientNet-Lite, a base of keras.applications, or a .keras file."
        )
    if base.weights.lower().endswith(".onnx"):
        return (
            f"The base {base.name} is an ONNX file ({Path(base.weights).name}), which Keras cannot "
            "train through. Save the network as .keras, or use a recipe on its features: probe."
        )
    return None


def trainable(keras: Any, base: Base, side: int | None, seed: int = 0) -> Trainable:
    """Build `base` in Keras for pictures of `side` (its own if None) and fill in its weights.

    A network of the user's keeps the side of its contract. Raises DataError for a base that
    Keras cannot train through, and what finding the weights raises.
    """
    if (reason := why_not(base)) is not None:
        raise DataError(reason)
    contract = base.contract.model_copy(update={"layout": "nhwc"})
    if base.kind == "file":
        return of_file(keras, base)
    if side is not None:
        contract = contract.model_copy(update={"side": side})
    if base.kind == "lite":
        facts = LITE[base.name]
        model = build_lite(keras, base.name, contract.side)
        return Trainable(model, contract, "verified", facts.sha256, facts.megabytes, ())
    known = replace(base.keras, contract=contract)
    model = keras_networks.build(keras, known, seed)
    megabytes = 4 * known.parameters / 1e6
    if base.weights == RANDOM:
        digest = keras_networks.weights_digest(model)
        note = f"{base.name}: its weights were drawn at random (seed {seed})."
        return Trainable(model, contract, "random", digest, megabytes, (note,))
    published = base.weights == IMAGENET
    file = keras_networks.published_weights(base.keras) if published else Path(base.weights)
    keras_networks.fill(keras, model, base.keras, file)
    untrained = keras_networks.never_trained(model)
    verified: Verified = "verified" if base.keras.is_published(file) else "unverified"
    notes = () if untrained is None else (f"{base.name}: {untrained}: it was never trained.",)
    return Trainable(
        model, contract, "random" if untrained else verified, sha256_of(file), megabytes, notes
    )


def of_file(keras: Any, base: Base) -> Trainable:
    file = Path(base.weights)
    model = keras_networks.open_model(keras, base.name, file, base.contract)
    untrained = keras_networks.never_trained(model)
    notes = () if untrained is None else (f"{base.name}: {untrained}: it was never trained.",)
    verified: Verified = "random" if untrained else "unverified"
    megabytes = file.stat().st_size / 1e6
    return Trainable(model, base.contract, verified, sha256_of(file), megabytes, notes)
