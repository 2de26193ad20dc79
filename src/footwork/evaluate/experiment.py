"""Experiments: data x base models x recipes x folds -> a table of out-of-fold predictions.

Every number of a run is computed from that table afterwards; nothing here scores anything.
"""

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import footwork
from footwork.bodies import write_bodies
from footwork.catalog import Catalog, Counts
from footwork.errors import DataError, UsageError
from footwork.evaluate.answers import (
    Entry,
    entry_answers,
    entry_digest,
    external_rows,
    prediction_rows,
)
from footwork.evaluate.dataset import DataSet, data_set, plan_folds, sides
from footwork.evaluate.leak import files_of, measure_leak
from footwork.evaluate.permuted import permuted_scores
from footwork.evaluate.precision import gated
from footwork.evaluate.seen_before import known_classes, warning
from footwork.evaluate.training import train_entries
from footwork.files import write_text
from footwork.histories import write_histories
from footwork.images import Unreadable
from footwork.machine import describe_machine, library_versions
from footwork.models.bases import POSE, Base, registry
from footwork.models.contract import InputContract
from footwork.models.features import (
    FeatureKey,
    Features,
    Locate,
    feature_key,
    features,
    nowhere,
)
from footwork.models.lite import imagenet_answers
from footwork.models.networks import Prepared, prepare
from footwork.models.pose import unpacked
from footwork.models.recipes import SECOND_LOOK, Recipe, find_recipes
from footwork.models.sights import Sight, drawn, sight
from footwork.models.views import Landmarks, needs_body, region_box, square
from footwork.predictions import Predictions, stacked
from footwork.progress import Progress
from footwork.project import Project, dump_config
from footwork.records import DataInfo, Disputed, EntryInfo, Environment, Position, Verified
from footwork.runs import Run, new_run_folder, write_null
from footwork.scores import Floats


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


MANY_TRIES = 10  # variants on the same photos; beyond, a note says what choosing among them does
SAMPLE = 8  # real photos on which a converted network is compared with the original


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
    labelled, conflicts = catalog.judged(opened=open_lock)
    everything = data_set(labelled, project.config.classes)
    cut = sides(everything)
    inside, outside = cut.inside, cut.outside
    data, external = everything.subset(inside), everything.subset(outside)
    plan = plan_folds(data, settings)
    positions: list[Position] = ["right", *(p for p in settings.break_contract if p != "right")]

    extractor = Extractor(catalog, project.cache, progress)
    tables, external_tables = [], []
    infos: list[EntryInfo] = []
    notes: tuple[str, ...] = ()
    files = files_of(catalog, project) if settings.split == "cv" else None
    leak: Predictions | None = None
    permuted: dict[str, Floats] = {}
    heads = 0.0
    known: dict[str, Prepared] = {}

    def ready(base: Base) -> Prepared:
        if base.name not in known:
            prepared = prepare(base, partial(sample_inputs, base.contract, data, catalog))
            if settings.precision == "bfloat16":
                in_right = partial(extractor.right, view=None)
                prepared = gated(prepared, data, in_right, settings.seed)
            known[base.name] = prepared
        return known[base.name]

    looking = [base for together in bases for base in together if base.kind == "pose"]
    if looking or any(recipe.needs_body for recipe in recipes):
        extractor.locator = ready(looking[0] if looking else registry(project)[POSE])
    for together in bases:
        for position, recipe in product(positions, recipes):
            if adds_nothing(recipe, together):
                continue
            sights = tuple(
                sight(ready(base), recipe, position, extractor.locator) for base in together
            )
            entry = Entry(sights, recipe, position, entry_digest(sights, recipe, settings))
            seen = extractor.seen(sights, everything, recipe.bank)
            clock = time.perf_counter()
            mine = seen.of(inside)
            answers = entry_answers(entry, plan, mine, project.cache, settings.seed, progress)
            tables.append(prediction_rows(entry, plan, mine, answers, data.classes))
            if len(outside):
                external_tables.append(
                    external_rows(entry, data, mine, external, seen.of(outside), settings.seed)
                )
            if files is not None and not infos:  # the first entry stands for all
                leak = measure_leak(
                    entry,
                    files,
                    partial(extractor.seen, sights, bank=recipe.bank),
                    project,
                    progress,
                )
            if settings.permutations and position == "right":
                permuted[entry.digest] = permuted_scores(
                    entry, data, mine, project.cache, settings, progress
                )
            heads += time.perf_counter() - clock
            infos.append(entry_info(entry, mine, len(data.classes)))
            if not notes and plain(entry):
                notes = flattering(entry.base, data, mine)
    clock = time.perf_counter()
    trained = train_entries(wanted, bases, plan, project, catalog, progress)
    tables += [one.predictions for one in trained]
    infos += [one.info for one in trained]
    seconds = {"features": extractor.seconds, "heads": heads}
    if trained:
        seconds["training"] = time.perf_counter() - clock
    if not infos:
        raise UsageError(
            f"Nothing is left to compare: {', '.join(settings.recipes)} on "
            f"{', '.join(settings.bases)} would be `probe` again. Give several bases joined by '+' "
            "to average, or the base pose for a second look."
        )
    tried = catalog.tried(data.sha256(), [info.entry for info in infos])
    notes = (*provisional(data), *cut.notes(), *many_tries(tried), *notes)
    if open_lock:
        times = catalog.open_lock("person:command line", started.isoformat(timespec="seconds"))
        notes = (opening(len(outside), times), *notes)
    about = data_info(project, data, catalog.counts(), tried, notes)
    run = Run(
        folder=project.runs,
        environment=environment(project, about, seconds, extractor.decoded, started),
        entries=tuple(infos),
        predictions=stacked(tables),
        external=stacked(external_tables) if external_tables else None,
        leak=leak,
        permuted=permuted,
        bodies=extractor.found(everything),
        histories=tuple(fit for one in trained for fit in one.histories),
        disputed=tuple(Disputed(images=c.images, labels=c.labels) for c in conflicts),
    )
    return write_run(project, run)


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


