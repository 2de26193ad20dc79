"""From `seed` to ours one switch at a time, on a bank of augmented features.

Every position is one entry of a run: its folds, predictions and histories are those of any
comparison, and the differences are paired on the same resamples of groups.
"""

import hashlib
import itertools
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import numpy as np
from numpy.typing import NDArray

from footwork.ablations import Ablation, Check, OtherSplits, Step
from footwork.catalog import Catalog
from footwork.errors import UsageError
from footwork.evaluate import training
from footwork.evaluate.answers import Entry, entry_answers, entry_digest, prediction_rows
from footwork.evaluate.dataset import DataSet, Plan, data_set, plan_folds, sides
from footwork.evaluate.entries import entry_info
from footwork.evaluate.extractor import Extractor, sample_inputs
from footwork.evaluate.intervals import GroupBootstrap, Kind
from footwork.evaluate.writing import data_info, environment, write_run
from footwork.histories import History
from footwork.models.bases import Base
from footwork.models.features import Features
from footwork.models.fit import Fitted
from footwork.models.mlp import Head, fit_mlp
from footwork.models.networks import Prepared, prepare
from footwork.models.recipes import Recipe, find_recipes
from footwork.models.seed import HELD_BACK, RANDOM_STATE, SeedSettings, validation_split
from footwork.models.seed_bank import bank_file, feature_bank
from footwork.models.sights import sight
from footwork.models.trainable import trainable, training_keras
from footwork.predictions import Predictions, stacked
from footwork.progress import Progress
from footwork.project import Project
from footwork.records import EntryInfo
from footwork.runs import Run
from footwork.scores import confusions, macro_f1, tally

Floats = NDArray[np.float32]
ORIGINAL = SeedSettings(side=None)
# In the order of the path; each is the original's choice moved to ours.
SWITCHES: tuple[tuple[str, dict[str, object]], ...] = (
    ("contract", {"contract": "right"}),
    ("learning_rate", {"learning_rate": 1e-3}),
    ("flip", {"flip": "horizontal"}),
    ("rotation", {"rotation": 0.0}),
    ("squash", {"squash": False}),
    ("split", {"split": "grouped"}),
    ("restore_best", {"restore_best": True}),
)
OURS = ORIGINAL.model_copy(update={k: v for _, change in SWITCHES for k, v in change.items()})
SPLITS = 20  # plain splits besides the original's
PROBE = "probe"


