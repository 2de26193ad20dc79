"""What the doctor examines: files with what is known of them, and a probe's answers on them."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from footwork.errors import DataError
from footwork.evaluate.intervals import GroupBootstrap, Kind
from footwork.folds import Fold, cross_validation
from footwork.models.features import feature_key, features
from footwork.models.head import out_of_fold
from footwork.models.networks import Prepared
from footwork.predictions import OK, EntryName, Photos, Predictions
from footwork.progress import Progress
from footwork.records import Estimate, Position
from footwork.scores import Floats

FOLDS, REPEATS = 5, 2
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class File:
    """One file and what is said of it; several may hold the same image (SHA-256 of the bytes).

    group: '' where nobody says one; split: as found; source, author: '' where not known; width,
    height: pixels; size: bytes.
    """

    image: str
    path: str
    label: str
    split: str | None
    group: str
    source: str
    author: str
    format: str
    width: int
    height: int
    size: int


@dataclass
class Patient:
    """files: labelled and readable, sorted by image and path. pairs: near-copies, as two images.

    conflicts: (paths, classes) of photos under several classes, where the catalog knows them
    already. new: photos to hold the others against. lettered: images with lettering across them,
    None where nobody looked. read: image -> bytes. pretended: says what ignoring copies that are
    kept together or set aside would have pretended; None where there are none. eyes: the base
    model that looks, or None with `no_eyes`, the reason.
    """

    subject: str
    files: tuple[File, ...]
    pairs: tuple[tuple[str, str], ...]
    conflicts: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    unreadable: tuple[tuple[str, str], ...]
    new: tuple[File, ...]
    lettered: frozenset[str] | None
    read: Callable[[str], bytes]
    cache: Path
    eyes: Prepared | None
    no_eyes: str = ""
    seed: int = 12
    is_project: bool = False
    pretended: Callable[[Prepared], str | None] = lambda _eyes: None
    progress: Progress = field(default_factory=Progress)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        return tuple(sorted({file.label for file in self.files}))

    @cached_property
    def cluster(self) -> dict[str, int]:
        """Image -> the number of its cluster of copies and near-copies."""
        parent = {file.image: file.image for file in self.files}

        def root(image: str) -> str:
            while parent[image] != image:
                parent[image] = parent[parent[image]]
                image = parent[image]
            return image

        for a, b in self.pairs:
            if a in parent and b in parent:
                parent[max(root(a), root(b))] = min(root(a), root(b))
        number = {image: i for i, image in enumerate(sorted({root(i) for i in parent}))}
        return {image: number[root(image)] for image in parent}

    @cached_property
    def disputed(self) -> set[int]:
        """Clusters whose files lie under several classes."""
        labels = defaultdict(set)
        for file in self.files:
            labels[self.cluster[file.image]].add(file.label)
        return {cluster for cluster, names in labels.items() if len(names) > 1}

    @cached_property
    def sides(self) -> tuple[str | None, ...]:
        """'train' or 'test' of each file; None where there is no split. A lone val/ is the test."""
        splits = {file.split for file in self.files}
        test = {"test"} if "test" in splits else {"val"}
        if not splits & test or not splits - test - {None}:
            return (None,) * len(self.files)
        side = {split: "test" if split in test else "train" for split in splits}
        return tuple(None if file.split is None else side[file.split] for file in self.files)

    @property
    def has_split(self) -> bool:
        return any(side is not None for side in self.sides)

    @cached_property
    def unique(self) -> tuple[File, ...]:
        """One file per image, without disputed ones: what a fair comparison would use."""
        first: dict[str, File] = {}
        for file in self.files:
            if self.cluster[file.image] not in self.disputed:
                first.setdefault(file.image, file)
        return tuple(first[image] for image in sorted(first))

    def photos_of(self, files: Sequence[File], groups: Ints | None = None) -> Photos:
        """Return files as photos; grouped by cluster and given group, or by `groups`."""
        images = [file.image for file in files]
        times: Counter[str] = Counter()
        names = []
        for image in images:
            times[image] += 1
            names.append(image if times[image] == 1 else f"{image}:{times[image]}")
        code = self.groups_of(files) if groups is None else groups
        return Photos(
            image=tuple(names),
            path=tuple(file.path for file in files),
            label=np.array([self.classes.index(file.label) for file in files], dtype=np.int64),
            group=code,
            group_name=tuple(f"g{i:07}" for i in range(int(code.max(initial=0)) + 1)),
        )

    def groups_of(self, files: Sequence[File]) -> Ints:
        """Return (n,) codes: files of one cluster or one given group share one."""
        parent: dict[str, str] = {}

        def root(node: str) -> str:
            while parent.setdefault(node, node) != node:
                node = parent[node]
            return node

        nodes = [f"c{self.cluster.get(file.image, file.image)}" for file in files]
        for node, file in zip(nodes, files, strict=True):
            above = root(f"g{file.group}") if file.group else root(node)
            parent[root(node)] = above
        _, code = np.unique([root(node) for node in nodes], return_inverse=True)
        return code.astype(np.int64).reshape(-1)

    def vectors(
        self,
        files: Sequence[File],
        *,
        view: str | None = None,
        position: Position = "right",
        edit: "Edit | None" = None,
        prepared: Prepared | None = None,
    ) -> NDArray[np.float32]:
        """Return (n, d) features, NaN rows where an image failed. edit: done to the picture."""
        eyes = prepared or self.eyes
        if eyes is None:
            raise DataError(self.no_eyes)
        key = feature_key(eyes, view, position)
        images = [file.image for file in files]
        wanted, read = images, self.read
        if edit is not None:
            at_least = round(key.contract.side / key.contract.crop_fraction)
            wanted, read = edit.wrapped(images, self.read, at_least)
        title = f"looking at photos{'' if edit is None else f', {edit.name}'}"
        with self.progress.task(title, len(set(wanted))) as advance:
            return features(wanted, eyes, key, read, self.cache, advance).vectors

    def answered(
        self, photos: Photos, vectors: NDArray[np.float32], *, fold_groups: Ints | None = None
    ) -> tuple[Floats, list[list[Fold]]]:
        """Return (repeats, n, k) out-of-fold probabilities and the folds; NaN rows stay NaN.

        fold_groups: cut by these instead of the photos' groups. Raises DataError.
        """
        group = photos.group if fold_groups is None else fold_groups
        good = np.flatnonzero(np.isfinite(vectors).all(axis=1))
        label = photos.label[good]
        images = [photos.image[i] for i in good]
        folds = cross_validation(
            label, group[good], image=images, folds=FOLDS, repeats=REPEATS, seed=self.seed,
            classes=self.classes,
        )  # fmt: skip
        proba = np.full((REPEATS, len(photos), len(self.classes)), np.nan)
        proba[:, good] = out_of_fold(
            vectors[good], label, group[good], len(self.classes), folds, seed=self.seed
        )
        return proba, [
            [Fold(good[fold.train], good[fold.test]) for fold in repeat] for repeat in folds
        ]

    @cached_property
    def fair(self) -> "Answers":
        """The probe's out-of-fold answers on the unique photos. Raises DataError."""
        photos = self.photos_of(self.unique)
        vectors = self.vectors(self.unique)
        proba, folds = self.answered(photos, vectors)
        return Answers(photos, vectors, proba, folds)


