"""Choose thresholds for one data set, from its own photos.

True pairs are made: a sample of the photos against edited copies of them (`edits`). False pairs
are photos against *mirrored other* photos: of the same kind and light and by the same people, but
never the same photo, whatever copies the data holds. How many of these a threshold joins says
how many false pairs to expect among as many real ones.

A threshold is taken if the upper 95 % bound of that number is at most a share of the true pairs
(default: one in a hundred). The bound is Clopper and Pearson's (Biometrika 1934); it takes pairs
as independent, which pairs that share a photo are not, so it is a little too low. Zero false
pairs seen among n give a bound of 3/n, so the data need some 300 copies before they can support
anything at all; with fewer, thresholds are those that were safe on other photos, and it is said.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from footwork.duplicates.agreements import Agreements
from footwork.duplicates.detail import Question, answers
from footwork.duplicates.edits import EDITS, MIRRORED, Pixels, edited
from footwork.duplicates.evidence import (
    LEAST_COSINE,
    MAX_RADIUS,
    STRAIGHTENED_COSINE,
    Candidates,
    Looks,
    Read,
    Thresholds,
    gathered,
    near,
)
from footwork.duplicates.hashes import HASHER, bits_between, hash_pixels
from footwork.duplicates.registration import BEYOND_DOUBT, REGISTRAR, agreement, picture_of
from footwork.files import write_text
from footwork.images import DECODER, Unreadable, decode
from footwork.machine import cores
from footwork.progress import Advance, Progress
from footwork.records import Record

# Bits of 64. 108 tiles of 67 climbing photos: every repeat within 8, no two photos within 14.
# 396 different photos of insects: the nearest two 14 apart.
SAFE_RADIUS = 8
# Of the pairs among those photos that a network finds most alike, none agrees by 0.56.
SAFE_AGREEMENT = 0.6
# Of pairs within MAX_RADIUS bits: 439 of different photos among those (of the 396, one of each also
# flipped or turned) agree by 0.49 at most; of photos under large letters, a third more than by 0.6.
SAFE_NEAR_AGREEMENT = 0.5
AGREEMENTS = tuple(round(float(value), 2) for value in np.arange(0.5, 0.901, 0.02))
COSINES = tuple(round(float(value), 2) for value in np.arange(0.3, 0.981, 0.02))

PHOTOS = 16  # of which copies are made, one of each kind of edit
DECOYS = 400  # candidates whose mirrored form is registered
SHARE = 0.01  # false pairs wanted for each true one, at most
CONFIDENCE = 0.95

Because = Literal["calibrated", "safe", "chosen"]


class Point(Record):
    """One threshold. recall: share of the made pairs that it finds.

    false_pairs: of so many `tried` mirrored ones, how many it joins; expected: the upper bound of
    false pairs that it joins in this data set.
    """

    threshold: float
    recall: float
    false_pairs: int
    tried: int
    expected: float


class Calibration(Record):
    """What was chosen, why, and the curves behind it.

    true_pairs: what the safe thresholds join, divided by the share of made pairs that they find;
    share: false pairs wanted for each of them. cosines: of features alone, which join nothing;
    recall_of: by kind of edit, at the chosen thresholds. near_agreement: of pairs within
    MAX_RADIUS bits. sentence: for people.
    """

    photos: int
    seed: int
    share: float
    true_pairs: int
    radius: int
    radius_because: Because
    agreement: float
    agreement_because: Because
    near_agreement: float
    radii: tuple[Point, ...]
    agreements: tuple[Point, ...]
    cosines: tuple[Point, ...]
    recall_of: dict[str, float]
    sentence: str

    @property
    def thresholds(self) -> Thresholds:
        return Thresholds(self.radius, self.agreement, self.near_agreement)


Row = tuple[str, int, float, float]  # kind, bits, cosine, agreement of a pair


@dataclass(frozen=True)
class Made:
    """Pairs of a photo and its edited copy. kind: (k,) names. bits: (k,) the fewer of plain and
    trimmed. cosine: (k,) NaN without features. agreement: (k,).
    """

    kind: tuple[str, ...]
    bits: NDArray[np.int64]
    cosine: NDArray[np.float64]
    agreement: NDArray[np.float64]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Made":
        kind, bits, cosine, agreed = zip(*rows, strict=True) if rows else ((), (), (), ())
        return cls(kind, np.array(bits, int), np.array(cosine, float), np.array(agreed, float))

    def found(self, thresholds: Thresholds) -> NDArray[np.bool_]:
        proposed = (self.bits <= MAX_RADIUS) | (self.cosine >= LEAST_COSINE)
        in_detail = proposed & thresholds.in_detail(self.bits, self.agreement)
        return np.asarray((self.bits <= thresholds.radius) | in_detail)


def calibrate(
    looks: Looks,
    found: Candidates,
    read: Read,
    *,
    vectors_of: Callable[[Sequence[Pixels]], NDArray[np.float32]] | None = None,
    cache: Path | None = None,
    radius: int | None = None,
    mirror: bool = False,
    share: float = SHARE,
    seed: int = 0,
    progress: Progress | None = None,
) -> Calibration:
    """Choose radius and agreement for `found`, the registered candidates of `looks`.

    vectors_of: turns n pictures into (n, d) features; None where features are not used.
    cache: a folder for what was measured, so that the same question costs nothing again. radius:
    the user's own choice: then nothing is measured or chosen. mirror: mirrored copies are looked
    for, so that mirrored photos cannot serve as false pairs of details: agreement stays safe.
    The same looks and seed give the same answer.
    """
    if radius is not None:
        return as_asked(len(looks), radius, share, seed)
    progress = progress or Progress()
    kinds = [kind for kind in EDITS if mirror or kind not in MIRRORED]
    names = sampled(looks.names, PHOTOS, seed)
    memory = Memory(cache, vectors_of is not None)
    with progress.task("calibrating: edited copies", len(names)) as advance:
        made = made_pairs(names, kinds, read, vectors_of, mirror, seed, memory, advance)
    safe = Thresholds(SAFE_RADIUS, SAFE_AGREEMENT, SAFE_NEAR_AGREEMENT)
    joined = safe.joined(found)
    recall = float(made.found(safe).mean()) if len(made.kind) else 1.0
    true_pairs = round(int(joined.sum()) / max(recall, 0.1))

    pairs = len(looks) * (len(looks) - 1) // 2
    false_bits, near_agreed = mirrored_bits(looks, found.of(joined), read, mirror, memory.nearest)
    radii = tuple(
        point(bits, (made.bits <= bits).mean() if len(made.kind) else 0.0,
              int((false_bits <= bits).sum()), pairs, pairs)
        for bits in range(MAX_RADIUS + 1)
    )  # fmt: skip
    tried, looked_at = decoys(looks, found, joined, mirror, seed)
    with progress.task("calibrating: false pairs", len(tried), "pairs") as advance:
        questions = [Question.of(looks, found, row) for row in tried.tolist()]
        agreed = answers(questions, read, memory.decoys, advance, decoy=True)
        # A photo and its own mirrored copy are no false pair.
        false_agreements = np.array([level for level in agreed if level < BEYOND_DOUBT])
    agreements = tuple(
        point(level, (made.agreement >= level).mean() if len(made.kind) else 0.0,
              int((false_agreements >= level).sum()), len(false_agreements), looked_at)
        for level in AGREEMENTS
    )  # fmt: skip
    cosines = tuple(
        point(level, (made.cosine >= level).mean() if len(made.kind) else 0.0,
              int((found.cosine[~joined] >= level).sum()), pairs, pairs)
        for level in (COSINES if vectors_of else ())
    )  # fmt: skip

    allowed = share * true_pairs
    bits, why = chosen_radius(radii, allowed)
    level, level_why = chosen_agreement(agreements, allowed)
    near_level = level if mirror else chosen_near_agreement(near_agreed, level, allowed)
    chosen = Thresholds(bits, level, near_level)
    hits = made.found(chosen)
    recall_of = {
        kind: float(hits[[one == kind for one in made.kind]].mean())
        for kind in kinds
        if kind in made.kind
    }
    return Calibration(
        photos=len(looks),
        seed=seed,
        share=share,
        true_pairs=true_pairs,
        radius=bits,
        radius_because=why,
        agreement=level,
        agreement_because=level_why,
        near_agreement=near_level,
        radii=radii,
        agreements=agreements,
        cosines=cosines,
        recall_of=recall_of,
        sentence=sentence(
            bits, why, level, level_why, near_level, radii, len(looks), true_pairs, share
        ),
    )


class Memory:
    """Measured rows in a folder, by the question that they answer; none if `cache` is None.

    decoys, nearest: agreements of photos with mirrored others: candidates, and those whose hashes
    are near when one is mirrored.
    """

    def __init__(self, cache: Path | None, features: bool) -> None:
        self.cache = cache
        self.decoys = Agreements(cache, f"decoys {REGISTRAR} {HASHER} {features}")
        self.nearest = Agreements(cache, f"mirrored {REGISTRAR} {HASHER}")

    def of(self, question: str, measure: Callable[[], list[Row]]) -> list[Row]:
        if self.cache is None:
            return measure()
        digest = hashlib.sha256(f"{REGISTRAR} {DECODER} {question}".encode()).hexdigest()[:20]
        path = self.cache / "calibration" / f"{digest}.json"
        try:
            return [tuple(row) for row in json.loads(path.read_bytes())]
        except (OSError, ValueError):
            rows = measure()
            write_text(path, json.dumps(rows))
            return rows


def as_asked(photos: int, radius: int, share: float, seed: int) -> Calibration:
    """Return the user's own radius: nothing was measured."""
    return Calibration(
        photos=photos,
        seed=seed,
        share=share,
        true_pairs=0,
        radius=radius,
        radius_because="chosen",
        agreement=SAFE_AGREEMENT,
        agreement_because="safe",
        near_agreement=SAFE_NEAR_AGREEMENT,
        radii=(),
        agreements=(),
        cosines=(),
        recall_of={},
        sentence=f"Radius {radius} of 64 bits, as asked. Details have to agree by "
        f"{SAFE_AGREEMENT:.2f}, or {SAFE_NEAR_AGREEMENT:.2f} within {MAX_RADIUS} bits, "
        "safe on other photos.",
    )


