"""What a drawn climber climbs on: gym walls, rock, holds, and the ground below."""

import math

import numpy as np
from PIL import Image, ImageDraw

from footwork.drawing.body import Grip, Pose
from footwork.drawing.brush import Brush, Colour, Pixels, jitter, pick, scaled

GYM_WALLS: tuple[Colour, ...] = (
    (214, 206, 192), (188, 190, 192), (236, 234, 228), (120, 128, 134), (72, 78, 88),
    (196, 164, 122), (78, 138, 142), (104, 88, 128), (206, 122, 72), (92, 120, 84),
)  # fmt: skip
ROCKS: tuple[Colour, ...] = (
    (148, 142, 134), (176, 152, 120), (120, 112, 106), (168, 118, 88), (186, 178, 164),
)  # fmt: skip
HOLDS: tuple[Colour, ...] = (
    (222, 52, 56), (246, 190, 40), (40, 116, 200), (58, 160, 84), (236, 112, 36), (34, 34, 40),
    (240, 240, 236), (214, 74, 150), (122, 72, 170), (60, 184, 188),
)  # fmt: skip
PADS: tuple[Colour, ...] = ((52, 60, 76), (150, 44, 44), (44, 88, 120), (86, 90, 88))
FAR = 40.0  # torso lengths: past every edge of a picture


