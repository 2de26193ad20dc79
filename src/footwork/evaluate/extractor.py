"""What the entries of a comparison see: bases made ready once, features with what they cost."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from footwork.catalog import Catalog
from footwork.errors import DataError
from footwork.evaluate.dataset import DataSet
from footwork.evaluate.precision import gated
from footwork.images import Unreadable
from footwork.models.bases import Base
from footwork.models.contract import InputContract
from footwork.models.features import (
    FeatureKey,
    Features,
    Locate,
    feature_key,
    features,
    nowhere,
)
from footwork.models.networks import Prepared, prepare
from footwork.models.pose import unpacked
from footwork.models.sights import Sight, drawn
from footwork.models.views import Landmarks, needs_body, region_box, square
from footwork.progress import Progress
from footwork.project import CompareSettings

SAMPLE = 8  # real photos on which a converted network is compared with the original


@dataclass
class Extractor:
    """Features for a whole comparison, with what they cost: everything decoded counts once here.

    decoded: photos decoded and put through a network; seconds: spent, the cache included.
    locator: the base `pose`, where a view is a part of the climber; it is asked once per photo.
    """

    catalog: Catalog
    cache: Path
    progress: Progress
    locator: Prepared | None = None
    decoded: int = 0
    seconds: float = 0.0
    bodies: dict[str, Landmarks | None] = field(default_factory=dict)
    known: dict[str, Prepared] = field(default_factory=dict)

    def ready(self, base: Base, data: DataSet, settings: CompareSettings) -> Prepared:
        """Return a base ready to run, made so once; in bfloat16 where asked for and allowed."""
        if base.name not in self.known:
            prepared = prepare(base, partial(sample_inputs, base.contract, data, self.catalog))
            if settings.precision == "bfloat16":
                in_right = partial(self.right, view=None)
                prepared = gated(prepared, data, in_right, settings.seed)
            self.known[base.name] = prepared
        return self.known[base.name]

    def features(self, prepared: Prepared, key: FeatureKey, data: DataSet) -> Features:
        locate = self.located(key.view, data) if needs_body(key.view) else nowhere
        started = time.perf_counter()
        own = key.view == prepared.base.contract.crop
        view = "" if own else f" {key.view}"
        broken = "" if key.position == "right" else f" [{key.position}]"
        precise = "" if key.precision == "float32" else f" in {key.precision}"
        title = f"features {prepared.base.name}{view}{broken}{precise}"
        images = data.photos.image
        with self.progress.task(title, len(images)) as advance:
            seen = features(images, prepared, key, self.catalog.read, self.cache, advance, locate)
        self.decoded += seen.computed
        self.seconds += time.perf_counter() - started
        return seen

    def seen(self, sights: Sequence[Sight], data: DataSet, bank: int = 0) -> Features:
        """Return what several sights make of the photos, side by side.

        A photo that fails in one fails; times add up. bank: how many slightly changed draws of
        every photo come with it.
        """
        whole = self.side_by_side(sights, data)
        if not bank:
            return whole
        draws = [self.side_by_side(drawn(sights, i + 1), data) for i in range(bank)]
        return replace(
            whole,
            computed=whole.computed + sum(draw.computed for draw in draws),
            bank=np.stack([draw.vectors for draw in draws]),
        )

    def side_by_side(self, sights: Sequence[Sight], data: DataSet) -> Features:
        of_views = [[self.features(s.prepared, key, data) for key in s.keys] for s in sights]
        parts = [part for views in of_views for part in views]
        vectors = [
            one.vectors([view.vectors for view in views])
            for one, views in zip(sights, of_views, strict=True)
        ]
        failed: dict[int, str] = {}
        for part in reversed(parts):
            failed |= part.failed
        return Features(
            np.concatenate(vectors, axis=1),
            dict(sorted(failed.items())),
            sum(part.milliseconds for part in parts),
            sum(part.computed for part in parts),
        )

    def found(self, data: DataSet) -> dict[str, Landmarks]:
        """Return the climbers' landmarks, if any view or base needed them."""
        if self.locator is not None:
            self.located("body", data)
        return {image: marks for image, marks in self.bodies.items() if marks is not None}

    def located(self, view: str, data: DataSet) -> Locate:
        """Return where `view` lies in each photo, by its SHA-256."""
        missing = [image for image in data.photos.image if image not in self.bodies]
        if missing and self.locator is not None:
            pose = replace(self.locator, finish=None)  # the landmarks themselves
            key = feature_key(pose, None, "right")
            said = self.features(pose, key, data)
            for i, image in enumerate(data.photos.image):
                self.bodies[image] = None if i in said.failed else unpacked(said.vectors[i])
        return lambda image: region_box(self.bodies.get(image), view)

    def right(self, prepared: Prepared, data: DataSet, view: str | None) -> Features:
        return self.features(prepared, feature_key(prepared, view, "right"), data)


def sample_inputs(contract: InputContract, data: DataSet, catalog: Catalog) -> NDArray[np.float32]:
    """Return up to SAMPLE readable photos as one batch under `contract`."""
    seen = []
    for image in data.photos.image:
        try:
            seen.append(square(catalog.read(image), contract, contract.crop))
        except Unreadable:
            continue
        if len(seen) == SAMPLE:
            break
    if not seen:
        raise DataError("None of the labelled photos can be read any more; import them again.")
    return contract.apply(np.stack(seen))