def sampled(names: Sequence[str], wanted: int, seed: int) -> list[str]:
    """Return up to `wanted` of the names, most of them the same ones after others were added."""
    drawn = sorted(names, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())
    return sorted(drawn[:wanted])


def made_pairs(
    images: Sequence[str],
    kinds: Sequence[str],
    read: Read,
    vectors_of: Callable[[Sequence[Pixels]], NDArray[np.float32]] | None,
    mirror: bool,
    seed: int,
    memory: "Memory",
    advance: Advance,
) -> Made:
    """Make one copy of each kind of each photo, of a strength that goes round, and compare."""

    def of_one(image: str) -> list[Row]:
        try:
            pixels = decode(read(image))
        except Unreadable:
            return []
        number = int(image[:8], 16)
        copies = [
            edited(pixels, kind, (number + place) % 3, seed + number)
            for place, kind in enumerate(kinds)
        ]
        plain = hash_pixels([pixels, *copies], mirror=mirror).codes
        trimmed = hash_pixels([pixels, *copies], trim=True).codes
        bits = np.minimum(
            bits_between(plain[1:], plain[:1, :1]).min(axis=1),
            bits_between(trimmed[1:], trimmed[:1]).min(axis=1),
        )
        cosine = np.full(len(copies), np.nan)
        if vectors_of is not None:
            vectors = vectors_of([pixels, *copies]).astype(np.float64)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            cosine = vectors[1:] @ vectors[0]
        whole = picture_of(pixels)
        agreed = [
            agreement(
                whole,
                picture_of(copy),
                turned=alike >= STRAIGHTENED_COSINE,
                mirrored=mirror,
                close=apart <= MAX_RADIUS,
            )
            for copy, alike, apart in zip(copies, cosine, bits, strict=True)
        ]
        return list(zip(kinds, bits.tolist(), cosine.tolist(), agreed, strict=True))

    def remembered(image: str) -> list[Row]:
        question = f"made {HASHER} {image} {kinds} {vectors_of is None} {mirror} {seed}"
        rows = memory.of(question, lambda: of_one(image))
        advance(1)
        return rows

    with ThreadPoolExecutor(cores()) as pool:
        return Made.of([row for some in pool.map(remembered, images) for row in some])


