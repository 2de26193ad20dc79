"""A small finished run that the tests make: seeded answers over photos that do not exist."""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from footwork.evaluate.leaderboard import leaderboard
from footwork.predictions import FAILED, NO_ANSWER, OK, EntryName, Photos, Predictions
from footwork.records import DataInfo, EntryInfo, Environment, Leaderboard
from footwork.runs import Run

CLASSES = ("heel_hook", "others", "toe_hook")
SKILLS = (1.6, 1.1, 0.0, 0.15)  # how far the true class is lifted, per entry
INFOS = (
    ("efficientnet_lite0", "right", "verified", ()),
    ("my_network", "right", "unverified", ("Keras ran it: ONNX differed by 0.4 % on one photo.",)),
    ("ResNet50", "right", "random", ()),
    ("efficientnet_lite0", "unit-range", "verified", ()),
)


def entry_infos() -> tuple[EntryInfo, ...]:
    """Four entries: verified, a user's file with a note, random weights, broken contract."""
    return tuple(
        EntryInfo.model_validate(
            {
                "entry": f"{i}{'ab' * 6}",
                "base": base,
                "recipe": "probe",
                "contract": contract,
                "weights": weights,
                "weights_sha256": hashlib.sha256(base.encode()).hexdigest(),
                "licence": "Apache-2.0",
                "side": 224,
                "view": "centre",
                "vector_size": 1280,
                "runtime": "onnxruntime",
                "precision": "float32",
                "milliseconds": (8.4, 61.0, 38.2, 8.4)[i],
                "megabytes": (17.8, 94.1, 102.5, 17.8)[i],
                "notes": notes,
            }
        )
        for i, (base, contract, weights, notes) in enumerate(INFOS)
    )


def predictions(
    paths: Sequence[str],
    labels: Sequence[int],
    images: Sequence[str],
    *,
    classes: Sequence[str] = CLASSES,
    repeats: int = 5,
    folds: int = 5,
    seed: int = 12,
) -> Predictions:
    """Answers of all four entries; photo 0 never has one, photo 1 misses one repeat in all."""
    order = np.argsort(np.array(images))
    label = np.array(labels, dtype=np.int64)[order]
    n, k, rng = len(label), len(classes), np.random.default_rng(seed)
    hard = rng.normal(0, 1.2, (n, k))  # what all entries see in a photo
    tables = []
    for skill in SKILLS:
        logits = hard + rng.normal(0, 0.6, (repeats, n, k)) + skill * np.eye(k)[label]
        proba = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        tables.append(proba.reshape(repeats * n, k))
    rows = len(SKILLS) * repeats * n
    photo = np.tile(np.arange(n), len(SKILLS) * repeats)
    repeat = np.tile(np.repeat(np.arange(repeats), n), len(SKILLS))
    failed = (photo == 0) | ((photo == 1) & (repeat == 0))
    proba = np.concatenate(tables)
    predicted = np.where(failed, NO_ANSWER, proba.argmax(axis=1))
    proba[failed] = np.nan
    return Predictions(
        classes=tuple(classes),
        photos=Photos(
            image=tuple(images[i] for i in order),
            path=tuple(paths[i] for i in order),
            label=label,
            group=np.arange(n),
            group_name=tuple(f"g{i:03}" for i in range(n)),
        ),
        entries=tuple(EntryName(info.entry, info.base, info.recipe) for info in entry_infos()),
        entry=np.repeat(np.arange(len(SKILLS)), repeats * n),
        photo=photo,
        repeat=repeat,
        fold=(photo + repeat) % folds,
        status=np.where(failed, FAILED, OK).astype(np.uint8),
        reason=np.array(["truncated file" if bad else "" for bad in failed], dtype=object),
        predicted=predicted.reshape(rows).astype(np.int64),
        proba=proba,
    )


def board_of(table: Predictions, *, external: bool = False, drawn: bool = False) -> Leaderboard:
    titles = {info.entry: info.title for info in entry_infos()}
    return leaderboard(
        table, kind="model" if external else "recipe", seed=12, titles=titles, drawn=drawn
    )


def made_run(
    folder: Path,
    *,
    paths: Sequence[str] = (),
    labels: Sequence[int] = (),
    images: Sequence[str] = (),
    classes: Sequence[str] = CLASSES,
    drawn: bool = False,
    with_external: bool = False,
    config: str = 'name = "climbing"\n\n[compare]\nfolds = 5\n',
    notes: tuple[str, ...] = (),
) -> Run:
    """A run over 60 photos (or those given) with all four entries; `folder` gets config.toml."""
    paths = paths or [f"photos/{classes[i % 3]}/anna_{i:02}.jpg" for i in range(60)]
    labels = labels or [i % 3 for i in range(len(paths))]
    images = images or [
        hashlib.sha256(path.encode("utf-8", "replace")).hexdigest() for path in paths
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(config, encoding="utf-8")
    table = predictions(paths, labels, images, classes=classes)
    external = None
    if with_external:
        far = [hashlib.sha256(f"far {i}".encode()).hexdigest() for i in range(21)]
        external = predictions(
            [f"far/{i}.jpg" for i in range(21)], [i % 3 for i in range(21)], far,
            classes=classes, repeats=1, folds=1, seed=5,
        )  # fmt: skip
    environment = Environment(
        footwork="0.1.0",
        python="3.12.4",
        platform="Linux-6.1-x86_64",
        cpu="Some Processor",
        cores=2,
        versions={"numpy": "2.4.0", "onnxruntime": "1.24.1", "scikit-learn": "1.9.0"},
        started="2025-11-24T05:50:00+00:00",
        seconds={"features": 12.31, "folds": 4.2},
        seed=12,
        folds=5,
        repeats=5,
        split="cv",
        decoded=len(paths),
        data=DataInfo(
            name="climbing",
            photos=len(paths),
            groups=len(paths),
            per_class={name: labels.count(k) for k, name in enumerate(classes)},
            rejected=2,
            conflicts=1,
            provisional=len(paths) // 4,
            drawn=drawn,
            sha256=hashlib.sha256(b"data").hexdigest(),
            notes=notes,
        ),
    )
    return Run(folder, environment, entry_infos(), table, external)


def jpeg_of(image: str) -> bytes:
    """A small photo-like JPEG whose colour depends on the image's hash."""
    colour = tuple(int(image[i : i + 2], 16) for i in (0, 2, 4))
    stream = io.BytesIO()
    Image.new("RGB", (200, 150), colour).save(stream, "JPEG")
    return stream.getvalue()