@dataclass
class Ablator:
    """What all positions share: photos, folds, the base, banks and head fits."""

    project: Project
    catalog: Catalog
    data: DataSet
    plan: Plan
    prepared: Prepared
    draws: int
    progress: Progress
    albums: dict[bool, training.Album] = field(default_factory=dict)
    tables: list[Predictions] = field(default_factory=list)
    infos: list[EntryInfo] = field(default_factory=list)
    histories: list[History] = field(default_factory=list)

    @property
    def seed(self) -> int:
        return self.project.config.compare.seed

    def album(self, settings: SeedSettings) -> training.Album:
        """Return the photos, decoded once per way of making them square."""
        if settings.squash not in self.albums:
            contract = self.prepared.base.contract
            found = training.pictures(self.data, self.catalog, contract, settings, self.progress)
            training.check_usable(self.data, found)
            self.albums[settings.squash] = found
        return self.albums[settings.squash]

    def bank(self, settings: SeedSettings, title: str) -> Floats:
        """Return the (1 + K, n, d) features of the photos under these settings."""
        pixels, images = self.album(settings).pixels, self.data.photos.image
        folder = self.project.cache / "banks"
        file = bank_file(folder, images, self.prepared, settings, self.draws, self.seed)
        with self.progress.task(f"bank for {title}", len(pixels) * (1 + self.draws)) as advance:
            return feature_bank(
                pixels, self.prepared, settings, self.draws, self.seed, file, advance
            )

    def position(self, name: str, settings: SeedSettings) -> str:
        """Train the heads of one position on every fold and keep what came of it; its hash."""
        whole = [name, settings.model_dump(mode="json"), self.draws, self.prepared.weights_sha256]
        whole += [self.data.sha256(), self.seed]
        digest = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:12]
        album, bank = self.album(settings), self.bank(settings, name)
        answers = np.full(
            (len(self.plan.folds), len(self.data.photos), len(self.data.classes)), np.nan
        )
        total = sum(len(repeat) for repeat in self.plan.folds)
        with self.progress.task(f"heads of {name}", total, unit="folds") as advance:
            for r, repeat in enumerate(self.plan.folds):
                for f, fold in enumerate(repeat):
                    seed = training.fit_seed(self.seed, r, f)
                    head, fit = self.head(bank, album, settings, fold.train, seed)
                    test = training.usable(fold.test, album)
                    answers[r, test] = head.predict_proba(bank[0, test])
                    self.keep(digest, name, r, f, fit)
                    advance(1)
        seen = Features(
            np.empty((len(self.data.photos), 0), np.float32), album.failed, float("nan"), 0
        )
        recipe = Recipe(name=name, kind="seed", views=(), joined=False, bank=0, training=settings)
        entry = Entry((), recipe, settings.contract, digest)
        rows = prediction_rows(entry, self.plan, seen, answers, self.data.classes)
        self.tables.append(training.under_name(rows, digest, self.prepared.base.name, name))
        self.infos.append(self.info(digest, name, settings))
        return digest

    def head(
        self,
        bank: Floats,
        album: training.Album,
        settings: SeedSettings,
        rows: NDArray[np.int64],
        seed: int,
    ) -> tuple[Head, Fitted]:
        photos = self.data.photos
        train = training.usable(rows, album)
        fit, held = validation_split(photos.label[train], photos.group[train], settings, self.seed)
        on, against = train[fit], train[held]
        return fit_mlp(
            bank[1:, on] if self.draws else bank[:, on],
            photos.label[on],
            bank[0, against],
            photos.label[against],
            len(self.data.classes),
            settings,
            seed,
        )

    def keep(self, digest: str, name: str, repeat: int, fold: int, fit: Fitted) -> None:
        self.histories.append(
            History(
                entry=digest,
                base=self.prepared.base.name,
                recipe=name,
                repeat=repeat,
                fold=fold,
                curves=fit.curves,
                kept=fit.kept,
                seconds=fit.seconds,
                batch=fit.batch,
            )
        )

    def info(self, digest: str, name: str, settings: SeedSettings) -> EntryInfo:
        p = self.prepared
        size = training.head_megabytes(p.vector_size, settings, len(self.data.classes))
        return EntryInfo(
            entry=digest,
            base=p.base.name,
            recipe=name,
            contract=settings.contract,
            weights=p.weights,
            weights_sha256=p.weights_sha256,
            licence=p.base.licence,
            side=p.base.contract.side,
            view=training.view_of(p.base.contract, settings),
            vector_size=p.vector_size,
            runtime=p.runtime,
            precision=p.precision,
            milliseconds=float("nan"),
            megabytes=p.megabytes + size,
        )

    def probe(self) -> str:
        """Add our recipe `probe` on the same folds; its hash."""
        settings = self.project.config.compare
        (recipe,) = find_recipes([PROBE], self.project.config)
        extractor = Extractor(self.catalog, self.project.cache, self.progress)
        sights = (sight(self.prepared, recipe, "right", None),)
        entry = Entry(sights, recipe, "right", entry_digest(sights, recipe, settings))
        seen = extractor.seen(sights, self.data, recipe.bank)
        answers = entry_answers(
            entry, self.plan, seen, self.project.cache, self.seed, self.progress
        )
        self.tables.append(prediction_rows(entry, self.plan, seen, answers, self.data.classes))
        self.infos.append(entry_info(entry, seen, len(self.data.classes)))
        return entry.digest

    def splits(self, digest: str, settings: SeedSettings, title: str) -> OtherSplits:
        """Judge a position as the original was judged, by plain splits of 20 % test photos."""
        from sklearn.model_selection import train_test_split

        album, bank, label = (
            self.album(settings),
            self.bank(settings, title),
            self.data.photos.label,
        )
        scores, tested = [], 0
        for state in (RANDOM_STATE, *range(100, 100 + SPLITS)):
            train, test = train_test_split(
                np.arange(len(label)), test_size=HELD_BACK, random_state=state, shuffle=True
            )
            head, _ = self.head(bank, album, settings, np.sort(train), self.seed)
            test = training.usable(np.sort(test), album)
            answer = head.predict_proba(bank[0, test]).argmax(axis=1)
            counts = confusions(label[test], answer[None], self.data.classes)
            scores.append(float(macro_f1(tally(counts)).mean()))
            tested = len(test)
        return OtherSplits(
            entry=digest, test_photos=tested, original=scores[0], others=tuple(scores[1:])
        )


def ablate(
    project: Project,
    catalog: Catalog,
    base: Base,
    *,
    draws: int,
    check: int,
    progress: Progress,
) -> Run:
    """Measure what each choice of the original costs on the project's photos; return the run.

    draws: K, augmented draws of each photo in the bank. check: epochs of a real fit per position
    of the path, on the first fold, to hold the bank's curve against; 0 for none. Banks and
    finished real fits are kept and used again. Raises UsageError for a base without an image
    network, and what `compare` raises.
    """
    if base.kind == "pose":
        raise UsageError(f"{base.name} is no image network: augmentation means nothing to it.")
    started, clock = datetime.now(UTC), time.perf_counter()
    labelled, _ = catalog.judged()
    everything = data_set(labelled, project.config.classes)
    data = everything.subset(sides(everything).inside)
    plan = plan_folds(data, project.config.compare)
    prepared = prepare(base, partial(sample_inputs, base.contract, data, catalog))
    work = Ablator(project, catalog, data, plan, prepared, draws, progress)
    with training_keras("footwork ablate"):
        path, back = positions(work)
        ends = [work.splits(path[0][1], ORIGINAL, "seed"), work.splits(path[-1][1], OURS, "ours")]
    probe = work.probe()
    seconds = {"bank": time.perf_counter() - clock}
    clock = time.perf_counter()
    checks = real_fits(work, base, path, check) if check else ()
    seconds["real fits"] = time.perf_counter() - clock
    predictions = stacked(work.tables)
    paired = comparer(predictions, work)
    tried = catalog.tried(data.sha256(), [info.entry for info in work.infos])
    about = data_info(project, data, catalog.counts(), tried, ())
    run = Run(
        folder=project.runs,
        environment=environment(project, about, seconds, 0, started),
        entries=tuple(work.infos),
        predictions=predictions,
        histories=tuple(work.histories),
        ablation=Ablation(
            base=base.name,
            draws=draws,
            path=path_steps(paired, path, probe),
            back=back_steps(paired, path[-1][1], back),
            checks=checks,
            splits=tuple(ends),
            titles={info.entry: info.recipe for info in work.infos},
            seconds=seconds,
        ),
    )
    return write_run(project, run)


