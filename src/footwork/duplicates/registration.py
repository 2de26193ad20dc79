"""Does one picture lie within another? Both are laid over each other at every scale and shift.

What is correlated is detail: each pixel against its surroundings, in units of the local
contrast. So brightness, blur and plain areas count little, and what two photos of one kind share
(a light sky above dark ground) counts nothing. An overlay costs as much as it covers.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft, ndimage

from footwork.duplicates.grey import Grey
from footwork.duplicates.hashes import trimmed

Plane = NDArray[np.float32]
Spectrum = NDArray[np.complex64]

REGISTRAR = "2"  # enters the key of kept agreements: raise it whenever one moves


@dataclass(frozen=True)
class Level:
    """longer: pixels of the longer side. field: side of the square in which pictures are laid
    over each other; parts may lie outside, but must not wrap around. step: between scales, in
    powers of two.
    """

    longer: int
    field: int
    step: float

    def scales(self, down_to: float) -> list[float]:
        count = round(-np.log2(down_to) / self.step) + 1
        return [float(s) for s in 2.0 ** -(self.step * np.arange(count))]


FINE = Level(longer=64, field=96, step=0.06)
COARSE = Level(longer=32, field=48, step=0.1)  # a fifth of the time
# Least agreement at COARSE for a look at FINE. Of the pairs of different photos that look most
# alike to a network, most have less; nine of ten heavy crops, screenshots and turns have 0.6.
WORTH_A_LOOK = 0.5
BEYOND_DOUBT = 0.7  # agreement from which on turns need not be tried
SMALLEST = 0.5  # of the other's scale
DEGREES = (-5.4, -3.6, -1.8, 1.8, 3.6, 5.4)  # of straightened photos
SMALLEST_TURNED = 0.8  # what is left of each side of a photo that was turned by 6 degrees
LEAST_OVERLAP = 0.5  # of the smaller one's area
SQUASHED = 1.04  # ratio of two aspects from which on one may be a squashed copy of the other
AROUND = 2.5  # pixels (one standard deviation): the surroundings of a pixel
NOISE = 4.0  # levels: contrast below it is mostly noise
QUIET = 0.05  # keeps places without any detail from agreeing by chance
KEPT = 64  # transforms kept in memory, up to 2 MB each


@dataclass(frozen=True, eq=False)
class Picture:
    """A photo without its plain borders, (h, w) uint8 grey, at most FINE.longer a side.

    aspect: of the photo, width by height.
    """

    grey: Grey
    aspect: float

    @cached_property
    def mirrored(self) -> "Picture":
        return Picture(np.ascontiguousarray(self.grey[:, ::-1]), self.aspect)

    @cached_property
    def turns(self) -> tuple["Picture", ...]:
        """All eight flips and quarter turns, itself first."""
        upright = (self.grey, self.grey[:, ::-1], self.grey[::-1], self.grey[::-1, ::-1])
        ways = [(way, self.aspect) for way in upright]
        ways += [(way.T, 1 / self.aspect) for way in upright]
        others = (Picture(np.ascontiguousarray(way), aspect) for way, aspect in ways[1:])
        return (self, *others)

    @cached_property
    def square(self) -> "Picture":
        """Squashed, so that a squashed copy of it looks the same."""
        side = (FINE.longer, FINE.longer)
        image = Image.fromarray(self.grey).resize(side, Image.Resampling.LANCZOS)
        return Picture(np.asarray(image), 1.0)


def picture_of(pixels: NDArray[np.uint8]) -> Picture:
    """pixels: (h, w, 3) uint8 RGB; the shorter side should have 64 pixels or more."""
    grey = trimmed(np.asarray(Image.fromarray(pixels).convert("L")))
    image = Image.fromarray(np.ascontiguousarray(grey))
    part = FINE.longer / max(image.size)
    size = max(8, round(image.width * part)), max(8, round(image.height * part))
    small = np.asarray(image.resize(size, Image.Resampling.LANCZOS))
    return Picture(small, image.width / image.height)


def agreement(
    a: Picture, b: Picture, *, turned: bool = False, mirrored: bool = False, close: bool = False
) -> float:
    """Return how well the pictures agree where they overlap best: about 0 to 1, symmetric.

    One may be a crop of the other, down to half of each side, or squashed. turned: also one that
    was straightened by up to 6 degrees (three times the time). mirrored: also flipped or turned
    by a quarter (eight times). What does not agree at all coarsely is not looked at closely,
    except, upright, if `close` says that hashes are near: large letters hide the coarse shapes.
    """
    best = 0.0
    for with_turns in (False, True) if turned else (False,):
        for other in b.turns if mirrored else (b,):
            for one, two in squashed_too(a, other):
                sure = close and not with_turns
                if sure or at_level(COARSE, one, two, with_turns) >= WORTH_A_LOOK:
                    best = max(best, at_level(FINE, one, two, with_turns))
        if best >= BEYOND_DOUBT:
            break
    return best


def squashed_too(a: Picture, b: Picture) -> list[tuple[Picture, Picture]]:
    ratio = max(a.aspect, b.aspect) / min(a.aspect, b.aspect)
    return [(a, b)] if ratio < SQUASHED else [(a, b), (a.square, b.square)]


def at_level(level: Level, a: Picture, b: Picture, turned: bool) -> float:
    return max(best_within(level, a, b, turned), best_within(level, b, a, turned))


@dataclass(frozen=True)
class Spectra:
    """Fourier transforms of k planes: detail, its energy, where the picture is.

    areas: (k,) pixels of each.
    """

    detail: Spectrum
    energy: Spectrum
    mask: Spectrum
    areas: NDArray[np.float32]


@lru_cache(maxsize=KEPT)
def spectra(level: Level, picture: Picture, turned: bool) -> Spectra:
    """The first plane is the whole picture; the others are smaller, or turned."""
    if turned:
        shapes = [(d, s) for d in DEGREES for s in level.scales(SMALLEST_TURNED)]
    else:
        shapes = [(0.0, s) for s in level.scales(SMALLEST)]
    values = np.zeros((len(shapes), level.field, level.field), dtype=np.float32)
    masks = np.zeros_like(values)
    whole = Image.fromarray(picture.grey)
    part = level.longer / FINE.longer
    for i, (degrees, scale) in enumerate(shapes):
        width, height = (max(4, round(side * part * scale)) for side in whole.size)
        image = whole.resize((width, height), Image.Resampling.LANCZOS)
        inside = Image.new("L", image.size, 1)
        if degrees:
            image = image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=128)
            inside = inside.rotate(degrees, Image.Resampling.NEAREST)
        masks[i, :height, :width] = np.asarray(inside)
        values[i, :height, :width] = detail(np.asarray(image, dtype=np.float32))
    values *= masks
    energy, areas = values**2, masks.sum(axis=(1, 2))
    return Spectra(fft.rfft2(values), fft.rfft2(energy), fft.rfft2(masks), areas)


def detail(grey: Plane) -> Plane:
    centred = grey - ndimage.gaussian_filter(grey, AROUND)
    contrast = np.sqrt(ndimage.gaussian_filter(centred**2, AROUND))
    return np.asarray(centred / (contrast + NOISE), dtype=np.float32)


def best_within(level: Level, a: Picture, b: Picture, turned: bool) -> float:
    """Return the best normalised correlation of b, smaller or turned, anywhere, with a."""
    large, small = spectra(level, a, False), spectra(level, b, turned)
    a_detail, a_energy, a_mask = large.detail[0], large.energy[0], large.mask[0]
    b_detail, b_energy, b_mask = np.conj(small.detail), np.conj(small.energy), np.conj(small.mask)
    products = (a_detail * b_detail, a_energy * b_mask, a_mask * b_energy, a_mask * b_mask)
    planes = (fft.irfft2(product, (level.field, level.field)) for product in products)
    both, energy_a, energy_b, overlap = planes
    energy = np.sqrt(np.maximum(energy_a * energy_b, 0))
    score = both / (energy + QUIET * np.maximum(overlap, 1))
    least = LEAST_OVERLAP * np.minimum(small.areas, large.areas[0])
    return float(np.where(overlap < least[:, None, None], 0, score).max())
