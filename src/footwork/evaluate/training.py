"""Entries of the recipe `seed`: a real fit per fold, kept as soon as it is finished.

A fold that was finished before an interruption is not trained again.
"""

import hashlib
import io
import itertools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import footwork
from footwork.catalog import Catalog
from footwork.errors import DataError, UsageError
from footwork.evaluate.answers import Entry, prediction_rows
from footwork.evaluate.dataset import DataSet, Plan
from footwork.files import write_bytes
from footwork.folds import Fold
from footwork.histories import History
from footwork.images import DECODER, Unreadable
from footwork.models.bases import Base
from footwork.models.contract import InputContract
from footwork.models.conversion import KerasNetwork
from footwork.models.features import Features, feature_key
from footwork.models.fit import Fitted, Timed, Trainer
from footwork.models.networks import Prepared
from footwork.models.recipes import Recipe
from footwork.models.runtimes import runtime_name
from footwork.models.seed import SeedSettings, validation_split
from footwork.models.sights import Sight
from footwork.models.trainable import Trainable, trainable, training_keras, why_not
from footwork.models.views import square
from footwork.predictions import EntryName, Predictions
from footwork.progress import Advance, Progress
from footwork.project import Project
from footwork.records import EntryInfo

TIMED = 8  # photos that are timed alone
WORTH_SAYING_S = 20.0  # a training that takes longer says so beforehand


@dataclass(frozen=True)
class TrainedEntry:
    """What came of one base: rows of the table, the entry's facts, one history per fold."""

    predictions: Predictions
    info: EntryInfo
    histories: tuple[History, ...]


@dataclass(frozen=True)
class Album:
    """Photos as the network gets them before augmentation.

    pixels: (n, side, side, 3) uint8, zeros where a photo failed; failed: index -> reason.
    """

    pixels: NDArray[np.uint8]
    failed: dict[int, str]


def train_entries(
    recipes: Sequence[Recipe],
    bases: Sequence[tuple[Base, ...]],
    plan: Plan,
    project: Project,
    catalog: Catalog,
    progress: Progress,
) -> list[TrainedEntry]:
    """Train every base that can be trained with every recipe that trains.

    Others are left out and named, where one is left. Raises UsageError for joined bases,
    DataError for bases that cannot be trained, if there are no others.
    """
    training = [recipe for recipe in recipes if recipe.training is not None]
    if not training:
        return []
    refused = {together: reason for together in bases if (reason := unable(together))}
    able = [together[0] for together in bases if together not in refused]
    names = " and ".join(recipe.name for recipe in training)
    for together, reason in refused.items():
        if not able:
            raise (DataError if len(together) == 1 else UsageError)(reason)
        progress.say(f"{names}: without {'+'.join(base.name for base in together)}. {reason}")
    return [
        train_entry(base, recipe, plan, project, catalog, progress)
        for recipe, base in itertools.product(training, able)
    ]


def unable(together: tuple[Base, ...]) -> str | None:
    """Say why these bases cannot be trained, None if they can."""
    if len(together) > 1:
        return (
            "One network is trained at a time; leave bases joined by + to recipes on their "
            "features, such as probe."
        )
    return why_not(together[0])