class Wall:
    """One picture's wall: its material, its colour, and the colour of the route in use."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rocky = bool(rng.random() < 0.35)
        self.colour = jitter(rng, pick(rng, ROCKS if self.rocky else GYM_WALLS), 14)
        self.route = pick(rng, HOLDS)

    def paint(self, pose: Pose, brush: Brush, rng: np.random.Generator) -> None:
        """Fill the picture: the wall from the front, or its profile with what is beyond."""
        size = brush.image.size
        if pose.floor is not None and pose.side_on and rng.random() < 0.5:
            brush.image.paste(backdrop(size, self.rocky, rng))
            return
        face = brush.onto(textured(self.colour, size, self.rocky, rng))
        if self.rocky:
            paint_cracks(face, self.colour, rng)
        else:
            paint_panels(face, self.colour, rng)
        if not pose.side_on or pose.floor is not None:
            brush.image.paste(face.image)
            self.scatter_holds(brush, rng)
            return
        brush.image.paste(backdrop(size, self.rocky, rng))
        top = rng.uniform(1.0, 2.2) if rng.random() < 0.35 else FAR
        heights = np.linspace(-FAR, top, 160 if self.rocky else 2)
        edge = [complex(rng.normal(0, 0.05 if self.rocky else 0), y) for y in heights]
        mask = Image.new("L", size)
        profile = [brush.xy(z) for z in (*edge, complex(FAR, top + 6), complex(FAR, -FAR))]
        ImageDraw.Draw(mask).polygon(profile, fill=255)
        brush.image.paste(face.image, mask=mask)
        for y in rng.uniform(-5, min(top, 5), int(rng.integers(0, 16))):
            at = brush.xy(complex(-0.03, y))
            paint_hold(brush, at, brush.unit * rng.uniform(0.08, 0.22), self.any_hold(rng), rng)

    def any_hold(self, rng: np.random.Generator) -> Colour:
        return scaled(self.colour, rng.uniform(0.7, 1.15)) if self.rocky else pick(rng, HOLDS)

    def paint_grip(self, grip: Grip, brush: Brush, rng: np.random.Generator) -> None:
        """A hold that the climber uses: all of one route, or features of the rock."""
        colour = self.any_hold(rng) if self.rocky else self.route
        paint_hold(brush, brush.xy(grip.at), grip.size * brush.unit, colour, rng)

    def scatter_holds(self, brush: Brush, rng: np.random.Generator) -> None:
        """Holds that nobody uses, all over the wall, and at times large volumes."""
        width, height = brush.image.size
        if not self.rocky and rng.random() < 0.35:
            for _ in range(int(rng.integers(1, 4))):
                paint_volume(brush, rng)
        for _ in range(int(rng.integers(0, 12) if self.rocky else rng.integers(6, 55))):
            at = (rng.uniform(0, width), rng.uniform(0, height))
            paint_hold(brush, at, brush.unit * rng.uniform(0.05, 0.2), self.any_hold(rng), rng)


def textured(
    colour: Colour, size: tuple[int, int], rocky: bool, rng: np.random.Generator
) -> Image.Image:
    """A surface of `colour`: rock has a relief lit from the upper left, a panel faint stains."""
    small = (size[0] // 4, size[1] // 4)
    field = np.zeros((small[1], small[0]), dtype=np.float32)
    for cells, weight in ((3, 1.0), (7, 0.8), (16, 0.55), (38, 0.4), (80, 0.3)):
        noise = rng.standard_normal((cells, cells), dtype=np.float32)
        grown = Image.fromarray(noise).resize(small, Image.Resampling.BICUBIC)
        field += np.float32(weight) * np.asarray(grown)
    shade = 1 + np.float32(rng.uniform(0.03, 0.14) if rocky else rng.uniform(0.01, 0.05)) * field
    if rocky:
        down, right = np.gradient(field)
        shade += np.float32(rng.uniform(0.5, 1.1)) * np.tanh(1.4 * (down + right)) * 0.5
    pixels = np.clip(shade[..., None] * np.array(colour, dtype=np.float32), 0, 255)
    return Image.fromarray(pixels.astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)


def paint_panels(face: Brush, colour: Colour, rng: np.random.Generator) -> None:
    """Painted fields, the seams of the panels, and the bolt holes in a grid."""
    width, height = face.image.size
    reach = math.hypot(width, height) / face.unit
    if rng.random() < 0.55:
        for _ in range(int(rng.integers(1, 4))):
            corner = complex(*rng.uniform(-reach / 2, reach / 2, 2))
            field = [corner + complex(*rng.uniform(-3, 3, 2)) for _ in range(3)]
            face.polygon(field, jitter(rng, pick(rng, GYM_WALLS), 12))
    step = rng.uniform(0.9, 1.8)
    count = int(reach / step) + 2
    seams = step * np.arange(-count, count)
    ends = step * count
    seam, thin = scaled(colour, rng.uniform(0.72, 0.9)), max(1, int(face.unit / 60))
    for k in seams:
        for a, b in ((complex(k, -ends), complex(k, ends)), (complex(-ends, k), complex(ends, k))):
            face.draw.line([face.xy(a), face.xy(b)], fill=seam, width=thin)
    if rng.random() < 0.6:
        offsets = step / 4 * (np.arange(-4 * count, 4 * count) + 0.5)
        grid = (offsets[:, None] + 1j * offsets[None, :]).ravel() * face.turn * face.unit
        x = face.origin.real + (-grid.real if face.mirrored else grid.real)
        y = face.origin.imag - grid.imag
        seen = (x > 0) & (x < width) & (y > 0) & (y < height)
        for u, v in zip(x[seen].tolist(), y[seen].tolist(), strict=True):
            face.draw.ellipse((u - 2, v - 2, u + 2, v + 2), fill=scaled(colour, 0.6))


def paint_cracks(face: Brush, colour: Colour, rng: np.random.Generator) -> None:
    width, height = face.image.size
    for _ in range(int(rng.integers(2, 9))):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        heading = rng.uniform(0, 2 * math.pi)
        path = [(x, y)]
        for _ in range(int(rng.integers(5, 18))):
            heading += rng.normal(0, 0.45)
            stride = rng.uniform(15, 60)
            x, y = x + stride * math.cos(heading), y + stride * math.sin(heading)
            path.append((x, y))
        thick = int(rng.integers(2, 6))
        lit = [(a + thick, b + thick) for a, b in path]
        face.draw.line(lit, fill=scaled(colour, 1.15), width=thick, joint="curve")
        face.draw.line(path, fill=scaled(colour, 0.35), width=thick, joint="curve")


def paint_hold(
    brush: Brush, at: Pixels, radius: float, colour: Colour, rng: np.random.Generator
) -> None:
    """One hold: blob, rail or ball with a dark underside, a lit top and a bolt."""
    flat = rng.choice([1.0, 0.75, 0.45])
    turn, lobes, depth = rng.uniform(0, math.pi), int(rng.integers(2, 5)), rng.uniform(0, 0.22)
    angles = np.linspace(0, 2 * math.pi, 22, endpoint=False)
    shape = (1 + depth * np.sin(lobes * angles + rng.uniform(0, 6))) * np.exp(1j * angles)
    shape = (shape.real + 1j * flat * shape.imag) * np.exp(1j * turn) * radius
    for shift, size, tone in ((0.16, 1.0, 0.55), (0.0, 1.0, 1.0), (-0.22, 0.6, 1.18)):
        points = size * shape + complex(*at) + 1j * shift * radius
        brush.draw.polygon(
            list(zip(points.real.tolist(), points.imag.tolist(), strict=True)),
            fill=scaled(colour, tone),
        )
    bolt = max(1.0, radius * 0.1)
    brush.draw.ellipse((at[0] - bolt, at[1] - bolt, at[0] + bolt, at[1] + bolt), fill=(60, 60, 62))


def paint_volume(brush: Brush, rng: np.random.Generator) -> None:
    """A large pyramid, three faces in three tones."""
    width, height = brush.image.size
    centre = complex(rng.uniform(0, width), rng.uniform(0, height))
    start = rng.uniform(0, 2 * math.pi)
    corners = [
        centre + brush.unit * rng.uniform(0.3, 0.75) * np.exp(1j * (start + k * 2 * math.pi / 3))
        for k in range(3)
    ]
    paint, top = pick(rng, HOLDS), centre + brush.unit * complex(*rng.uniform(-0.1, 0.1, 2))
    for k, tone in enumerate((0.95, 0.75, 0.6)):
        face = [(float(z.real), float(z.imag)) for z in (corners[k], corners[k - 1], top)]
        brush.draw.polygon(face, fill=scaled(paint, tone))


def backdrop(size: tuple[int, int], outdoors: bool, rng: np.random.Generator) -> Image.Image:
    """What is seen past the wall: sky and hills, or a hall with windows."""
    width, height = size
    if outdoors:
        top, bottom = jitter(rng, (120, 168, 214), 20), jitter(rng, (216, 228, 232), 14)
    else:
        grey = int(rng.integers(50, 200))
        top = jitter(rng, (grey, grey, grey), 8)
        bottom = scaled(top, 1.2)
    ramp = np.linspace(0, 1, 32)[:, None, None]
    pixels = np.array(top) * (1 - ramp) + np.array(bottom) * ramp
    image = Image.fromarray(pixels.astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(image)
    if outdoors:
        for k in range(int(rng.integers(1, 4))):
            x = np.linspace(0, width, 30)
            wave = np.sin(x / width * rng.uniform(3, 9) + rng.uniform(0, 6))
            y = height * (0.62 + 0.1 * k + 0.06 * wave) + rng.normal(0, 4, 30)
            hill = list(zip(x.tolist(), y.tolist(), strict=True))
            green = jitter(rng, (92 - 14 * k, 122 - 14 * k, 92 - 18 * k), 10)
            draw.polygon([*hill, (width, height), (0, height)], fill=green)
    elif rng.random() < 0.6:
        wide, high = width * rng.uniform(0.12, 0.2), height * rng.uniform(0.1, 0.2)
        left, upper = rng.uniform(0, width * 0.5), rng.uniform(0.05, 0.3) * height
        for k in range(int(rng.integers(1, 5))):
            edge = float(left + 1.15 * k * wide)
            box = (edge, upper, edge + wide, upper + high)
            draw.rectangle(box, fill=(214, 226, 232), outline=scaled(top, 0.6), width=6)
    return image


def paint_ground(pose: Pose, brush: Brush, rocky: bool, rng: np.random.Generator) -> float | None:
    """Floor and crash pads, if they are in sight; return the floor's height in pixels."""
    width, height = brush.image.size
    if pose.floor is not None:
        soles = [brush.xy(complex(leg.at(0.1, 0).real, pose.floor))[1] for leg in pose.legs]
        level = max(soles) - brush.unit * 0.06
    elif rng.random() < 0.55:
        lowest = max(brush.xy(leg.at(0.1, -0.12))[1] for leg in pose.legs)
        level = lowest + brush.unit * rng.uniform(0.15, 1.8)
    else:
        return None
    if level >= height - 4:
        return None
    slope = rng.normal(0, 0.015) * width
    colour = jitter(rng, (112, 104, 84) if rocky else pick(rng, PADS), 14)
    line = [(0.0, level + slope), (float(width), level - slope)]
    brush.draw.polygon([*line, (width, height), (0, height)], fill=colour)
    brush.draw.line(line, fill=scaled(colour, 0.7), width=4)
    if rng.random() < 0.4:
        left, wide = rng.uniform(-0.1, 0.7) * width, brush.unit * rng.uniform(1.2, 2.6)
        top, thick = level + brush.unit * 0.08, brush.unit * 0.22
        paint = jitter(rng, pick(rng, PADS), 20)
        brush.draw.rounded_rectangle((left, top, left + wide, top + thick), 8, fill=paint)
        fold = [(left + wide / 2, top), (left + wide / 2, top + thick)]
        brush.draw.line(fold, fill=scaled(paint, 0.7), width=3)
    return float(level)
