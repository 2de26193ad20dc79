"""How a climber with a given pose looks: build, clothes, hair, shoes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from footwork.drawing.body import Leg, Pose, towards
from footwork.drawing.brush import Brush, Colour, jitter, pick, scaled

CLOTHES: tuple[Colour, ...] = (
    (40, 44, 56), (198, 48, 60), (52, 92, 156), (236, 236, 230), (84, 132, 88), (232, 176, 60),
    (112, 76, 132), (60, 148, 160), (224, 124, 132), (122, 116, 104), (92, 66, 52), (20, 22, 26),
)  # fmt: skip
SKINS: tuple[Colour, ...] = (
    (244, 208, 180), (232, 186, 150), (206, 154, 116), (168, 116, 82), (124, 82, 58), (88, 58, 42),
)  # fmt: skip
HAIR: tuple[Colour, ...] = (
    (30, 24, 22), (66, 44, 30), (112, 74, 42), (186, 144, 84), (150, 66, 36), (140, 136, 132),
)  # fmt: skip
SHOES: tuple[Colour, ...] = (
    (222, 52, 56), (246, 190, 40), (40, 116, 200), (58, 160, 84), (236, 112, 36), (34, 34, 40),
    (240, 240, 236), (214, 74, 150), (122, 72, 170), (60, 184, 188),
)  # fmt: skip


@dataclass(frozen=True)
class Look:
    """A person's build and clothes. thick: width of the limbs; outline: None for no contour."""

    skin: Colour
    hair: Colour
    top: Colour
    trousers: Colour
    shoes: Colour
    thick: float
    sleeve: float  # how far down the arm, in [0, 2]: 0 none, 1 to the elbow, 2 to the wrist
    shorts: bool
    headwear: str  # '', 'tail', 'bun', 'cap', 'helmet'
    turned: bool  # seen from behind, is the face in profile?
    harness: bool
    outline: Colour | None


def random_look(rng: np.random.Generator, around: Colour) -> Look:
    """Return random clothes, none of them so close to `around` that nobody could be seen."""
    free = [c for c in CLOTHES if np.abs(np.array(c) - np.array(around)).sum() > 110]
    return Look(
        skin=jitter(rng, pick(rng, SKINS), 6),
        hair=jitter(rng, pick(rng, HAIR), 8),
        top=jitter(rng, pick(rng, free), 12),
        trousers=jitter(rng, pick(rng, free), 12),
        shoes=jitter(rng, pick(rng, SHOES), 12),
        thick=rng.uniform(0.82, 1.18),
        sleeve=float(rng.choice([0.0, 0.55, 1.0, 1.9])),
        shorts=bool(rng.random() < 0.35),
        headwear=str(rng.choice(["", "", "tail", "bun", "cap", "helmet"])),
        turned=bool(rng.random() < 0.4),
        harness=bool(rng.random() < 0.4),
        outline=(24, 24, 30) if rng.random() < 0.4 else None,
    )


def paint_person(pose: Pose, look: Look, brush: Brush) -> None:
    far = shaded(look, 0.8) if pose.side_on else look
    if pose.side_on:
        paint_arm(pose, 0, far, brush)
        paint_leg(pose.legs[0], far, brush)
        paint_torso(pose, look, brush)
        paint_leg(pose.legs[1], look, brush)
        paint_head(pose, look, brush)
        paint_arm(pose, 1, look, brush)
        return
    for leg in pose.legs:
        paint_leg(leg, look, brush)
    for side in (0, 1):
        paint_arm(pose, side, look, brush)
    paint_torso(pose, look, brush)
    paint_head(pose, look, brush)


def shaded(look: Look, factor: float) -> Look:
    return replace(
        look,
        skin=scaled(look.skin, factor),
        top=scaled(look.top, factor),
        trousers=scaled(look.trousers, factor),
        shoes=scaled(look.shoes, factor),
    )


Part = tuple[complex, complex, float, float, Colour]