def train_entry(
    base: Base,
    recipe: Recipe,
    plan: Plan,
    project: Project,
    catalog: Catalog,
    progress: Progress,
) -> TrainedEntry:
    """Train `base` with the recipe's settings on every fold of the plan and predict the rest.

    Raises DataError if the photos or the base do not allow it, EnvironmentProblem for a back
    end that is not installed or too little memory.
    """
    settings, seed = recipe.training, project.config.compare.seed
    if settings is None:
        raise ValueError(f"the recipe {recipe.name} does not train")
    with training_keras(f"The recipe {recipe.name}") as keras:
        network = trainable(keras, base, settings.side)
        album = pictures(plan.data, catalog, network.contract, settings, progress)
        classes = plan.data.classes
        check_usable(plan.data, album)
        digest = fit_digest(network, base, recipe, plan, seed)
        folder = project.cache / "fits" / digest
        trainer = LateTrainer(partial(trainer_of, recipe, keras, network, len(classes)), settings)
        answers, fits = fit_folds(
            trainer, plan, album, folder, seed, progress, f"{recipe.name} on {base.name}"
        )
        alone = time_alone(trainer, catalog, plan.data, album, network, settings)
        backend = str(keras.config.backend())
    histories = tuple(
        History(
            entry=digest,
            base=base.name,
            recipe=recipe.name,
            repeat=repeat,
            fold=fold,
            curves=fit.curves,
            kept=fit.kept,
            seconds=fit.seconds,
            batch=fit.batch,
        )
        for (repeat, fold), fit in fits.items()
    )
    info = EntryInfo(
        entry=digest,
        base=base.name,
        recipe=recipe.name,
        contract=settings.contract,
        weights=network.weights,
        weights_sha256=network.weights_sha256,
        licence=base.licence,
        side=network.contract.side,
        view=view_of(network.contract, settings),
        vector_size=network.vector_size,
        runtime=f"keras {version('keras')}, {backend} {version(backend)}",
        precision="float32",
        milliseconds=alone,
        megabytes=network.megabytes + head_megabytes(network.vector_size, settings, len(classes)),
        notes=(*network.notes, *remarks(fits)),
    )
    seen = Features(np.empty((len(plan.data.photos), 0), np.float32), album.failed, alone, 0)
    rows_ = prediction_rows(
        Entry((), recipe, settings.contract, digest), plan, seen, answers, classes
    )
    return TrainedEntry(under_name(rows_, digest, base.name, recipe.name), info, histories)


def train_whole(
    base: Base,
    recipe: Recipe,
    data: DataSet,
    catalog: Catalog,
    seed: int,
    file: Path,
    progress: Progress,
) -> tuple[Sight, Fitted]:
    """Train `base` by the recipe on all of `data`, a part of it validating, as in every fold.

    The network is saved as `file`; it answers with log odds of the classes. Returns how it looks
    at a photo, with a contract that feeds it as it was fed in training. Raises what
    `train_entry` raises.
    """
    settings = recipe.training
    if settings is None:
        raise ValueError(f"the recipe {recipe.name} does not train")
    classes, photos = data.classes, data.photos
    with training_keras(f"The recipe {recipe.name}") as keras:
        network = trainable(keras, base, settings.side)
        album = pictures(data, catalog, network.contract, settings, progress)
        check_usable(data, album)
        rows = usable(np.arange(len(photos)), album)
        fit_rows, held = validation_split(photos.label[rows], photos.group[rows], settings, seed)
        on, against = rows[fit_rows], rows[held]
        trainer = trainer_of(recipe, keras, network, len(classes))
        title = f"{recipe.name} on {base.name}, all photos"
        with progress.task(title, settings.epochs, unit="epochs") as advance:
            epochs = Epochs(settings.epochs, advance)
            fitted = trainer.fit(
                (album.pixels[on], photos.label[on]),
                (album.pixels[against], photos.label[against]),
                fit_seed(seed, 0, 0),
                epochs.done,
                progress.say,
                photos.group[on],
            )
            epochs.finish()
        trainer.save(file)
    prepared = Prepared(
        base=replace(base, contract=network.contract.as_fed(settings.contract)),
        weights=network.weights,
        weights_sha256=network.weights_sha256,
        vector_size=len(classes),
        megabytes=file.stat().st_size / 1e6,
        runtime=runtime_name("keras"),
        notes=network.notes,
        open=lambda _threads: KerasNetwork(file),
        form="keras",
        model=lambda: file,
    )
    view = view_of(network.contract, settings)
    return Sight(prepared, (feature_key(prepared, view, "right"),)), fitted


def under_name(rows: Predictions, entry: str, base: str, recipe: str) -> Predictions:
    """Return the rows of one entry without sights under its name."""
    return replace(rows, entries=(EntryName(entry, base, recipe),))


def check_usable(data: DataSet, album: Album) -> None:
    """Raise DataError where no photo of a class could be read."""
    for k, name in enumerate(data.classes):
        rows = np.flatnonzero(data.photos.label == k)
        if all(int(i) in album.failed for i in rows):
            raise DataError(
                f"None of the {len(rows)} photos of class {name} can be used "
                f"({album.failed[int(rows[0])]}). Bring them back, or import again."
            )


