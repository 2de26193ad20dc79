"""A run as it is written: what was compared, on what, by what, and what a reader must know."""

import json
from collections import Counter
from dataclasses import replace
from datetime import datetime

import footwork
from footwork.bodies import write_bodies
from footwork.catalog import Counts
from footwork.evaluate.dataset import DataSet
from footwork.files import write_text
from footwork.histories import write_histories
from footwork.machine import describe_machine, library_versions
from footwork.project import Project, dump_config
from footwork.records import DataInfo, Environment
from footwork.runs import Run, new_run_folder, write_null

MANY_TRIES = 10  # variants on the same photos; beyond, a note says what choosing among them does


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


def unlooked(photos: int, never_hashed: int) -> tuple[str, ...]:
    """Return a sentence on photos whose near-copies nobody looked for, if there are such."""
    if not never_hashed:
        return ()
    some = f"{never_hashed:,} of " if never_hashed < photos else ""
    return (
        f"Nobody has looked for near-copies among {some}these {photos:,} photos. The same scene on "
        "both sides of a fold flatters every score: footwork dedupe, then compare again.",
    )


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
