"""Recipes: how a head is trained on what base models say of a photo."""

from collections.abc import Iterable

from footwork.errors import UsageError, nearest
from footwork.models.finetune import FinetuneSettings
from footwork.models.seed import SeedSettings
from footwork.models.views import CORNERS, View, needs_body
from footwork.project import Config, RecipeSettings
from footwork.records import Record

SECOND_LOOK = ("body",)  # of the base pose: at the climber whom it has found, enlarged
BUILT_IN = {
    "seed": RecipeSettings(kind="seed", training=SeedSettings()),
    "probe": RecipeSettings(kind="probe"),
    "average": RecipeSettings(kind="average"),
    "strong": RecipeSettings(kind="strong", bank=4),
    "letterbox": RecipeSettings(views=("letterbox",)),
    "squash": RecipeSettings(views=("squash",)),
    "mirrored": RecipeSettings(views=("own", "own-mirrored")),
    "multi-crop": RecipeSettings(views=("own", "own-mirrored", *CORNERS)),
    "regions": RecipeSettings(views=("own", "higher_foot"), joined=True),
    "second-look": RecipeSettings(views=SECOND_LOOK),
    "finetune": RecipeSettings(kind="finetune", finetuning=FinetuneSettings()),
}
TRAINING = ("seed", "finetune")  # kinds that train by Keras
# What `compare --all` runs: all but real training, which takes hours.
ALL = tuple(name for name, settings in BUILT_IN.items() if settings.kind not in TRAINING)


class Recipe(Record):
    """A named recipe. views: what the base is shown; () means its own crop alone.

    bank: how many slightly changed draws of each training photo are trained on besides.
    training: how Keras trains, for the kinds that do; finetuning: what `finetune` adds to it.
    """

    name: str
    kind: str
    views: tuple[View, ...]
    joined: bool
    bank: int
    training: SeedSettings | None = None
    finetuning: FinetuneSettings | None = None

    @property
    def needs_body(self) -> bool:
        """Whether the base `pose` has to find where to look."""
        return any(needs_body(view) for view in self.views)


def find_recipes(names: Iterable[str], config: Config) -> list[Recipe]:
    """Return the recipes called `names`, built in or of the toml. UsageError for others."""
    known = BUILT_IN | config.recipes
    found = []
    for name in names:
        settings = known.get(name)
        if settings is None:
            raise UsageError(f"There is no recipe {name!r}; {nearest(name, known)}")
        recipe = Recipe(name=name, **settings.model_dump())
        if recipe.kind == "seed" and recipe.training is None:
            recipe = recipe.model_copy(update={"training": SeedSettings()})
        if recipe.kind == "finetune":
            tuning = recipe.finetuning or FinetuneSettings()
            recipe = recipe.model_copy(update={"finetuning": tuning, "training": tuning.training()})
        found.append(recipe)
    return found