def view_of(contract: InputContract, settings: SeedSettings) -> str:
    return "squash" if settings.squash else contract.crop


def head_megabytes(size: int, settings: SeedSettings, k: int) -> float:
    sizes = (size, *settings.widths, k)
    return 4 * sum((a + 1) * b for a, b in itertools.pairwise(sizes)) / 1e6


def remarks(fits: dict[tuple[int, int], Fitted]) -> tuple[str, ...]:
    """Say once per remark in how many of the fits it was made."""
    seen: dict[str, int] = {}
    for fit in fits.values():
        for remark in fit.remarks:
            seen[remark] = seen.get(remark, 0) + 1
    return tuple(f"In {n} of {len(fits)} fits {remark}." for remark, n in seen.items())


def fit_digest(network: Trainable, base: Base, recipe: Recipe, plan: Plan, seed: int) -> str:
    """Hash all that decides the fits, the data and the folds included."""
    folds = [[fold.test.tolist() for fold in repeat] for repeat in plan.folds]
    settings: list[object] = [
        one and one.model_dump(mode="json") for one in (recipe.training, recipe.finetuning)
    ]
    whole = [
        base.name,
        network.weights_sha256,
        network.contract.model_dump(mode="json"),
        recipe.name,
        settings,
        [plan.data.sha256(), folds, seed],
        [DECODER, footwork.__version__, version("keras")],
    ]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:12]


def pictures(
    data: DataSet,
    catalog: Catalog,
    contract: InputContract,
    settings: SeedSettings,
    progress: Progress,
) -> Album:
    """Decode all photos into the squares that training starts from."""
    side, n = contract.side, len(data.photos)
    pixels = np.zeros((n, side, side, 3), np.uint8)
    failed: dict[int, str] = {}
    with progress.task("decoding photos to train on", n) as advance:
        for i, image in enumerate(data.photos.image):
            try:
                pixels[i] = square(catalog.read(image), contract, view_of(contract, settings))
            except Unreadable as error:
                failed[i] = error.reason
            advance(1)
    return Album(pixels, failed)


class LateTrainer:
    """A Trainer that is built when a fold has to be trained; none of its folds may have to be."""

    def __init__(self, build: Callable[[], Trainer], settings: SeedSettings) -> None:
        self.build, self.settings = build, settings
        self.built: Trainer | None = None

    def get(self) -> Trainer:
        if self.built is None:
            self.built = self.build()
        return self.built


def trainer_of(recipe: Recipe, keras: object, base: Trainable, k: int) -> Trainer:
    """Return what trains `base` as the recipe says. Use inside `training_keras`."""
    if recipe.finetuning is not None:
        from footwork.models.finetune_fit import FinetuneTrainer

        return FinetuneTrainer(keras, base, recipe.finetuning, k)
    if recipe.training is None:
        raise ValueError(f"the recipe {recipe.name} does not train")
    return Trainer(keras, base, recipe.training, k)


def fit_folds(
    late: LateTrainer,
    plan: Plan,
    album: Album,
    folder: Path,
    seed: int,
    progress: Progress,
    title: str,
) -> tuple[NDArray[np.float64], dict[tuple[int, int], Fitted]]:
    """Train every fold that is not in `folder` yet; return (repeats, n, k) answers and the fits."""
    photos, settings = plan.data.photos, late.settings
    answers = np.full((len(plan.folds), len(photos), len(plan.data.classes)), np.nan)
    fits: dict[tuple[int, int], Fitted] = {}
    cuts = [(r, f, fold) for r, repeat in enumerate(plan.folds) for f, fold in enumerate(repeat)]
    missing = [cut for cut in cuts if not kept_file(folder, cut[0], cut[1]).exists()]
    if missing:
        late.get()
        announce(late.get(), missing, album, photos.label, progress, title)
    with progress.task(title, len(cuts) * settings.epochs, unit="epochs") as advance:
        for repeat, number, fold in cuts:
            train, test = usable(fold.train, album), usable(fold.test, album)
            file = kept_file(folder, repeat, number)
            known = read_fit(file, (len(test), len(plan.data.classes)))
            if known is None:
                fit_rows, held = validation_split(
                    photos.label[train], photos.group[train], settings, seed
                )
                epochs = Epochs(settings.epochs, advance)
                fitted = late.get().fit(
                    (album.pixels[train[fit_rows]], photos.label[train[fit_rows]]),
                    (album.pixels[train[held]], photos.label[train[held]]),
                    fit_seed(seed, repeat, number),
                    epochs.done,
                    progress.say,
                    photos.group[train[fit_rows]],
                )
                epochs.finish()
                known = fitted, late.get().predict(album.pixels[test])
                write_fit(file, *known)
            else:
                advance(settings.epochs)
            fits[repeat, number] = known[0]
            answers[repeat, test] = known[1]
    return answers, fits