def paint_parts(parts: Sequence[Part], look: Look, brush: Brush) -> None:
    """Contours first, so that none runs across a joint; then colours; then the lit side."""
    if look.outline is not None:
        for a, b, ra, rb, _ in parts:
            brush.capsule(a, b, ra + 0.018, rb + 0.018, look.outline)
    for a, b, ra, rb, colour in parts:
        brush.capsule(a, b, ra, rb, colour)
    lit = 0.3j / brush.turn
    for a, b, ra, rb, colour in parts:
        brush.capsule(a + lit * ra, b + lit * rb, ra * 0.45, rb * 0.45, scaled(colour, 1.1))


def along(a: complex, b: complex, share: float) -> complex:
    return a + (b - a) * share


def paint_arm(pose: Pose, side: int, look: Look, brush: Brush) -> None:
    arm, w = pose.arms[side], look.thick
    bare: list[Part] = [
        (arm.shoulder, arm.elbow, 0.105 * w, 0.08 * w, look.skin),
        (arm.elbow, arm.hand, 0.08 * w, 0.055 * w, look.skin),
        (arm.hand, arm.hand + 0.05 * towards(arm.elbow, arm.hand), 0.075, 0.065, look.skin),
    ]
    upper, lower = min(look.sleeve, 1.0), max(look.sleeve - 1.0, 0.0)
    cloth: list[Part] = []
    if upper:
        end = along(arm.shoulder, arm.elbow, upper)
        cloth.append((arm.shoulder, end, 0.125 * w, (0.13 - 0.03 * upper) * w, look.top))
    if lower:
        end = along(arm.elbow, arm.hand, lower)
        cloth.append((arm.elbow, end, 0.1 * w, 0.075 * w, look.top))
    paint_parts(bare, look, brush)
    paint_parts(cloth, look, brush)


def paint_leg(leg: Leg, look: Look, brush: Brush) -> None:
    w = look.thick
    paint_shoe(leg, look, brush)
    bare: list[Part] = [(leg.knee, leg.ankle, 0.105 * w, 0.06 * w, look.skin)]
    calf = along(leg.knee, leg.ankle, 0.3)
    bare.append((calf, along(leg.knee, leg.ankle, 0.6), 0.105 * w, 0.085 * w, look.skin))
    shin_end = along(leg.knee, leg.ankle, 0.05 if look.shorts else 0.88)
    cloth: list[Part] = [(leg.hip, leg.knee, 0.175 * w, 0.125 * w, look.trousers)]
    if not look.shorts:
        cloth.append((leg.knee, shin_end, 0.125 * w, 0.085 * w, look.trousers))
    paint_parts(bare, look, brush)
    paint_parts(cloth, look, brush)


SHOE = ((-0.08, -0.125), (-0.125, -0.06), (-0.1, 0.05), (-0.06, 0.1), (0.075, 0.1), (0.12, 0.055),
        (0.22, 0.02), (0.31, -0.03), (0.36, -0.085), (0.345, -0.125), (0.2, -0.115),
        (0.08, -0.1))  # fmt: skip
SOLE = ((-0.1, -0.115), (0.08, -0.1), (0.2, -0.112), (0.35, -0.115))


def paint_shoe(leg: Leg, look: Look, brush: Brush) -> None:
    if look.outline is not None:
        brush.polygon([leg.at(x * 1.08, y * 1.15) for x, y in SHOE], look.outline)
    brush.polygon([leg.at(*point) for point in SHOE], look.shoes)
    rubber = [brush.xy(leg.at(*point)) for point in SOLE]
    brush.draw.line(rubber, fill=(28, 28, 32), width=max(2, int(brush.unit * 0.05)), joint="curve")
    band = [brush.xy(leg.at(*point)) for point in ((0.06, 0.06), (0.12, -0.09))]
    brush.draw.line(band, fill=scaled(look.shoes, 0.6), width=max(2, int(brush.unit * 0.035)))


