"""A base model made ready to run: its weights found and judged, its runtime chosen.

ONNX Runtime or OpenVINO; Keras itself where the converted network would answer differently.
"""

import importlib.util
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from footwork.errors import EnvironmentProblem, MissingExtra
from footwork.models.bases import HUB, IMAGENET, RANDOM, Base
from footwork.models.lite import LITE, build_onnx
from footwork.models.pose import ANSWER, pose_vectors
from footwork.models.runtimes import (
    Network,
    OnnxNetwork,
    OpenVinoNetwork,
    chosen_runtime,
    has_bfloat16,
    opened,
    runtime_name,
)
from footwork.records import Verified

if TYPE_CHECKING:
    from footwork.models.conversion import Converted

Sample = Callable[[], NDArray[np.float32]]
Form = Literal["onnx", "keras", "task"]


@dataclass(frozen=True)
class Prepared:
    """What is known of a base once its weights were found; `open` loads it for running.

    form, model: the network as it can be kept in a file: an ONNX network, a Keras one where the
    converted one would answer differently, or MediaPipe's bundle; bytes, or where they lie.
    answer_size, finish: where the network's own answer, (answer_size,) per photo, is not the vector
    yet but what the cache keeps, `finish` turns (n, answer_size) into (n, vector_size); no file is
    read again when that function changes. numbers: that function's name and version.
    remarks: what the vectors of all readable photos, (n, d), say about this base's use here.
    """

    base: Base
    weights: Verified
    weights_sha256: str
    vector_size: int
    megabytes: float
    runtime: str
    notes: tuple[str, ...]
    open: Callable[[int], Network]  # threads that one call may use
    form: Form
    model: Callable[[], bytes | Path]
    precision: str = "float32"
    answer_size: int | None = None
    finish: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None
    numbers: str = ""
    remarks: Callable[[NDArray[np.float32]], tuple[str, ...]] = lambda _vectors: ()

    @property
    def said_size(self) -> int:
        return self.answer_size or self.vector_size

    def vectors(self, said: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn what the network said, (n, said_size), into vectors, (n, vector_size)."""
        return self.finish(said) if self.finish is not None else said


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
        build = partial(build_onnx, base.name)
        runtime = chosen_runtime(facts.sha256, build, sample, network_cache())
        return Prepared(
            base=base,
            weights="verified",
            weights_sha256=facts.sha256,
            vector_size=1280,
            megabytes=facts.megabytes,
            runtime=runtime_name(runtime),
            notes=(),
            open=lambda threads: opened(runtime, build(), threads),
            form="onnx",
            model=build,
        )
    if base.kind == "pose":
        from footwork.models.pose_network import prepare_pose

        return prepare_pose(base)
    from footwork.models import conversion

    if base.kind == "foundation":
        folder = None if base.weights == HUB else Path(base.weights)
        converted = conversion.convert_foundation(base.foundation, folder, sample, network_cache())
    elif base.kind == "file":
        converted = conversion.convert_file(
            base.name, Path(base.weights), base.contract, sample, network_cache()
        )
    else:
        weights = base.weights if base.weights in (IMAGENET, RANDOM) else Path(base.weights)
        converted = conversion.convert_application(base.keras, weights, sample, network_cache())
    name, load = runner(converted, sample)
    file = converted.onnx or converted.keras
    if file is None:
        raise EnvironmentProblem("The cache of converted networks is damaged; delete it.")
    return Prepared(
        base=base,
        weights=converted.weights,
        weights_sha256=converted.weights_sha256,
        vector_size=converted.vector_size,
        megabytes=converted.megabytes,
        runtime=name,
        notes=converted.notes,
        open=load,
        form="keras" if converted.onnx is None else "onnx",
        model=lambda: file,
    )


def in_bfloat16(prepared: Prepared) -> Prepared:
    """Return the same base run by OpenVINO in bfloat16, twice as fast where the processor can.

    Raises MissingExtra without OpenVINO, EnvironmentProblem for another kind of processor or a
    base without an ONNX form. Whether the scores stay is for the caller to see.
    """
    if prepared.form != "onnx":
        raise EnvironmentProblem(f"{prepared.base.name} has no ONNX form to run in bfloat16.")
    if not has_bfloat16():
        raise EnvironmentProblem("This processor has no bfloat16; float32 is as fast.")
    return replace(
        prepared,
        runtime=runtime_name("openvino"),
        precision="bfloat16",
        open=lambda threads: OpenVinoNetwork(prepared.model(), threads, precision="bf16"),
    )


def runner(converted: "Converted", sample: Sample) -> tuple[str, Callable[[int], Network]]:
    """Return the name of what runs a converted network, and how to load it."""
    onnx, keras = converted.onnx, converted.keras
    if onnx is not None:
        runtime = chosen_runtime(converted.weights_sha256, lambda: onnx, sample, network_cache())
        return runtime_name(runtime), lambda threads: opened(runtime, onnx, threads)
    if keras is None:
        raise EnvironmentProblem("The cache of converted networks is damaged; delete it.")
    from footwork.models.conversion import KerasNetwork

    return runtime_name("keras"), lambda _threads: KerasNetwork(keras)


def reopened(
    base: Base,
    form: Form,
    file: Path,
    *,
    weights: Verified,
    weights_sha256: str,
    vector_size: int,
    runtime: str,
    precision: str,
) -> Prepared:
    """Return a base whose network was kept in a file of its `form`, as `Prepared` gave it.

    runtime, precision: what ran it then. ONNX Runtime stands in for an OpenVINO that is not here:
    the two were compared when it was chosen. Raises MissingExtra for other missing parts,
    DataError for a file that is not such a network.
    """

    def load(threads: int) -> Network:
        if form == "keras":
            from footwork.models.conversion import KerasNetwork

            return KerasNetwork(file)
        if form == "task":
            from footwork.models.pose_network import PoseNetwork

            return PoseNetwork(file)
        from footwork.models.onnx_files import one_file

        model = one_file(base.name, file)
        if runtime.startswith("openvino-") and importlib.util.find_spec("openvino") is not None:
            fast = precision == "bfloat16" and has_bfloat16()
            return OpenVinoNetwork(model, threads, precision="bf16" if fast else "f32")
        return OnnxNetwork(model, threads)

    opening, loaded = threading.Lock(), cache(load)

    def once(threads: int) -> Network:
        """Load once, also when several threads ask at the same time."""
        with opening:
            return loaded(threads)

    needs = {"keras": ("keras", "keras"), "task": ("pose", "mediapipe")}
    if form in needs:
        extra, package = needs[form]
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(extra, f"A classifier on the base {base.name}")
    return Prepared(
        base=base,
        weights=weights,
        weights_sha256=weights_sha256,
        vector_size=vector_size,
        megabytes=file.stat().st_size / 1e6,
        runtime=runtime,
        notes=(),
        open=once,
        form=form,
        model=lambda: file,
        precision=precision,
        answer_size=ANSWER if form == "task" else None,
        finish=pose_vectors if form == "task" else None,
    )
