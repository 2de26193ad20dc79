"""Foundation models as bases: DINOv2 through KerasHub, which the user's machine downloads.

Self-supervised on 142 million photos without labels (Oquab et al. 2023, arXiv:2304.07193), so
that no class of the user's was among what they learnt. A table of facts, then the preset's
folder made into a network; of the folder only JSON and arrays are read, never code.
"""

import importlib
import importlib.util
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from footwork.errors import DataError, MissingExtra, MissingWeights
from footwork.models.contract import InputContract
from footwork.models.keras_bases import TORCH_MEAN, TORCH_STD

PACKAGE = "keras_hub"
CONFIG, WEIGHTS, CONVERTER = "config.json", "model.weights.h5", "image_converter.json"
BACKBONE = "DINOV2Backbone"
MAX_JSON = 1_000_000  # bytes
APACHE_META = "Apache-2.0 (Meta)"
NO_HASH = "KerasHub publishes no hash to check its weights by"


@dataclass(frozen=True)
class FoundationBase:
    """One preset of KerasHub.

    handle: owner/model/framework/variation/version on Kaggle. vector_size: of the class token.
    """

    name: str
    handle: str
    contract: InputContract
    parameters: int
    vector_size: int
    licence: str

    @property
    def megabytes(self) -> float:
        """Size of the weights in 10^6 bytes, at 4 bytes each."""
        return round(self.parameters * 4 / 1e6, 1)

    @property
    def page(self) -> str:
        """Where a person can download the preset by hand."""
        return f"https://www.kaggle.com/models/{self.handle}"

    def downloaded(self) -> Path | None:
        """Return the folder that kagglehub downloaded before, if it is whole; else None."""
        chosen = os.environ.get("KAGGLEHUB_CACHE")
        cache = Path(chosen) if chosen else Path.home() / ".cache" / "kagglehub"
        folder = cache / "models" / self.handle
        return folder if all((folder / name).is_file() for name in (CONFIG, WEIGHTS)) else None


# What Meta's own evaluation feeds (dinov2/data/transforms.py): 256 pixels bicubic, 224 cut out.
SEEN = InputContract(side=224, scale=255.0, mean=TORCH_MEAN, std=TORCH_STD, resize="bicubic")
FOUNDATION: dict[str, FoundationBase] = {
    name: FoundationBase(
        name=name,
        handle=f"keras/dinov2/keras/{name}/1",
        contract=SEEN,
        parameters=parameters,
        vector_size=size,
        licence=APACHE_META,
    )
    for name, parameters, size in (
        ("dinov2_small", 22_582_656, 384),
        ("dinov2_base", 87_632_640, 768),
    )
}


def preset_folder(base: FoundationBase, chosen: Path | None) -> Path:
    """Return the folder of a preset: the user's, or KerasHub's own, downloaded if it never was.

    Raises MissingExtra, MissingWeights with the ways out, DataError for another folder.
    """
    if importlib.util.find_spec(PACKAGE) is None:
        raise MissingExtra("foundation", base.name)
    if chosen is not None:
        lost = [name for name in (CONFIG, WEIGHTS) if not (chosen / name).is_file()]
        if lost:
            raise DataError(
                f"{chosen} is not a KerasHub preset of {base.name}: it has no {lost[0]}. Take the "
                f"whole folder from {base.page}"
            )
        return chosen
    here = base.downloaded()
    if here is not None:
        return here
    try:
        return Path(importlib.import_module("kagglehub").model_download(base.handle))
    except Exception as error:  # requests, urllib3 and kagglehub each raise their own kinds
        raise MissingWeights(
            f"The weights of {base.name} are not here, and their download from Kaggle "
            f"({base.handle}, about {base.megabytes:.0f} MB) failed ({type(error).__name__}). "
            "Ways out:\n"
            "  1. Connect this machine once and run again: kagglehub keeps them.\n"
            f"  2. Bring the preset's folder: --weights {base.name}=FOLDER, or "
            f'[bases.{base.name}] weights = "FOLDER" in footwork.toml (from {base.page}).\n'
            "  3. Use a base that needs no network: efficientnet_lite0."
        ) from error


