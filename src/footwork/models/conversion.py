"""Networks made ready for ONNX Runtime: converted once, compared with the original, kept.

TensorFlow is imported only where a network has to be converted now (or run by Keras itself,
because its ONNX form answers differently). Results are kept in a cache folder, by what went
in: network, weights, contract and the versions of the converters.
"""

import contextlib
import hashlib
import json
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, ValidationError

from footwork.errors import DataError, EnvironmentProblem
from footwork.files import PARTIAL, sha256_of, unwritable, write_bytes, write_text, written_aside
from footwork.models import foundation, keras_networks, onnx_files
from footwork.models.contract import InputContract
from footwork.models.foundation import FoundationBase
from footwork.models.keras_bases import KerasBase
from footwork.models.runtimes import MAX_DIFFERENCE, largest_difference
from footwork.records import Record, Verified

Inputs: TypeAlias = NDArray[np.float32]
Sample: TypeAlias = Callable[[], Inputs]

CONVERTERS = ("keras", "tensorflow", "tf2onnx")
LAYOUT_VERSION = 1  # of the cache; raise it when the same inputs give another result


class Converted(Record):
    """A network that can be run, and what is known of it.

    onnx: the file for ONNX Runtime; keras: the file for `KerasNetwork`; one of them is None, as
    `runtime` says. weights_sha256: of the weight or model file ('random': of the weights drawn).
    parity: the largest norm of the difference over the norm of the vector, over the photos it
    was tried on: ONNX Runtime against Keras, or for an ONNX file a whole batch against its
    first photo alone; infinite where the export failed. notes: sentences for the report.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")

    onnx: Path | None
    keras: Path | None
    weights: Verified
    weights_sha256: str
    vector_size: int
    parameters: int
    parity: float
    runtime: Literal["onnxruntime", "keras"]
    megabytes: float
    notes: tuple[str, ...]


class KerasNetwork:
    """A network run by Keras itself, from the file in `Converted.keras`."""

    def __init__(self, path: Path) -> None:
        with keras_networks.loaded_keras(f"Running {path.name}") as keras:
            self.model = keras.models.load_model(str(path), compile=False, safe_mode=True)
        self.one_at_a_time = threading.Lock()  # Keras promises nothing about threads

    def vectors(self, inputs: Inputs) -> Inputs:
        """Turn a batch (n, side, side, 3) float32 under the contract into (n, d) float32."""
        with self.one_at_a_time:
            return keras_networks.predict(self.model, inputs)


def convert_application(
    base: KerasBase, weights: Path | str, sample: Sample, cache: Path, seed: int = 0
) -> Converted:
    """Make a network of keras.applications ready to run, from the cache if it was done before.

    weights: 'imagenet' (downloaded by Keras unless it is here), 'random' (drawn by `seed`) or a
    weight file without the classes (.weights.h5, .h5 or .keras). sample: gives 4 to 16 real
    photos as a batch under the contract; called only if the network is converted now.

    Weights are 'verified' if the file has the hash that Keras pins for this very network, and
    'random' if they were never trained (`keras_networks.never_trained`), whatever was said.
    Raises MissingWeights, MissingExtra, DataError.
    """
    if weights == "imagenet":
        source = f"imagenet {base.weights_hash or base.weights_name}"
    elif weights == "random":
        source = f"random {seed}"
    else:
        source = f"file {sha256_of(_file(base.name, Path(weights), '--weights'))}"
    slot = cache / _key(base.name, base.contract, CONVERTERS, base.builder, source)
    kept = _kept(slot)
    if kept is not None:
        return kept
    file: Path | None = None
    if weights == "imagenet":
        file = keras_networks.published_weights(base)
    elif weights != "random":
        file = Path(weights)
    notes: list[str] = []
    with keras_networks.loaded_keras(f"Converting {base.name}") as keras:
        model = keras_networks.build(keras, base, seed)
        if file is None:
            verified: Verified = "random"
            digest = keras_networks.weights_digest(model)
            notes.append(f"{base.name}: its weights were drawn at random (seed {seed}).")
        else:
            verified = "verified" if base.is_published(file) else "unverified"
            digest = sha256_of(file)
            if weights == "imagenet" and base.weights_hash is None:
                notes.append(f"{base.name}: Keras publishes no hash to check its weights by.")
            keras_networks.fill(keras, model, base, file)
            untrained = keras_networks.never_trained(model)
            if untrained:
                verified = "random"
                notes.append(_untrained_note(base.name, untrained))
        inputs = _checked(base.name, base.contract, sample)
        return _convert(keras, model, base.name, inputs, slot, verified, digest, notes)


def convert_foundation(
    base: FoundationBase, folder: Path | None, sample: Sample, cache: Path
) -> Converted:
    """Make a preset of KerasHub ready to run, from the cache if it was done before.

    folder: the preset's; KerasHub's own, downloaded unless it is here, if None. sample: as for
    `convert_application`. Weights are 'unverified', since nobody publishes their hash. Raises
    MissingWeights, MissingExtra, DataError; EnvironmentProblem where ONNX cannot express it.
    """
    preset = foundation.preset_folder(base, folder)
    digest = sha256_of(preset / foundation.WEIGHTS)
    packages = (*CONVERTERS, "keras-hub")
    slot = cache / _key(base.name, base.contract, packages, "foundation", digest)
    kept = _kept(slot)
    if kept is not None:
        return kept
    notes = [f"{base.name}: {foundation.NO_HASH}."]
    with keras_networks.loaded_keras(f"Converting {base.name}") as keras:
        model = foundation.build(keras, base, preset)
        untrained = keras_networks.never_trained(model)
        if untrained:
            notes = [_untrained_note(base.name, untrained)]
        inputs = _checked(base.name, base.contract, sample)
        verified: Verified = "random" if untrained else "unverified"
        result = _convert(keras, model, base.name, inputs, slot, verified, digest, notes)
    if result.onnx is None:  # as a Keras file it would need KerasHub's code to be opened
        slot.with_suffix(".json").unlink()
        raise EnvironmentProblem(f"{result.notes[-1]} footwork runs it as ONNX only.")
    return result


def convert_file(
    name: str, model: Path, contract: InputContract, sample: Sample, cache: Path
) -> Converted:
    """Make a user's .keras, .h5 or .onnx network ready to run, from the cache if done before.

    The weights are 'unverified', or 'random' where they show that they were never trained.
    sample: as for `convert_application`. Raises DataError with the reason for a network that
    cannot be a base, or whose own first layers scale what the contract has scaled already.
    """
    file = _file(name, model, f"[bases.{name}] model")
    suffix = file.suffix.lower()
    if suffix not in (".keras", ".h5", ".hdf5", ".onnx"):
        raise DataError(
            f"The base {name} is {file.name}; a network is a .keras, .h5 or .onnx file. From "
            "PyTorch export ONNX, from a TensorFlow SavedModel use tf2onnx."
        )
    digest = sha256_of(file)
    if suffix == ".onnx":
        slot = cache / _key(name, contract, ("onnx",), "file", digest)
        return _kept(slot) or _keep_onnx(name, file, contract, sample, slot, digest)
    slot = cache / _key(name, contract, CONVERTERS, "file", digest)
    kept = _kept(slot)
    if kept is not None:
        return kept
    notes: list[str] = []
    with keras_networks.loaded_keras(f"Converting {name}") as keras:
        network = keras_networks.open_model(keras, name, file, contract)
        inputs = _checked(name, contract, sample)
        keras_networks.refuse_double_scaling(keras, name, network, contract, inputs)
        untrained = keras_networks.never_trained(network)
        if untrained:
            notes.append(_untrained_note(name, untrained))
        if keras_networks.is_classifier(network):
            notes.append(f"{name} ends in a classifier: its vector is what that answers.")
        verified: Verified = "random" if untrained else "unverified"
        return _convert(keras, network, name, inputs, slot, verified, digest, notes)


def _convert(
    keras: Any,
    model: keras_networks.Model,
    name: str,
    inputs: Inputs,
    slot: Path,
    weights: Verified,
    digest: str,
    notes: list[str],
) -> Converted:
    """Export to ONNX, hold it against Keras on the photos, keep what passes (else Keras)."""
    vectors = _finite(name, keras_networks.predict(model, inputs))
    onnx, kept = slot.with_suffix(".onnx"), slot.with_suffix(".keras")
    parity, problem = float("inf"), ""
    with _workplace(slot.parent) as folder:
        made = folder / "network.onnx"
        try:
            keras_networks.export(keras, model, inputs.shape[1], made)
            parity = largest_difference(onnx_files.run(made.read_bytes(), inputs), vectors)
        except OSError:
            raise  # the disk, not the network: to be said, not to be kept as a result
        except Exception as error:  # tf2onnx and onnxruntime raise anything; Keras still works
            unknown = re.search(r"No Op registered for (\w+)", str(error))
            reason = f"ONNX has no {unknown[1]}" if unknown else onnx_files.told(error)
            problem = f"{name} could not be converted to ONNX ({reason})"
        else:
            if not parity <= MAX_DIFFERENCE:
                problem = (
                    f"{name} answers differently as ONNX (by {parity:.2g} of a vector's length; "
                    f"{MAX_DIFFERENCE:g} is allowed)"
                )
        if not problem:
            write_bytes(onnx, made.read_bytes())
    if problem:
        notes = [*notes, f"{problem}, so Keras itself runs it, which is slower."]
        with written_aside(kept) as partial:
            model.save(str(partial))
    result = Converted(
        onnx=None if problem else onnx,
        keras=kept if problem else None,
        weights=weights,
        weights_sha256=digest,
        vector_size=vectors.shape[1],
        parameters=int(model.count_params()),
        parity=parity,
        runtime="keras" if problem else "onnxruntime",
        megabytes=round((kept if problem else onnx).stat().st_size / 1e6, 1),
        notes=tuple(notes),
    )
    return _keep(slot, result)


def _keep_onnx(
    name: str,
    file: Path,
    contract: InputContract,
    sample: Sample,
    slot: Path,
    digest: str,
) -> Converted:
    """Check a user's ONNX network and keep it, cut down to one vector, in the cache.

    A copy, so that the features made with it stay true when the user's file changes.
    """
    inputs = _checked(name, contract, sample)
    graph = onnx_files.vector_graph(name, file, contract, inputs)
    _finite(name, graph.vectors)
    alone = onnx_files.run(graph.model, inputs[:1])
    parity = largest_difference(alone, graph.vectors[:1])
    if not parity <= MAX_DIFFERENCE:
        raise DataError(
            f"The base {name} ({file.name}) answers a photo differently alone and among others "
            f"(by {parity:.2g} of a vector's length). Export it in inference mode."
        )
    untrained = (_untrained_note(name, graph.untrained),) if graph.untrained else ()
    onnx = slot.with_suffix(".onnx")
    write_bytes(onnx, graph.model)
    result = Converted(
        onnx=onnx,
        keras=None,
        weights="random" if untrained else "unverified",
        weights_sha256=digest,
        vector_size=graph.vectors.shape[1],
        parameters=graph.parameters,
        parity=parity,
        runtime="onnxruntime",
        megabytes=round(len(graph.model) / 1e6, 1),
        notes=(*untrained, *graph.notes),
    )
    return _keep(slot, result)


def _finite(name: str, vectors: Inputs) -> Inputs:
    if not np.isfinite(vectors).all() or not vectors.any():
        what = "only zeros" if np.isfinite(vectors).all() else "values that are not numbers"
        raise DataError(
            f"The base {name} answers real photos with {what}; its weights or its contract are "
            "wrong."
        )
    return vectors


def _checked(name: str, contract: InputContract, sample: Sample) -> Inputs:
    inputs = sample()
    contract.check(inputs, name)
    return inputs


def _untrained_note(name: str, reason: str) -> str:
    return f"{name}: these weights were never trained: {reason}."


def _file(name: str, file: Path, asked_by: str) -> Path:
    if not file.is_file():
        raise DataError(f"{asked_by} for the base {name}: there is no file {file}.")
    return file


@contextlib.contextmanager
def _workplace(cache: Path) -> Iterator[Path]:
    """Yield an empty folder inside the cache that is gone afterwards."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=cache) as folder:
            yield Path(folder)
    except OSError as error:
        raise unwritable(cache, error) from error


def _key(
    name: str, contract: InputContract, packages: tuple[str, ...], kind: str, source: str
) -> str:
    """Name in the cache: readable, and different for anything that could change the result."""
    facts = [LAYOUT_VERSION, kind, source, contract.model_dump(mode="json")]
    facts += [f"{package} {_version(package)}" for package in packages]
    digest = hashlib.sha256(json.dumps([name, *facts], sort_keys=True).encode()).hexdigest()
    return f"{re.sub('[^A-Za-z0-9_-]', '_', name)[:60]}-{digest[:20]}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _kept(slot: Path) -> Converted | None:
    """Return an earlier result whose files are all there, or None."""
    try:
        result = Converted.model_validate_json(slot.with_suffix(".json").read_bytes())
    except (OSError, ValidationError):
        return None
    moved = {
        field: slot.parent / path.name
        for field, path in (("onnx", result.onnx), ("keras", result.keras))
        if path is not None
    }
    if not moved or not all(path.is_file() for path in moved.values()):
        return None
    return result.model_copy(update=moved)


def _keep(slot: Path, result: Converted) -> Converted:
    """Write the facts last, so that they never speak of a network that is not there."""
    write_text(slot.with_suffix(".json"), result.model_dump_json(indent=1))
    return result
