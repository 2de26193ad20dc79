"""A climber's skeleton over a picture: what the base `pose` has seen."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from footwork.models.pose import (
    ANKLES,
    HEELS,
    HIPS,
    KNEES,
    MIN_VISIBILITY,
    SHOULDERS,
    TOES,
    WRISTS,
)

ELBOWS = (13, 14)
RIM, TRUNK = (255, 255, 255), (40, 90, 200)
HIGHER, LOWER = (240, 120, 0), (20, 160, 160)  # the leg with the higher foot, and the other
SHARPER = 3  # drawn this many times as large, then scaled down: smooth lines


def with_skeleton(pixels: NDArray[np.uint8], marks: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the picture, (h, w, 3) uint8, with limbs drawn over it.

    marks: (33, 3), x and y in the unit of the picture letterboxed into a square, visibility. Limbs
    with an end that is hardly visible are left out.
    """
    height, width = pixels.shape[:2]
    longer = max(height, width)
    at = marks[:, :2] * longer - (longer - np.array([width, height])) / 2
    seen = np.isfinite(at).all(axis=1) & (marks[:, 2] >= MIN_VISIBILITY)
    large = Image.new("RGBA", (width * SHARPER, height * SHARPER), (0, 0, 0, 0))
    pen = ImageDraw.Draw(large)
    thick = max(2, round(longer / 90)) * SHARPER
    limbs = list(limbs_of(marks))
    for rim in (True, False):
        for start, end, colour in limbs:
            if seen[start] and seen[end]:
                line = [tuple(float(v) for v in at[i] * SHARPER) for i in (start, end)]
                pen.line(line, fill=RIM if rim else colour, width=thick * (2 if rim else 1))
    layer = large.resize((width, height), Image.Resampling.BOX)
    drawn = Image.alpha_composite(Image.fromarray(pixels).convert("RGBA"), layer)
    return np.array(drawn.convert("RGB"))


def limbs_of(marks: NDArray[np.float32]) -> list[tuple[int, int, tuple[int, int, int]]]:
    (left, right) = SHOULDERS
    trunk = [(left, right), HIPS, (left, HIPS[0]), (right, HIPS[1])]
    for side in (0, 1):
        trunk += [(SHOULDERS[side], ELBOWS[side]), (ELBOWS[side], WRISTS[side])]
    limbs = [(a, b, TRUNK) for a, b in trunk]
    higher = 0 if marks[ANKLES[0], 1] <= marks[ANKLES[1], 1] else 1
    for side in (1 - higher, higher):
        colour = HIGHER if side == higher else LOWER
        leg = (HIPS[side], KNEES[side], ANKLES[side], HEELS[side], TOES[side], ANKLES[side])
        limbs += [(a, b, colour) for a, b in pairwise(leg)]
    return limbs
