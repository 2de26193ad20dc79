"""Which of many images show the same photo: both stages and the calibration, over any images.

`dedupe` runs it on a project's catalog, `folder` on files that are in no project.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from footwork.copies import Pair
from footwork.duplicates.calibrate import SAFE_RADIUS, Calibration, calibrate
from footwork.duplicates.edits import Pixels
from footwork.duplicates.evidence import (
    MAX_RADIUS,
    Codes,
    Looks,
    Read,
    cosine_pairs,
    hash_candidates,
    image_pairs,
    in_detail,
    looks_of,
    with_cosines,
)
from footwork.duplicates.registration import REGISTRAR
from footwork.errors import DataError, MissingWeights, UsageError
from footwork.files import written_aside
from footwork.images import DECODER, Unreadable, fit
from footwork.models.bases import registry
from footwork.models.features import feature_key, features
from footwork.models.networks import Prepared, prepare
from footwork.models.views import square
from footwork.progress import Progress

BASE = "efficientnet_lite0"  # in the core install; `compare` uses the same cached features
SAMPLE = 8  # photos on which a runtime is tried
NOTHING_OLD = np.zeros((0, 2), dtype=np.int64), np.array(False)

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
    found = hash_candidates(looks.codes, mirror=wanted.mirror)
    is_new = np.ones(len(looks), dtype=bool)
    if wanted.new is not None:
        is_new = np.array([bool(wanted.new.intersection(some)) for some in looks.members], bool)
        found = found.of(is_new[found.first] | is_new[found.second])
    memory = Agreements(cache, wanted)
    vectors: NDArray[np.float32] | None = None
    network: Embedder | None = None
    notes: tuple[str, ...] = ()
    if wanted.features and len(looks) > 1:
        vectors, network, notes = seen_by_network(looks, read, cache, progress)
    if vectors is not None:
        old, before = memory.of(looks) if wanted.growing else NOTHING_OLD
        fresh = cosine_pairs(vectors, new=is_new & ~before)
        proposed = (np.r_[fresh[0], old[:, 0]], np.r_[fresh[1], old[:, 1]])
        found = with_cosines(found, len(looks), proposed, vectors)
    narrow = SAFE_RADIUS if wanted.radius is None else wanted.radius
    with progress.task("comparing details", len(found), "pairs") as advance:
        found, measured = in_detail(
            found, looks, narrow, read, memory.known, advance, mirror=wanted.mirror
        )
    memory.keep(measured, looks.names if wanted.growing and vectors is not None else ())
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
    return Searched(
        tuple(image_pairs(looks, found, calibration.thresholds)),
        calibration,
        weak=len(images) - sum(map(len, looks.members)),
        notes=notes,
    )


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


class Agreements:
    """What comparing details said before, in the cache: one .npz for each way of asking.

    known: pair of images -> agreement. examined: images whose nearest by features were compared.
    """

    def __init__(self, cache: Path, wanted: Search) -> None:
        how = f"{REGISTRAR} {DECODER} {BASE} {wanted.mirror} {wanted.features}"
        digest = hashlib.sha256(how.encode()).hexdigest()[:20]
        self.path = cache / "agreements" / f"{digest}.npz"
        self.known: dict[tuple[str, str], float] = {}
        self.examined: set[str] = set()
        try:
            with np.load(self.path, allow_pickle=False) as kept:
                ends = kept["ends"].astype("U64").tolist()
                values = kept["values"].tolist()
                self.examined = set(kept["examined"].astype("U64").tolist())
        except Exception:  # absent, or damaged: it can be made again
            return
        self.known = {(a, b): value for (a, b), value in zip(ends, values, strict=True)}

    def of(self, looks: Looks) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the (k, 2) pairs of looks that are known, and which looks were examined."""
        place = {name: i for i, name in enumerate(looks.names)}
        pairs = [(place[a], place[b]) for a, b in self.known if a in place and b in place]
        before = np.array([name in self.examined for name in looks.names], dtype=bool)
        return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2), before

    def keep(self, measured: Mapping[tuple[str, str], float], examined: Sequence[str]) -> None:
        """Write down what was measured now, and which images were examined."""
        before = len(self.examined)
        self.examined.update(examined)
        if not measured and len(self.examined) == before:
            return
        self.known.update(measured)
        ends = np.array(sorted(self.known), dtype="S64").reshape(-1, 2)
        values = np.array([self.known[pair] for pair in sorted(self.known)], dtype=np.float32)
        with written_aside(self.path) as partial, partial.open("wb") as file:
            np.savez(
                file, ends=ends, values=values, examined=np.array(sorted(self.examined), "S64")
            )