def mirrored_bits(
    looks: Looks, copies: Candidates, read: Read, mirror: bool, memory: Agreements
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the bits, up to MAX_RADIUS, between each photo and the mirrored form of others; and
    the agreements of the nearest of these pairs.

    copies: pairs that are one photo: where it is symmetrical, they would be near. Left out, too,
    are photos whose details agree when one is mirrored: those are mirrored copies. With `mirror`,
    a pair is near if any of eight forms is, so it has eight times the chance.
    """
    codes = looks.codes
    a, b, kind, bits, _known = near(codes.mirrors[:, 0], codes.plain, 0, MAX_RADIUS)
    found = gathered(len(looks), a, b, kind, bits)
    known = set(zip(copies.first.tolist(), copies.second.tolist(), strict=True))
    pairs = zip(found.first.tolist(), found.second.tolist(), found.bits[:, 0], strict=True)
    others = sorted((int(bits), a, b) for a, b, bits in pairs if (a, b) not in known)
    nearest = [
        Question((looks.names[a], looks.names[b]), turned=False, close=True)
        for _bits, a, b in others[:DECOYS]
    ]
    levels = np.array(answers(nearest, read, memory, lambda _n: None, decoy=True), dtype=float)
    seen = np.array([bits for bits, _a, _b in others], dtype=np.int64)
    is_copy = np.zeros(len(others), dtype=bool)
    is_copy[: len(levels)] = levels >= SAFE_AGREEMENT
    return np.repeat(seen[~is_copy], 8 if mirror else 1), levels[levels < SAFE_AGREEMENT]


def decoys(
    looks: Looks, found: Candidates, joined: NDArray[np.bool_], mirror: bool, seed: int
) -> tuple[NDArray[np.int64], int]:
    """Return which candidates to register mirrored, and of how many they are a sample."""
    rows = np.flatnonzero(~joined & ~np.isnan(found.agreement))
    if mirror:
        return rows[:0], len(rows)
    if len(rows) > DECOYS:
        chosen = np.random.default_rng(seed).choice(len(rows), DECOYS, replace=False)
        return rows[np.sort(chosen)], len(rows)
    return rows, len(rows)


def point(threshold: float, recall: float, false_pairs: int, tried: int, pairs: int) -> Point:
    """pairs: how many there are in the data set, each with that chance of being joined."""
    return Point(
        threshold=threshold,
        recall=float(recall),
        false_pairs=false_pairs,
        tried=tried,
        expected=upper_bound(false_pairs, tried) * pairs,
    )


def upper_bound(seen: int, tried: int) -> float:
    """Return the upper bound of a rate of which `seen` in `tried` were observed; 1 if none were.

    Source: Clopper and Pearson, Biometrika 26 (1934), one-sided at CONFIDENCE.
    """
    from scipy.stats import beta

    if seen >= tried:
        return 1.0
    return float(beta.ppf(CONFIDENCE, seen + 1, tried - seen))


def chosen_radius(radii: Sequence[Point], allowed: float) -> tuple[int, Because]:
    """Return the widest radius whose bound is allowed; else the safe one, or a narrower one that
    joins no false pair, where the safe one joins more than allowed.
    """
    good = [one for one in radii if one.expected <= allowed]
    if good:
        return int(good[-1].threshold), "calibrated"
    clean = [one for one in radii[: SAFE_RADIUS + 1] if one.false_pairs <= allowed]
    return (int(clean[-1].threshold) if clean else 0), "safe"


def chosen_agreement(agreements: Sequence[Point], allowed: float) -> tuple[float, Because]:
    """Return the lowest agreement whose bound is allowed; else the safe one, or a higher one."""
    good = [one for one in agreements if one.tried and one.expected <= allowed]
    if good:
        return good[0].threshold, "calibrated"
    clean = [
        one for one in agreements if one.threshold >= SAFE_AGREEMENT and one.false_pairs <= allowed
    ]
    return (clean[0].threshold if clean else AGREEMENTS[-1]), "safe"


def chosen_near_agreement(levels: NDArray[np.float64], otherwise: float, allowed: float) -> float:
    """Return the safe agreement of pairs within MAX_RADIUS bits, unless more false pairs than
    allowed reach it here: then what others need.
    """
    false_pairs = int((levels >= SAFE_NEAR_AGREEMENT).sum())
    return min(SAFE_NEAR_AGREEMENT, otherwise) if false_pairs <= allowed else otherwise


def sentence(
    radius: int,
    why: Because,
    level: float,
    level_why: Because,
    near_level: float,
    radii: Sequence[Point],
    photos: int,
    true_pairs: int,
    share: float,
) -> str:
    at = radii[radius]
    seen = (
        f"of {at.tried:,} pairs of different photos (one of each mirrored) {at.false_pairs:,} are "
        f"within {radius} bits, so at most {at.expected:.1f} false pairs are to be expected (95 %)"
    )
    if why == "calibrated":
        first = f"Radius {radius} of 64 bits, chosen on these photos: {seen}."
    else:
        first = (
            f"{photos:,} photos with about {true_pairs:,} copied pairs cannot show that fewer than "
            f"{share:.0%} of the pairs are false: {seen}. So the radius is {radius} of 64 bits, "
            "which is safe on other photos."
            if radius == SAFE_RADIUS
            else f"Radius {radius} of 64 bits: wider ones join different photos here; {seen}."
        )
    origin = "chosen on these photos" if level_why == "calibrated" else "safe on other photos"
    near_by = f", or {near_level:.2f} within {MAX_RADIUS} bits" if near_level < level else ""
    return f"{first} Details have to agree by {level:.2f}{near_by}, {origin}."
