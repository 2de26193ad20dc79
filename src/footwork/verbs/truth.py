"""Verbs on models and what is true of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from footwork.catalog import Catalog
from footwork.errors import UsageError
from footwork.files import write_text
from footwork.models.bases import IMAGENET, POSE, RANDOM, Base, chosen, registry
from footwork.predictions import FAILED, Predictions
from footwork.progress import Progress
from footwork.project import (
    FILE,
    Project,
    checked_config,
    find_project,
    init_project,
    open_project,
)
from footwork.records import EntryInfo, EntryScores, Leaderboard, Split
from footwork.runs import Run, find_run, read_run
from footwork.verbs.photos import HERE, Place, import_images, thumbnail

if TYPE_CHECKING:
    from footwork.evaluate.bounds import PublishedBoard
    from footwork.evaluate.judge import Judged
    from footwork.evaluate.leak import Leak


@dataclass(frozen=True)
class Compared:
    """A run with its leaderboards. external: the same for an external test set, if any.

    leak: what folds that ignore groups would have pretended, if there are groups.
    """

    run: Run
    board: Leaderboard
    external: Leaderboard | None
    report: Path
    leak: "Leak | None" = None

    def rows(self) -> list[tuple[EntryInfo, EntryScores]]:
        """The entries with their scores, best macro-F1 first."""
        infos = {info.entry: info for info in self.run.entries}
        return [(infos[scores.entry], scores) for scores in self.board.entries]

    def left_out(self) -> str:
        """Say how many photos were not compared on, and why; '' where all were."""
        data = self.run.environment.data
        parts = []
        if data.copies:
            parts.append(f"{data.copies:,} photos are set aside as copies of better ones")
        if data.conflicts:
            parts.append(f"{data.conflicts:,} are left out until their label is decided")
        if not parts:
            return ""
        return f"Compared on {data.photos:,} photos: {', and '.join(parts)}."

    def unreadable(self) -> str:
        """Say how many photos could not be used and count as wrong; '' where all could."""
        table = self.run.predictions
        rows = table.status == FAILED
        if not rows.any():
            return ""
        photos = np.unique(table.photo[rows])
        path, reason = table.photos.path[photos[0]], table.reason[rows & (table.photo == photos[0])]
        return (
            f"{len(photos)} of {len(table.photos)} photos could not be read and count as wrong, "
            f"so these scores are too low ({path}: {reason[0]}). Bring them back, or import again."
        )


def bases(project: Place = HERE) -> list[Base]:
    """Return all base models that `compare` can use, by name."""
    folder = find_project(project)
    known = registry(open_project(folder) if folder else None)
    return [known[name] for name in sorted(known, key=str.lower)]


def compare(
    *,
    project: Place = HERE,
    bases: Sequence[str] = (),
    recipes: Sequence[str] = (),
    folds: int | None = None,
    repeats: int | None = None,
    seed: int | None = None,
    split: Split | None = None,
    weights: Mapping[str, str] | None = None,
    break_contract: Sequence[str] = (),
    precision: Literal["float32", "bfloat16"] | None = None,
    permutations: int | None = None,
    everything: bool = False,
    open_lock: bool = False,
    photos: bool = True,
    progress: Progress | None = None,
) -> Compared:
    """Compare base models x recipes on the project's photos and write the run and its report.

    What is not given is taken from footwork.toml. weights: base name -> file, 'imagenet' or
    'random'. break_contract: 'unit-range', 'right-then-divided'. permutations: refit every
    recipe so often on permuted labels, to see whether it learnt anything. everything: all recipes
    but `seed` and `finetune`; where the base `pose` can run, it too, alone and beside the first
    base. open_lock: score on the photos in the lock-box, too, once more. photos: False makes a
    report without pictures of people.
    """
    from footwork.evaluate import experiment

    opened = open_project(project)
    asked = {
        "bases": tuple(bases),
        "recipes": tuple(recipes),
        "folds": folds,
        "repeats": repeats,
        "seed": seed,
        "split": split,
        "break_contract": tuple(break_contract),
        "precision": precision,
        "permutations": permutations,
    }
    given = {key: value for key, value in asked.items() if value not in (None, ())}
    opened = overridden(opened, given, weights or {})
    if everything:
        opened = overridden(opened, all_there_is(opened), {})
    known = registry(opened)
    wanted = [several(known, name) for name in opened.config.compare.bases]
    with Catalog.open(opened.folder) as catalog:
        if open_lock and not catalog.lock_box().images:
            raise UsageError("Nothing is locked away; `footwork lock 20%` would do that.")
        run = experiment.compare(
            opened, catalog, wanted, progress or Progress(), open_lock=open_lock
        )
        return described(run, catalog, photos=photos)


def lock(share: float, *, project: Place = HERE, who: str = "somebody") -> int:
    """Lock a share of the labelled photos away, by class and in whole groups; returns how many.

    share: 0.05 to 0.5. Nothing looks at them but `compare(open_lock=True)`, and that is counted.
    Raises UsageError if some are locked already, DataError where the photos do not allow it.
    """
    from footwork.evaluate.dataset import data_set, sides
    from footwork.folds import cross_validation

    if not 0.05 <= share <= 0.5:
        raise UsageError(f"The share to lock away is 5 % to 50 %; this is {100 * share:g} %.")
    opened = open_project(project)
    with Catalog.open(opened.folder) as catalog:
        if catalog.lock_box().images:
            raise UsageError(
                "Photos are locked away already. Open them with `footwork compare --open-lock`, or "
                "take that decision back: `footwork undo --list` says its number."
            )
        everything = data_set(catalog.labelled(), opened.config.classes)
        data = everything.subset(sides(everything).inside)
        photos = data.photos
        (cut,) = cross_validation(
            photos.label,
            photos.group,
            image=photos.image,
            folds=round(1 / share),
            repeats=1,
            seed=opened.config.compare.seed,
            classes=data.classes,
        )
        chosen = [photos.image[i] for i in cut[0].test]
        catalog.lock(chosen, f"person:{who}")
    return len(chosen)


def all_there_is(project: Project) -> dict[str, object]:
    """Return the bases and recipes of a comparison of everything that can run here."""
    import importlib.util

    from footwork.models.recipes import ALL, find_recipes

    asked = project.config.compare
    pose = registry(project)[POSE]
    if importlib.util.find_spec("mediapipe") is None or not pose.weights_here:
        recipes = find_recipes((*ALL, *project.config.recipes), project.config)
        kept = tuple(recipe.name for recipe in recipes if not recipe.needs_body)
        return {"recipes": tuple(dict.fromkeys(kept))}
    plain = [name for name in asked.bases if POSE not in name.split("+")]
    beside = (f"{POSE}+{plain[0]}",) if plain else ()
    return {
        "bases": tuple(dict.fromkeys((*asked.bases, POSE, *beside))),
        "recipes": tuple(dict.fromkeys((*ALL, *project.config.recipes))),
    }


def several(known: dict[str, Base], name: str) -> tuple[Base, ...]:
    """Return the bases of an entry: 'pose+efficientnet_lite0' looks through both at once."""
    parts = [name] if name in known else name.split("+")
    if len(set(parts)) < len(parts):
        raise UsageError(f"The base {name!r} names one base twice.")
    return tuple(chosen(known, part.strip()) for part in parts)


def overridden(
    project: Project, asked: Mapping[str, object], weights: Mapping[str, str]
) -> Project:
    """Return the project with [compare] settings and weights replaced, checked like the toml.

    The run keeps these settings, so what was given on the command line is not forgotten.
    """
    whole = project.config.model_dump(mode="json", exclude_none=True)
    whole["compare"] |= json.loads(json.dumps(dict(asked)))
    for name, file in weights.items():
        if name not in "+".join((*whole["compare"]["bases"], POSE)).split("+"):
            raise UsageError(f"--weights is for {name}, which is not compared; add --base {name}.")
        here = file if file in (IMAGENET, RANDOM) else str(Path(file).expanduser().resolve())
        whole["bases"][name] = {"weights": here}
    return Project(project.folder, checked_config(whole, "The command line"))


def report(run: str | None = None, *, project: Place = HERE, photos: bool = True) -> Compared:
    """Make metrics, plots and page of a run anew from its predictions. run: newest if None."""
    opened = open_project(project)
    found = read_run(find_run(opened.runs, run))
    with Catalog.open(opened.folder) as catalog:
        return described(found, catalog, photos=photos)


def described(run: Run, catalog: Catalog, *, photos: bool) -> Compared:
    """Derive the leaderboards from the run's predictions and write metrics, plot and page."""
    from footwork.evaluate.leaderboard import leaderboard
    from footwork.evaluate.leak import leak_of
    from footwork.reporting.page import write_report
    from footwork.reporting.plots import leaderboard_png

    titles = {info.entry: info.title for info in run.entries}
    seen = run.environment

    def scored(predictions: Predictions, kind: Literal["recipe", "model"]) -> Leaderboard:
        return leaderboard(
            predictions,
            kind=kind,
            seed=seen.seed,
            titles=titles,
            drawn=seen.data.drawn,
            permuted=run.permuted if predictions is run.predictions else None,
        )

    board = scored(run.predictions, "recipe" if seen.split == "cv" else "model")
    external = scored(run.external, "model") if run.external is not None else None

    leak = leak_of(run.leak, seen.seed) if run.leak is not None else None
    write_text(run.folder / "metrics.json", board.model_dump_json(indent=1))
    if external is not None:
        write_text(run.folder / "external.json", external.model_dump_json(indent=1))
    if leak is not None:
        write_text(run.folder / "leak.json", leak.model_dump_json(indent=1))
    leaderboard_png(
        board, run.entries, run.folder / "plots" / "leaderboard.png", drawn=seen.data.drawn
    )
    faces = partial(thumbnail, catalog, bodies=run.bodies) if photos else None
    page = write_report(run, board, external, faces, leak=leak, photos=photos)
    return Compared(run, board, external, page, leak)


