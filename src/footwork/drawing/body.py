"""The parts of a drawn climber, and how a limb is put between two points.

Points are complex numbers: x to the right, y up, in units of the torso's length. A pose seen
from behind lies in the plane of the wall. A pose seen from the side has the wall's surface at
x = 0 and the climber at x < 0; the whole is turned by `overhang` degrees when it is drawn.
Mirroring comes with the drawing.
"""

import cmath
import math
from collections.abc import Callable
from dataclasses import dataclass

UPPER_ARM, FOREARM, THIGH, SHIN = 0.58, 0.56, 0.84, 0.82
ARM, LEG = UPPER_ARM + FOREARM, THIGH + SHIN
# Points of the shoe, from the ankle: along the foot, and up from the sole.
HEEL, INSTEP, BALL = (-0.09, -0.11), (0.20, 0.05), (0.26, -0.12)


@dataclass(frozen=True)
class Arm:
    shoulder: complex
    elbow: complex
    hand: complex


@dataclass(frozen=True)
class Leg:
    """toe and up are unit vectors: along the foot, and from the sole to the shin.

    length: how long the foot looks; 1 from the side, less when it points away from us.
    """

    hip: complex
    knee: complex
    ankle: complex
    toe: complex
    up: complex
    length: float = 1.0

    def at(self, along: float, above: float) -> complex:
        return self.ankle + self.toe * along * self.length + self.up * above


@dataclass(frozen=True)
class Grip:
    """A hold in use; one that hides the foot behind it is drawn `over` the climber."""

    at: complex
    size: float
    over: bool = False


@dataclass(frozen=True)
class Pose:
    """arms and legs: the far one first. floor: height of the ground, where one stands on it."""

    move: str
    side_on: bool
    chest: complex
    hips: complex
    head: complex
    arms: tuple[Arm, Arm]
    legs: tuple[Leg, Leg]
    grips: tuple[Grip, ...]
    overhang: float = 0.0
    floor: float | None = None


def unit(degrees: float) -> complex:
    return cmath.rect(1.0, math.radians(degrees))


def towards(start: complex, end: complex) -> complex:
    return (end - start) / abs(end - start)


def dot(a: complex, b: complex) -> float:
    return (a * b.conjugate()).real


def middle_joint(start: complex, end: complex, first: float, second: float, bend: int) -> complex:
    """Return elbow or knee between two ends; bend +1 puts it to the left of start -> end."""
    reach = min(max(abs(end - start), abs(first - second) + 0.05), first + second - 1e-6)
    cosine = (first**2 + reach**2 - second**2) / (2 * first * reach)
    return start + first * towards(start, end) * cmath.exp(1j * bend * math.acos(cosine))


def arm_to(shoulder: complex, hand: complex, bend: int) -> Arm:
    if abs(hand - shoulder) > ARM * 0.985:
        hand = shoulder + towards(shoulder, hand) * ARM * 0.985
    return Arm(shoulder, middle_joint(shoulder, hand, UPPER_ARM, FOREARM, bend), hand)


def leg_to(
    hip: complex,
    contact: complex,
    touching: tuple[float, float],
    toe_of: Callable[[complex], complex],
    bend: int,
    length: float = 1.0,
) -> Leg:
    """Return the leg whose foot touches `contact` with its point `touching`.

    toe_of: the foot's direction, given the shin's (knee to ankle). Ankle and foot depend on
    each other; a few rounds settle it, and a contact out of reach is missed, not stretched to.
    """
    ankle = contact
    for _ in range(6):
        if abs(ankle - hip) > LEG * 0.99:
            ankle = hip + towards(hip, ankle) * LEG * 0.99
        knee = middle_joint(hip, ankle, THIGH, SHIN, bend)
        ankle = knee + towards(knee, ankle) * SHIN
        shin = towards(knee, ankle)
        toe = toe_of(shin)
        up = toe * 1j if dot(toe * 1j, -shin) >= 0 else toe * -1j
        leg = Leg(hip, knee, ankle, toe, up, length)
        ankle = ankle + contact - leg.at(*touching)
    return leg


def hooking(hip: complex, contact: complex, with_: tuple[float, float], flex: float) -> Leg:
    """A leg to the right whose toes are turned `flex` degrees up from the shin's direction."""
    return leg_to(hip, contact, with_, lambda shin: shin * unit(flex), bend=1)


def standing(hip: complex, contact: complex, toe: complex, bend: int, length: float = 1.0) -> Leg:
    return leg_to(hip, contact, BALL, lambda _: toe, bend, length)


def dangling(hip: complex, ankle: complex, bend: int, flex: float, length: float = 1.0) -> Leg:
    return leg_to(hip, ankle, (0, 0), lambda shin: shin * unit(bend * flex), bend, length)
