"""Findings about a training script that is only described: input, squash, augmentation, split."""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from footwork.errors import DataError
from footwork.evaluate.doctor.findings import Check, Finding, Looked, fine, not_checked
from footwork.evaluate.doctor.patient import Edit, Patient, difference
from footwork.evaluate.doctor.splits import UNEVEN, size_verdict
from footwork.evaluate.words import difference_in_words, two
from footwork.models.contract import InputContract
from footwork.models.head import fit_probe
from footwork.records import Position, Record
from footwork.scores import Floats

SQUARE = 1.15  # longer by shorter side: below, a squash is hardly seen
OFTEN = 0.25  # share of photos that are not square
BREAKS = 0.1  # of macro-F1 that answers on changed photos lose, with certainty


class Script(Record):
    """What a Keras script does, as its options say. None: not said.

    rescale: 'none', '1/255' or '1/127.5-1'. preprocess: the base's own preprocess_input is
    called. resize: 'squash' is Keras' default, which loses the aspect. rotation: as in
    RandomRotation, a share of a full turn to either side. test_size: photos if 1 or more, else
    the share.
    """

    base: str | None = None
    rescale: Literal["none", "1/255", "1/127.5-1"] | None = None
    preprocess: bool | None = None
    resize: Literal["squash", "crop", "pad"] | None = None
    flip: Literal["none", "horizontal", "vertical", "both"] | None = None
    rotation: float | None = Field(None, ge=0, le=1)
    stratify: bool | None = None
    test_size: float | None = Field(None, gt=0)

    @property
    def empty(self) -> bool:
        return self == Script()


def contract(
    script: Script, contracts: Mapping[str, InputContract], patient: Patient | None
) -> Finding | Looked:
    """Whether what the script feeds is what its base model was trained on."""
    if script.base is None or (script.rescale is None and script.preprocess is None):
        return not_checked("contract", "needs --base, and --rescale or --preprocess.")
    wanted = contracts[script.base]
    fed, position = what_is_fed(script, wanted)
    low, high = wanted.range
    expects = f"{script.base} expects values in [{low:.4g}, {high:.4g}] ({wanted.describe()})"
    if position == "right":
        return fine("contract", f"{expects} and is fed these.")
    cost, words = cost_of_position(patient, position, script.base)
    return Finding(
        check="contract",
        title=f"{script.base} is fed what it was not trained on",
        evidence=(f"{expects}; the script feeds {fed}.",),
        cost=cost,
        cost_words=words,
        mend=mending(script, wanted),
    )


def mending(script: Script, wanted: InputContract) -> str:
    raw = wanted.scale == 1 and not any(wanted.mean) and set(wanted.std) == {1.0}
    if raw and wanted.channels == "rgb":
        return "leave Rescaling out: this base scales its input itself"
    return f"preprocess_input of {script.base} on [0, 255] and no Rescaling; footwork compare does"


def what_is_fed(script: Script, wanted: InputContract) -> tuple[str, Position | Literal["other"]]:
    """Return it in words, and which position of the contract it is."""
    scaled = script.rescale not in (None, "none")
    if script.preprocess:
        if not scaled:
            return "its own preprocessing", "right"
        if script.rescale == "1/255":
            return "its own preprocessing and a division by 255", "right-then-divided"
        return "its own preprocessing and a rescaling to [-1, 1]", "other"
    scale, shift = {"1/255": (255.0, 0.0), "1/127.5-1": (127.5, 1.0)}.get(
        script.rescale or "none", (1.0, 0.0)
    )
    black, white = -shift, 255 / scale - shift
    said = f"values in [{black + 0.0:g}, {white:g}]"
    # Equal if black and white come out equal in every channel and no channels are swapped.
    dark = [(0 / wanted.scale - m) / s for m, s in zip(wanted.mean, wanted.std, strict=True)]
    light = [(255 / wanted.scale - m) / s for m, s in zip(wanted.mean, wanted.std, strict=True)]
    same = np.allclose(dark, black, atol=0.01) and np.allclose(light, white, rtol=0.01)
    if same and wanted.channels == "rgb":
        return said, "right"
    return said, "unit-range" if script.rescale == "1/255" else "other"