@dataclass(frozen=True)
class Answers:
    """photos: (n,); vectors: (n, d); proba: (repeats, n, k); folds: [repeat][fold]."""

    photos: Photos
    vectors: NDArray[np.float32]
    proba: Floats
    folds: list[list[Fold]]


@dataclass(frozen=True)
class Edit:
    """A change of the picture before it is looked at. change: (h, w, 3) uint8 -> the same."""

    name: str
    change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]

    def wrapped(
        self, images: Sequence[str], read: Callable[[str], bytes], at_least: int
    ) -> tuple[list[str], Callable[[str], bytes]]:
        """Return a name of each edited image, for the cache, and what reads it as a PNG.

        at_least: pixels of the shorter side, as the base decodes it.
        """
        import hashlib
        import io

        from PIL import Image

        from footwork.images import decode

        names = [hashlib.sha256(f"{image} {self.name}".encode()).hexdigest() for image in images]
        back = dict(zip(names, images, strict=True))

        def edited(name: str) -> bytes:
            stream = io.BytesIO()
            pixels = self.change(decode(read(back[name]), at_least=at_least))
            Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG", compress_level=1)
            return stream.getvalue()

        return names, edited


def table_of(
    photos: Photos,
    classes: Sequence[str],
    answers: Mapping[str, Floats],
    folds: Sequence[Sequence[Fold]],
) -> Predictions:
    """Lay out probabilities, (repeats, n, k) per entry name, as a table of predictions.

    A NaN row counts as no answer. folds: [] for a single split.
    """
    names = list(answers)
    repeats, n, k = next(iter(answers.values())).shape
    fold = np.zeros((repeats, n), dtype=np.int64)
    for r, repeat in enumerate(folds):
        for number, one in enumerate(repeat):
            fold[r, one.test] = number
    proba = np.concatenate([answers[name].reshape(-1, k) for name in names])
    answered = np.isfinite(proba).all(axis=1)
    predicted = np.where(answered, np.where(answered[:, None], proba, 0).argmax(axis=1), -1)
    m = len(names)
    return Predictions(
        classes=tuple(classes),
        photos=photos,
        entries=tuple(EntryName(name, name, "probe") for name in names),
        entry=np.repeat(np.arange(m), repeats * n),
        photo=np.tile(np.arange(n), m * repeats),
        repeat=np.tile(np.repeat(np.arange(repeats), n), m),
        fold=np.tile(fold.reshape(-1), m),
        status=np.where(answered, OK, 1).astype(np.uint8),
        reason=np.full(len(proba), "", dtype=object),
        predicted=predicted.astype(np.int64),
        proba=proba,
    )


def difference(
    photos: Photos,
    classes: Sequence[str],
    first: Floats,
    second: Floats,
    folds: Sequence[Sequence[Fold]],
    seed: int,
) -> tuple[Estimate, Estimate, Estimate]:
    """Return macro-F1 of first, of second, and first less second, with 95 % intervals."""
    table = table_of(photos, classes, {"first": first, "second": second}, folds)
    kind: Kind = "recipe" if folds else "model"
    bootstrap = GroupBootstrap(table, kind=kind, seed=seed)
    return (
        bootstrap.estimate("first"),
        bootstrap.estimate("second"),
        bootstrap.difference("first", "second"),
    )
