"""What happens to photos on their way through the web: twelve kinds of edit, three strengths each.

From these `calibrate` makes pairs of which it is known that both show the same photo. The same
seed gives the same edit.
"""

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

Pixels = NDArray[np.uint8]  # (height, width, 3) RGB
STRENGTHS = (0, 1, 2)
INK = ((255, 255, 255), (0, 0, 0), (240, 220, 40))


def edited(pixels: Pixels, kind: str, strength: int, seed: int = 0) -> Pixels:
    """Return a copy of `pixels`, (h, w, 3) uint8, after one edit.

    kind: a key of EDITS. strength: 0 slight, 1 usual, 2 heavy. seed: where a crop or a text
    goes, which colour it has.
    """
    rng = np.random.default_rng((seed, sorted(EDITS).index(kind), strength))
    return np.asarray(EDITS[kind](Image.fromarray(pixels), strength, rng).convert("RGB"))


def resize(image: Image.Image, strength: int, _rng: np.random.Generator) -> Image.Image:
    part = (0.75, 0.5, 0.3)[strength]
    return image.resize(sized(image, part), Image.Resampling.LANCZOS)


def jpeg(image: Image.Image, strength: int, _rng: np.random.Generator) -> Image.Image:
    written = io.BytesIO()
    image.save(written, "JPEG", quality=(60, 30, 10)[strength])
    return Image.open(written)


def crop(image: Image.Image, strength: int, rng: np.random.Generator) -> Image.Image:
    """Keep 0.95, 0.85 or 0.7 of either side, anywhere in the photo."""
    width, height = sized(image, (0.95, 0.85, 0.7)[strength])
    left = int(rng.integers(0, image.width - width + 1))
    top = int(rng.integers(0, image.height - height + 1))
    return image.crop((left, top, left + width, top + height))


