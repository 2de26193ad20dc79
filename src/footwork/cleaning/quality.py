"""Facts of a picture's pixels, and what they flag for a person to look at.

Everything is measured at one size: the shorter side at most 256 pixels, about what the base
models see, so that a large photo and a small copy of it measure alike.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from footwork.cleaned import Quality
from footwork.cleaning.overlays import glyphs, seam

# Enters the catalog beside the facts: raise it whenever a fact or a threshold changes.
QUALITY = "quality/1"

SHORT, LONG = 256, 1024  # pixels at most; the second only for strips
CELL = 32  # pixels: the sharpest square of this side counts
BORDER_LEVELS = 12  # within which JPEG keeps a border of one colour
COMMON = 8  # colours; a screenshot's are fewer, a photo's many more
CLIPPED = 8  # levels from black or white
BT_601 = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601 luma


@dataclass(frozen=True)
class Threshold:
    """A fact that raises a flag. The score is 0 at `fine`, 0.5 at `flagged`, 1 at `certain`.

    Linear between these, or in the logarithm. Every number was set on 463 real photos and on
    planted pictures; hits and false alarms of each flag are counted in docs/cleaning.md.
    """

    flag: str
    fact: str
    fine: float
    flagged: float
    certain: float
    logarithmic: bool = False

    def score(self, value: float) -> float:
        x, points = value, [self.fine, self.flagged, self.certain]
        if self.logarithmic:
            x, points = math.log(max(value, 1e-9)), [math.log(point) for point in points]
        scores = [0.0, 0.5, 1.0]
        if points[0] > points[-1]:
            points, scores = points[::-1], scores[::-1]
        return float(np.interp(x, points, scores))


THRESHOLDS = (
    # Networks take 192 to 300 pixels: below 112 a photo is enlarged more than twice.
    Threshold("too_small", "short_side", 224, 112, 32),
    Threshold("blurred", "sharpness", 300, 150, 15, logarithmic=True),
    Threshold("blank", "one_colour", 0.90, 0.96, 1.0),
    Threshold("blank", "sharpness", 16, 4, 1, logarithmic=True),  # not even noise
    Threshold("too_dark", "high", 100, 85, 30),
    Threshold("too_bright", "luminance", 190, 203, 240),
    Threshold("odd_aspect", "aspect", 2.5, 3, 5),
    Threshold("drawing", "few_colours", 0.6, 0.75, 0.95),
    Threshold("collage", "seam", 0.45, 0.6, 0.9),
    Threshold("large_text", "glyphs", 2, 4, 10),
)
FLAGS = tuple(dict.fromkeys(threshold.flag for threshold in THRESHOLDS))


def flags_of(quality: Quality) -> dict[str, float]:
    """Return the flags that these facts raise, each with its score in [0.5, 1]."""
    scores = dict.fromkeys(FLAGS, 0.0)
    for threshold in THRESHOLDS:
        score = threshold.score(getattr(quality, threshold.fact))
        scores[threshold.flag] = max(scores[threshold.flag], round(score, 3))
    return {flag: score for flag, score in scores.items() if score >= 0.5}


def measure(pixels: NDArray[np.uint8]) -> Quality:
    """Return the facts of a picture. pixels: (h, w, 3) uint8, upright sRGB, any size from 1 x 1.

    sharpness: variance of the second derivative (the Laplacian's parts) of luma, in its weakest
    of four directions, so that motion blur counts, in the sharpest cell of 32 x 32, so that a
    sharp insect before a soft background counts as sharp.
    luminance, low, high, dark, bright: of BT.601 luma inside the border.
    entropy: of the luma's histogram. one_colour: the share of pixels within 12 levels of the
    commonest colour. border: the share of the area that is rows and columns of one colour along
    the edges. few_colours: the share of the eight commonest of 32,768 colours inside the border,
    of single pixels, since averages make new colours. seam, glyphs: see `overlays`.
    """
    height, width = pixels.shape[:2]
    shown = reduced(pixels)
    picture = without_border(shown)
    luma = picture.astype(np.float32) @ BT_601
    low, high = np.percentile(luma, [5, 95])
    return Quality(
        width=width,
        height=height,
        sharpness=sharpness(luma),
        luminance=float(luma.mean()),
        low=float(low),
        high=float(high),
        dark=float((luma <= CLIPPED).mean()),
        bright=float((luma >= 255 - CLIPPED).mean()),
        entropy=entropy(luma),
        one_colour=one_colour(shown),
        border=1 - picture.size / shown.size,
        few_colours=few_colours(without_border(reduced(pixels, Image.Resampling.NEAREST))),
        seam=seam(picture),
        glyphs=glyphs(shown),
    )


def reduced(
    pixels: NDArray[np.uint8], how: Image.Resampling = Image.Resampling.BILINEAR
) -> NDArray[np.uint8]:
    """Return the picture at the size that is measured; smaller ones stay as they are."""
    image = Image.fromarray(pixels)
    scale = min(1.0, SHORT / min(image.size), LONG / max(image.size))
    if scale == 1.0:
        return pixels
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return np.asarray(image.resize(size, how))


def without_border(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut off full rows and columns of one colour along the edges; a blank picture stays whole."""
    rows = pixels[run_of_one_colour(pixels) : len(pixels) - run_of_one_colour(pixels[::-1])]
    columns = rows.transpose(1, 0, 2)
    left, right = run_of_one_colour(columns), run_of_one_colour(columns[::-1])
    picture = rows[:, left : len(columns) - right]
    return picture if picture.size else pixels


def run_of_one_colour(lines: NDArray[np.uint8]) -> int:
    """Return how many of the first lines are of the first one's mean colour."""
    if lines.size == 0:
        return 0
    colour = lines[0].mean(axis=0)
    for count, line in enumerate(lines):
        if np.abs(line - colour).max() > BORDER_LEVELS:
            return count
    return len(lines)


def sharpness(luma: NDArray[np.float32]) -> float:
    if min(luma.shape) < 3:
        return 0.0
    middle = 2 * luma[1:-1, 1:-1]
    directions = (
        luma[1:-1, 2:] + luma[1:-1, :-2] - middle,
        luma[2:, 1:-1] + luma[:-2, 1:-1] - middle,
        luma[2:, 2:] + luma[:-2, :-2] - middle,
        luma[2:, :-2] + luma[:-2, 2:] - middle,
    )
    tall, wide = (min(CELL, side) for side in middle.shape)
    rows, columns = middle.shape[0] // tall, middle.shape[1] // wide
    cells = [
        part[: rows * tall, : columns * wide].reshape(rows, tall, columns, wide).var(axis=(1, 3))
        for part in directions
    ]
    return float(np.min(cells, axis=0).max())


def entropy(luma: NDArray[np.float32]) -> float:
    counts = np.bincount(luma.astype(np.uint8).ravel(), minlength=256)
    shares = counts[counts > 0] / luma.size
    return abs(float(-(shares * np.log2(shares)).sum()))


def one_colour(pixels: NDArray[np.uint8]) -> float:
    """The commonest colour is the mean of the fullest of 32 x 32 x 32 boxes."""
    boxes = boxes_of(pixels)
    fullest = np.bincount(boxes.ravel()).argmax()
    colour = np.round(pixels[boxes == fullest].mean(axis=0)).astype(np.int16)
    near = np.abs(pixels - colour) <= BORDER_LEVELS
    return float((near[..., 0] & near[..., 1] & near[..., 2]).mean())


def few_colours(pixels: NDArray[np.uint8]) -> float:
    counts = np.bincount(boxes_of(pixels).ravel())
    return float(np.sort(counts)[-COMMON:].sum() / counts.sum())


def boxes_of(pixels: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return which of 32 x 32 x 32 boxes of colour each pixel is in."""
    return (pixels >> 3).astype(np.int32) @ np.array([1024, 32, 1], np.int32)
