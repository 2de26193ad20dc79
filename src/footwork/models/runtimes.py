"""What runs an ONNX network on the CPU, and which of them is quicker here.

ONNX Runtime always; OpenVINO where it is installed (footwork[openvino]), agrees on real photos
and was quicker in a short timed trial. The outcome is kept, so that a later run asks neither.
"""

import hashlib
import threading
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from footwork.errors import EnvironmentProblem, MissingExtra
from footwork.files import write_text
from footwork.machine import cores, describe_machine
from footwork.records import Record

Inputs = NDArray[np.float32]
Runtime = Literal["onnxruntime", "openvino"]

MAX_DIFFERENCE = 1e-3  # norm of the difference over norm of the vector, on every photo
TRIALS = 5  # timed batches per runtime, in turn, after one that is not counted
WORTH = 1.1  # how much quicker OpenVINO must be to be chosen


class Network(Protocol):
    """A loaded network. May be called from many threads at once."""

    def vectors(self, inputs: Inputs) -> NDArray[np.float32]:
        """Turn a batch under the base's contract into (n, d) vectors."""
        ...


class OnnxNetwork:
    """A network run by ONNX Runtime on the CPU. model: serialised bytes, or a file.

    threads: how many one call may use.
    """

    def __init__(self, model: bytes | Path, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
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


class OpenVinoNetwork:
    """A network run by OpenVINO. model, threads: as for `OnnxNetwork`.

    precision: 'f32', or 'bf16' on a processor that has it (`has_bfloat16`).
    """

    def __init__(
        self, model: bytes | Path, threads: int = 1, precision: Literal["f32", "bf16"] = "f32"
    ) -> None:
        core = openvino_core()
        read = core.read_model(model if isinstance(model, bytes) else str(model))
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": cores(),
            "NUM_STREAMS": max(1, cores() // threads),
        }
        self.network = core.compile_model(read, "CPU", settings)
        self.own = threading.local()  # a request serves one thread at a time

    def vectors(self, inputs: Inputs) -> NDArray[np.float32]:
        if not hasattr(self.own, "request"):
            self.own.request = self.network.create_infer_request()
        answer = self.own.request.infer({self.network.inputs[0]: inputs})
        return np.array(answer[self.network.outputs[0]], dtype=np.float32)


def openvino_core() -> Any:
    try:
        import openvino
    except ImportError:
        raise MissingExtra("openvino", "The runtime OpenVINO") from None
    return openvino.Core()


def has_bfloat16() -> bool:
    """Whether this processor computes in bfloat16. Raises MissingExtra without OpenVINO."""
    return "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class Trial(Record):
    """What a timed trial found: photos per second of each, and the largest difference."""

    chosen: Runtime
    onnxruntime_per_s: float
    openvino_per_s: float
    difference: float


def runtime_name(runtime: Runtime | Literal["keras"]) -> str:
    """Return a runtime's name with its version, as it enters the key of cached features."""
    return f"{runtime}-{version(runtime)}"


def opened(runtime: Runtime, model: bytes | Path, threads: int) -> Network:
    made: type[OnnxNetwork | OpenVinoNetwork]
    made = OpenVinoNetwork if runtime == "openvino" else OnnxNetwork
    return made(model, threads)


def chosen_runtime(
    weights_sha256: str,
    model: Callable[[], bytes | Path],
    sample: Callable[[], Inputs],
    cache: Path,
) -> Runtime:
    """Return the quicker runtime for a network on this machine, from the cache if known.

    model, sample: give the network and a few real photos; called only if a trial is held.
    """
    try:
        versions = [version("onnxruntime"), version("openvino")]
    except PackageNotFoundError:
        return "onnxruntime"
    machine = describe_machine()
    what = "|".join([weights_sha256, *versions, machine.cpu, str(machine.cores)])
    kept = cache / "trials" / f"{hashlib.sha256(what.encode()).hexdigest()[:20]}.json"
    try:
        return Trial.model_validate_json(kept.read_bytes()).chosen
    except (OSError, ValueError):
        trial = timed_trial(model(), sample())
        write_text(kept, trial.model_dump_json(indent=1))
        return trial.chosen


def timed_trial(model: bytes | Path, inputs: Inputs) -> Trial:
    """Run both on the same real photos, in turn, and compare their answers and their speed."""
    ours = OnnxNetwork(model)
    try:
        theirs = OpenVinoNetwork(model)
        apart = largest_difference(theirs.vectors(inputs), ours.vectors(inputs))
        spent: list[list[float]] = [[], []]
        for _ in range(TRIALS):
            networks: tuple[Network, Network] = (ours, theirs)
            for times, network in zip(spent, networks, strict=True):
                started = time.perf_counter()
                network.vectors(inputs)
                times.append(time.perf_counter() - started)
    except RuntimeError:  # a network that OpenVINO cannot run
        return Trial(
            chosen="onnxruntime", onnxruntime_per_s=0, openvino_per_s=0, difference=float("inf")
        )
    rates = [len(inputs) / median(times) for times in spent]
    quicker = rates[1] > WORTH * rates[0] and apart <= MAX_DIFFERENCE
    return Trial(
        chosen="openvino" if quicker else "onnxruntime",
        onnxruntime_per_s=rates[0],
        openvino_per_s=rates[1],
        difference=apart,
    )


def largest_difference(vectors: Inputs, reference: Inputs) -> float:
    """Return the largest norm of the difference over the norm of the vector, over the photos.

    Both (n, d). 0 means equal; infinite where one is not finite or the shapes differ.
    """
    if vectors.shape != reference.shape or not np.isfinite(vectors).all():
        return float("inf")
    exact = reference.astype(np.float64)
    apart = np.linalg.norm(vectors.astype(np.float64) - exact, axis=1)
    lengths = np.linalg.norm(exact, axis=1)
    return float((apart / np.maximum(lengths, np.finfo(np.float32).tiny)).max())