def flattering(base: str, data: DataSet, seen: Features) -> tuple[str, ...]:
    """Return a warning if the lite network `base` learned some of the classes on ImageNet."""
    rows = seen.good()
    answers = imagenet_answers(base, seen.vectors[rows])
    found = known_classes(answers, data.photos.label[rows], data.classes)
    return (warning(found, base),) if found else ()


def plain(entry: Entry) -> bool:
    """Whether an entry is one lite base with right inputs and its own crop."""
    (first, *others) = entry.sights
    base = first.prepared.base
    own = [key.view for key in first.keys] == [base.contract.crop]
    return not others and own and base.kind == "lite" and entry.position == "right"


def entry_info(entry: Entry, seen: Features, classes: int) -> EntryInfo:
    """Say what an entry is; what its bases have each for themselves is joined by '+'."""
    ready = [sight.prepared for sight in entry.sights]
    size = sum(entry.blocks)
    head = 8 * (size + 1) * classes / 1e6
    good = seen.vectors[seen.good()]
    edges = np.cumsum([0, *(sum(sight.blocks) for sight in entry.sights)])
    remarks = [
        remark
        for sight, start, end in zip(entry.sights, edges, edges[1:], strict=False)
        for remark in sight.prepared.remarks(good[:, start:end])
    ]
    return EntryInfo(
        entry=entry.digest,
        base=entry.base,
        recipe=entry.recipe.name,
        contract=entry.position,
        weights=worst([one.weights for one in ready]),
        weights_sha256="+".join(one.weights_sha256 for one in ready),
        licence=" + ".join(dict.fromkeys(one.base.licence for one in ready)),
        side=max(one.base.contract.side for one in ready),
        view="+".join(",".join(key.view for key in sight.keys) for sight in entry.sights),
        vector_size=size,
        runtime="+".join(dict.fromkeys(one.runtime for one in ready)),
        precision="+".join(dict.fromkeys(one.precision for one in ready)),
        milliseconds=seen.milliseconds,
        megabytes=sum(one.megabytes for one in ready) + head,
        notes=(*(note for one in ready for note in one.notes), *remarks),
    )


