"""Experiments: data x base models x recipes x folds -> a table of out-of-fold predictions.

Every number of a run is computed from that table afterwards; nothing here scores anything.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from itertools import product

from footwork.catalog import Catalog
from footwork.errors import UsageError
from footwork.evaluate.answers import (
    Entry,
    entry_answers,
    entry_digest,
    external_rows,
    prediction_rows,
)
from footwork.evaluate.dataset import DataSet, data_set, plan_folds, sides
from footwork.evaluate.entries import adds_nothing, entry_info, flattering, plain
from footwork.evaluate.extractor import Extractor
from footwork.evaluate.leak import files_of, measure_leak
from footwork.evaluate.permuted import permuted_scores
from footwork.evaluate.training import train_entries
from footwork.evaluate.writing import (
    data_info,
    environment,
    many_tries,
    opening,
    provisional,
    unlooked,
    write_run,
)
from footwork.models.bases import POSE, Base, registry
from footwork.models.features import Features
from footwork.models.recipes import Recipe, find_recipes
from footwork.models.sights import sight
from footwork.predictions import Predictions, stacked
from footwork.progress import Progress
from footwork.project import Project
from footwork.records import DataInfo, Disputed, EntryInfo, Position
from footwork.runs import Run
from footwork.scores import Floats


@dataclass(frozen=True)
class Answered:
    """What one entry gave. external, leak, permuted: None where there is none or not asked."""

    info: EntryInfo
    table: Predictions
    external: Predictions | None
    leak: Predictions | None
    permuted: Floats | None
    notes: tuple[str, ...]


class Experiment:
    """What all entries of one comparison share: photos, folds, settings, features.

    inside, outside: the photos to compare on and the external ones, as rows of `everything`.
    seconds: spent on heads.
    """

    def __init__(
        self, project: Project, catalog: Catalog, progress: Progress, *, open_lock: bool
    ) -> None:
        self.project, self.catalog, self.progress = project, catalog, progress
        self.settings = project.config.compare
        labelled, self.conflicts = catalog.judged(opened=open_lock)
        self.everything = data_set(labelled, project.config.classes)
        self.cut = sides(self.everything)
        self.data = self.everything.subset(self.cut.inside)
        self.external = self.everything.subset(self.cut.outside)
        self.plan = plan_folds(self.data, self.settings)
        self.extractor = Extractor(catalog, project.cache, progress)
        self.seconds = 0.0
        self.flattered: dict[str, tuple[str, ...]] = {}  # base -> what ImageNet taught it

    @cached_property
    def files(self) -> DataSet | None:
        """All files with their copies, for the entry that measures what copies pretend."""
        return files_of(self.catalog, self.project) if self.settings.split == "cv" else None

    def entry(self, bases: Sequence[Base], recipe: Recipe, position: Position) -> Entry:
        ready = [self.extractor.ready(base, self.data, self.settings) for base in bases]
        sights = tuple(sight(one, recipe, position, self.extractor.locator) for one in ready)
        return Entry(sights, recipe, position, entry_digest(sights, recipe, self.settings))

    def answer(self, entry: Entry, *, first: bool) -> Answered:
        """Let an entry answer all photos. first: it also measures what copies pretend."""
        seed, cache = self.settings.seed, self.project.cache
        seen = self.extractor.seen(entry.sights, self.everything, entry.recipe.bank)
        clock = time.perf_counter()
        mine, others = seen.of(self.cut.inside), seen.of(self.cut.outside)
        answers = entry_answers(entry, self.plan, mine, cache, seed, self.progress)
        external = leak = permuted = None
        if len(self.cut.outside):
            external = external_rows(entry, self.data, mine, self.external, others, seed)
        if first and self.files is not None:
            look = partial(self.extractor.seen, entry.sights, bank=entry.recipe.bank)
            leak = measure_leak(entry, self.files, look, self.project, self.progress)
        if self.settings.permutations and entry.position == "right":
            permuted = permuted_scores(entry, self.data, mine, cache, self.settings, self.progress)
        self.seconds += time.perf_counter() - clock
        return Answered(
            info=entry_info(entry, mine, len(self.data.classes)),
            table=prediction_rows(entry, self.plan, mine, answers, self.data.classes),
            external=external,
            leak=leak,
            permuted=permuted,
            notes=self.notes(entry, mine),
        )

    def notes(self, entry: Entry, mine: Features) -> tuple[str, ...]:
        if not plain(entry):
            return ()
        if entry.base not in self.flattered:
            self.flattered[entry.base] = flattering(entry.base, self.data, mine)
        return self.flattered[entry.base]


def compare(
    project: Project,
    catalog: Catalog,
    bases: Sequence[tuple[Base, ...]],
    progress: Progress,
    *,
    open_lock: bool = False,
) -> Run:
    """Run every base x recipe of the project's settings and return the finished run's folder.

    bases: each entry one base, or several whose vectors stand side by side. open_lock: score on
    the photos of the lock-box, too, as the external set; that is counted.
    Raises DataError if the photos do not allow it, UsageError for unknown names,
    EnvironmentProblem for missing weights or packages. What was computed before an
    interruption (features, whole entries) is kept and used again.
    """
    started = datetime.now(UTC)
    settings = project.config.compare
    wanted = find_recipes(settings.recipes, project.config)
    recipes = [recipe for recipe in wanted if recipe.training is None]
    experiment = Experiment(project, catalog, progress, open_lock=open_lock)
    find_bodies(experiment, bases, recipes)
    positions: list[Position] = ["right", *(p for p in settings.break_contract if p != "right")]
    answered: list[Answered] = []
    for together, position, recipe in product(bases, positions, recipes):
        if not adds_nothing(recipe, together):
            entry = experiment.entry(together, recipe, position)
            answered.append(experiment.answer(entry, first=not answered))
    clock = time.perf_counter()
    trained = train_entries(wanted, bases, experiment.plan, project, catalog, progress)
    seconds = {"features": experiment.extractor.seconds, "heads": experiment.seconds}
    if trained:
        seconds["training"] = time.perf_counter() - clock
    infos = [*(one.info for one in answered), *(one.info for one in trained)]
    if not infos:
        raise UsageError(
            f"Nothing is left to compare: {', '.join(settings.recipes)} on "
            f"{', '.join(settings.bases)} would be `probe` again. Give several bases joined by '+' "
            "to average, or the base pose for a second look."
        )
    external = [one.external for one in answered if one.external is not None]
    about = said_of(experiment, infos, answered, started if open_lock else None)
    run = Run(
        folder=project.runs,
        environment=environment(project, about, seconds, experiment.extractor.decoded, started),
        entries=tuple(infos),
        predictions=stacked([*(a.table for a in answered), *(t.predictions for t in trained)]),
        external=stacked(external) if external else None,
        leak=next((one.leak for one in answered), None),
        permuted={o.info.entry: o.permuted for o in answered if o.permuted is not None},
        bodies=experiment.extractor.found(experiment.everything),
        histories=tuple(fit for one in trained for fit in one.histories),
        disputed=tuple(Disputed(images=c.images, labels=c.labels) for c in experiment.conflicts),
    )
    return write_run(project, run)


def find_bodies(
    experiment: Experiment, bases: Sequence[tuple[Base, ...]], recipes: Sequence[Recipe]
) -> None:
    """Make the base that finds the climber ready, if anything looks at parts of one."""
    looking = [base for together in bases for base in together if base.kind == "pose"]
    if looking or any(recipe.needs_body for recipe in recipes):
        pose = looking[0] if looking else registry(experiment.project)[POSE]
        experiment.extractor.locator = experiment.extractor.ready(
            pose, experiment.data, experiment.settings
        )


def said_of(
    experiment: Experiment,
    infos: Sequence[EntryInfo],
    answered: Sequence[Answered],
    opened: datetime | None,
) -> DataInfo:
    """Count what was tried and say what a reader must know of the photos."""
    catalog, data = experiment.catalog, experiment.data
    tried = catalog.tried(data.sha256(), [info.entry for info in infos])
    flattered = next((one.notes for one in answered if one.notes), ())
    unlooked_at = unlooked(len(data.photos), catalog.never_hashed(data.photos.image))
    notes = (
        *unlooked_at,
        *provisional(data),
        *experiment.cut.notes(),
        *many_tries(tried),
        *flattered,
    )
    if opened is not None:
        times = catalog.open_lock("person:command line", opened.isoformat(timespec="seconds"))
        notes = (opening(len(experiment.external.photos), times), *notes)
    return data_info(experiment.project, data, catalog.counts(), tried, notes)