def border(image: Image.Image, strength: int, rng: np.random.Generator) -> Image.Image:
    """A frame, bars above and below (a film's), or bars at the sides of a square."""
    colour = INK[int(rng.integers(0, 2))]
    width, height = image.size
    if strength == 0:
        frame = max(2, round(0.05 * min(image.size)))
        size = (width + 2 * frame, height + 2 * frame)
    elif strength == 1:
        size = (width, round(1.3 * height))
    else:
        size = (max(image.size), max(image.size))
        size = size if width != height else (round(1.5 * width), height)
    paper = Image.new("RGB", size, colour)
    paper.paste(image, ((size[0] - width) // 2, (size[1] - height) // 2))
    return paper


def flip(image: Image.Image, strength: int, _rng: np.random.Generator) -> Image.Image:
    """Mirrored, turned by a quarter, upside down."""
    ways = (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180)
    return image.transpose(ways[strength])


def text(image: Image.Image, strength: int, rng: np.random.Generator) -> Image.Image:
    """A caption on the photo: a line at the bottom, two in the middle, three large ones."""
    image = image.copy()
    pen = ImageDraw.Draw(image)
    size = max(8, round((0.07, 0.12, 0.17)[strength] * min(image.size)))
    top = round((0.85, 0.4, 0.2)[strength] * image.height)
    colour = INK[int(rng.integers(0, 3))]
    for line in range(strength + 1):
        letters = "".join(rng.choice(list("ABCDEFGHKLMNRSTUW aeio"), 12))
        place = (round(0.05 * image.width), top + round(1.2 * line * size))
        # Bold: captions on thumbnails are.
        pen.text(place, letters, fill=colour, font_size=size, stroke_width=max(1, size // 16))
    return image


def play_button(image: Image.Image, strength: int, rng: np.random.Generator) -> Image.Image:
    """A disk with a triangle in the middle, 0.2, 0.3 or 0.45 of the shorter side wide."""
    image = image.copy()
    pen = ImageDraw.Draw(image)
    radius = (0.1, 0.15, 0.225)[strength] * min(image.size)
    x, y = image.width / 2, image.height / 2
    disk = ((0, 0, 0), (200, 20, 20), (30, 30, 30))[int(rng.integers(0, 3))]
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=disk)
    tip, back, half = x + 0.6 * radius, x - 0.35 * radius, 0.55 * radius
    pen.polygon([(back, y - half), (back, y + half), (tip, y)], fill=(255, 255, 255))
    return image


def colour(image: Image.Image, strength: int, rng: np.random.Generator) -> Image.Image:
    """Brightness, contrast and colour; at full strength without any colour."""
    brighter = bool(rng.integers(0, 2))
    change = (0.15, 0.3, 0.45)[strength]
    image = ImageEnhance.Brightness(image).enhance(1 + (change if brighter else -change))
    image = ImageEnhance.Contrast(image).enhance(1 + change)
    return ImageEnhance.Color(image).enhance((1.5, 0.5, 0.0)[strength])


def screenshot(image: Image.Image, strength: int, rng: np.random.Generator) -> Image.Image:
    """The photo within an application: a bar above it, buttons and lines of text below."""
    width, height = image.size
    above, below = (round(part[strength] * height) for part in ((0.08, 0.12, 0.2), (0, 0.2, 0.5)))
    light = bool(rng.integers(0, 2))
    paper_colour, ink = (
        ((250, 250, 250), (40, 40, 40)) if light else ((24, 24, 26), (220, 220, 220))
    )
    paper = Image.new("RGB", (width, height + above + below), paper_colour)
    paper.paste(image, (0, above))
    pen = ImageDraw.Draw(paper)
    size = max(8, above // 2)
    pen.text((above // 2, above // 4), "12:45   photos", fill=ink, font_size=size)
    if below:
        y, step = above + height + size // 2, max(10, round(1.5 * size))
        for button in range(3):
            pen.ellipse(
                (step * (1 + 2 * button), y, step * (2 + 2 * button), y + step), outline=ink
            )
        while (y := y + step) + size < paper.height:
            letters = "".join(rng.choice(list("abcdefghiklmnorstu  "), 24))
            pen.text((size, y), letters, fill=ink, font_size=max(8, round(0.7 * size)))
    return paper


def blur(image: Image.Image, strength: int, _rng: np.random.Generator) -> Image.Image:
    radius = (0.004, 0.01, 0.02)[strength] * min(image.size)
    return image.filter(ImageFilter.GaussianBlur(radius))


def rotate(image: Image.Image, strength: int, rng: np.random.Generator) -> Image.Image:
    """Straightened by 1, 3 or 6 degrees: what the turn leaves empty is cut off."""
    degrees = (1, 3, 6)[strength] * (1 if rng.integers(0, 2) else -1)
    turned = image.rotate(degrees, Image.Resampling.BICUBIC)
    slope = abs(np.tan(np.radians(degrees)))
    x, y = (round(0.5 * slope * side) + 1 for side in (image.height, image.width))
    return turned.crop((x, y, image.width - x, image.height - y))


def grain(image: Image.Image, strength: int, rng: np.random.Generator) -> Image.Image:
    """Noise of 6, 14 or 28 levels (one standard deviation), sharpened afterwards."""
    noise = rng.normal(0, (6, 14, 28)[strength], (image.height, image.width, 3))
    noisy = (np.asarray(image, dtype=np.float64) + noise).clip(0, 255).astype(np.uint8)
    return Image.fromarray(noisy).filter(ImageFilter.UnsharpMask(2, 60, 0))


def sized(image: Image.Image, part: float) -> tuple[int, int]:
    return max(1, round(image.width * part)), max(1, round(image.height * part))


EDITS: dict[str, Callable[[Image.Image, int, np.random.Generator], Image.Image]] = {
    "resize": resize,
    "jpeg": jpeg,
    "crop": crop,
    "border": border,
    "flip": flip,
    "text": text,
    "play button": play_button,
    "colour": colour,
    "screenshot": screenshot,
    "blur": blur,
    "rotate": rotate,
    "grain": grain,
}
MIRRORED = ("flip",)  # kinds that only a search for mirrored copies is asked to find