class Epochs:
    """Counts the epochs of one fit; those that early stopping saved count when it ends."""

    def __init__(self, total: int, advance: Advance) -> None:
        self.left, self.advance = total, advance

    def done(self) -> None:
        if self.left:  # after running out of memory a fit starts again
            self.left -= 1
            self.advance(1)

    def finish(self) -> None:
        self.advance(self.left)


def usable(rows: NDArray[np.int64], album: Album) -> NDArray[np.int64]:
    return np.array([i for i in rows if int(i) not in album.failed], dtype=np.int64)


def fit_seed(seed: int, repeat: int, fold: int) -> int:
    """Return the seed of one fit's head, order and augmentation."""
    return seed + 1000 * repeat + 10 * fold


def announce(
    trainer: Trainer,
    missing: list[tuple[int, int, Fold]],
    album: Album,
    label: NDArray[np.int64],
    progress: Progress,
    title: str,
) -> Timed:
    """Time a batch and say how long the missing folds will take at most."""
    settings = trainer.settings
    train = usable(missing[0][2].train, album)
    timed = trainer.timed(album.pixels[train], label[train])
    held = round(len(train) / 5)
    epoch = timed.epoch(len(train) - held, held, settings.batch)
    longest = epoch * settings.epochs * len(missing)
    if longest > WORTH_SAYING_S:
        progress.say(
            f"{title}: about {minutes(longest)} at most ({len(missing)} folds of up to "
            f"{settings.epochs} epochs, {epoch:.1f} s each, from a timed batch); early stopping "
            "may end it sooner. Finished folds are kept if you stop it."
        )
    return timed


def minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} minutes"


def time_alone(
    late: LateTrainer,
    catalog: Catalog,
    data: DataSet,
    album: Album,
    network: Trainable,
    settings: SeedSettings,
) -> float:
    """Return the median milliseconds from one photo's bytes to its class, one at a time.

    NaN where every fold came from the cache, so that no network was built.
    """
    if late.built is None:
        return float("nan")
    spent = []
    for i in [i for i in range(len(data.photos)) if i not in album.failed][: TIMED + 1]:
        data_ = catalog.read(data.photos.image[i])
        started = time.perf_counter()
        view = view_of(network.contract, settings)
        late.built.predict(square(data_, network.contract, view)[None])
        spent.append(1e3 * (time.perf_counter() - started))
    return float(np.median(spent[1:])) if len(spent) > 1 else float("nan")


def kept_file(folder: Path, repeat: int, fold: int) -> Path:
    return folder / f"r{repeat}f{fold}.npz"


def write_fit(path: Path, fit: Fitted, proba: NDArray[np.float64]) -> None:
    facts = {
        "best": fit.best,
        "kept": fit.kept,
        "seconds": fit.seconds,
        "batch": fit.batch,
        "remarks": list(fit.remarks),
    }
    buffer = io.BytesIO()
    text = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    np.savez(buffer, proba=proba, curves=fit.curves, facts=text)
    write_bytes(path, buffer.getvalue())


def read_fit(path: Path, shape: tuple[int, int]) -> tuple[Fitted, NDArray[np.float64]] | None:
    """Return a finished fold, or None where there is none that can be used."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            proba, curves = kept["proba"], kept["curves"]
            facts = json.loads(kept["facts"].tobytes())
        fit = Fitted(
            curves=curves,
            best=int(facts["best"]),
            kept=int(facts["kept"]),
            seconds=float(facts["seconds"]),
            batch=int(facts["batch"]),
            remarks=tuple(facts["remarks"]),
        )
    except (OSError, ValueError, KeyError):
        return None
    return (fit, proba) if proba.shape == shape else None
