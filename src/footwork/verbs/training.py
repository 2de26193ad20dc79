"""Verbs that train through base models."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from footwork.catalog import Catalog
from footwork.models.bases import chosen, registry
from footwork.progress import Progress
from footwork.project import open_project
from footwork.verbs.photos import HERE, Place
from footwork.verbs.truth import described, overridden

if TYPE_CHECKING:
    from footwork.verbs.truth import Compared


def ablate(
    *,
    project: Place = HERE,
    base: str | None = None,
    folds: int | None = None,
    repeats: int | None = None,
    seed: int | None = None,
    weights: Mapping[str, str] | None = None,
    draws: int = 8,
    check: int = 10,
    photos: bool = True,
    progress: Progress | None = None,
) -> "Compared":
    """Move the original's choices to ours one at a time and say what each costs on these photos.

    base: the first of footwork.toml when left out. draws: augmented draws of each photo in the
    bank that heads are trained on. check: epochs of one real fit per position of the path, 0 for
    none. Writes a run with its report.
    """
    from footwork.evaluate import ablation

    opened = open_project(project)
    asked = {"folds": folds, "repeats": repeats, "seed": seed}
    given = {key: value for key, value in asked.items() if value is not None}
    name = base or opened.config.compare.bases[0]
    opened = overridden(opened, {**given, "bases": [name]}, weights or {})
    with Catalog.open(opened.folder) as catalog:
        run = ablation.ablate(
            opened,
            catalog,
            chosen(registry(opened), name),
            draws=draws,
            check=check,
            progress=progress or Progress(),
        )
        return described(run, catalog, photos=photos)
