"""How often each flag of `footwork clean` is right and wrong: on real photos, and on planted ones.

    python bench/cleaning_flags.py [--every N] [--show]

Real: the 396 photos of ../shared/data/hymenoptera and the 67 climbing photos (`best` = 1) of
../shared/data/climbing_tiles. Planted: every N-th of them, spoilt in a known way. --show lists
the real photos that each flag fires on.
"""

import argparse
import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from matplotlib import font_manager
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps
from scipy import ndimage

from footwork.cleaned import Quality
from footwork.cleaning.quality import FLAGS, flags_of, measure
from footwork.images import decode

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
# Decided by eye on a sheet of all 67: lettering at least a twentieth of the picture high; photos
# put together of several. The thresholds were set with these in view.
WITH_LARGE_TEXT = {0, 3, 4, 5, 14, 18, 20, 23, 36, 37, 43, 46, 47}
COLLAGES = {3, 42, 43, 45, 55}
Plant = Callable[[Image.Image, np.random.Generator], Image.Image]


def climbing() -> list[Path]:
    with (DATA / "climbing_tiles" / "manifest.csv").open() as table:
        rows = [row for row in csv.DictReader(table) if row["best"] == "1"]
    return [DATA / "climbing_tiles" / row["file"] for row in rows]


def number(path: Path) -> int:
    return int(path.stem.removeprefix("photo").partition("_")[0])


def blurred(radius: float) -> Plant:
    """Gaussian, radius in pixels of a picture whose shorter side is 256."""
    return lambda image, _: image.filter(ImageFilter.GaussianBlur(radius * min(image.size) / 256))


def moved(length: int) -> Plant:
    """Motion blur in a random direction, length in pixels of a picture 256 high."""

    def plant(image: Image.Image, random: np.random.Generator) -> Image.Image:
        size = max(3, round(length * min(image.size) / 256)) | 1
        kernel, angle, middle = Image.new("L", (size, size)), random.uniform(0, np.pi), size // 2
        reach = np.array([np.cos(angle), np.sin(angle)]) * middle
        ends = [*(middle - reach), *(middle + reach)]
        ImageDraw.Draw(kernel).line([round(end) for end in ends], fill=255)
        weights = np.asarray(kernel) / np.asarray(kernel).sum()
        pixels = np.asarray(image).astype(np.float32)
        planes = [ndimage.convolve(pixels[..., i], weights) for i in range(3)]
        return Image.fromarray(np.stack(planes, axis=-1).clip(0, 255).astype(np.uint8))

    return plant


def exposed(stops: float) -> Plant:
    """Light times 2 ** stops, by a gamma of 2.2."""
    table = [min(255, round(255 * ((v / 255) ** 2.2 * 2**stops) ** (1 / 2.2))) for v in range(256)]
    return lambda image, _: image.point(table * 3)


def blank(noise: float) -> Plant:
    def plant(image: Image.Image, random: np.random.Generator) -> Image.Image:
        colour = np.asarray(image).mean(axis=(0, 1))
        pixels = colour + random.normal(0, noise, (image.height, image.width, 3))
        return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))

    return plant


def gradient(image: Image.Image, random: np.random.Generator) -> Image.Image:
    return image.resize((2, 2), Image.Resampling.BOX).resize(image.size, Image.Resampling.BILINEAR)


def small(image: Image.Image, random: np.random.Generator) -> Image.Image:
    return ImageOps.contain(image, (96, 96))


