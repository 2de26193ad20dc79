"""Pictures of drawn climbers: wall, holds, clothes, light and camera around a pose.

Nothing in here knows a class: all of it is drawn from the same distributions whatever the
pose is, so that only the body and the holds it uses can tell the classes apart.
"""

import math
from dataclasses import replace

import numpy as np
from PIL import Image, ImageFilter, ImageFont

from footwork.drawing.body import Pose
from footwork.drawing.brush import Brush, jitter, pick
from footwork.drawing.people import Look, paint_person, random_look
from footwork.drawing.poses import draw_pose
from footwork.drawing.walls import HOLDS, Wall, paint_ground

FINER = 2  # drawn this much larger, then reduced, which smooths the edges
CAPTIONS = (
    "session 12", "gym day", "rest less", "day two", "beta?", "the last move", "warm up",
    "watch the body", "Tuesday crew", "V4", "6b+", "trying hard",
)  # fmt: skip


def draw_scene(label: str, rng: np.random.Generator) -> Image.Image:
    """Return a drawn RGB picture of class `label`, 240 to 640 pixels a side."""
    pose = draw_pose(label, rng)
    long = int(rng.integers(330, 641))
    short = int(min(max(240, long * rng.uniform(0.56, 1.0)), 480))
    size = (long, short) if rng.random() < 0.5 else (short, long)
    return develop(compose(pose, size, rng), rng)


def compose(pose: Pose, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Draw the whole scene, FINER times too large."""
    brush = frame(pose, Image.new("RGB", (size[0] * FINER, size[1] * FINER)), rng)
    wall = Wall(rng)
    wall.paint(pose, brush, rng)
    ground = paint_ground(pose, brush, wall.rocky, rng)
    climbing = pose.floor is None
    if climbing and ground is not None and rng.random() < 0.25:
        paint_bystander(brush, ground, rng)
    look = random_look(rng, wall.colour)
    if climbing and not pose.side_on and rng.random() < 0.25:
        paint_rope(pose, brush, rng)
    for grip in pose.grips:
        wall.paint_grip(grip, brush, rng)
    if climbing and not pose.side_on and rng.random() < 0.75:
        paint_shadow(pose, look, brush, rng)
    paint_person(pose, look, brush)
    for grip in pose.grips:
        if grip.over:
            wall.paint_grip(grip, brush, rng)
    if rng.random() < 0.12:
        paint_caption(brush, rng)
    return brush.image


def frame(pose: Pose, canvas: Image.Image, rng: np.random.Generator) -> Brush:
    """Choose how large the climber is, where in the picture, mirrored or not, tilted how far."""
    width, height = canvas.size
    tilt = rng.normal(0, 6 if pose.floor is None else 2)
    turn = complex(np.exp(1j * math.radians(pose.overhang + tilt)))
    mirrored = bool(rng.random() < 0.5)
    points = [pose.head + 0.25 * z for z in (1, -1, 1j, -1j)]
    points += [arm.hand for arm in pose.arms] + [leg.knee for leg in pose.legs]
    points += [leg.at(along, -0.1) for leg in pose.legs for along in (-0.1, 0.35)]
    loose = Brush(canvas, 1.0, turn, mirrored, 0j)
    x, y = np.array([loose.xy(z) for z in points]).T
    share = 0.3 + 0.6 * rng.beta(2.6, 1.3)
    unit = float(min(share * height / np.ptp(y), 0.92 * width / np.ptp(x)))
    left = (width - unit * np.ptp(x)) * rng.beta(2.5, 2.5)
    top = (height - unit * np.ptp(y)) * rng.beta(2.5, 2.5)
    return Brush(canvas, unit, turn, mirrored, complex(left - unit * x.min(), top - unit * y.min()))


def paint_shadow(pose: Pose, look: Look, brush: Brush, rng: np.random.Generator) -> None:
    """The climber's shadow on the wall behind, drawn at a quarter of the size."""
    width, height = brush.image.size
    lit = (255, 255, 255)
    flat = replace(look, skin=lit, hair=lit, top=lit, trousers=lit, shoes=lit, outline=None)
    mask = Image.new("RGB", (width // 4, height // 4))
    shift = brush.unit * complex(rng.uniform(-0.25, 0.25), rng.uniform(0.05, 0.3))
    paint_person(pose, flat, brush.onto(mask, 0.25, shift))
    depth = round(255 * rng.uniform(0.25, 0.55))
    alpha = mask.convert("L").point([0] * 90 + [depth] * 166)
    alpha = alpha.filter(ImageFilter.GaussianBlur(brush.unit * rng.uniform(0.008, 0.03)))
    alpha = alpha.resize((width, height), Image.Resampling.BILINEAR)
    brush.image.paste((12, 12, 20), (0, 0), alpha)


def paint_bystander(brush: Brush, ground: float, rng: np.random.Generator) -> None:
    """Somebody smaller on the ground, looking on."""
    person = draw_pose("others", rng)
    while person.floor is None:
        person = draw_pose("others", rng)
    unit = brush.unit * rng.uniform(0.4, 0.75)
    at = complex(rng.uniform(0.05, 0.95) * brush.image.width, ground + unit * (person.floor + 0.1))
    small = Brush(brush.image, unit, 1 + 0j, bool(rng.random() < 0.5), at)
    paint_person(person, random_look(rng, (0, 0, 0)), small)


def paint_rope(pose: Pose, brush: Brush, rng: np.random.Generator) -> None:
    x, y = brush.xy(pose.hips)
    end = x + rng.uniform(-0.6, 0.6) * brush.unit
    middle = (x + end) / 2 + rng.uniform(-0.2, 0.2) * brush.unit
    thick = max(2, int(brush.unit * 0.035))
    colour = jitter(rng, (200, 90, 60), 40)
    brush.draw.line([(x, y), (middle, y / 2), (end, -5)], fill=colour, width=thick, joint="curve")


def paint_caption(brush: Brush, rng: np.random.Generator) -> None:
    """A caption as in a video's preview picture; it never says what is to be seen."""
    width, height = brush.image.size
    font = ImageFont.load_default(size=int(height * rng.uniform(0.06, 0.11)))
    text = str(rng.choice(CAPTIONS))
    at = (rng.uniform(0.03, 0.3) * width, float(rng.choice([0.03, 0.86])) * height)
    left, upper, right, lower = brush.draw.textbbox(at, text, font=font)
    if rng.random() < 0.5:
        box = (left - 12, upper - 8, right + 12, lower + 8)
        brush.draw.rectangle(box, fill=pick(rng, HOLDS))
    brush.draw.text(at, text, font=font, fill=(250, 250, 250), stroke_width=3,
                    stroke_fill=(20, 20, 24))  # fmt: skip


def develop(scene: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Reduce by FINER, and add light from one side, and the blur and noise of a camera."""
    image = scene.reduce(FINER)
    if rng.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.6)))
    width, height = image.size
    x = np.linspace(-1, 1, width, dtype=np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    angle, slope, vignette = rng.uniform((0, 0, 0), (2 * math.pi, 0.28, 0.16))
    light = 1 + np.float32(slope) * (
        np.float32(math.cos(angle)) * x + np.float32(math.sin(angle)) * y
    )
    light -= np.float32(vignette) * (x * x + y * y)
    tint = (rng.uniform(0.93, 1.07, 3) * rng.uniform(0.8, 1.15)).astype(np.float32)
    noise = rng.standard_normal((height, width), dtype=np.float32) * np.float32(rng.uniform(0, 9))
    pixels = np.asarray(image) * light[..., None] * tint + noise[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
