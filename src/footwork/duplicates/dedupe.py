"""The stage `dedupe`: hash what has no hash yet, find near-copies, group them, tell the catalog."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from footwork.catalog import Catalog
from footwork.copies import Code, Copy, Pair
from footwork.duplicates.calibrate import SAFE_RADIUS, Calibration
from footwork.duplicates.evidence import Codes, codes_of
from footwork.duplicates.hashes import HASHER, VARIANTS, Kind
from footwork.duplicates.keep import copies_to_set_aside
from footwork.duplicates.search import Search, search
from footwork.files import write_text
from footwork.progress import Progress

__all__ = ["SAFE_RADIUS", "Deduped", "dedupe"]

KIND: Kind = "phash64"
TRIMMED = f"{KIND} trimmed"
# Flipped left to right (which calibration needs), and the other six, which --mirror needs.
MIRRORS = tuple(f"{KIND} mirror {number}" for number in range(1, len(VARIANTS)))
BATCH = 512  # images hashed per transaction: what a killed run may have to do again
CALIBRATION = Path(".footwork", "calibration.json")


@dataclass(frozen=True)
class Deduped:
    """What was found. hashed: images hashed now, the rest was known; failed: (hash, reason).

    weak: images of too little information to be judged; never grouped. pairs: of images that
    show one photo, as many as say it all. groups: one per image that has copies; conflicts:
    photos under several labels, themselves or through a copy. parted: groups that a person took
    apart and that stay so. notes: what was left out, and why. page: where the groups can be
    looked at.
    """

    calibration: Calibration
    images: int
    hashed: int
    weak: int
    failed: tuple[tuple[str, str], ...]
    pairs: tuple[Pair, ...]
    copies: tuple[Copy, ...]
    groups: int
    conflicts: int
    parted: int
    notes: tuple[str, ...]
    page: Path | None = None

    @property
    def radius(self) -> int:
        return self.calibration.radius


def dedupe(
    catalog: Catalog,
    *,
    max_bits: int | None = None,
    mirror: bool = False,
    features: bool = False,
    again: bool = False,
    progress: Progress | None = None,
) -> Deduped:
    """Group near-copies, so that no copy is ever on the other side of a fold.

    max_bits: the Hamming radius of 64-bit pHashes, 0 to 16; calibrated if None. mirror: flipped
    and turned copies too. features: let a network propose pairs as well, whose details are then
    compared: crops, screenshots, heavy overlays. again: group anew what a person took apart, too.
    Raises UsageError for another radius. Hashes and features are kept, so a killed run goes on,
    and the next one only looks at what is new. The calibration is written to CALIBRATION.
    """
    wanted = Search(max_bits, mirror, features, growing=True)
    progress = progress or Progress()
    images = [image.sha256 for image in catalog.images()]
    failed, hashed = hashed_now(catalog, images, mirror, progress)
    readable, codes = known_codes(catalog, images, mirror)
    cache = catalog.folder / ".footwork" / "cache"
    found = search(readable, codes, catalog.read, cache, wanted, progress)
    parted = [] if again else catalog.parted()
    copies = copies_to_set_aside(found.pairs, catalog.facts(), parted)
    catalog.keep(found.pairs, copies, asked_again=again)
    write_text(catalog.folder / CALIBRATION, found.calibration.model_dump_json(indent=1))
    return Deduped(
        calibration=found.calibration,
        images=len(images),
        hashed=hashed,
        weak=found.weak,
        failed=tuple(failed),
        pairs=found.pairs,
        copies=tuple(copies),
        groups=len({copy.best for copy in copies}),
        conflicts=len(catalog.conflicts()),
        parted=len(parted),
        notes=found.notes,
    )


def kinds_of(mirror: bool) -> tuple[str, ...]:
    return (KIND, TRIMMED, *(MIRRORS if mirror else MIRRORS[:1]))


def hashed_now(
    catalog: Catalog, images: Sequence[str], mirror: bool, progress: Progress
) -> tuple[list[tuple[str, str]], int]:
    """Hash the images that lack a code; return the failures and how many were hashed."""
    kinds = kinds_of(mirror)
    known = set(images).intersection(*(catalog.codes(kind, HASHER) for kind in kinds))
    missing = [image for image in images if image not in known]
    failed = []
    with progress.task("hashing", len(missing)) as advance:
        for start in range(0, len(missing), BATCH):
            some = missing[start : start + BATCH]
            codes, reasons = codes_of(some, catalog.read)
            good = [i for i, reason in enumerate(reasons) if not reason]
            failed += [(some[i], reason) for i, reason in enumerate(reasons) if reason]
            columns = (codes.plain, codes.trimmed, *codes.mirrors.T)
            for kind, column in zip(kinds, columns, strict=False):
                firm = codes.trimmed_firm if kind == TRIMMED else codes.firm
                rows = [Code(some[i], int(column[i]), int(firm[i])) for i in good]
                catalog.add_codes(kind, HASHER, rows)
            advance(len(some))
    return failed, len(missing) - len(failed)


def known_codes(catalog: Catalog, images: Sequence[str], mirror: bool) -> tuple[list[str], Codes]:
    """Return the images that have codes, and these; mirrors that were not asked for are zeros."""
    by_kind = [catalog.codes(kind, HASHER) for kind in kinds_of(mirror)]
    plain, trimmed, *mirrors = by_kind
    readable = [image for image in images if all(image in known for known in by_kind)]
    turned = np.zeros((len(readable), len(MIRRORS)), dtype=np.uint64)
    for variant, known in enumerate(mirrors):
        turned[:, variant] = [known[image].code for image in readable]
    codes = Codes(
        np.array([plain[image].code for image in readable], dtype=np.uint64),
        np.array([trimmed[image].code for image in readable], dtype=np.uint64),
        turned,
        np.array([plain[image].firm_bits for image in readable], dtype=np.int64),
        np.array([trimmed[image].firm_bits for image in readable], dtype=np.int64),
    )
    return readable, codes
