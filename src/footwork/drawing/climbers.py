"""The data of `footwork demo`: drawn climbers, in the original experiment's proportions.

The pictures are drawn by code, and each says so in its EXIF description. They are for a first
look at what footwork does, never for a claim about photos.

FOLDER/{heel_hook,toe_hook,others}/climber_0001.jpg ...   names tell neither class nor plant
FOLDER/planted.csv    the truth about the planted trouble: file, what, detail
FOLDER/drawn.json     seed and counts, and a hash of the pictures, to tell a complete folder

Trouble is planted as scraped photos have it. Among the drawings themselves:
    wrong_label       the picture shows another class than its folder says
On top of them, as further files:
    exact_copy        the same bytes under another name in the same folder
    conflicting_copy  the same bytes in another class's folder
    near_copy         saved again: other quality, size, edges or brightness
    broken            a JPEG cut off in the middle, a text file called .jpg, an empty file
"""

import csv
import hashlib
import io
import itertools
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from footwork.drawing.scenes import draw_scene
from footwork.errors import UsageError, nearest
from footwork.files import PARTIAL, sha256_of, unwritable
from footwork.records import Record

ORIGINAL_COUNTS: Mapping[str, int] = {"heel_hook": 106, "toe_hook": 76, "others": 124}
FEWEST = 4  # drawings of a class: enough to plant every kind of trouble once
# How much of each kind goes with the original's 306; other counts get their share, at least 1.
WRONG, EXACT, CONFLICTING, NEAR = 10, 8, 2, 12

SOURCE = "{source}"
NOTE = "Drawn by code for `footwork demo`; not a photo. For a first look, never for a claim."
TEXT = b"This is a text file, although its name ends in .jpg.\n"
DESCRIPTION, SOFTWARE = 0x010E, 0x0131  # EXIF tags


@dataclass(frozen=True)
class Drawn:
    """What was drawn, and what was planted in it.

    photos: different pictures, of which `wrong_labels` lie in another class's folder. On top
    come exact_copies (conflicts of them in another class's folder), near_copies and broken
    files; `files` is all of them together.
    """

    folder: Path
    photos: int
    exact_copies: int
    near_copies: int
    wrong_labels: int
    broken: int
    conflicts: int

    @property
    def files(self) -> int:
        return self.photos + self.exact_copies + self.near_copies + self.broken


class Marker(Record):
    """drawn.json: what a complete folder was drawn from, and what it then held."""

    note: str = NOTE
    seed: int
    counts: dict[str, int]
    planted: dict[str, int]
    pictures_sha256: str


@dataclass(frozen=True)
class Picture:
    """One file to be written. what: the kind of trouble, '' for none; detail: about it.

    source: the index of the picture that this one is a copy of; it has no name yet, so that
    `detail` says SOURCE in its place.
    """

    label: str
    suffix: str
    data: bytes
    what: str = ""
    detail: str = ""
    source: int | None = None


