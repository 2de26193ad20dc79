"""Perceptual hashes: codes that stay (almost) the same when a photo is resized or recompressed.

Bits and their order are those of the library imagehash, so codes can be compared with its own:
int(str(imagehash.phash(image)), 16). PDQ is left out: its filter runs over the full-size
picture, which costs the decoding that these hashes save. phash256 is not PDQ, only as long.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from footwork.apart import Crew
from footwork.duplicates.grey import GREY_DECODER, Grey, decode_grey
from footwork.images import Unreadable
from footwork.machine import cores

Kind = Literal["phash64", "dhash64", "phash256"]
Item = TypeVar("Item")

# For the key of stored codes, beside kind, trim and variant: raise the number whenever one moves.
HASHER = f"3+{GREY_DECODER}"

SIDE: dict[Kind, int] = {"phash64": 8, "dhash64": 8, "phash256": 16}  # bits per row and column
ENLARGED = 4  # imagehash's highfreq_factor: pHash looks at a picture of 32 x 32, or 64 x 64
GROUP = 32  # pictures transformed together, as long as their files are small
GROUP_BYTES = 8_000_000
MANY = 500  # pictures for which starting processes pays

# What mirror=True makes, in this order; photos and tiles are copied so. Variant v is transposed
# first (v & 4), then flipped left-right (v & 1) and top-bottom (v & 2).
VARIANTS: tuple[Image.Transpose | None, ...] = (
    None,
    Image.Transpose.FLIP_LEFT_RIGHT,
    Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.ROTATE_180,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.ROTATE_90,
    Image.Transpose.TRANSVERSE,
)

# A bit is firm if noise would not flip it. Noise of one grey level in each pixel of the small
# picture of s x s moves a coefficient of its DCT by 2 * s (one standard deviation), and a
# difference of two pixels by 1.4.
FIRM_LEVELS = 1.0
# The least firm of 504 real photos had 58 of 64 bits (dHash: 33) and 235 of 256. A white page has
# 1 and 1, a slope of grey 5 and 9, grain without a subject 6 and 71, a small mark on white 32 and
# 138, a page of text 52 and 193.
LEAST_FIRM: dict[Kind, int] = {"phash64": 48, "dhash64": 32, "phash256": 192}

THREADS_A_CORE = 2  # one decodes without the GIL while another waits for it: 6 % more photos
BORDER_LEVELS = 12  # around the grey of the outermost line: JPEG smears that much
LEAST_LEFT = 0.25  # a wide film on an upright telephone leaves 0.32 of the height

# Coefficients that are equal in theory differ by rounding, some 1e-10; pixels are integers, so
# others hardly ever come so close. imagehash's DCT returns exact zeros for symmetrical pictures,
# so the bits agree there too; where its own are rounding errors (two pixels wide), ours are 0.
EQUAL = 1e-6


@dataclass(frozen=True)
class Hashes:
    """The codes of n pictures, in the order given.

    codes: (n, variants, words) uint64; 1 variant, or 8 in the order of VARIANTS; 1 word, or 4 of
    phash256, the first bits first. Zeros where a picture was unreadable.
    firm_bits: (n,) int64, how many bits of variant 0 noise would not flip.
    reasons: n phrases, why a picture is unreadable; empty where it is not.
    """

    kind: Kind
    codes: NDArray[np.uint64]
    firm_bits: NDArray[np.int64]
    reasons: tuple[str, ...]

    @property
    def readable(self) -> NDArray[np.bool_]:
        return np.array([not reason for reason in self.reasons], dtype=bool)

    @property
    def low_information(self) -> NDArray[np.bool_]:
        """(n,) bool: blank, a plain slope, mere grain, or unreadable.

        Most bits of such a code are chance: two of them being near says nothing. Never group
        pictures by it alone.
        """
        return np.asarray(self.firm_bits < LEAST_FIRM[self.kind])


class Way(NamedTuple):
    """What is hashed: see `hash_images`."""

    mirror: bool = False
    trim: bool = False


class Row(NamedTuple):
    """One picture: why it has no codes, or for each way (variants, words) and the firm bits."""

    reason: str
    codes: Sequence[Sequence[Sequence[int]]] = ()
    firm_bits: Sequence[int] = ()


CRASHES = Row("the decoder crashes over it")


def hash_images(
    items: Sequence[Item],
    read: Callable[[Item], bytes],
    kind: Kind = "phash64",
    *,
    mirror: bool = False,
    trim: bool = False,
) -> Hashes:
    """Hash the pictures whose bytes `read` returns; `bytes` itself if the items are bytes.

    Reads in threads and decodes there or, many, in processes; JPEGs as small as the hash allows:
    at most 2 bits of 64 away from the code of a full decode for 999 photos of 1000. The code of a
    picture does not depend on the others. A picture for which `read` or decoding raises
    Unreadable is a row with a reason.

    mirror: all eight flips and quarter turns. Two pictures are alike if any variant of one is
    near variant 0 of the other.
    trim: hash what `trimmed` leaves. Compare only with other trimmed codes.
    """
    return hashed(items, read, kind, [Way(mirror, trim)])[0]


def hash_twice(
    items: Sequence[Item], read: Callable[[Item], bytes], kind: Kind = "phash64"
) -> tuple[Hashes, Hashes]:
    """Return the codes of the pictures in all eight mirrors, and of what `trimmed` leaves.

    As `hash_images` twice, but everything is read once, and decoded once if it has no border.
    """
    whole, inner = hashed(items, read, kind, [Way(mirror=True), Way(trim=True)])
    return whole, inner


def hashed(
    items: Sequence[Item], read: Callable[[Item], bytes], kind: Kind, ways: Sequence[Way]
) -> list[Hashes]:
    """Return the codes of the pictures in each way."""
    crew = decoders() if len(items) >= MANY else None

    def coded(pictures: Sequence[bytes]) -> list[Row]:
        if crew is None or not crew.ready:
            return rows_of(pictures, kind, ways)
        return [Row(*row) if row else CRASHES for row in crew.each(pictures, [kind, *ways])]

    def work(some: Sequence[Item]) -> list[Row]:
        rows: dict[int, Row] = {}
        held: dict[int, bytes] = {}
        for place, item in enumerate(some):
            try:
                held[place] = read(item)
            except Unreadable as error:
                rows[place] = Row(error.reason)
            if place == len(some) - 1 or sum(map(len, held.values())) >= GROUP_BYTES:
                rows |= zip(held, coded(list(held.values())), strict=True)
                held = {}
        return [rows[place] for place in range(len(some))]

    with ThreadPoolExecutor(THREADS_A_CORE * cores()) as pool:
        groups = [items[at : at + GROUP] for at in range(0, len(items), GROUP)]
        rows = [row for some in pool.map(work, groups) for row in some]
    return [joined(rows, kind, way, place) for place, way in enumerate(ways)]


@cache
def decoders() -> Crew:
    """Processes that go on until this one ends: starting them takes as long as 300 photos, for
    which nobody waits, since threads decode until they are ready.
    """
    return Crew("footwork.duplicates.hashing", None, processes=cores(), channels=THREADS_A_CORE)


def rows_of(pictures: Sequence[bytes], kind: Kind, ways: Sequence[Way]) -> list[Row]:
    """Return the codes of some pictures in each way."""
    looked = [looked_at(data, kind, ways) for data in pictures]
    found = [
        hashes_of((one if isinstance(one, str) else one[place] for one in looked), kind, way.mirror)
        for place, way in enumerate(ways)
    ]
    codes = [one.codes.tolist() for one in found]
    firm = [one.firm_bits.tolist() for one in found]
    return [
        Row(one)
        if isinstance(one, str)
        else Row("", [some[n] for some in codes], [some[n] for some in firm])
        for n, one in enumerate(looked)
    ]


def looked_at(data: bytes, kind: Kind, ways: Sequence[Way]) -> list[list[Grey]] | str:
    """Return for each way the small pictures that the hash looks at, or why there are none."""
    looks: dict[bool, list[Grey]] = {}
    mirror = any(way.mirror for way in ways)
    try:
        whole = decode_grey(data, SIDE[kind] * ENLARGED)
        for trim in sorted({way.trim for way in ways}):
            grey = without_border(data, whole, kind) if trim else whole
            plain = grey is whole and False in looks
            looks[trim] = looks[False] if plain else squares(grey, kind, mirror)
    except Unreadable as error:
        return error.reason
    return [looks[way.trim][: 1 + way.mirror] for way in ways]


def joined(rows: Sequence[Row], kind: Kind, way: Way, place: int) -> Hashes:
    shape = (8 if way.mirror else 1, SIDE[kind] ** 2 // 64)
    codes = np.zeros((len(rows), *shape), dtype=np.uint64)
    firm = np.zeros(len(rows), dtype=np.int64)
    good = [n for n, row in enumerate(rows) if not row.reason]
    if good:
        codes[good] = np.array([rows[n].codes[place] for n in good], dtype=np.uint64)
        firm[good] = [rows[n].firm_bits[place] for n in good]
    return Hashes(kind, codes, firm, tuple(row.reason for row in rows))


def hash_pixels(
    pictures: Iterable[NDArray[np.uint8]],
    kind: Kind = "phash64",
    *,
    mirror: bool = False,
    trim: bool = False,
) -> Hashes:
    """Hash pictures that are decoded already, each (height, width, 3) uint8 RGB."""
    greys = (np.asarray(Image.fromarray(pixels).convert("L")) for pixels in pictures)
    left = (trimmed(grey) if trim else grey for grey in greys)
    return hashes_of((squares(grey, kind, mirror) for grey in left), kind, mirror)


def bits_between(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the Hamming distances of codes (..., words) and (..., words), broadcast."""
    return np.asarray(np.bitwise_count(a ^ b).sum(axis=-1, dtype=np.int64))


