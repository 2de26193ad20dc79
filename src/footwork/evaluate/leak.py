"""What a comparison would have pretended, had nobody looked for copies and groups.

The same base, recipe and photos twice: with folds that keep groups on one side, and with folds
that treat every file as a photo of its own. Both on all labelled photos, copies included, down to
files of the very same bytes. Kept as a table of predictions; all numbers come from it.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from footwork.catalog import Catalog
from footwork.errors import DataError
from footwork.evaluate.answers import Entry, entry_answers, entry_digest, prediction_rows
from footwork.evaluate.dataset import DataSet, data_set, plan_folds
from footwork.evaluate.extractor import Extractor
from footwork.evaluate.intervals import GroupBootstrap
from footwork.evaluate.words import covers_zero, difference_in_words
from footwork.models.features import Features
from footwork.models.networks import Prepared
from footwork.models.recipes import find_recipes
from footwork.models.sights import sight
from footwork.predictions import EntryName, Photos, Predictions, stacked
from footwork.progress import Progress
from footwork.project import Project
from footwork.records import Estimate, Record

GROUPED, IGNORED = "groups kept together", "groups ignored"  # the entries of the table
REPEATS = 2  # so that it costs less than one more entry; the difference is paired anyway
AGAIN = ":"  # SHA-256:2 is the second file of these bytes


def files_of(catalog: Catalog, project: Project) -> DataSet | None:
    """Return every labelled photo that is not external as its files, or None where each is alone.

    A copy stands with its own label; photos under several labels are left out. Files of the same
    bytes follow each other as SHA-256, SHA-256:2, ... and share a fold group.
    """
    rows, _ = catalog.judged(copies=True)
    disputed = {image for c in catalog.conflicts() for image, _label in c.images}
    held_out = {row.group for row in rows if row.split == "external"}
    rows = [r for r in rows if r.image not in disputed and r.group not in held_out]
    times = catalog.imported_files()
    if not rows or len({row.group for row in rows}) == sum(times.get(r.image, 1) for r in rows):
        return None
    files = [
        replace(row, image=row.image if n == 1 else f"{row.image}{AGAIN}{n}")
        for row in rows
        for n in range(1, times.get(row.image, 1) + 1)
    ]
    return data_set(files, project.config.classes)


def measure_leak(
    entry: Entry,
    files: DataSet,
    look: Callable[[DataSet], Features],
    project: Project,
    progress: Progress,
) -> Predictions | None:
    """Answer `files` twice by `entry`: entries GROUPED and IGNORED of one table.

    files: see `files_of`. look: the features of a data set, one row per photo. Folds and seed
    are those of the project, repeats at most REPEATS. Returns None where the files cannot be cut
    into folds: then there is no comparison that could have been misled.
    """
    asked = project.config.compare
    repeats = min(asked.repeats, REPEATS)
    settings = asked.model_copy(update={"split": "cv", "repeats": repeats})
    entry = replace(entry, digest=f"{entry.digest}-leak")  # kept apart from the entry's own answers
    photos = files.photos
    image = np.array([name.partition(AGAIN)[0] for name in photos.image], dtype=object)
    _, first, row_of = np.unique(image, return_index=True, return_inverse=True)
    # The first file of each photo, by hash, is called by the bare hash.
    seen = look(files.subset(first)).of(row_of.astype(np.int64).reshape(-1))
    alone = Photos(photos.image, photos.path, photos.label, np.arange(len(photos)), photos.image)
    tables = []
    try:
        for name, data in ((GROUPED, files), (IGNORED, replace(files, photos=alone))):
            plan = plan_folds(data, settings)
            answers = entry_answers(entry, plan, seen, project.cache, settings.seed, progress)
            table = prediction_rows(entry, plan, seen, answers, files.classes)
            who = table.entries[0]
            tables.append(
                # Scored over true groups both times: else the second interval would lie too.
                replace(table, photos=photos, entries=(EntryName(name, who.base, who.recipe),))
            )
    except DataError:
        return None
    return stacked(tables)


class Leak(Record):
    """macro-F1 with groups kept together and ignored, and how much the second is higher."""

    base: str
    recipe: str
    files: int
    groups: int
    grouped: Estimate
    ignored: Estimate
    pretended: Estimate

    def sentence(self) -> str:
        g, i, p = self.grouped, self.ignored, self.pretended
        start = (
            f"On all {self.files:,} labelled files, copies included, in {self.groups:,} groups, "
            f"{self.base} · {self.recipe} scores a macro-F1 of {i.value:.2f} if folds ignore "
            f"groups and {g.value:.2f} if they keep them together"
        )
        by = difference_in_words(p)
        if p.low > 0:
            return (
                f"{start}. Believe {g.value:.2f}: the other is {by} too high, because models were "
                "tested on photos whose copies or neighbours they had been trained on."
            )
        told = "cannot be told from zero here" if covers_zero(p) else "flatters nobody here"
        return (
            f"{start}. Believe {g.value:.2f}: it is the one that no known copy can flatter. The "
            f"difference of {by} {told}."
        )


def leak_in(
    project: Project, catalog: Catalog, prepared: Prepared, progress: Progress
) -> Leak | None:
    """Measure it with one base and the recipe `probe`, without a comparison.

    None where every labelled file is a photo of its own or the files cannot be cut into folds.
    """
    files = files_of(catalog, project)
    if files is None:
        return None
    (probe,) = find_recipes(["probe"], project.config)
    sights = (sight(prepared, probe, "right", None),)
    digest = entry_digest(sights, probe, project.config.compare)
    look = partial(Extractor(catalog, project.cache, progress).seen, sights)
    table = measure_leak(Entry(sights, probe, "right", digest), files, look, project, progress)
    return None if table is None else leak_of(table, project.config.compare.seed)


def leak_of(predictions: Predictions, seed: int) -> Leak:
    """Score a table that `measure_leak` made."""
    bootstrap = GroupBootstrap(predictions, kind="recipe", seed=seed)
    return Leak(
        base=predictions.entries[0].base,
        recipe=predictions.entries[0].recipe,
        files=len(predictions.photos),
        groups=bootstrap.groups,
        grouped=bootstrap.estimate(GROUPED),
        ignored=bootstrap.estimate(IGNORED),
        pretended=bootstrap.difference(IGNORED, GROUPED),
    )