def draw_climbers(
    folder: Path,
    *,
    seed: int = 12,
    counts: Mapping[str, int] = ORIGINAL_COUNTS,
    advance: Callable[[int], None] | None = None,
) -> Drawn:
    """Draw the whole set into `folder`, which appears complete or not at all.

    counts: drawings per class, of the classes of ORIGINAL_COUNTS, at least FEWEST each and two
    classes. advance: called with 1 after each drawing. The same seed and counts give the same
    bytes (with the same Pillow and NumPy); a folder that already holds them is left alone.

    Raises UsageError for other counts, or a folder that holds anything else; EnvironmentProblem
    if it cannot be written.
    """
    check_counts(counts)
    if not is_free(folder):
        return read_drawn(folder, seed, counts)
    pictures = draw_all(seed, counts, advance or (lambda _done: None))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=folder.parent))
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        whole = partial / "whole"  # mkdtemp's own folder is private; this one has usual rights
        write_all(whole, pictures, seed, counts)
        if folder.exists():
            folder.rmdir()
        whole.rename(folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return read_drawn(folder, seed, counts)


def is_free(folder: Path) -> bool:
    """Whether nothing is there yet, or an empty folder."""
    try:
        return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    except OSError as error:
        raise unwritable(folder, error) from error


def check_counts(counts: Mapping[str, int]) -> None:
    for label, count in counts.items():
        if label not in ORIGINAL_COUNTS:
            known = nearest(label, ORIGINAL_COUNTS)
            raise UsageError(f"No climber can be drawn for class {label!r}; {known}")
        if count < FEWEST:
            raise UsageError(f"{label}: {count} drawings are too few; draw {FEWEST} or more.")
    if len(counts) < 2:
        raise UsageError("Drawing wants two classes or more: a wrong label needs another class.")


def read_drawn(folder: Path, seed: int, counts: Mapping[str, int]) -> Drawn:
    """Return what a complete folder holds. Raises UsageError if it is not what was asked for."""
    refused = UsageError(
        f"{folder} exists and does not hold the drawings asked for (seed {seed}, "
        f"{sum(counts.values())} climbers), or some were changed since. Remove it, or name "
        "another folder."
    )
    try:
        marker = Marker.model_validate_json((folder / "drawn.json").read_bytes())
    except (OSError, ValueError):
        raise refused from None
    if (marker.seed, marker.counts) != (seed, dict(counts)):
        raise refused
    if marker.pictures_sha256 != pictures_sha256(folder):
        raise refused
    planted = marker.planted
    conflicts = planted["conflicting_copy"]
    return Drawn(
        folder=folder,
        photos=sum(counts.values()),
        exact_copies=planted["exact_copy"] + conflicts,
        near_copies=planted["near_copy"],
        wrong_labels=planted["wrong_label"],
        broken=planted["broken"],
        conflicts=conflicts,
    )


def pictures_sha256(folder: Path) -> str:
    """Return a hash over the names and bytes of all pictures."""
    lines = sorted(
        f"{path.relative_to(folder).as_posix()} {sha256_of(path)}\n"
        for path in folder.glob("*/climber_*")
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def draw_all(seed: int, counts: Mapping[str, int], advance: Callable[[int], None]) -> list[Picture]:
    """Return the drawings, a few under a wrong label, followed by the copies and broken files."""
    labels = [label for label in sorted(counts) for _ in range(counts[label])]
    share = min(1.0, len(labels) / sum(ORIGINAL_COUNTS.values()))
    amounts = [max(1, round(n * share)) for n in (WRONG, EXACT, CONFLICTING, NEAR)]
    rng = np.random.default_rng([seed, 0])
    # One kind of trouble per drawing at most, so that each can be told from the others.
    wrong, exact, conflicting, near = np.split(
        rng.permutation(len(labels))[: sum(amounts)], np.cumsum(amounts)[:-1]
    )
    pictures = []
    for k, label in enumerate(labels):
        shown = other_than(label, counts, rng) if k in wrong else label
        suffix, data = encoded(shown, np.random.default_rng([seed, 1, k]))
        what, detail = ("wrong_label", f"shows {shown}") if k in wrong else ("", "")
        pictures.append(Picture(label, suffix, data, what, detail))
        advance(1)
    originals = tuple(pictures)
    for k in exact.tolist():
        copy = replace(originals[k], what="exact_copy", detail=f"of {SOURCE}", source=k)
        pictures.append(copy)
    for k in conflicting.tolist():
        label = other_than(originals[k].label, counts, rng)
        pictures.append(
            replace(
                originals[k], label=label, what="conflicting_copy", detail=f"of {SOURCE}", source=k
            )
        )
    for k, how in zip(near.tolist(), itertools.cycle(NEAR_COPIES), strict=False):
        image = Image.open(io.BytesIO(originals[k].data)).convert("RGB")
        data, done = how(image, rng)
        detail = f"{done}, of {SOURCE}"
        pictures.append(Picture(originals[k].label, ".jpg", data, "near_copy", detail, source=k))
    return pictures + broken(counts, np.random.default_rng([seed, 2]))


def other_than(label: str, counts: Mapping[str, int], rng: np.random.Generator) -> str:
    return str(rng.choice(sorted(set(counts) - {label})))


def encoded(label: str, rng: np.random.Generator) -> tuple[str, bytes]:
    """Return suffix and bytes of a new drawing: mostly JPEG, some PNG and WebP."""
    image = draw_scene(label, rng)
    kind = rng.random()
    if kind < 0.04:
        return ".png", saved(image, "PNG")
    if kind < 0.1:
        return ".webp", saved(image, "WEBP", quality=int(rng.integers(70, 96)))
    return ".jpg", saved(image, "JPEG", quality=int(rng.integers(60, 96)))


def saved(image: Image.Image, format_: str, **options: int) -> bytes:
    exif = Image.Exif()
    exif[DESCRIPTION], exif[SOFTWARE] = NOTE, "footwork"
    out = io.BytesIO()
    image.save(out, format_, exif=exif, **options)
    return out.getvalue()


def broken(counts: Mapping[str, int], rng: np.random.Generator) -> list[Picture]:
    """The three files that cannot be decoded, spread over the classes' folders."""
    labels = rng.permutation(sorted(counts)).tolist()
    whole = saved(draw_scene(labels[0], rng), "JPEG", quality=85)
    troubles = (
        (whole[: len(whole) // 2], "a JPEG cut off in the middle"),
        (TEXT, "a text file"),
        (b"", "an empty file"),
    )
    return [
        Picture(label, ".jpg", data, "broken", detail)
        for (data, detail), label in zip(troubles, itertools.cycle(labels), strict=False)
    ]


# Near copies: the same picture as another site would have it


def lower_quality(image: Image.Image, rng: np.random.Generator) -> tuple[bytes, str]:
    quality = int(rng.integers(35, 58))
    return saved(image, "JPEG", quality=quality), f"JPEG quality {quality}"


def smaller(image: Image.Image, rng: np.random.Generator) -> tuple[bytes, str]:
    share = rng.uniform(0.55, 0.85)
    size = (round(image.width * share), round(image.height * share))
    data = saved(image.resize(size, Image.Resampling.LANCZOS), "JPEG", quality=85)
    return data, f"resized to {size[0]} x {size[1]}"


def trimmed(image: Image.Image, rng: np.random.Generator) -> tuple[bytes, str]:
    left, top, right, bottom = (round(v) for v in rng.uniform(2, 0.05 * min(image.size), 4))
    box = (left, top, image.width - right, image.height - bottom)
    return saved(image.crop(box), "JPEG", quality=88), f"trimmed to {box}"


def brighter(image: Image.Image, rng: np.random.Generator) -> tuple[bytes, str]:
    factor = float(rng.uniform(1.06, 1.18))
    data = saved(ImageEnhance.Brightness(image).enhance(factor), "JPEG", quality=85)
    return data, f"brightness x {factor:.2f}"


NEAR_COPIES = (lower_quality, smaller, trimmed, brighter)


def write_all(folder: Path, pictures: list[Picture], seed: int, counts: Mapping[str, int]) -> None:
    """Name the pictures in random order, so that no number tells anything, and write them."""
    numbers = np.random.default_rng([seed, 3]).permutation(len(pictures)) + 1
    names = [
        f"{picture.label}/climber_{number:04d}{picture.suffix}"
        for number, picture in zip(numbers.tolist(), pictures, strict=True)
    ]
    planted = []
    for label in counts:
        (folder / label).mkdir(parents=True)
    for name, picture in zip(names, pictures, strict=True):
        (folder / name).write_bytes(picture.data)
        if picture.what:
            source = "" if picture.source is None else names[picture.source]
            planted.append((name, picture.what, picture.detail.replace(SOURCE, source)))
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([("file", "what", "detail"), *sorted(planted)])
    (folder / "planted.csv").write_text(table.getvalue(), encoding="utf-8", newline="")
    kinds = [what for _, what, _ in planted]
    marker = Marker(
        seed=seed,
        counts=dict(sorted(counts.items())),
        planted={what: kinds.count(what) for what in sorted(set(kinds))},
        pictures_sha256=pictures_sha256(folder),
    )
    (folder / "drawn.json").write_text(marker.model_dump_json(indent=2) + "\n", encoding="utf-8")