def trimmed(grey: Grey) -> Grey:
    """Return (h, w) uint8 grey without its plain borders (letterbox, frame, page around it);
    `grey` itself if it has none.

    A line at an edge is border if all its pixels are within BORDER_LEVELS of the median of the
    outermost line; so are the lines that follow, up to the first that is not. Rows, then
    columns, then rows again. If less than LEAST_LEFT of the height or the width would be left,
    nothing is cut: that is a blank page, or a small thing on one.
    """
    left = grey
    for turn in (False, True, False):
        lines = left.T if turn else left
        start = border(lines)
        lines = lines[start : len(lines) - border(lines[start:][::-1])]
        left = lines.T if turn else lines
        if left.shape[0] < LEAST_LEFT * grey.shape[0] or left.shape[1] < LEAST_LEFT * grey.shape[1]:
            return grey
    return left if left.shape != grey.shape else grey


def border(lines: Grey) -> int:
    """Return how many of the first rows of (rows, columns) are border."""
    if not lines.size or int(lines[0].max()) - int(lines[0].min()) > 2 * BORDER_LEVELS:
        return 0  # most photos: nothing else need be looked at
    colour = np.median(lines[0])
    low, high = max(0, colour - BORDER_LEVELS), min(255, colour + BORDER_LEVELS)
    if lines[0].min() < low or lines[0].max() > high:
        return 0
    plain = (lines.min(axis=1) >= low) & (lines.max(axis=1) <= high)
    return len(plain) if plain.all() else int(plain.argmin())


