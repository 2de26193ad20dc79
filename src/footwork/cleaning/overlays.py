"""What people put over photos: large lettering, and the seams of a collage. Heuristics.

Both look for what cameras do not make: many clear-edged patches of one colour in a row, and a
step in brightness along one straight line through the whole picture. How often they are right
and wrong on real photos is counted in docs/cleaning.md.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

# A letter's height by that of the picture, its width by its height, and the part of its box
# that it fills: Latin capitals, Cyrillic and Japanese lie well inside.
LETTER_HEIGHT = (0.035, 0.4)
LETTER_PIXELS = 8  # lower ones are too coarse at the size that is looked at
LETTER_WIDTH = (0.12, 1.6)
LETTER_FILL = (0.2, 0.9)
STROKE = 0.45  # of the height, at most: beyond it a patch, not a stroke
STROKE_SPREAD = 0.6  # standard deviation by mean of the width along a stroke
CONTRAST = 60  # levels between a letter and four fifths of what lies around it
UNEVEN = 25  # levels that a letter's own colour varies by at most
SIMILAR = 1.8  # ratio of heights, and of strokes, within a line
LINE = 3  # letters make a line
STEP = 14  # levels across a seam
INSIDE = 0.15  # seams nearer to an edge are borders or bars
DETAIL = 10.0  # levels of deviation beside a seam: less is a bar, no picture


@dataclass(frozen=True)
class Letter:
    colour: int
    top: int
    bottom: int
    left: int
    right: int
    stroke: float

    @property
    def height(self) -> int:
        return self.bottom - self.top


def glyphs(pixels: NDArray[np.uint8]) -> int:
    """Return how many letter-like patches stand in lines of three or more.

    pixels: (h, w, 3) uint8 RGB, the shorter side about 256 pixels.
    """
    letters = [
        letter
        for colour, mask in enumerate(colour_masks(pixels))
        for letter in letters_of(pixels, mask, colour)
    ]
    line = list(range(len(letters)))

    def root(i: int) -> int:
        while line[i] != i:
            i = line[i]
        return i

    for i, letter in enumerate(letters):
        for j in range(i):
            if beside(letter, letters[j]):
                line[root(i)] = root(j)
    lengths = Counter(root(i) for i in range(len(letters)))
    return sum(length for length in lengths.values() if length >= LINE)


def colour_masks(pixels: NDArray[np.uint8]) -> Iterator[NDArray[np.bool_]]:
    """Yield where the picture is white, black, and each of eight strong hues."""
    # By hand: numpy reduces an axis of three values ten times slower.
    red, green, blue = (pixels[..., channel] for channel in range(3))
    highest = np.maximum(np.maximum(red, green), blue)
    lowest = np.minimum(np.minimum(red, green), blue)
    yield lowest >= 215
    yield highest <= 45
    strong = highest - lowest >= 110
    hue = np.asarray(Image.fromarray(pixels).convert("HSV"))[..., 0]
    for eighth in range(8):
        yield strong & (((hue + np.uint8(16)) >> 5) == eighth)


def letters_of(pixels: NDArray[np.uint8], mask: NDArray[np.bool_], colour: int) -> Iterator[Letter]:
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    height, width = mask.shape
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        tall, wide = rows.stop - rows.start, columns.stop - columns.start
        low, high = LETTER_HEIGHT
        if tall < LETTER_PIXELS or not low * height <= tall <= high * height:
            continue
        if not LETTER_WIDTH[0] * tall <= wide <= LETTER_WIDTH[1] * tall:
            continue
        around = (
            slice(max(0, rows.start - 3), min(height, rows.stop + 3)),
            slice(max(0, columns.start - 3), min(width, columns.stop + 3)),
        )
        body = labels[around] == number
        if not LETTER_FILL[0] <= body.sum() / (tall * wide) <= LETTER_FILL[1]:
            continue
        stroke = stroke_of(pixels[around].astype(np.int16), body, tall)
        if stroke is not None:
            yield Letter(colour, rows.start, rows.stop, columns.start, columns.stop, stroke)


def stroke_of(part: NDArray[np.int16], body: NDArray[np.bool_], tall: int) -> float | None:
    """Return the width of a letter's stroke in pixels, or None if this is no letter.

    A letter is of one colour, stands out all around, and is drawn with an even stroke.
    """
    near = ndimage.binary_dilation(body, iterations=2)
    ring = ndimage.binary_dilation(near) & ~near
    if ring.sum() < 8:
        return None
    contrast = np.abs(part[ring] - np.median(part[body], axis=0)).max(axis=1)
    if np.percentile(contrast, 20) < CONTRAST:
        return None
    depth = ndimage.distance_transform_edt(np.pad(body, 1))
    ridge = depth[(depth >= ndimage.maximum_filter(depth, 3) - 1e-6) & (depth > 0)]
    stroke = 2 * float(np.median(ridge))
    if not 1.5 <= stroke <= STROKE * tall or ridge.std() > STROKE_SPREAD * ridge.mean():
        return None
    core = part[depth[1:-1, 1:-1] > 1.5]
    if len(core) <= 3 or np.abs(core - np.median(core, axis=0)).max(axis=1).mean() > UNEVEN:
        return None
    return stroke


def beside(a: Letter, b: Letter) -> bool:
    """Whether two letters can be neighbours in one line."""
    overlap = min(a.bottom, b.bottom) - max(a.top, b.top)
    gap = max(a.left, b.left) - min(a.right, b.right)
    heights, strokes = sorted((a.height, b.height)), sorted((a.stroke, b.stroke))
    return (
        a.colour == b.colour
        and heights[1] <= SIMILAR * heights[0]
        and strokes[1] <= SIMILAR * strokes[0]
        and overlap >= 0.6 * heights[0]
        and gap <= heights[1]
    )


def seam(pixels: NDArray[np.uint8]) -> float:
    """Return, in [0, 1], how much a straight line through the whole picture parts it.

    The share of the line's length with a step in colour, less that share a few pixels beside
    it, at the most parting of all upright and level lines of the middle.
    pixels: (h, w, 3) uint8 RGB without its border, the shorter side about 256 pixels.
    """
    turned = pixels.transpose(1, 0, 2)
    return max(upright_seam(pixels.astype(np.int16)), upright_seam(turned.astype(np.int16)))


def upright_seam(pixels: NDArray[np.int16]) -> float:
    height, width = pixels.shape[:2]
    if width < 48 or height < 16:
        return 0.0
    step = np.abs(pixels[:, 2:] - pixels[:, :-2]) > STEP  # across the columns 1 to width - 2
    share = np.pad((step[..., 0] | step[..., 1] | step[..., 2]).mean(axis=0), 1)
    at = np.arange(max(7, int(INSIDE * width)), min(width - 8, int((1 - INSIDE) * width)))
    here = share[at[:, None] + np.arange(-1, 2)].max(axis=1)
    left = share[at[:, None] + np.arange(-6, -3)].mean(axis=1)
    right = share[at[:, None] + np.arange(4, 7)].mean(axis=1)
    parting = here - np.maximum(left, right)
    for i in np.argsort(-parting, kind="stable"):
        column, beside_it = at[i], width // 8
        parts = (
            pixels[:, max(0, column - beside_it) : column - 2],
            pixels[:, column + 3 : column + beside_it],
        )
        if parting[i] <= 0 or min(part.std(axis=(0, 1)).max() for part in parts) >= DETAIL:
            return max(0.0, float(parting[i]))
    return 0.0
