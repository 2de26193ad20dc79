"""From a run to a Classifier: the same recipe once more, fitted on every photo.

The classifier promises what the run measured out of fold, never how well it fits its own photos.
"""

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

import footwork
from footwork.catalog import Catalog
from footwork.classifier import ClassifierFacts, Promise, base_facts, save_classifier
from footwork.errors import DataError
from footwork.evaluate.dataset import DataSet, data_set, sides
from footwork.evaluate.extractor import Extractor, sample_inputs
from footwork.evaluate.training import train_whole
from footwork.machine import library_versions
from footwork.models.bases import POSE, Base, chosen, registry
from footwork.models.features import feature_key
from footwork.models.head import Probe, fit_head
from footwork.models.networks import Prepared, in_bfloat16, prepare
from footwork.models.recipes import Recipe, find_recipes
from footwork.models.sights import Sight, blocks_of, sight
from footwork.progress import Progress
from footwork.project import Project
from footwork.records import EntryInfo, Leaderboard
from footwork.runs import Run


def training_photos(project: Project, catalog: Catalog) -> DataSet:
    """Return the labelled photos that a classifier may be fitted on: those of a comparison."""
    everything = data_set(catalog.labelled(), project.config.classes)
    return everything.subset(sides(everything).inside)


def entry_of(
    run: Run, board: Leaderboard, base: str | None, recipe: str | None
) -> EntryInfo | None:
    """Return the run's best entry that can be trained for `base` and `recipe` (None: any)."""
    infos = {info.entry: info for info in run.entries}
    for scores in board.entries:
        if fits(infos[scores.entry], run, base, recipe):
            return infos[scores.entry]
    return None


def fits(info: EntryInfo, run: Run, base: str | None, recipe: str | None) -> bool:
    """Whether an entry is what is asked for, and can be made a classifier.

    Wrong inputs are learnt from only by whoever asks for a recipe whose own choice they are, as
    they are in `seed`.
    """
    its_own = recipe is not None and any(fit.entry == info.entry for fit in run.histories)
    right = info.contract == "right" or its_own
    return right and base in (None, info.base) and recipe in (None, info.recipe)


def fit_classifier(
    project: Project,
    catalog: Catalog,
    run: Run,
    board: Leaderboard,
    info: EntryInfo,
    folder: Path,
    progress: Progress,
) -> Path:
    """Fit the entry `info` of `run` on all its photos and write the classifier into `folder`.

    project: with the run's own settings. Raises DataError if the photos are no longer those of
    the run, or the weights no longer those that it used.
    """
    data = training_photos(project, catalog)
    if data.sha256() != run.environment.data.sha256:
        raise DataError(
            f"The photos or labels have changed since the run {run.name}. Run `footwork compare` "
            "again, so that the classifier promises what was measured on these very photos."
        )
    (recipe,) = find_recipes([info.recipe], project.config)
    with tempfile.TemporaryDirectory(prefix="footwork-") as scratch:
        fit = trained if recipe.training is not None else probed
        parts = fit(project, catalog, run, info, recipe, data, Path(scratch), progress)
        return write_classifier(run, board, info, data.classes, parts, folder)


@dataclass(frozen=True)
class Parts:
    """What a classifier is made of. locator: finds the climber, if a view is a part of one."""

    sights: tuple[Sight, ...]
    locator: Prepared | None
    head: Probe


def trained(
    project: Project,
    catalog: Catalog,
    run: Run,
    info: EntryInfo,
    recipe: Recipe,
    data: DataSet,
    scratch: Path,
    progress: Progress,
) -> Parts:
    """Train the whole network, head included; what is left for the classifier's head is nothing."""
    base = chosen(registry(project), info.base)
    seed, k = run.environment.seed, len(data.classes)
    file = scratch / "network.keras"
    seen, _ = train_whole(base, recipe, data, catalog, seed, file, progress)
    check_weights(seen.prepared.weights_sha256, run, info)
    nothing = Probe(np.zeros(k), np.ones(k), np.eye(k), np.zeros(k), 0.0)
    return Parts((seen,), None, nothing)


def probed(
    project: Project,
    catalog: Catalog,
    run: Run,
    info: EntryInfo,
    recipe: Recipe,
    data: DataSet,
    _scratch: Path,
    progress: Progress,
) -> Parts:
    """Fit the recipe's head on what the frozen bases say of the photos."""
    known = registry(project)
    ready = [prepared_as(known, name, info, data, catalog) for name in info.base.split("+")]
    check_weights("+".join(one.weights_sha256 for one in ready), run, info)
    locator = prepared_as(known, POSE, info, data, catalog) if recipe.needs_body else None
    sights = tuple(sight(one, recipe, "right", locator) for one in ready)
    seen = Extractor(catalog, project.cache, progress, locator).seen(sights, data, recipe.bank)
    rows, photos = seen.good(), data.photos
    head = fit_head(
        recipe.kind,
        seen.vectors[rows],
        photos.label[rows],
        photos.group[rows],
        len(data.classes),
        seed=run.environment.seed,
        blocks=blocks_of(sights),
        bank=None if seen.bank is None else seen.bank[:, rows],
    )
    return Parts(sights, locator, head)