def build(keras: Any, base: FoundationBase, folder: Path) -> Any:
    """Return a keras.Model from (n, side, side, 3) under the contract to the class token, (n, d).

    Raises DataError for a folder that holds another network, or one that wants other inputs
    than the contract gives.
    """
    check_contract(base, folder)
    config = read_json(folder / CONFIG)
    said = config.get("config")
    if config.get("class_name") != BACKBONE or not isinstance(said, dict):
        raise DataError(f"{folder / CONFIG} does not describe a {BACKBONE}, which {base.name} is.")
    sizes = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in said.items()
        if isinstance(value, bool | int | float | list) and key != "trainable"
    }
    if sizes.get("hidden_dim") != base.vector_size:
        raise DataError(
            f"{folder} holds a network of {sizes.get('hidden_dim')} numbers per photo; "
            f"{base.name} gives {base.vector_size}."
        )
    side = base.contract.side
    hub = importlib.import_module(PACKAGE)
    try:
        backbone = hub.models.DINOV2Backbone(**sizes | {"image_shape": (side, side, 3)})
        backbone.load_weights(str(folder / WEIGHTS))
    except Exception as error:  # ValueError, KeyError, TypeError, OSError, ... by its content
        first = str(error).strip().splitlines()
        raise DataError(
            f"{folder} does not hold the weights of {base.name}: {first[0] if first else error}"
        ) from error
    gelu_by_erf(keras, backbone)
    photos = keras.Input((side, side, 3))
    return keras.Model(photos, backbone({"images": photos})[:, 0], name=base.name)


def gelu_by_erf(keras: Any, model: Any) -> None:
    """Write the layers' GELU with erf: tf2onnx has no answer to TensorFlow's erfc.

    The same function: 1 + erf(x) = erfc(-x).
    """

    def gelu(x: Any) -> Any:
        return 0.5 * x * (1 + keras.ops.erf(x * np.float32(np.sqrt(0.5))))

    for layer in model._flatten_layers():
        if getattr(layer, "activation", None) is keras.activations.gelu:
            layer.activation = gelu


def check_contract(base: FoundationBase, folder: Path) -> None:
    """Raise DataError if the preset's own preprocessing feeds other values than the contract."""
    if not (folder / CONVERTER).is_file():
        raise DataError(
            f"{folder} has no {CONVERTER}, which says what the network of {base.name} is fed. Take "
            f"the whole folder from {base.page}"
        )
    theirs = contract_of(read_json(folder / CONVERTER), base.contract, folder)
    greys = np.arange(256, dtype=np.float32)[:, None, None, None] * np.ones(3, np.float32)
    apart = float(np.abs(theirs.apply(greys) - base.contract.apply(greys)).max())
    if not apart <= 1e-3:
        raise DataError(
            f"The preset in {folder} wants {theirs.describe()} with mean {theirs.mean} and std "
            f"{theirs.std}; the contract of {base.name} is {base.contract.describe()}, which "
            f"differs by up to {apart:.3g}. It is not the preset that footwork knows."
        )


def contract_of(
    converter: Mapping[str, object], like: InputContract, folder: Path
) -> InputContract:
    """Return the contract that a preset's image_converter.json states: x * scale + offset.

    How photos become squares is not the converter's but ours, as in `like`.
    """
    said = converter.get("config")
    try:
        if not isinstance(said, dict):
            raise ValueError("it has no config")
        scale = np.broadcast_to(np.array(said.get("scale", 1.0) or 1.0, dtype=float), 3)
        offset = np.broadcast_to(np.array(said.get("offset", 0.0) or 0.0, dtype=float), 3)
        whole = like.model_dump() | {
            "channels": "rgb",
            "scale": 1.0,
            "mean": tuple((-offset / scale).tolist()),
            "std": tuple((1 / scale).tolist()),
        }
        return InputContract.model_validate(whole)
    except (TypeError, ValueError, ValidationError, ZeroDivisionError) as error:
        raise DataError(f"{folder / CONVERTER} cannot be understood: {error}") from error


def read_json(file: Path) -> dict[str, object]:
    try:
        if file.stat().st_size > MAX_JSON:
            raise ValueError("it is too large")
        found = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise DataError(f"{file} cannot be read: it holds no object.")
    return found