def strip(image: Image.Image, random: np.random.Generator) -> Image.Image:
    return image.crop((0, 0, image.width, max(1, image.width // 4)))


def posterised(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """A photo traced into patches of six colours, as a vector drawing would be."""
    smooth = image.filter(ImageFilter.GaussianBlur(3))
    return smooth.quantize(6).convert("RGB").filter(ImageFilter.ModeFilter(7))


def screenshot(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """A page with lines of small text and a thumbnail."""
    page = Image.new("RGB", (640, 480), "white")
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, 640, 40), fill=(40, 60, 120))
    for line in range(14):
        words = " ".join("".join(random.choice(list("aeionrst"), 6)) for _ in range(11))
        draw.text((20, 60 + 29 * line), words, fill="black", font_size=15)
    page.paste(ImageOps.fit(image, (160, 120)), (460, 60))
    return page


def collage(count: int, gutter: int, others: list[Path]) -> Plant:
    def plant(image: Image.Image, random: np.random.Generator) -> Image.Image:
        some = [Image.open(others[i]) for i in random.choice(len(others), count - 1, replace=False)]
        page = Image.new("RGB", (count * 300 + (count - 1) * gutter, 400), "white")
        for i, part in enumerate([image, *some]):
            page.paste(ImageOps.fit(part.convert("RGB"), (300, 400)), (i * (300 + gutter), 0))
        return page

    return plant


def captioned(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """A video's thumbnail: two lines of capitals, with or without an outline, level."""
    image = image.copy()
    size = image.height // int(random.integers(6, 11))
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans:bold"), size)
    fill, edge = [("white", "black"), ("yellow", "black"), ("red", "white"), ("black", "white")][
        int(random.integers(4))
    ]
    words = "".join(random.choice(list("ABCDEHKLMNORSTUW"), 8))
    width = int(random.integers(0, 2)) * max(1, size // 12)
    draw = ImageDraw.Draw(image)
    for line in (0.1, 0.7):
        at = (image.width // 20, int(line * image.height))
        draw.text(at, words, fill=fill, font=font, stroke_width=width, stroke_fill=edge)
    return image


def planted(others: list[Path]) -> list[tuple[str, str, Plant]]:
    """(flag, what was done, how)."""
    return [
        ("too_small", "shrunk to 96 pixels", small),
        ("blurred", "Gaussian blur, 1.5 pixels of 256", blurred(1.5)),
        ("blurred", "Gaussian blur, 2.5 pixels of 256", blurred(2.5)),
        ("blurred", "motion blur, 9 pixels of 256", moved(9)),
        ("blurred", "motion blur, 15 pixels of 256", moved(15)),
        ("blank", "one colour", blank(0)),
        ("blank", "one colour with noise of 4 levels", blank(4)),
        ("blank", "a smooth gradient", gradient),
        ("too_dark", "3 stops less light", exposed(-3)),
        ("too_dark", "5 stops less light", exposed(-5)),
        ("too_bright", "3 stops more light", exposed(3)),
        ("too_bright", "4 stops more light", exposed(4)),
        ("odd_aspect", "cut to 4 : 1", strip),
        ("drawing", "traced into 6 colours", posterised),
        ("drawing", "screenshot of a page", screenshot),
        ("collage", "2 photos side by side", collage(2, 0, others)),
        ("collage", "3 photos with white gutters", collage(3, 6, others)),
        ("large_text", "2 lines of capitals", captioned),
    ]


def as_jpeg(image: Image.Image) -> NDArray[np.uint8]:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return decode(out.getvalue())


def facts(paths: list[Path]) -> Iterator[tuple[Path, Quality]]:
    for path in paths:
        yield path, measure(decode(path.read_bytes()))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=8)
    parser.add_argument("--show", action="store_true")
    arguments = parser.parse_args()
    insects, climbers = sorted((DATA / "hymenoptera").rglob("*.jpg")), climbing()
    seen = {path: flags_of(quality) for path, quality in facts(insects + climbers)}

    print(f"{'flag':<12} {'of 396':>7} {'of 67':>6}")
    for flag in FLAGS:
        counts = [sum(flag in seen[path] for path in some) for some in (insects, climbers)]
        print(f"{flag:<12} {counts[0]:>7} {counts[1]:>6}")
        if arguments.show:
            for path, flags in seen.items():
                if flag in flags:
                    print(f"    {path.relative_to(DATA)}  {flags[flag]}")
    any_flag = [sum(bool(seen[path]) for path in some) for some in (insects, climbers)]
    print(f"{'any':<12} {any_flag[0]:>7} {any_flag[1]:>6}\n")
    for flag, truth in (("large_text", WITH_LARGE_TEXT), ("collage", COLLAGES)):
        fired = {number(path) for path in climbers if flag in seen[path]}
        print(f"{flag}, by eye {len(truth)} of 67: found {len(fired & truth)}, "
              f"wrongly {len(fired - truth)}")  # fmt: skip

    paths = (insects + climbers)[:: arguments.every]
    print(f"\nplanted in {len(paths)} photos{'':<24} found")
    for flag, what, plant in planted(insects):
        random = np.random.default_rng(0)
        found = [
            flag in flags_of(measure(as_jpeg(plant(Image.open(path).convert("RGB"), random))))
            for path in paths
        ]
        print(f"{flag:<12} {what:<34} {sum(found):>4}  {100 * np.mean(found):.0f} %")


if __name__ == "__main__":
    main()