def cost_of_position(patient: Patient | None, position: str, base: str) -> tuple[float | None, str]:
    """Measure the same mistake on the photos; on the eyes' base where it is another one."""
    if patient is None or patient.eyes is None:
        return None, "not measured: no photos to measure it on"
    if position not in ("unit-range", "right-then-divided"):
        return None, "not measured: footwork cannot feed this mistake"
    eyes = patient.eyes.base.name
    try:
        fair = patient.fair
        broken: Position = "unit-range" if position == "unit-range" else "right-then-divided"
        vectors = patient.vectors(patient.unique, position=broken)
        answers, _ = patient.answered(fair.photos, vectors)
    except DataError as error:
        return None, f"not measured: {error}"
    right, wrong, gap = difference(
        fair.photos, patient.classes, fair.proba, answers, fair.folds, patient.seed
    )
    on = "" if eyes == base else f", measured on {eyes} in its place"
    return max(gap.value, 0.0), (
        f"macro-F1 {two(right.value)} fed rightly, {two(wrong.value)} fed so: "
        f"{difference_in_words(gap)}{on}"
    )


def squash(script: Script, patient: Patient | None) -> Finding | Looked:
    """Whether photos that are not square are pressed into a square."""
    if script.resize is None:
        return not_checked("squash", "needs --resize.")
    if script.resize != "squash":
        return fine("squash", "the script keeps the aspect.")
    if patient is None:
        return not_checked("squash", "no photos to look at the shapes of.")
    shapes = np.array([max(f.width, f.height) / min(f.width, f.height) for f in patient.unique])
    often = float((shapes > SQUARE).mean())
    said = f"{often:.0%} of the photos are not square; half are longer than {np.median(shapes):.2f}"
    if often < OFTEN:
        return fine("squash", f"{said}.")
    cost, words = None, f"not measured: {patient.no_eyes}"
    if patient.eyes is not None:
        cost, words = cost_of_squash(patient)
    return Finding(
        check="squash",
        title="Photos are pressed into a square and lose their proportions",
        evidence=(f"{said} by shorter side.",),
        cost=cost,
        cost_words=words,
        mend="crop_to_aspect_ratio=True or pad_to_aspect_ratio=True",
    )


def cost_of_squash(patient: Patient) -> tuple[float | None, str]:
    try:
        seen = {}
        for view in ("squash", "letterbox"):
            photos = patient.photos_of(patient.unique)
            seen[view], folds = patient.answered(photos, patient.vectors(patient.unique, view=view))
    except DataError as error:
        return None, f"not measured: {error}"
    whole, pressed, gap = difference(
        photos, patient.classes, seen["letterbox"], seen["squash"], folds, patient.seed
    )
    return max(gap.value, 0.0), (
        f"macro-F1 {two(whole.value)} with bars, {two(pressed.value)} squashed: "
        f"{difference_in_words(gap)}"
    )


def augmentations(script: Script) -> dict[str, Edit]:
    """Return the strongest change that each augmentation of the script makes."""
    found = {}
    if script.flip in ("horizontal", "both"):
        found["a horizontal flip"] = Edit("flipped left to right", lambda p: p[:, ::-1])
    if script.flip in ("vertical", "both"):
        found["a vertical flip"] = Edit("flipped upside down", lambda p: p[::-1])
    if script.rotation:
        degrees = 360 * script.rotation / 2  # half of the range: what a photo meets on average
        found[f"rotation by up to {360 * script.rotation:.0f} degrees"] = Edit(
            f"rotated by {degrees:g} degrees", turner(degrees)
        )
    return found