Position = tuple[str, str, SeedSettings]  # switch, hash, settings


def positions(work: Ablator) -> tuple[list[Position], list[Position]]:
    """Train all positions: the path from the original, and each mistake put back alone."""
    settings = ORIGINAL
    path = [("", work.position("seed", settings), settings)]
    for name, change in SWITCHES:
        settings = settings.model_copy(update=change)
        path.append((name, work.position(f"+ {name} {told(change)}", settings), settings))
    back = []
    for name, change in SWITCHES[:-1]:  # without the last switch the path was just before its end
        undone = {key: getattr(ORIGINAL, key) for key in change}
        settings = OURS.model_copy(update=undone)
        back.append((name, work.position(f"ours but {name} {told(undone)}", settings), settings))
    last = SWITCHES[-1][0]
    back.append((last, path[-2][1], path[-2][2]))
    return path, back


def told(change: dict[str, object]) -> str:
    words = {True: "yes", False: "no"}
    return ", ".join(
        words[value] if isinstance(value, bool) else str(value) for value in change.values()
    )


def comparer(predictions: Predictions, work: Ablator) -> GroupBootstrap:
    kind: Kind = "recipe" if work.project.config.compare.split == "cv" else "model"
    return GroupBootstrap(predictions, kind=kind, seed=work.seed)


def path_steps(paired: GroupBootstrap, path: list[Position], probe: str) -> tuple[Step, ...]:
    steps = []
    for (_, before, old), (switch, entry, new) in itertools.pairwise(path):
        steps.append(step(paired, switch, old, new, entry, before))
    steps.append(
        Step(
            switch="recipe",
            was="seed, all switches moved",
            became=PROBE,
            entry=probe,
            before=path[-1][1],
            change=paired.difference(probe, path[-1][1]),
        )
    )
    return tuple(steps)


def back_steps(paired: GroupBootstrap, end: str, back: list[Position]) -> tuple[Step, ...]:
    return tuple(
        step(paired, switch, OURS, settings, entry, end) for switch, entry, settings in back
    )


def step(
    paired: GroupBootstrap,
    switch: str,
    old: SeedSettings,
    new: SeedSettings,
    entry: str,
    before: str,
) -> Step:
    return Step(
        switch=switch,
        was=told({switch: getattr(old, switch)}),
        became=told({switch: getattr(new, switch)}),
        entry=entry,
        before=before,
        change=paired.difference(entry, before),
    )


def real_fits(work: Ablator, base: Base, path: list[Position], epochs: int) -> tuple[Check, ...]:
    """Train each position of the path through the base on the first fold, for so many epochs."""
    banks = {(h.entry, h.repeat, h.fold): h.curves for h in work.histories}
    one = Plan(work.data, [[work.plan.folds[0][0]]], work.plan.folds[0][0].test)
    titles = {info.entry: info.recipe for info in work.infos}
    checks = []
    with training_keras("footwork ablate") as keras:
        network = trainable(keras, base, None)
        for _, entry, settings in path:
            short = settings.model_copy(update={"epochs": epochs})
            name = titles[entry]
            recipe = Recipe(name=name, kind="seed", views=(), joined=False, bank=0, training=short)
            digest = training.fit_digest(network, base, recipe, one, work.seed)
            build = partial(training.trainer_of, recipe, keras, network, len(work.data.classes))
            late = training.LateTrainer(build, short)
            _, fits = training.fit_folds(
                late,
                one,
                work.album(settings),
                work.project.cache / "fits" / digest,
                work.seed,
                work.progress,
                f"real fit of {name}",
            )
            fit, bank = fits[0, 0], banks[entry, 0, 0]
            both = min(len(fit.curves), len(bank))
            checks.append(
                Check(
                    entry=entry,
                    real=tuple(tuple(row) for row in fit.curves[:both].tolist()),
                    bank=tuple(tuple(row) for row in bank[:both].tolist()),
                    seconds_per_epoch=fit.seconds / max(len(fit.curves), 1),
                )
            )
    return tuple(checks)
