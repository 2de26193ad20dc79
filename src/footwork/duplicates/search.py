"""Which of many images show the same photo: both stages and the calibration, over any images.

`dedupe` runs it on a project's catalog, `folder` on files that are in no project.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from footwork.copies import Pair
from footwork.duplicates.agreements import Agreements
from footwork.duplicates.calibrate import SAFE_RADIUS, Calibration, calibrate
from footwork.duplicates.detail import in_detail
from footwork.duplicates.edits import Pixels
from footwork.duplicates.evidence import (
    MAX_RADIUS,
    Candidates,
    Codes,
    Looks,
    Read,
    cosine_pairs,
    hash_candidates,
    image_pairs,
    looks_of,
    with_cosines,
)
from footwork.duplicates.growing import Before
from footwork.duplicates.hashes import HASHER
from footwork.duplicates.registration import REGISTRAR
from footwork.errors import DataError, MissingWeights, UsageError
from footwork.images import Unreadable, fit
from footwork.models.bases import registry
from footwork.models.features import feature_key, features
from footwork.models.networks import Prepared, prepare
from footwork.models.views import square
from footwork.progress import Progress

BASE = "efficientnet_lite0"  # in the core install; `compare` uses the same cached features
SAMPLE = 8  # photos on which a runtime is tried

Embedder = Callable[[Sequence[Pixels]], NDArray[np.float32]]


@dataclass(frozen=True)
class Search:
    """What to look for. radius: bits, calibrated if None; mirror: flipped and turned copies too;
    features: whether a network proposes pairs; new: the images to look for copies of, all if None.
    growing: images are only ever added to those that were searched with this cache before, so that
    old ones need not be held against each other again.

    Raises UsageError for a radius that is not 0 to MAX_RADIUS.
    """

    radius: int | None = None
    mirror: bool = False
    features: bool = True
    new: frozenset[str] | None = None
    growing: bool = False

    def __post_init__(self) -> None:
        if self.radius is not None and not 0 <= self.radius <= MAX_RADIUS:
            raise UsageError(f"--radius takes 0 to {MAX_RADIUS} bits; it is {self.radius}.")


@dataclass(frozen=True)
class Searched:
    """weak: images of too little information to be judged. notes: what was left out, and why."""

    pairs: tuple[Pair, ...]
    calibration: Calibration
    weak: int
    notes: tuple[str, ...]


def search(
    images: Sequence[str],
    codes: Codes,
    read: Read,
    cache: Path,
    wanted: Search,
    progress: Progress,
) -> Searched:
    """Return the pairs of images that show one photo, and the thresholds that say so.

    images: n SHA-256s, each once; codes: of each. cache: a folder for features and agreements,
    so that images that were there before cost next to nothing.
    """
    looks = looks_of(images, codes)
    is_new = np.ones(len(looks), dtype=bool)
    if wanted.new is not None:
        is_new = np.array([bool(wanted.new.intersection(some)) for some in looks.members], bool)
    found = near_by_hash(looks, is_new, cache, wanted)
    vectors: NDArray[np.float32] | None = None
    network: Embedder | None = None
    notes: tuple[str, ...] = ()
    if wanted.features and len(looks) > 1:
        vectors, network, notes = seen_by_network(looks, read, cache, progress)
    # Without vectors less is tried: what is measured then must not stand for more.
    how = f"{REGISTRAR} {HASHER} {BASE} {wanted.mirror} {vectors is not None}"
    memory = Agreements(cache, how)
    if vectors is not None:
        if wanted.growing:
            known, before = proposed_before(memory, looks)
            proposed = cosine_pairs(vectors, new=~before, known=known)[:2]
            memory.keep_proposed(
                ((looks.names[a], looks.names[b]) for a, b in zip(*proposed, strict=True)),
                looks.names,
            )
        else:
            proposed = cosine_pairs(vectors, new=None if is_new.all() else is_new)[:2]
        found = with_cosines(found, len(looks), proposed, vectors)
    narrow = SAFE_RADIUS if wanted.radius is None else wanted.radius
    with progress.task("comparing details", len(found), "pairs") as advance:
        found = in_detail(found, looks, narrow, read, memory, advance, mirror=wanted.mirror)
    calibration = calibrate(
        looks,
        found,
        read,
        vectors_of=network,
        cache=cache,
        radius=wanted.radius,
        mirror=wanted.mirror,
        progress=progress,
    )
    if calibration.radius < narrow:  # pairs that no longer join by their hash alone
        found = in_detail(
            found, looks, calibration.radius, read, memory, lambda _n: None, mirror=wanted.mirror
        )
    return Searched(
        tuple(image_pairs(looks, found, calibration.thresholds)),
        calibration,
        weak=len(images) - sum(map(len, looks.members)),
        notes=notes,
    )


def near_by_hash(
    looks: Looks, is_new: NDArray[np.bool_], cache: Path, wanted: Search
) -> Candidates:
    """Return the pairs that hashes propose; what is known of codes from before is not searched."""
    if wanted.new is not None or not wanted.growing:
        new = None if is_new.all() else is_new
        return hash_candidates(looks.codes, mirror=wanted.mirror, new=new)[0]
    before = Before(cache, MAX_RADIUS)
    found, known = hash_candidates(looks.codes, mirror=wanted.mirror, known=before.known)
    before.keep(known)
    return found


def proposed_before(
    memory: Agreements, looks: Looks
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the (k, 2) pairs of looks that features proposed before, and which looks have all
    their nearest among these: those that were there, and none of whose nearest is gone.
    """
    place = {name: i for i, name in enumerate(looks.names)}
    before = np.array([name in memory.examined for name in looks.names], dtype=bool)
    pairs = []
    for a, b in memory.proposed:
        i, j = place.get(a), place.get(b)
        if i is not None and j is not None:
            pairs.append((i, j))
        elif i is not None or j is not None:
            before[i if j is None else j] = False
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2), before


def seen_by_network(
    looks: Looks, read: Read, cache: Path, progress: Progress
) -> tuple[NDArray[np.float32] | None, Embedder | None, tuple[str, ...]]:
    """Return the features of each look, what makes those of other pictures, and notes."""
    base = registry()[BASE]

    def sample() -> NDArray[np.float32]:
        good = (picture for name in looks.names if (picture := readable(name)) is not None)
        return base.contract.apply(np.stack(list(islice(good, SAMPLE))))

    def readable(name: str) -> Pixels | None:
        try:
            return square(read(name), base.contract, base.contract.crop)
        except Unreadable:
            return None

    try:
        prepared = prepare(base, sample)
        key = feature_key(prepared, None, "right")
        with progress.task(f"features {BASE}", len(looks)) as advance:
            seen = features(looks.names, prepared, key, read, cache, advance)
    except (MissingWeights, DataError) as error:
        return None, None, (f"Without features: {error}",)
    return seen.vectors, embedder(prepared), ()


def embedder(prepared: Prepared) -> Embedder:
    contract = prepared.base.contract
    network = prepared.open(1)

    def vectors(pictures: Sequence[Pixels]) -> NDArray[np.float32]:
        side, fraction, resize = contract.side, contract.crop_fraction, contract.resize
        squares = [fit(pixels, side, contract.crop, fraction, resize) for pixels in pictures]
        return network.vectors(contract.apply(np.stack(squares)))

    return vectors
