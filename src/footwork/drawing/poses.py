"""Random poses of each of the three classes (units and axes: see footwork.drawing.body).

What makes the classes: in a heel hook the heel presses down on a hold at hip height or above,
the knee is bent, and the hold is under the heel; in a toe hook the flexed foot pulls with its
instep, the hold is between toes and shin, and the leg is long; everything else is `others`,
with high steps (toes on a hold at hip height) as the hard cases. What hangs follows gravity.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from footwork.drawing.body import (
    BALL,
    HEEL,
    INSTEP,
    Arm,
    Grip,
    Leg,
    Pose,
    arm_to,
    dangling,
    hooking,
    leg_to,
    standing,
    towards,
    unit,
)

TRIES = 500  # until a pose is sound; in 28,000 poses the longest run of unsound ones was 37


@dataclass(frozen=True)
class Torso:
    """Joints in the order left, right (seen from behind) or far, near (from the side)."""

    chest: complex
    hips: complex
    head: complex
    shoulders: tuple[complex, complex]
    sockets: tuple[complex, complex]


def draw_pose(label: str, rng: np.random.Generator) -> Pose:
    """Return a random pose of class `label`: 'heel_hook', 'toe_hook' or 'others'."""
    moves = MOVES[label]
    _, maker = moves[int(rng.choice(len(moves), p=[share for share, _ in moves]))]
    for _ in range(TRIES):
        pose = maker(rng)
        if pose is not None and is_sound(pose):
            return pose
    raise RuntimeError(f"no sound pose in {TRIES} tries: {maker.__name__}")


def is_sound(pose: Pose) -> bool:
    """Whether no joint is inside wall, floor or head, and who stands, stands on the floor."""
    joints = [pose.head, *(leg.knee for leg in pose.legs), *(leg.ankle for leg in pose.legs)]
    joints += [arm.elbow for arm in pose.arms]
    if pose.side_on and pose.floor is None and max(z.real for z in joints) > -0.1:
        return False
    if pose.floor is not None:
        soles = [leg.at(*BALL).imag - pose.floor for leg in pose.legs]
        if max(map(abs, soles)) > 0.03 or min(z.imag for z in joints) < pose.floor + 0.08:
            return False
    near_head = [leg.knee for leg in pose.legs] + [leg.at(0.15, 0) for leg in pose.legs]
    return min(abs(z - pose.head) for z in near_head) > 0.42


def heel_grip(leg: Leg, size: float) -> Grip:
    return Grip(leg.at(HEEL[0] - 0.55 * size, HEEL[1] - 0.55 * size), size)


def toe_grip(leg: Leg, size: float) -> Grip:
    return Grip(leg.at(INSTEP[0], INSTEP[1] + 0.8 * size), size, over=True)


def edge_grip(leg: Leg, size: float) -> Grip:
    return Grip(leg.at(BALL[0], BALL[1] - 0.6 * size), size)


# Seen from behind


def torso_behind(rng: np.random.Generator, lean: float) -> Torso:
    """The hips at 0, the chest `lean` degrees to the left of upright."""
    chest = unit(90 + lean)
    right = unit(lean)
    head = chest + 0.43 * unit(90 + 0.8 * lean + rng.uniform(-18, 18))
    return Torso(chest, 0j, head, (chest - 0.3 * right, chest + 0.3 * right),
                 (-0.16 * right, 0.16 * right))  # fmt: skip


def hands_up(rng: np.random.Generator, body: Torso, aim: float, spread: float) -> tuple[Arm, Arm]:
    """Both hands on holds, around `aim` degrees (90 is straight up)."""
    left, right = (
        arm_to(s, s + rng.uniform(0.62, 1.1) * unit(aim + away * rng.uniform(-12, spread)), away)
        for s, away in zip(body.shoulders, (1, -1), strict=True)
    )
    return left, right


def hand_grips(rng: np.random.Generator, arms: tuple[Arm, Arm], wall: float = 0) -> list[Grip]:
    return [Grip(arm.hand + 0.06j + wall, rng.uniform(0.13, 0.26)) for arm in arms]


def foot_on_wall(rng: np.random.Generator, hip: complex, away: int, spread: float) -> Leg:
    """A foot on an edge below; away is -1 for the left leg, 1 for the right one."""
    contact = hip + rng.uniform(0.95, 1.62) * unit(-90 + away * rng.uniform(-8, spread))
    toe = unit(90 - away * rng.uniform(35, 105))
    return standing(hip, contact, toe, bend=away, length=rng.uniform(0.6, 0.95))


def heel_hook_behind(rng: np.random.Generator) -> Pose:
    body = torso_behind(rng, rng.uniform(-8, 55))
    contact = body.sockets[1] + rng.uniform(0.7, 1.4) * unit(rng.uniform(2, 72))
    hook = hooking(body.sockets[1], contact, HEEL, rng.uniform(65, 95))
    arms = hands_up(rng, body, rng.uniform(75, 105), 45)
    grips = [*hand_grips(rng, arms), heel_grip(hook, rng.uniform(0.16, 0.34))]
    other = foot_on_wall(rng, body.sockets[0], -1, 40)
    if rng.random() < 0.3:
        ankle = body.sockets[0] + rng.uniform(1.2, 1.6) * unit(-90 - rng.uniform(-15, 40))
        other = dangling(body.sockets[0], ankle, -1, 40, 0.8)
    else:
        grips.append(edge_grip(other, rng.uniform(0.1, 0.22)))
    return Pose("heel hook", False, body.chest, 0j, body.head, arms, (other, hook), tuple(grips))


def toe_hook_behind(rng: np.random.Generator) -> Pose:
    body = torso_behind(rng, rng.uniform(5, 80))
    contact = body.sockets[1] + rng.uniform(1.2, 1.6) * unit(rng.uniform(-25, 62))
    hook = hooking(body.sockets[1], contact, INSTEP, rng.uniform(92, 125))
    arms = hands_up(rng, body, rng.uniform(80, 125), 40)
    grips = [*hand_grips(rng, arms), toe_grip(hook, rng.uniform(0.16, 0.32))]
    kind = rng.random()
    hip = body.sockets[0]
    if kind < 0.3:  # bicycle: the other foot presses the same hold from the other side
        other = leg_to(hip, grips[-1].at - 0.2j - 0.1, BALL, lambda _: unit(10), 1, 0.9)
    elif kind < 0.65:
        ankle = hip + rng.uniform(0.9, 1.5) * unit(-90 + rng.uniform(-45, 30))
        other = dangling(hip, ankle, -1, 45, 0.8)
    else:
        other = foot_on_wall(rng, hip, -1, 45)
        grips.append(edge_grip(other, rng.uniform(0.1, 0.22)))
    return Pose("toe hook", False, body.chest, 0j, body.head, arms, (other, hook), tuple(grips))


def edging_behind(rng: np.random.Generator) -> Pose:
    """Both feet below on edges; at times one high step, or one leg flagged into the air."""
    body = torso_behind(rng, rng.uniform(-25, 40))
    left = foot_on_wall(rng, body.sockets[0], -1, 55)
    right = foot_on_wall(rng, body.sockets[1], 1, 60)
    feet, kind = [left, right], rng.random()
    if kind < 0.4:  # high step: the toes, not the heel, on a hold as high as in a heel hook
        contact = body.sockets[1] + rng.uniform(0.75, 1.3) * unit(rng.uniform(-25, 45))
        right = standing(body.sockets[1], contact, unit(rng.uniform(-15, 50)), 1)
        feet = [left, right]
    elif kind < 0.65:
        ankle = body.sockets[1] + rng.uniform(1.35, 1.62) * unit(rng.uniform(-65, 10))
        right = dangling(body.sockets[1], ankle, 1, rng.uniform(10, 60), 0.9)
        feet = [left]
    arms = hands_up(rng, body, rng.uniform(70, 115), 60)
    grips = hand_grips(rng, arms) + [edge_grip(foot, rng.uniform(0.1, 0.26)) for foot in feet]
    return Pose("edging", False, body.chest, 0j, body.head, arms, (left, right), tuple(grips))


def hanging_behind(rng: np.random.Generator) -> Pose:
    """Campus, dead hang or a jump: no foot touches anything."""
    jump = rng.random() < 0.5
    body = torso_behind(rng, rng.uniform(-35, 35) if jump else rng.uniform(-12, 12))
    spread = rng.uniform(15, 65) if jump else rng.uniform(-5, 25)
    left, right = (
        dangling(
            hip,
            hip + rng.uniform(1.0, 1.6) * unit(-90 + away * spread * rng.uniform(0.3, 1.3)),
            away,
            rng.uniform(5, 50),
            0.85,
        )
        for hip, away in zip(body.sockets, (-1, 1), strict=True)
    )
    arms = hands_up(rng, body, 90, 30)
    grips = hand_grips(rng, arms)
    if jump:
        grips = [Grip(grips[0].at + 0.25j * rng.uniform(0, 2), grips[0].size), grips[1]]
    return Pose("hanging", False, body.chest, 0j, body.head, arms, (left, right), tuple(grips))


# Seen from the side


def torso_beside(rng: np.random.Generator, overhang: float, sag: float) -> Torso | None:
    """Hang from hands near 0; sag: 0 along the wall, 1 and more down."""
    down = -1j * unit(-overhang)
    shoulder = -0.14 + rng.uniform(0.6, 1.02) * towards(0, 0.7 * down - 0.45 - 0.35j)
    hips = shoulder + towards(0, -1j + sag * down + unit(180) * rng.uniform(-0.1, 0.25))
    if shoulder.real > -0.35 or hips.real > -0.3:
        return None
    spine = towards(hips, shoulder)
    head = shoulder + 0.43 * spine * unit(rng.uniform(-25, 30))
    return Torso(shoulder, hips, head, (shoulder + 0.05, shoulder - 0.04 * spine),
                 (hips + 0.04, hips - 0.02))  # fmt: skip


def hands_on_wall(rng: np.random.Generator, body: Torso) -> tuple[Arm, Arm]:
    near = rng.uniform(-0.12, 0.12)
    far, close = (
        arm_to(s, complex(-0.14, y), -1)
        for s, y in zip(body.shoulders, (near + rng.uniform(0.0, 0.4), near), strict=True)
    )
    return far, close


def foot_below(rng: np.random.Generator, hip: complex) -> Leg | None:
    reach = rng.uniform(1.0, 1.6)
    if reach < abs(hip.real) + 0.2:
        return None
    contact = complex(-0.1, hip.imag - math.sqrt(reach**2 - (hip.real + 0.1) ** 2))
    leg = standing(hip, contact, unit(rng.uniform(-15, 30)), 1)
    return leg if abs(leg.at(*BALL) - contact) < 0.08 else None


def beside(
    rng: np.random.Generator,
    move: str,
    overhang: float,
    body: Torso,
    hook: Leg,
    other: Leg | None,
    grips: list[Grip],
) -> Pose:
    """Put together a pose from the side; without another leg one hangs down, in either order."""
    arms = hands_on_wall(rng, body)
    grips = grips + hand_grips(rng, arms, wall=0.06)
    if other is None:
        down = -90 - overhang + rng.uniform(-25, 25)
        ankle = body.sockets[0] + rng.uniform(1.1, 1.6) * unit(down)
        other = dangling(body.sockets[0], ankle, 1, -rng.uniform(-20, 50))
    else:
        grips = [*grips, edge_grip(other, rng.uniform(0.1, 0.22))]
    legs = (other, hook) if rng.random() < 0.6 else (hook, other)
    return Pose(move, True, body.chest, body.hips, body.head, arms, legs, tuple(grips), overhang)


def heel_hook_beside(rng: np.random.Generator) -> Pose | None:
    overhang = rng.uniform(0, 65)
    body = torso_beside(rng, overhang, rng.uniform(0.2, 0.9))
    if body is None:
        return None
    hip = body.sockets[1]
    contact = complex(-0.12, rng.uniform(hip.imag, 0.45))
    if not 0.6 < abs(contact - hip) < 1.45:
        return None
    hook = hooking(hip, contact, HEEL, rng.uniform(65, 95))
    turned = unit(overhang)
    if (hook.at(*HEEL) * turned).imag < (hip * turned).imag or abs(hook.at(*HEEL) - contact) > 0.05:
        return None
    other = foot_below(rng, body.sockets[0]) if rng.random() < 0.7 else None
    grip = heel_grip(hook, rng.uniform(0.16, 0.3))
    return beside(rng, "heel hook", overhang, body, hook, other, [grip])


def toe_hook_beside(rng: np.random.Generator) -> Pose | None:
    overhang = rng.uniform(20, 88)
    body = torso_beside(rng, overhang, rng.uniform(0.05, 0.6))
    if body is None:
        return None
    hip = body.sockets[1]
    reach = rng.uniform(1.25, 1.6)
    if reach < abs(hip.real):
        return None
    contact = complex(-0.2, hip.imag - math.sqrt(reach**2 - (hip.real + 0.2) ** 2))
    hook = hooking(hip, contact, INSTEP, rng.uniform(90, 120))
    if abs(hook.at(*INSTEP) - contact) > 0.05 or hook.at(0.34, 0).real > 0:
        return None
    other = foot_below(rng, body.sockets[0]) if rng.random() < 0.45 else None
    grip = toe_grip(hook, rng.uniform(0.16, 0.28))
    return beside(rng, "toe hook", overhang, body, hook, other, [grip])


def edging_beside(rng: np.random.Generator) -> Pose | None:
    overhang = rng.uniform(-8, 75)
    hanging = rng.random() < 0.25
    body = torso_beside(rng, overhang, rng.uniform(0.8, 3) if hanging else rng.uniform(0.1, 0.9))
    if body is None:
        return None
    hip = body.sockets[1]
    if hanging:
        ankle = hip + rng.uniform(1.1, 1.6) * unit(-90 - overhang + rng.uniform(-30, 30))
        foot = dangling(hip, ankle, 1, -rng.uniform(-20, 50))
        return beside(rng, "hanging", overhang, body, foot, None, [])
    step = foot_below(rng, hip)
    if rng.random() < 0.35:  # high step
        contact = complex(-0.1, hip.imag + rng.uniform(-0.45, 0.4))
        if not 0.55 < abs(contact - hip) < 1.4:
            return None
        step = standing(hip, contact, unit(rng.uniform(-10, 40)), 1)
    if step is None or abs(step.at(*BALL).real + 0.1) > 0.06:
        return None
    other = foot_below(rng, body.sockets[0]) if rng.random() < 0.8 else None
    return beside(rng, "edging", overhang, body, step, other, [edge_grip(step, 0.15)])


# On the ground


def on_the_ground(rng: np.random.Generator) -> Pose:
    """Standing, looking up, belaying: seen from behind, nobody is on the wall."""
    body = torso_behind(rng, rng.uniform(-6, 6))
    floor = -rng.uniform(1.67, 1.76)
    left, right = (
        standing(
            hip,
            complex(hip.real + away * rng.uniform(0.0, 0.32), floor),
            unit(90 - away * rng.uniform(65, 95)),
            away,
            rng.uniform(0.55, 0.8),
        )
        for hip, away in zip(body.sockets, (-1, 1), strict=True)
    )
    arms = []
    for shoulder, away in zip(body.shoulders, (-1, 1), strict=True):
        kind = rng.random()
        if kind < 0.5:
            arms.append(
                arm_to(shoulder, shoulder + 1.08 * unit(-90 + away * rng.uniform(2, 25)), away)
            )
        elif kind < 0.75:  # hand on the hip
            arms.append(arm_to(shoulder, complex(away * 0.24, 0.1), -away))
        else:
            reach = rng.uniform(0.6, 1.1)
            arms.append(
                arm_to(shoulder, shoulder + reach * unit(90 - away * rng.uniform(-10, 60)), -away)
            )
    return Pose("on the ground", False, body.chest, 0j, body.head, (arms[0], arms[1]),
                (left, right), (), floor=floor)  # fmt: skip


def resting(rng: np.random.Generator) -> Pose:
    """Sitting or standing beside the wall, seen from the side."""
    sitting = rng.random() < 0.6
    lean = rng.uniform(5, 30) if sitting else rng.uniform(-8, 10)
    chest = unit(90 + lean)
    head = chest + 0.43 * unit(90 + lean + rng.uniform(-30, 20))
    floor = -0.24 if sitting else -rng.uniform(1.6, 1.75)
    ahead = rng.uniform(0.7, 1.5) if sitting else rng.uniform(-0.1, 0.35)
    legs = [
        standing(z, complex(ahead + gap, floor), unit(rng.uniform(0, 5)), 1)
        for z, gap in ((0.03 + 0j, rng.uniform(-0.2, 0.25)), (0j, 0.0))
    ]
    aim = rng.uniform(-80, 10) if sitting else rng.uniform(-95, 80)
    arms = [
        arm_to(chest + shift, chest + rng.uniform(0.7, 1.1) * unit(aim + rng.uniform(-12, 12)), -1)
        for shift in (0.05, -0.02j)
    ]
    move = "sitting" if sitting else "standing"
    return Pose(move, True, chest, 0j, head, (arms[0], arms[1]), (legs[0], legs[1]), (),
                floor=floor)  # fmt: skip


Maker = Callable[[np.random.Generator], Pose | None]
MOVES: dict[str, tuple[tuple[float, Maker], ...]] = {
    "heel_hook": ((0.6, heel_hook_behind), (0.4, heel_hook_beside)),
    "toe_hook": ((0.5, toe_hook_behind), (0.5, toe_hook_beside)),
    "others": (
        (0.36, edging_behind),
        (0.14, hanging_behind),
        (0.28, edging_beside),
        (0.12, on_the_ground),
        (0.10, resting),
    ),
}