def check_weights(found: str, run: Run, info: EntryInfo) -> None:
    if found != info.weights_sha256:
        raise DataError(
            f"The weights of {info.base} are not those of the run {run.name} (their SHA-256 "
            "differs). Run `footwork compare` again with these weights."
        )


def write_classifier(
    run: Run,
    board: Leaderboard,
    info: EntryInfo,
    classes: tuple[str, ...],
    parts: Parts,
    folder: Path,
) -> Path:
    bases = tuple(base_facts(one, f"network{i + 1}") for i, one in enumerate(parts.sights))
    networks = {kept.file: one.prepared for kept, one in zip(bases, parts.sights, strict=True)}
    kept = None
    if parts.locator is not None:
        key = feature_key(parts.locator, None, "right")
        kept = base_facts(Sight(parts.locator, (key,)), "locator")
        networks[kept.file] = parts.locator
    facts = ClassifierFacts(
        name=folder.name,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        footwork=footwork.__version__,
        classes=classes,
        bases=bases,
        locator=kept,
        recipe=info.recipe,
        seed=run.environment.seed,
        promise=promise(run, board, info),
        data=run.environment.data,
        versions=library_versions(),
        files={},
    )
    return save_classifier(folder, facts, networks, parts.head, model_card(facts))


def prepared_as(
    known: dict[str, Base], name: str, info: EntryInfo, data: DataSet, catalog: Catalog
) -> Prepared:
    base = chosen(known, name)
    prepared = prepare(base, partial(sample_inputs, base.contract, data, catalog))
    fast = "bfloat16" in info.precision and prepared.form == "onnx"
    return in_bfloat16(prepared) if fast else prepared


def promise(run: Run, board: Leaderboard, info: EntryInfo) -> Promise:
    (scores,) = [scores for scores in board.entries if scores.entry == info.entry]
    return Promise(
        run=run.name,
        kind=board.kind,
        folds=board.folds,
        repeats=board.repeats,
        photos=board.photos,
        groups=board.groups,
        scores=scores,
        floors=board.floors,
    )


def model_card(facts: ClassifierFacts) -> str:
    """Return the model card: what it is, what it promises, on what, and where that ends."""
    said, data = facts.promise, facts.data
    f1, guess = said.scores.macro_f1, said.floors.guessing
    drawn = (
        ["**Trained on pictures drawn by code. It says nothing about real photos.**", ""]
        if data.drawn
        else []
    )
    random = (
        [
            "**The base model's weights are random, never trained: this classifier is for "
            "trying things out.**",
            "",
        ]
        if any(base.weights == "random" for base in facts.bases)
        else []
    )
    rows = [
        f"| {c.name} | {c.precision:.2f} | {c.recall:.2f} | {c.f1:.2f} | {c.support} |"
        for c in said.scores.classes
    ]
    better = (
        "That is better than guessing"
        if said.scores.beats_guessing
        else "**That cannot be told from guessing**"
    )
    test = (
        f"{said.folds}-fold cross-validation, {said.repeats} times, no copy of a photo on both "
        "sides of a fold: what this recipe scores on fresh photos of the same kind, measured with "
        "models trained on a part of the photos. This classifier was then fitted on all of them"
        if said.kind == "recipe"
        else "the test photos that came with the import"
    )
    lines = [
        f"# {facts.name}",
        "",
        *drawn,
        *random,
        f"Sorts a photo into {', '.join(facts.classes)}. Made {facts.made_at} by footwork "
        f"{facts.footwork}.",
        "",
        "## What it promises",
        "",
        f"Macro-F1 {f1.value:.2f} (95 % interval {f1.low:.2f} to {f1.high:.2f}), accuracy "
        f"{said.scores.accuracy.value:.2f}, on {said.photos} photos in {said.groups} groups. "
        f"{better} ({guess.low:.2f} to {guess.high:.2f}). Measured by {test}.",
        "",
        "| class | precision | recall | F1 | photos |",
        "|---|---|---|---|---|",
        *rows,
        "",
        "## What it was made from",
        "",
        f"- Photos: {data.photos} ("
        + ", ".join(f"{name} {count}" for name, count in data.per_class.items())
        + f"); {data.provisional} labels are provisional, said by a search query alone.",
        *[
            f"- Base model: {base.name} (weights {base.weights}, SHA-256 "
            f"{base.weights_sha256[:12]}…, licence {base.licence}); input {base.contract.side} x "
            f"{base.contract.side}, {base.contract.describe()}; views {', '.join(base.views)}."
            for base in facts.bases
        ],
        f"- Recipe: {facts.recipe}, seed {facts.seed}; run {said.run}.",
        "",
        "## Where that ends",
        "",
        "- It answers one of its classes for every photo, also for one that shows none of them.",
        "- The promise holds for photos of the kind that it was measured on. Photos from "
        "elsewhere can do worse: import some with `--external` and compare again.",
        *[f"- {note}" for note in data.notes],
        "",
    ]
    return "\n".join(lines)
