"""What a head sees of a photo: one or several base models, each under one or several views."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from footwork.models.bases import Base
from footwork.models.features import FeatureKey, feature_key
from footwork.models.networks import Prepared
from footwork.models.recipes import Recipe
from footwork.models.views import MILD, needs_body
from footwork.records import Position

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Sight:
    """A base and the views that it is shown, one key each.

    joined: the vectors of the views stand side by side; else they are averaged.
    """

    prepared: Prepared
    keys: tuple[FeatureKey, ...]
    joined: bool = False

    @property
    def blocks(self) -> tuple[int, ...]:
        """The sizes of the parts of its vector."""
        return (self.prepared.vector_size,) * (len(self.keys) if self.joined else 1)

    def vectors(self, of_views: Sequence[Vectors]) -> Vectors:
        """Make one (n, d) of an (n, vector_size) per view; NaN rows stay NaN."""
        if self.joined or len(of_views) == 1:
            return np.concatenate(of_views, axis=1)
        total = np.zeros(of_views[0].shape)
        for vectors in of_views:
            total += vectors
        return (total / len(of_views)).astype(np.float32)


def sight(
    prepared: Prepared, recipe: Recipe, position: Position, locator: Prepared | None
) -> Sight:
    """Return how a recipe looks through a base. locator: finds the regions, if it has any."""
    where = "" if locator is None else f"{locator.weights_sha256}/{locator.runtime}"
    keys = tuple(
        feature_key(prepared, view, position, where if needs_body(view) else "")
        for view in views_of(recipe, prepared.base)
    )
    return Sight(prepared, keys, recipe.joined)


def views_of(recipe: Recipe, base: Base) -> tuple[str, ...]:
    """Return the views of `recipe` for `base`, where 'own' is the crop of its contract."""
    own = base.contract.crop
    return tuple(
        own + view.removeprefix("own") if view.startswith("own") else view
        for view in recipe.views or ("own",)
    )


def drawn(sights: Sequence[Sight], number: int) -> tuple[Sight, ...]:
    """Return the same bases looking at one draw of slightly changed photos."""
    view = f"{MILD}{number}"
    return tuple(
        replace(one, keys=tuple(key.model_copy(update={"view": view}) for key in one.keys[:1]))
        for one in sights
    )


def blocks_of(sights: Sequence[Sight]) -> tuple[int, ...]:
    return tuple(size for one in sights for size in one.blocks)
