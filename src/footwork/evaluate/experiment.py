"""Experiments: data x base models x recipes x folds -> a table of out-of-fold predictions.

Every number of a run is computed from that table afterwards; nothing here scores anything.
"""

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import footwork
from footwork.catalog import Catalog
from footwork.errors import DataError
from footwork.evaluate.answers import (
    Entry,
    entry_answers,
    entry_digest,
    external_rows,
    prediction_rows,
)
from footwork.evaluate.dataset import DataSet, data_set, plan_folds
from footwork.evaluate.precision import gated
from footwork.evaluate.seen_before import known_classes, warning
from footwork.files import write_text
from footwork.images import Unreadable
from footwork.machine import describe_machine, library_versions
from footwork.models.bases import Base
from footwork.models.contract import Crop, InputContract
from footwork.models.features import FeatureKey, Features, feature_key, features, square
from footwork.models.lite import imagenet_answers
from footwork.models.networks import Prepared, prepare
from footwork.models.recipes import find_recipes
from footwork.predictions import Predictions, stacked
from footwork.progress import Progress
from footwork.project import Project, dump_config
from footwork.records import DataInfo, EntryInfo, Environment, Position
from footwork.runs import Run, new_run_folder


@dataclass
class Extractor:
    """Features for a whole comparison, with what they cost: everything decoded counts once here.

    decoded: photos decoded and put through a network; seconds: spent, the cache included.
    """

    catalog: Catalog
    cache: Path
    progress: Progress
    decoded: int = 0
    seconds: float = 0.0

    def features(self, prepared: Prepared, key: FeatureKey, data: DataSet) -> Features:
        started = time.perf_counter()
        broken = "" if key.position == "right" else f" [{key.position}]"
        precise = "" if key.precision == "float32" else f" in {key.precision}"
        title = f"features {prepared.base.name}{broken}{precise}"
        images = data.photos.image
        with self.progress.task(title, len(images)) as advance:
            seen = features(images, prepared, key, self.catalog.read, self.cache, advance)
        self.decoded += seen.computed
        self.seconds += time.perf_counter() - started
        return seen

    def right(self, prepared: Prepared, data: DataSet, view: Crop | None) -> Features:
        return self.features(prepared, feature_key(prepared, view, "right"), data)


SAMPLE = 8  # real photos on which a converted network is compared with the original


def compare(project: Project, catalog: Catalog, bases: Sequence[Base], progress: Progress) -> Run:
    """Run every base x recipe of the project's settings and return the finished run's folder.

    Raises DataError if the photos do not allow it, UsageError for unknown names,
    EnvironmentProblem for missing weights or packages. What was computed before an
    interruption (features, whole entries) is kept and used again.
    """
    started = datetime.now(UTC)
    settings = project.config.compare
    recipes = find_recipes(settings.recipes, project.config)
    labelled, conflicts = catalog.judged()
    everything = data_set(labelled, project.config.classes)
    is_external = np.array([split == "external" for split in everything.split])
    inside, outside = np.flatnonzero(~is_external), np.flatnonzero(is_external)
    data, external = everything.subset(inside), everything.subset(outside)
    plan = plan_folds(data, settings)
    positions: list[Position] = ["right", *(p for p in settings.break_contract if p != "right")]

    extractor = Extractor(catalog, project.cache, progress)
    tables, external_tables, infos = [], [], []
    notes: tuple[str, ...] = ()
    heads = 0.0
    for base in bases:
        prepared = prepare(base, partial(sample_inputs, base.contract, data, catalog))
        if settings.precision == "bfloat16":
            known = partial(extractor.right, view=recipes[0].view)
            prepared = gated(prepared, data, known, settings.seed)
        for position, recipe in product(positions, recipes):
            key = feature_key(prepared, recipe.view, position)
            entry = Entry(prepared, recipe, key, entry_digest(key, recipe, settings))
            seen = extractor.features(prepared, key, everything)
            clock = time.perf_counter()
            mine = seen.of(inside)
            answers = entry_answers(entry, plan, mine, project.cache, settings.seed, progress)
            tables.append(prediction_rows(entry, plan, mine, answers, data.classes))
            if len(outside):
                external_tables.append(
                    external_rows(entry, data, mine, external, seen.of(outside), settings.seed)
                )
            heads += time.perf_counter() - clock
            infos.append(entry_info(entry, mine, len(data.classes)))
            if base.kind == "lite" and position == "right" and not notes:
                notes = flattering(base.name, data, mine)
    seconds = {"features": extractor.seconds, "heads": heads}
    about = data_info(project, data, len(catalog.rejections()), len(conflicts), notes)
    return write_run(
        project,
        environment(project, about, seconds, extractor.decoded, started),
        tuple(infos),
        stacked(tables),
        stacked(external_tables) if external_tables else None,
    )


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


def entry_info(entry: Entry, seen: Features, classes: int) -> EntryInfo:
    prepared, key = entry.prepared, entry.key
    head = 8 * (prepared.vector_size + 1) * classes / 1e6
    return EntryInfo(
        entry=entry.digest,
        base=prepared.base.name,
        recipe=entry.recipe.name,
        contract=key.position,
        weights=prepared.weights,
        weights_sha256=prepared.weights_sha256,
        licence=prepared.base.licence,
        side=key.contract.side,
        view=key.view,
        vector_size=prepared.vector_size,
        runtime=prepared.runtime,
        precision=prepared.precision,
        milliseconds=seen.milliseconds,
        megabytes=prepared.megabytes + head,
        notes=(*prepared.notes, *prepared.remarks(seen.vectors[seen.good()])),
    )


def data_info(
    project: Project, data: DataSet, rejected: int, conflicts: int, notes: tuple[str, ...]
) -> DataInfo:
    per_class = Counter(data.classes[k] for k in data.photos.label)
    return DataInfo(
        name=project.config.name,
        photos=len(data.photos),
        groups=len(data.photos.group_name),
        per_class={name: per_class[name] for name in data.classes},
        rejected=rejected,
        conflicts=conflicts,
        provisional=data.provisional,
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


def write_run(
    project: Project,
    environment: Environment,
    entries: tuple[EntryInfo, ...],
    predictions: Predictions,
    external: Predictions | None,
) -> Run:
    """Write the run's folder aside and rename it: it appears whole or not at all."""
    with new_run_folder(project.runs, project.config.name, environment.started) as folder:
        write_text(folder.partial / "config.toml", dump_config(project.config))
        write_text(folder.partial / "environment.json", environment.model_dump_json(indent=1))
        listed = [entry.model_dump(mode="json") for entry in entries]
        write_text(folder.partial / "entries.json", json.dumps(listed, indent=1))
        predictions.write(folder.partial / "predictions.parquet")
        if external is not None:
            external.write(folder.partial / "external.parquet")
    return Run(folder.final, environment, entries, predictions, external)