def paint_torso(pose: Pose, look: Look, brush: Brush) -> None:
    w, hips, spine = look.thick, pose.hips, towards(pose.hips, pose.chest)
    across = spine * -1j
    # Half the distance between the rounded corners, and their radius, at the chest and below.
    broad, narrow = (0.03, 0.02) if pose.side_on else (0.2 * w, 0.1 * w)
    deep, slim = (0.2 * w, 0.17 * w) if pose.side_on else (0.15 * w, 0.16 * w)
    chest, waist = pose.chest - 0.08 * spine, hips + 0.18 * spine
    neck = (pose.chest, along(pose.chest, pose.head, 0.6), 0.085, 0.08, look.skin)
    seat = (hips - narrow * across, hips + narrow * across, 0.18 * w, 0.18 * w, look.trousers)
    paint_parts([neck], look, brush)
    paint_parts([seat], look, brush)
    corners = (chest - broad * across, chest + broad * across,
               waist + narrow * across, waist - narrow * across)  # fmt: skip
    radii = (deep, deep, slim, slim)
    for wider, colour in ((0.018, look.outline), (0.0, look.top)):
        if colour is None:
            continue
        for k in range(4):
            brush.capsule(
                corners[k - 1], corners[k], radii[k - 1] + wider, radii[k] + wider, colour
            )
        brush.polygon(corners, colour)
    lit = along(waist, chest, 0.3), along(waist, chest, 0.9)
    brush.capsule(*lit, 0.08 * w, 0.1 * w, scaled(look.top, 1.08))
    belt = [brush.xy(hips + 0.1 * spine + k * (narrow + 0.15 * w) * across) for k in (-1, 1)]
    strap = (214, 90, 40) if look.harness else scaled(look.trousers, 0.7)
    thick = max(2, int(brush.unit * (0.08 if look.harness else 0.04)))
    brush.draw.line(belt, fill=strap, width=thick)
    bag = hips + 0.02 * spine + (-0.2 if pose.side_on else 0.0) * across  # for the chalk
    brush.capsule(bag, bag - 0.12 * spine, 0.085, 0.075, scaled(look.shoes, 0.85))
    brush.capsule(bag + 0.05 * across, bag - 0.05 * across, 0.035, 0.035, (238, 238, 238))


def paint_head(pose: Pose, look: Look, brush: Brush) -> None:
    axis = towards(pose.chest, pose.head)
    face = axis * -1j
    at, r = pose.head, 0.2
    profile = pose.side_on or look.turned
    if look.outline is not None:
        brush.disc(at, r + 0.02, look.outline)
    if profile:
        brush.disc(at, r, look.skin)
        brush.capsule(at + 0.06 * face - 0.06 * axis, at + 0.09 * face - 0.11 * axis, 0.12, 0.09,
                      look.skin)  # fmt: skip
        brush.disc(at + 0.2 * face - 0.03 * axis, 0.04, look.skin)
        brush.disc(at + 0.12 * face + 0.03 * axis, 0.024, (30, 26, 28))
        rim = [at + 0.212 * (face * math.cos(t) + axis * math.sin(t))
               for t in np.linspace(math.radians(62), math.radians(238), 20)]  # fmt: skip
        brush.polygon([*rim, at - 0.06 * face - 0.06 * axis, at + 0.06 * axis], look.hair)
        brush.disc(at - 0.02 * face - 0.02 * axis, 0.042, scaled(look.skin, 0.88))
    else:
        brush.disc(at - 0.19 * face - 0.02 * axis, 0.045, look.skin)
        brush.disc(at + 0.19 * face - 0.02 * axis, 0.045, look.skin)
        brush.disc(at, r, look.hair)
        brush.disc(at - 0.13 * axis, 0.13, look.hair)
    back = -0.19 * face if profile else -0.02 * axis
    if look.headwear == "tail":
        down = (-1j * brush.turn.conjugate()) * 0.32
        brush.capsule(at + back + 0.08 * axis, at + back * 1.2 + down, 0.075, 0.03, look.hair)
    elif look.headwear == "bun":
        brush.disc(at + back * 0.9 + 0.17 * axis, 0.085, look.hair)
    elif look.headwear:
        cap = look.shoes if look.headwear == "cap" else scaled(look.top, 0.8)
        low, high = (25, 200) if profile else (-8, 188)
        dome = [at + 0.225 * (axis * math.sin(t) + face * math.cos(t))
                for t in np.linspace(math.radians(low), math.radians(high), 20)]  # fmt: skip
        brush.polygon(dome, cap)
        if look.headwear == "cap" and profile:
            brush.capsule(dome[0], dome[0] + 0.14 * face, 0.03, 0.02, scaled(cap, 0.75))
        elif profile:
            brush.capsule(dome[0], dome[-1], 0.02, 0.02, scaled(cap, 0.7))
