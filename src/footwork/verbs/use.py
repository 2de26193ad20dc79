"""Verbs that make and use a classifier."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from footwork.catalog import Catalog
from footwork.errors import DataError, UsageError
from footwork.progress import Progress
from footwork.project import FILE, Project, find_project, open_project, read_config
from footwork.records import EntryInfo, Leaderboard
from footwork.runs import Run, read_run, run_names
from footwork.verbs.photos import HERE, Place
from footwork.verbs.truth import compare, report

if TYPE_CHECKING:
    from footwork.classifier import Answers, Classifier

FOLDER = "classifiers"


def train(
    *,
    project: Place = HERE,
    base: str | None = None,
    recipe: str | None = None,
    name: str | None = None,
    progress: Progress | None = None,
) -> "Classifier":
    """Fit a recipe on all labelled photos and keep it as a Classifier in classifiers/NAME.

    base, recipe: the best of the newest run on these very photos, where not given. What the
    classifier promises is the out-of-fold score of that recipe; where no run has measured it on
    these photos, it is measured first. External test photos are not trained on.
    """
    from footwork.classifier import Classifier
    from footwork.evaluate.fitted import fit_classifier

    shown = progress or Progress()
    opened = open_project(project)
    if name is not None and (Path(name).name != name or name.startswith(".")):
        raise UsageError(f"--name takes a plain folder name; this is {name!r}.")
    run, board, info = measured(opened, base, recipe, shown)
    title = f"{info.base}-{info.recipe}-{run.name.split('-', 2)[0]}"
    folder = opened.folder / FOLDER / (name or free_name(opened.folder / FOLDER, title))
    if folder.exists():
        raise UsageError(f"{folder} exists already; choose another name with --name.")
    as_run = Project(opened.folder, read_config(run.folder / "config.toml"))
    with Catalog.open(opened.folder) as catalog:
        fit_classifier(as_run, catalog, run, board, info, folder, shown)
    return Classifier.load(folder)


def measured(
    project: Project, base: str | None, recipe: str | None, progress: Progress
) -> tuple[Run, Leaderboard, EntryInfo]:
    """Return the newest run on the photos as they are now that measured what is asked for.

    Where there is none, one is made.
    """
    from footwork.evaluate.fitted import entry_of, fits, training_photos

    with Catalog.open(project.folder) as catalog:
        now = training_photos(project, catalog).sha256()
    for name in reversed(run_names(project.runs)):
        try:
            run = read_run(project.runs / name)
        except DataError:  # of another version; a newer run will do
            continue
        if run.ablation is not None:  # its entries are no recipes
            continue
        asked = any(fits(info, run, base, recipe) for info in run.entries)
        if run.environment.data.sha256 == now and asked:
            board = board_of(run, project)
            break
    else:
        compared = compare(
            project=project.folder,
            bases=[base] if base else (),
            recipes=[recipe] if recipe else (),
            progress=progress,
        )
        run, board = compared.run, compared.board
    info = entry_of(run, board, base, recipe)
    if info is None:
        raise UsageError(
            f"The run {run.name} has no entry with right inputs to train. A recipe that feeds "
            "wrong ones by its own choice has to be named: --recipe NAME."
        )
    return run, board, info


def board_of(run: Run, project: Project) -> Leaderboard:
    """Return a run's leaderboard as it was written; a run that was stopped before gets it now."""
    try:
        return Leaderboard.model_validate_json((run.folder / "metrics.json").read_bytes())
    except (OSError, ValueError):
        return report(run.name, project=project.folder).board


def free_name(folder: Path, title: str) -> str:
    number, name = 1, title
    while (folder / name).exists():
        number += 1
        name = f"{title}-{number}"
    return name


def predict(
    photos: Sequence[Place],
    *,
    classifier: Place | None = None,
    project: Place = HERE,
    progress: Progress | None = None,
) -> "Answers":
    """Name the class of photos; folders are searched. A photo that fails is a row with its reason.

    classifier: a Classifier's folder, or the name of one in the project's classifiers/; the
    newest of the project if None.
    """
    from footwork.classifier import Classifier, photos_in

    files = list(photos_in([Path(photo) for photo in photos]))
    if not files:
        raise UsageError("There is no file in what was given; name photos or folders of them.")
    folder = find_classifier(classifier, Path(project))
    return Classifier.load(folder).predict(files, progress)


def find_classifier(classifier: Place | None, project: Path) -> Path:
    """Return the folder that `predict` takes. Raises UsageError if there is none."""
    above = find_project(project)
    if classifier is not None:
        path = Path(classifier)
        named = None if above is None or len(path.parts) > 1 else above / FOLDER / path
        return named if named is not None and not path.is_dir() else path
    if above is None:
        raise UsageError(f"There is no {FILE} here, so say which classifier: --classifier FOLDER.")
    known = [path.parent for path in (above / FOLDER).glob("*/classifier.json")]
    if not known:
        raise UsageError(f"{above} has no classifier yet; `footwork train` makes one.")
    return max(known, key=lambda folder: (folder / "classifier.json").stat().st_mtime_ns)