def without_border(data: bytes, grey: Grey, kind: Kind) -> Grey:
    """Return what `trimmed` leaves of a picture; `grey` itself, decoded for the hash, if all.

    Where there is a border, of which there may be much, the picture is decoded at twice the size.
    A border thinner than a pixel of `grey` does not count: no hash sees it.
    """
    if trimmed(grey) is grey:
        return grey
    return trimmed(decode_grey(data, SIDE[kind] * ENLARGED * 2))


def squares(grey: Grey, kind: Kind, mirror: bool) -> list[Grey]:
    """Return the picture as small as the hash looks at it; dHash's mirrors need it twice."""
    image = Image.fromarray(np.ascontiguousarray(grey))
    side = SIDE[kind]
    if kind == "dhash64":
        sizes = [(side + 1, side), (side, side + 1)][: 1 + mirror]
    else:
        sizes = [(side * ENLARGED, side * ENLARGED)]
    return [np.asarray(image.resize(size, Image.Resampling.LANCZOS)) for size in sizes]


def hashes_of(found: Iterable[list[Grey] | str], kind: Kind, mirror: bool) -> Hashes:
    """Turn small pictures into codes."""
    every = list(found)
    good = [n for n, one in enumerate(every) if not isinstance(one, str)]
    codes = np.zeros((len(every), 8 if mirror else 1, SIDE[kind] ** 2 // 64), dtype=np.uint64)
    firm = np.zeros(len(every), dtype=np.int64)
    if good:
        coded = p_coded if kind != "dhash64" else d_coded
        pictures = [one for one in every if not isinstance(one, str)]
        stacked = [np.stack(part) for part in zip(*pictures, strict=True)]
        codes[good], firm[good] = coded(stacked, SIDE[kind], mirror)
    reasons = tuple(one if isinstance(one, str) else "" for one in every)
    return Hashes(kind, codes, firm, reasons)


def p_coded(
    pictures: list[Grey], side: int, mirror: bool
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the codes and firm bits of (n, 4 side, 4 side) pictures: which of the lowest
    coefficients of the cosine transform (type II, imagehash's scale) are above their median.

    Source: hackerfactor.com/blog, "Looks Like It" (2011), as in imagehash.phash. Flips only
    change signs of coefficients, so the mirrors cost no second transform.
    """
    enlarged = side * ENLARGED
    cosines = cosine_basis(side, enlarged)
    across = pictures[0].reshape(-1, enlarged).astype(np.float64) @ cosines
    across = across.reshape(-1, enlarged, side).transpose(0, 2, 1).reshape(-1, enlarged)
    low = (across @ cosines).reshape(-1, side, side).transpose(0, 2, 1)
    if mirror:
        sign = (-1.0) ** np.arange(side)
        low = np.stack([v for turned in (low, low.transpose(0, 2, 1)) for v in (
            turned, turned * sign, turned * sign[:, None], turned * sign * sign[:, None]
        )], axis=1)  # fmt: skip
    else:
        low = low[:, None]
    values = low[:, :4].reshape(len(low), -1, side * side)
    ordered = np.sort(values, axis=2)  # np.median takes five times as long
    middle = side * side // 2
    median = (ordered[:, :, middle - 1] + ordered[:, :, middle]) / 2
    if mirror:  # the transposed hold the same values: row flips become column flips
        median = median[:, [0, 1, 2, 3, 0, 2, 1, 3]]
    above = low - median[:, :, None, None]
    firm = np.abs(above[:, 0]) > FIRM_LEVELS * 2 * enlarged
    return packed(above > EQUAL), np.count_nonzero(firm, axis=(1, 2))


@cache
def cosine_basis(side: int, enlarged: int) -> NDArray[np.float64]:
    """Return (enlarged, side): column k is 2 cos(pi k (2 i + 1) / (2 enlarged))."""
    return 2 * np.cos(
        np.pi * np.outer(2 * np.arange(enlarged) + 1, np.arange(side)) / (2 * enlarged)
    )


def d_coded(
    pictures: list[Grey], side: int, mirror: bool
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the codes and firm bits of (n, side, side + 1) pictures, for the mirrors also of
    (n, side + 1, side) ones: which pixels are brighter than their left neighbour.

    Source: hackerfactor.com/blog, "Kind of Like That" (2013), as in imagehash.dhash.
    """
    steps = np.diff(pictures[0].astype(np.int64), axis=2)
    if mirror:
        turned = np.diff(pictures[1].astype(np.int64), axis=1).transpose(0, 2, 1)
        every = np.stack([v for way in (steps, turned) for v in (
            way, -way[:, :, ::-1], way[:, ::-1], -way[:, ::-1, ::-1]
        )], axis=1)  # fmt: skip
    else:
        every = steps[:, None]
    firm = np.abs(steps) > FIRM_LEVELS * 2**0.5
    return packed(every > 0), np.count_nonzero(firm, axis=(1, 2))


def packed(bits: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Return (n, variants, side, side) bits as (n, variants, words); the first bit is highest."""
    bytes_ = np.packbits(bits.reshape(*bits.shape[:2], -1), axis=2)
    return np.ascontiguousarray(bytes_).view(">u8").astype(np.uint64)
