"""The stage `dedupe`: hash what has no hash yet, find near-copies, group them, tell the catalog."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from footwork.catalog import Catalog, Image
from footwork.copies import Code, Copy
from footwork.duplicates.groups import star_groups
from footwork.duplicates.hashes import HASHER, LEAST_FIRM, Kind, hash_images
from footwork.duplicates.index import collected, distinct, pairs_within
from footwork.errors import UsageError
from footwork.progress import Progress

KIND: Kind = "phash64"
# Bits of 64. 108 tiles of 67 climbing photos: every repeat within 8, no two photos within 14.
# 396 different photos of insects: the nearest two 14 apart. So 8 misses crops and overlays rather
# than joining two photos; a threshold calibrated on the user's own photos is to replace it.
SAFE_RADIUS = 8
MAX_RADIUS = 16
BATCH = 512  # images hashed per transaction: what a killed run may have to do again


@dataclass(frozen=True)
class Deduped:
    """What was found. hashed: images hashed now, the rest was known; failed: (hash, reason).

    weak: images too blank to be judged by their hash; never grouped. groups: one per image that
    has copies; cross_class: groups whose images carry different labels.
    """

    radius: int
    images: int
    hashed: int
    weak: int
    failed: tuple[tuple[str, str], ...]
    copies: tuple[Copy, ...]
    groups: int
    conflicts: int


def dedupe(
    catalog: Catalog, *, max_bits: int | None = None, progress: Progress | None = None
) -> Deduped:
    """Group near-copies, so that no copy is ever on the other side of a fold.

    max_bits: the Hamming radius of 64-bit pHashes, 0 to 16; the stated safe radius if None.
    Raises UsageError for another radius. Hashes are kept, so a killed run goes on, and the next
    one only hashes what is new.
    """
    radius = SAFE_RADIUS if max_bits is None else max_bits
    if not 0 <= radius <= MAX_RADIUS:
        raise UsageError(f"--radius takes 0 to {MAX_RADIUS} bits; it is {radius}.")
    images = catalog.images()
    known = catalog.codes(KIND, HASHER)
    missing = [image.sha256 for image in images if image.sha256 not in known]
    failed = hashed_now(catalog, missing, progress or Progress())
    known = catalog.codes(KIND, HASHER)
    firm = [
        image
        for image in images
        if image.sha256 in known and known[image.sha256].firm_bits >= LEAST_FIRM[KIND]
    ]
    copies = copies_among(firm, known, radius)
    catalog.replace_copies(copies)
    return Deduped(
        radius=radius,
        images=len(images),
        hashed=len(missing) - len(failed),
        weak=len(known) - len(firm),
        failed=tuple(failed),
        copies=tuple(copies),
        groups=len({copy.best for copy in copies}),
        conflicts=len(catalog.conflicts()),
    )


def hashed_now(
    catalog: Catalog, missing: Sequence[str], progress: Progress
) -> list[tuple[str, str]]:
    failed = []
    with progress.task("hashing", len(missing)) as advance:
        for start in range(0, len(missing), BATCH):
            some = missing[start : start + BATCH]
            hashes = hash_images(some, catalog.read, KIND)
            rows = zip(some, hashes.codes[:, 0, 0], hashes.firm_bits, hashes.reasons, strict=True)
            good = []
            for image, code, firm_bits, reason in rows:
                if reason:
                    failed.append((image, reason))
                else:
                    good.append(Code(image, int(code), int(firm_bits)))
            catalog.add_codes(KIND, HASHER, good)
            advance(len(some))
    return failed


def copies_among(images: Sequence[Image], known: dict[str, Code], radius: int) -> list[Copy]:
    """Return every image that is a near-copy of a better one, by hash.

    Works on distinct codes: images of one code are near to the same others, so they always end
    in one group, and 200,000 equal images are not twenty thousand million pairs.
    """
    if not images:
        return []
    codes = distinct(np.array([known[image.sha256].code for image in images], dtype=np.uint64))
    members = [
        sorted(codes.members_of(code).tolist(), key=lambda i: quality(images[i]), reverse=True)
        for code in range(len(codes.codes))
    ]
    found = collected(pairs_within(codes, radius))
    pairs = zip(found.first.tolist(), found.second.tolist(), found.bits.tolist(), strict=True)
    order = sorted(range(len(members)), key=lambda c: quality(images[members[c][0]]), reverse=True)
    grouped = dict(star_groups(order, pairs))
    joined = {other for others in grouped.values() for other, _bits in others}
    copies = []
    for code in order:
        if code in joined:
            continue
        best, *rest = members[code]
        near = [(i, 0) for i in rest]
        near += [(i, bits) for other, bits in grouped.get(code, []) for i in members[other]]
        copies += [
            Copy(
                image=images[i].sha256,
                best=images[best].sha256,
                bits=bits,
                radius=radius,
                why=reason(images[best], images[i]),
            )
            for i, bits in near
        ]
    return sorted(copies, key=lambda copy: copy.image)


def quality(image: Image) -> tuple[int, int, str]:
    """The total order of keeping: pixels, then bytes (less compression), then the hash."""
    return image.width * image.height, image.size, image.sha256


def reason(best: Image, other: Image) -> str:
    if best.width * best.height != other.width * other.height:
        return f"{best.width}x{best.height} has more pixels than {other.width}x{other.height}"
    if best.size != other.size:
        return f"as many pixels in {best.size:,} bytes instead of {other.size:,}"
    return "as good in every respect; the higher SHA-256 is kept"