def worst(weights: Sequence[Verified]) -> Verified:
    order: tuple[Verified, ...] = ("random", "unverified", "verified")
    return min(weights, key=order.index)


def provisional(data: DataSet) -> tuple[str, ...]:
    """Return a sentence on labels that only a search query gave, if there are such."""
    if not data.provisional:
        return ()
    share = 100 * data.provisional / max(1, len(data.photos))
    return (
        f"{data.provisional:,} of {len(data.photos):,} labels ({share:.0f} %) are provisional: the "
        "search that found the photo says so, and nobody looked. Scores against them are no "
        "better than they are.",
    )


def adds_nothing(recipe: Recipe, bases: Sequence[Base]) -> bool:
    """Whether a recipe is another one in disguise here: nothing to average, nobody to look at."""
    if recipe.kind == "average":
        return len(bases) == 1 and not recipe.joined
    return recipe.views == SECOND_LOOK and all(base.kind != "pose" for base in bases)


def opening(photos: int, times: int) -> str:
    said = f"The external test set is the lock-box: {photos} photos, opened for the "
    if times == 1:
        return said + "first time. Its scores chose nothing: believe them before all others."
    return (
        f"{said}{times}. time. Whoever looks again and again chooses by it: its scores flatter "
        "more with every look."
    )


def many_tries(variants: int) -> tuple[str, ...]:
    if variants <= MANY_TRIES:
        return ()
    return (
        f"{variants} variants have been scored on these photos so far. The best of many is "
        "flattered by chance: take its score as exploratory until new photos confirm it.",
    )


def data_info(
    project: Project, data: DataSet, counts: Counts, variants: int, notes: tuple[str, ...]
) -> DataInfo:
    per_class = Counter(data.classes[k] for k in data.photos.label)
    return DataInfo(
        name=project.config.name,
        photos=len(data.photos),
        groups=len(data.photos.group_name),
        per_class={name: per_class[name] for name in data.classes},
        rejected=counts.rejected,
        conflicts=counts.conflicts,
        provisional=data.provisional,
        copies=counts.copies,
        variants=variants,
        drawn=project.config.drawn,
        sha256=data.sha256(),
        notes=notes,
    )


def environment(
    project: Project, data: DataInfo, seconds: dict[str, float], decoded: int, started: datetime
) -> Environment:
    settings = project.config.compare
    machine = describe_machine()
    return Environment(
        footwork=footwork.__version__,
        python=machine.python,
        platform=machine.platform,
        cpu=machine.cpu,
        cores=machine.cores,
        versions=library_versions(),
        started=started.isoformat(timespec="seconds"),
        seconds=seconds,
        seed=settings.seed,
        folds=settings.folds if settings.split == "cv" else 1,
        repeats=settings.repeats if settings.split == "cv" else 1,
        split=settings.split,
        decoded=decoded,
        data=data,
    )


def write_run(project: Project, run: Run) -> Run:
    """Write the run's folder aside and rename it: it appears whole or not at all.

    run: its folder is not made yet. Returns the run where it lies now.
    """
    name, started = project.config.name, run.environment.started
    with new_run_folder(project.runs, name, started) as folder:
        write_text(folder.partial / "config.toml", dump_config(project.config))
        write_text(folder.partial / "environment.json", run.environment.model_dump_json(indent=1))
        for file, items in (("entries.json", run.entries), ("conflicts.json", run.disputed)):
            listed = [item.model_dump(mode="json") for item in items]
            write_text(folder.partial / file, json.dumps(listed, indent=1))
        for table, file in (
            (run.predictions, "predictions.parquet"),
            (run.external, "external.parquet"),
            (run.leak, "leak.parquet"),
        ):
            if table is not None:
                table.write(folder.partial / file)
        if run.histories:
            write_histories(folder.partial / "history.parquet", run.histories)
        if run.ablation is not None:
            text = run.ablation.model_dump_json(indent=1)
            write_text(folder.partial / "ablation.json", text)
        if run.permuted:
            write_null(folder.partial / "null.parquet", run.permuted)
        if run.bodies:
            write_bodies(folder.partial / "bodies.parquet", run.bodies)
    return replace(run, folder=folder.final)
