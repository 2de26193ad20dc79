"""Recipes: how a head is trained on what a base model says of a photo."""

from collections.abc import Iterable

from footwork.errors import UsageError, nearest
from footwork.models.contract import Crop
from footwork.project import Config, RecipeSettings
from footwork.records import Record

BUILT_IN = {"probe": RecipeSettings(kind="probe")}


class Recipe(Record):
    """A named recipe. `view` overrides how the base's contract makes a photo square."""

    name: str
    kind: str
    view: Crop | None


def find_recipes(names: Iterable[str], config: Config) -> list[Recipe]:
    """Return the recipes called `names`, built in or of the toml. UsageError for others."""
    known = BUILT_IN | config.recipes
    found = []
    for name in names:
        settings = known.get(name)
        if settings is None:
            raise UsageError(f"There is no recipe {name!r}; {nearest(name, known)}")
        found.append(Recipe(name=name, kind=settings.kind, view=settings.view))
    return found