def turner(degrees: float) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """Return a rotation about the middle; what it uncovers is the picture mirrored, as in Keras."""

    def turned(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        tall, wide = pixels.shape[0] // 2, pixels.shape[1] // 2
        around = np.pad(pixels, ((tall, tall), (wide, wide), (0, 0)), mode="symmetric")
        image = Image.fromarray(around).rotate(degrees, Image.Resampling.BILINEAR)
        return np.asarray(image)[tall : tall + pixels.shape[0], wide : wide + pixels.shape[1]]

    return turned


def augmentation(script: Script, patient: Patient | None) -> list[Finding | Looked]:
    """Whether a trained probe still answers the label when a photo is changed as in training."""
    check: Check = "augmentation"
    changes = augmentations(script)
    if not changes:
        why = "needs --flip or --rotation." if script.flip is None else ""
        return [not_checked(check, why) if why else fine(check, "no flip and no rotation.")]
    if patient is None or patient.eyes is None:
        return [not_checked(check, patient.no_eyes if patient else "no photos to try it on.")]
    try:
        return [tried(name, edit, patient) for name, edit in changes.items()]
    except DataError as error:
        return [not_checked(check, str(error))]


def tried(name: str, edit: Edit, patient: Patient) -> Finding | Looked:
    fair = patient.fair
    changed = answers_on_changed(patient, edit)
    before, after, gap = difference(
        fair.photos, patient.classes, fair.proba, changed, fair.folds, patient.seed
    )
    was, now = fair.proba.argmax(axis=2), changed.argmax(axis=2)
    moved = float((was != now).mean())
    right = was == fair.photos.label
    flows = np.zeros((len(patient.classes),) * 2)
    np.add.at(flows, (was[right], now[right]), 1)
    np.fill_diagonal(flows, 0)
    a, b = np.unravel_index(int(flows.argmax()), flows.shape)
    said = (
        f"after {name} ({edit.name}) {moved:.0%} of the answers change; macro-F1 "
        f"{two(before.value)} before, {two(after.value)} after: {difference_in_words(gap)}"
    )
    if gap.low <= BREAKS and before.low <= 1 / len(patient.classes):
        return not_checked("augmentation", f"{said}. A model that can hardly tell says little.")
    if gap.low <= BREAKS:
        return fine("augmentation", f"{said}.")
    return Finding(
        check="augmentation",
        title=f"{name[0].upper()}{name[1:]} changes what the photos show",
        evidence=(
            f"{said}.",
            f"Most of all {patient.classes[a]} becomes {patient.classes[b]} "
            f"({flows[a, b] / max(1, (right & (was == a)).sum()):.0%} of the right answers).",
        ),
        cost=None,
        cost_words="not measured here: training on such photos teaches wrong or useless labels",
        mend=f"leave {name} out of the augmentation",
    )


def answers_on_changed(patient: Patient, edit: Edit) -> Floats:
    """Return (repeats, n, k): each fold's probe, trained on unchanged photos, on changed ones."""
    fair = patient.fair
    seen = patient.vectors(patient.unique, edit=edit)
    label, group, k = fair.photos.label, fair.photos.group, len(patient.classes)
    answers = np.full(fair.proba.shape, np.nan)
    for r, repeat in enumerate(fair.folds):
        for fold in repeat:
            probe = fit_probe(
                fair.vectors[fold.train], label[fold.train], group[fold.train], k,
                seed=patient.seed,
            )  # fmt: skip
            rows = fold.test[np.isfinite(seen[fold.test]).all(axis=1)]
            answers[r, rows] = probe.predict_proba(seen[rows])
    return answers


def split(script: Script, patient: Patient | None) -> list[Finding | Looked]:
    """Findings about a split that the script makes by chance: its size, and whether stratified."""
    found: list[Finding | Looked] = []
    if script.test_size is not None:
        found.append(described_size(script.test_size, patient))
    if script.stratify is not None:
        found.append(described_strata(script, patient))
    return found


def described_size(test_size: float, patient: Patient | None) -> Finding | Looked:
    counts = np.array([1.0, 1.0])
    classes: tuple[str, ...] = ("one class", "another class")
    if patient is not None:
        label = patient.photos_of(patient.files).label
        classes = patient.classes
        counts = np.bincount(label, minlength=len(classes)).astype(float)
    tested = test_size if test_size >= 1 else test_size * counts.sum()
    if patient is None and test_size < 1:
        return not_checked("test_size", "a share says nothing without photos; give a number.")
    per_class = np.maximum(np.round(counts / counts.sum() * tested).astype(int), 1)
    return size_verdict(np.repeat(np.arange(len(classes)), per_class), classes, "test photos")


def described_strata(script: Script, patient: Patient | None) -> Finding | Looked:
    from scipy.stats import hypergeom

    if script.stratify:
        return fine("unstratified", "the script splits class by class.")
    evidence: tuple[str, ...] = ()
    words = "the score of a rare class rests on a number of photos that is left to chance"
    if patient is not None:
        label = patient.photos_of(patient.files).label
        counts = np.bincount(label, minlength=len(patient.classes))
        size = script.test_size or 0.2
        tested = round(size if size >= 1 else size * len(label))
        rare = int(counts.argmin())
        low, high = hypergeom(len(label), counts[rare], min(tested, len(label))).ppf([0.025, 0.975])
        mean = tested * counts[rare] / len(label)
        said = (
            f"among {tested} test photos {patient.classes[rare]} has {low:.0f} to {high:.0f} by "
            f"chance, {mean:.0f} in proportion"
        )
        if high - mean <= UNEVEN * mean:
            return fine("unstratified", f"{said}.")
        evidence = (f"{said[0].upper()}{said[1:]}.",)
        words = f"the score of {patient.classes[rare]} rests on {low:.0f} to {high:.0f} photos"
    return Finding(
        check="unstratified",
        title="The test photos are drawn without regard to class",
        evidence=evidence,
        cost=None,
        cost_words=words,
        mend="stratify=labels in train_test_split, or footwork compare --split cv",
    )
