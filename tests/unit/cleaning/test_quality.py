"""Each flag fires on a picture planted for it, and rarely on real photos."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from matplotlib import font_manager
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from footwork.cleaning.quality import FLAGS, THRESHOLDS, flags_of, measure
from footwork.images import decode
from footwork.project import FlagName

Pixels = NDArray[np.uint8]


def photo(width: int = 400, height: int = 300, seed: int = 0) -> Image.Image:
    """Soft things of all sizes and colours, and a texture: raises no flag."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for cells in (3, 7, 19, 53, 151):
        coarse = random.normal(0, 60 / cells**0.3, (cells, cells, 3))
        planes = [
            np.asarray(Image.fromarray(coarse[..., i].astype(np.float32)).resize((width, height)))
            for i in range(3)
        ]
        total += np.stack(planes, axis=-1)
    total += random.normal(0, 20, total.shape)  # texture
    return Image.fromarray((120 + total).clip(0, 255).astype(np.uint8))


def seen(image: Image.Image) -> set[str]:
    """The flags of a picture that went through a JPEG, as most do."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=88)
    return set(flags_of(measure(decode(out.getvalue()))))


def caption(image: Image.Image, words: str, size: int) -> Image.Image:
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans:bold"), size)
    ImageDraw.Draw(image).text((15, 30), words, "white", font, stroke_width=2, stroke_fill="black")
    return image


def page() -> Image.Image:
    image = Image.new("RGB", (640, 480), "white")
    for line in range(40, 470, 30):
        ImageDraw.Draw(image).text((20, line), "many small words " * 4, fill="black", font_size=15)
    return image


def collage() -> Image.Image:
    """Smooth ones: between busy pictures a seam is often not seen (docs/cleaning.md)."""
    soft = ImageFilter.GaussianBlur(2)
    left, right = photo(seed=1).filter(soft).point(lambda v: v // 2), photo(seed=2).filter(soft)
    both = Image.new("RGB", (800, 300))
    both.paste(left, (0, 0))
    both.paste(right, (400, 0))
    return both


PLANTED: dict[str, Callable[[], Image.Image]] = {
    "too_small": lambda: photo().resize((80, 60)),
    "blurred": lambda: photo().filter(ImageFilter.GaussianBlur(5)),
    "blank": lambda: Image.new("RGB", (400, 300), (90, 120, 150)),
    "too_dark": lambda: photo().point(lambda v: v // 4),
    "too_bright": lambda: photo().point(lambda v: 200 + v // 5),
    "odd_aspect": lambda: photo(1200, 300),
    "drawing": page,
    "collage": collage,
    "large_text": lambda: caption(photo(), "HEEL HOOK", 48),
}


def test_a_plain_photo_raises_no_flag() -> None:
    for seed in range(5):
        assert seen(photo(seed=seed)) == set()


@pytest.mark.parametrize("flag", FLAGS)
def test_each_flag_fires_on_its_planted_picture(flag: str) -> None:
    assert flag in seen(PLANTED[flag]())


@pytest.mark.parametrize("flag", ["too_small", "odd_aspect", "large_text"])
def test_that_picture_raises_no_other_flag(flag: str) -> None:
    assert seen(PLANTED[flag]()) == {flag}


def test_a_gradient_and_sensor_noise_are_blank() -> None:
    ramp = np.linspace(20, 230, 400).astype(np.uint8)[None, :, None].repeat(300, 0).repeat(3, 2)
    noise = np.random.default_rng(0).normal(20, 2, (300, 400, 3)).clip(0, 255).astype(np.uint8)
    assert "blank" in flags_of(measure(np.ascontiguousarray(ramp)))
    assert "blank" in flags_of(measure(noise))


@pytest.mark.parametrize("step", [(0, 1), (1, 0), (1, 1), (1, -1)])
def test_motion_blur_leaves_one_direction_sharp_and_still_counts(step: tuple[int, int]) -> None:
    """Across the motion nothing is lost: the mean of the directions would hardly fall."""
    grain = np.random.default_rng(0).integers(60, 200, (64, 64, 3)).astype(np.float32)
    pixels = np.kron(grain, np.ones((4, 4, 1), np.float32))
    moved = np.mean([np.roll(pixels, (i * step[0], i * step[1]), (0, 1)) for i in range(17)], 0)
    before, after = (measure(p.astype(np.uint8)).sharpness for p in (pixels, moved))
    assert after < before / 50  # the mean: before / 5 to before / 23


def test_a_sharp_subject_before_a_soft_background_is_sharp() -> None:
    soft = photo().filter(ImageFilter.GaussianBlur(6))
    soft.paste(photo().crop((150, 100, 230, 180)), (150, 100))
    assert "blurred" not in seen(soft)


def test_facts_are_what_they_say() -> None:
    framed = np.full((300, 400, 3), 255, np.uint8)
    framed[50:250, 100:300] = np.asarray(photo())[50:250, 100:300]
    facts = measure(framed)
    assert (facts.width, facts.height, facts.short_side) == (400, 300, 300)
    assert facts.megapixels == pytest.approx(0.12)
    assert facts.aspect == pytest.approx(4 / 3)
    assert facts.border == pytest.approx(1 - 200 * 200 / (300 * 400), abs=0.02)
    assert facts.one_colour == pytest.approx(facts.border, abs=0.03)

    half = np.zeros((100, 200, 3), np.uint8)
    half[:, ::2] = 255
    facts = measure(half)
    assert facts.entropy == pytest.approx(1.0)
    assert facts.luminance == pytest.approx(127.5)
    assert (facts.dark, facts.bright) == (0.5, 0.5)
    assert (facts.low, facts.high) == (0, 255)
    assert facts.few_colours == 1


def test_a_large_photo_and_its_small_copy_measure_alike() -> None:
    small = photo(400, 300)
    a = measure(np.asarray(small.resize((1600, 1200), Image.Resampling.BICUBIC)))
    b = measure(np.asarray(small))
    assert a.luminance == pytest.approx(b.luminance, abs=1)
    assert a.entropy == pytest.approx(b.entropy, abs=0.1)
    assert a.sharpness == pytest.approx(b.sharpness, rel=0.5)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 1), (1, 5000), (65_000, 2), (31, 33), (7, 9)])
def test_any_shape_is_measured(size: tuple[int, int]) -> None:
    for colour in (0, 255):
        facts = measure(np.full((size[1], size[0], 3), colour, np.uint8))
        assert facts.one_colour == 1
        assert "blank" in flags_of(facts)
    noisy = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    facts = measure(noisy)
    for name in ("dark", "bright", "one_colour", "border", "few_colours", "seam"):
        assert 0 <= getattr(facts, name) <= 1, name
    assert 0 <= facts.entropy <= 8
    assert facts.sharpness >= 0


def test_scores_rise_with_the_trouble_and_are_half_at_the_threshold() -> None:
    fine = measure(np.asarray(photo()))
    for threshold in THRESHOLDS:
        assert threshold.score(threshold.fine) == pytest.approx(0)
        assert threshold.score(threshold.flagged) == pytest.approx(0.5)
        assert threshold.score(threshold.certain) == pytest.approx(1)
        steps = np.linspace(threshold.fine, threshold.certain, 50)
        scores = [threshold.score(float(step)) for step in steps]
        assert scores == sorted(scores)
    assert flags_of(replace(fine, sharpness=150.0))["blurred"] == 0.5
    assert "blurred" not in flags_of(replace(fine, sharpness=151.0))


def test_the_toml_knows_the_same_flags() -> None:
    assert get_args(FlagName) == FLAGS


@pytest.mark.shared
def test_false_alarms_on_real_photos_are_those_of_the_documentation(shared: Path) -> None:
    """docs/cleaning.md has these counts; whoever moves a threshold moves both."""
    insects = sorted((shared / "data" / "hymenoptera").rglob("*.jpg"))
    tiles = shared / "data" / "climbing_tiles"
    with (tiles / "manifest.csv").open() as table:
        climbers = [tiles / row["file"] for row in csv.DictReader(table) if row["best"] == "1"]
    assert (len(insects), len(climbers)) == (396, 67)
    counts = dict.fromkeys(FLAGS, (0, 0))
    for group, paths in enumerate((insects, climbers)):
        for path in paths:
            for flag in flags_of(measure(decode(path.read_bytes()))):
                a, b = counts[flag]
                counts[flag] = (a + (group == 0), b + (group == 1))
    assert counts == {
        "too_small": (2, 0),
        "blurred": (2, 1),
        "blank": (0, 0),
        "too_dark": (0, 0),
        "too_bright": (3, 0),
        "odd_aspect": (1, 0),
        "drawing": (2, 0),
        "collage": (1, 6),
        "large_text": (0, 8),
    }
