"""A base model made ready to run: its weights found and judged, its runtime chosen.

ONNX Runtime by default; Keras itself where the converted network would answer differently.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from footwork.errors import EnvironmentProblem
from footwork.machine import cores
from footwork.models.bases import IMAGENET, RANDOM, Base
from footwork.models.lite import LITE, build_onnx
from footwork.records import Verified

Inputs = NDArray[np.float32]
Sample = Callable[[], Inputs]


class Network(Protocol):
    def vectors(self, inputs: Inputs) -> NDArray[np.float32]:
        """Turn a batch under the base's contract into (n, d) vectors."""
        ...


@dataclass(frozen=True)
class Prepared:
    """What is known of a base once its weights were found; `open` loads it for running."""

    base: Base
    weights: Verified
    weights_sha256: str
    vector_size: int
    megabytes: float
    runtime: str
    notes: tuple[str, ...]
    open: Callable[[], Network]
    precision: str = "float32"


class OnnxNetwork:
    """A network run by ONNX Runtime on the CPU. model: serialised bytes, or a file."""

    def __init__(self, model: bytes | Path, threads: int | None = None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or cores()
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(
                model if isinstance(model, bytes) else str(model),
                options,
                providers=["CPUExecutionProvider"],
            )
        except Exception as error:  # onnxruntime raises a dozen kinds, none of them public
            raise EnvironmentProblem(f"ONNX Runtime cannot load the network: {error}") from error
        self.input = self.session.get_inputs()[0].name
        self.output = self.session.get_outputs()[0].name

    def vectors(self, inputs: Inputs) -> NDArray[np.float32]:
        (answer,) = self.session.run([self.output], {self.input: inputs})
        return np.asarray(answer, dtype=np.float32)


def network_cache() -> Path:
    """Where converted networks are kept, for all projects of this user."""
    import platformdirs

    chosen = os.environ.get("FOOTWORK_CACHE")
    return (Path(chosen) if chosen else platformdirs.user_cache_path("footwork")) / "networks"


def prepare(base: Base, sample: Sample) -> Prepared:
    """Find the weights of `base`, convert the network if that was never done, judge both.

    sample: gives a few real photos as a batch under the base's contract; called only if the
    network has to be converted now, to compare the converted network with the original.
    Raises MissingWeights, MissingExtra, DataError.
    """
    if base.kind == "lite":
        facts = LITE[base.name]
        return Prepared(
            base=base,
            weights="verified",
            weights_sha256=facts.sha256,
            vector_size=1280,
            megabytes=facts.megabytes,
            runtime=runtime_name(),
            notes=(),
            open=lambda: OnnxNetwork(build_onnx(base.name)),
        )
    from footwork.models import conversion

    if base.kind == "file":
        converted = conversion.convert_file(
            base.name, Path(base.weights), base.contract, sample, network_cache()
        )
    else:
        weights = base.weights if base.weights in (IMAGENET, RANDOM) else Path(base.weights)
        converted = conversion.convert_application(base.keras, weights, sample, network_cache())
    onnx, keras = converted.onnx, converted.keras

    def load() -> Network:
        if onnx is not None:
            return OnnxNetwork(onnx)
        assert keras is not None  # noqa: S101  conversion gives one or the other
        return conversion.KerasNetwork(keras)

    return Prepared(
        base=base,
        weights=converted.weights,
        weights_sha256=converted.weights_sha256,
        vector_size=converted.vector_size,
        megabytes=converted.megabytes,
        runtime=runtime_name() if onnx is not None else "keras",
        notes=converted.notes,
        open=load,
    )


def runtime_name() -> str:
    from importlib.metadata import version

    return f"onnxruntime-{version('onnxruntime')}"