def judge(
    table: Place | None = None,
    *,
    confusion: Sequence[Place] = (),
    report: Sequence[Place] = (),
    common: bool = False,
    seed: int = 0,
    out: Place | None = None,
) -> "Judged | PublishedBoard":
    """Score models that were never seen, from a table of predictions or from what is published.

    table: see footwork.evaluate.foreign; common: judge on the photos that all models predict.
    confusion, report: files as footwork.evaluate.published reads them, instead of a table.
    out: an .html page to write. Needs no project.
    """
    from footwork.evaluate import bounds, published
    from footwork.evaluate.judge import judge as judge_table

    if (table is None) == (not confusion and not report):
        raise UsageError(
            "Give either a table of predictions, or --confusion and --report files: "
            "`footwork judge predictions.csv`."
        )
    found: Judged | PublishedBoard
    if table is not None:
        found = judge_table(Path(table), common=common, seed=seed)
    else:
        models = [published.read_report(Path(path)) for path in report]
        models += [published.read_confusion(Path(path)) for path in confusion]
        found = bounds.published_board(models, seed=seed)
    if out is not None:
        from footwork.reporting.judged import view_of, write_page

        names = [Path(file).name for file in ([table] if table else [*report, *confusion])]
        write_page(view_of(found, seed), Path(out), names)
    return found


def demo(folder: Place, *, progress: Progress | None = None, photos: int = 306) -> Compared:
    """Draw climbers, import them and compare the three lite bases: a first look, no claim.

    photos: how many climbers to draw; fewer keep the original's proportions.
    """
    from footwork.drawing.climbers import ORIGINAL_COUNTS, draw_climbers

    folder, shown = Path(folder), progress or Progress()
    if (folder / FILE).exists():
        opened = open_project(folder)
        if not opened.config.drawn:
            raise UsageError(f"{folder} is a project of yours; give the demo a folder of its own.")
    else:
        opened = init_project(folder, name="drawn climbers", template="demo")
    share = photos / sum(ORIGINAL_COUNTS.values())
    counts = {name: max(4, round(share * n)) for name, n in ORIGINAL_COUNTS.items()}
    drawn = folder / "drawings"
    with shown.task("drawing climbers", sum(counts.values()), unit="drawings") as advance:
        draw_climbers(drawn, seed=opened.config.compare.seed, counts=counts, advance=advance)
    import_images(drawn, project=folder, progress=shown)
    return compare(project=folder, progress=shown)
