"""Drawing in a pose's coordinates onto a picture, and a few helpers for colours."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from footwork.drawing.body import towards

Colour = tuple[int, int, int]
Pixels = tuple[float, float]


class Brush:
    """Draws in a pose's coordinates (see footwork.drawing.poses) onto a picture."""

    def __init__(
        self, image: Image.Image, unit: float, turn: complex, mirrored: bool, origin: complex
    ) -> None:
        self.image = image
        self.draw = ImageDraw.Draw(image)
        self.unit = unit  # pixels per torso
        self.turn = turn
        self.mirrored = mirrored
        self.origin = origin  # where the pose's 0 is, in pixels, y downwards

    def onto(self, image: Image.Image, share: float = 1.0, shift: complex = 0j) -> "Brush":
        """The same on another picture of `share` times the size, moved by `shift` pixels."""
        origin = (self.origin + shift) * share
        return Brush(image, self.unit * share, self.turn, self.mirrored, origin)

    def xy(self, z: complex) -> Pixels:
        z = z * self.turn * self.unit
        x = -z.real if self.mirrored else z.real
        return self.origin.real + x, self.origin.imag - z.imag

    def disc(self, at: complex, radius: float, colour: Colour) -> None:
        (x, y), r = self.xy(at), radius * self.unit
        self.draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)

    def polygon(self, points: Sequence[complex], colour: Colour) -> None:
        self.draw.polygon([self.xy(z) for z in points], fill=colour)

    def capsule(self, a: complex, b: complex, ra: float, rb: float, colour: Colour) -> None:
        """A limb: round at both ends, as thick as ra at a and rb at b."""
        self.disc(a, ra, colour)
        self.disc(b, rb, colour)
        if abs(b - a) > 1e-6:
            across = towards(a, b) * 1j
            self.polygon((a + ra * across, b + rb * across, b - rb * across, a - ra * across),
                         colour)  # fmt: skip


def pick(rng: np.random.Generator, colours: Sequence[Colour]) -> Colour:
    return colours[int(rng.integers(len(colours)))]


def scaled(colour: Colour, factor: float) -> Colour:
    """Darker or lighter; near black still becomes visibly lighter."""
    lift = 14 if factor > 1 else 0
    r, g, b = (min(255, int(v * factor + lift)) for v in colour)
    return r, g, b


def jitter(rng: np.random.Generator, colour: Colour, by: int) -> Colour:
    r, g, b = (int(np.clip(v + rng.integers(-by, by + 1), 0, 255)) for v in colour)
    return r, g, b
