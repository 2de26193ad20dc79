"""Body geometry: 33 landmarks of a person -> 39 numbers that say how legs and feet are held.

A pure function of arrays, without MediaPipe. The landmarks are BlazePose's (Bazarevsky et al.
2020, arXiv:2006.10204; list in MediaPipe's documentation of the Pose Landmarker).

Lengths are in units of the torso (middle of the shoulders to middle of the hips), so that the
distance to the camera does not matter; heights point up; the leg with the higher ankle comes
first and sideways numbers have no sign, so that a mirrored photo gives the same numbers. What
cannot be known takes its neutral value: that of a person who stands or hangs straight.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Enters the key of cached answers: raise it when a number changes.
GEOMETRY = "geometry-1"
# Enters the key of cached landmarks: raise it when the choice among several people (below) or how
# people are looked for (`footwork.models.pose_worker`) changes.
LOOKING = "looking-1"

LANDMARKS = 33
# Per landmark: x, y in the unit of the picture's width and height, visibility in [0, 1]; then x
# (right), y (down), z (away) in metres from the middle of the hips.
PARTS = 6
ANSWER = 1 + LANDMARKS * PARTS  # how many people were found, and the climber's landmarks
SHOULDERS, WRISTS, HIPS = (11, 12), (15, 16), (23, 24)  # left, right, as everywhere in BlazePose
KNEES, ANKLES, HEELS, TOES = (25, 26), (27, 28), (29, 30), (31, 32)
# Left and right of the face are 1-3 and 4-6, then 7/8 and so on in pairs; 0 is the nose.
SWAPPED = [0, 4, 5, 6, 1, 2, 3, *(i + 1 if i % 2 else i - 1 for i in range(7, LANDMARKS))]

# Below this visibility a landmark is no more than what the rest of the body suggests.
MIN_VISIBILITY = 0.1
CLEARLY_VISIBLE = 0.5  # where it matters who of several people is in the picture at all
# A torso seen end-on is a point: beyond this many of its lengths a number says no more (legs are
# one and a half to two torsos long), and one such photo would rule the standardisation.
MAX_LENGTH = 4.0
FLAT_TORSO = 1e-3  # of the body's extent; a shorter torso is no unit

# name -> neutral value. Angles: inside a joint, 1 is straight (180 degrees), 0 folded.
LEG = {
    "ankle_height": -1.6,  # over the middle of the hips; decides which leg comes first
    "ankle_distance": 1.6,  # from the leg's own hip
    "ankle_along": -1.6,  # from the middle of the hips along the torso, towards the head
    "ankle_across": 0.2,  # from the torso's axis, without a sign
    "knee_height": -0.8,
    "heel_height": -1.7,
    "toe_height": -1.7,
    "heel_over_toe": 0.0,  # positive: the heel is higher
    "foot_length": 0.4,
    "knee_angle": 1.0,
    "hip_angle": 1.0,  # between shoulder and knee
    "ankle_angle": 0.6,  # between knee and toe
    "knee_visibility": 0.0,
    "ankle_visibility": 0.0,
    "heel_visibility": 0.0,
    "toe_visibility": 0.0,
}
BODY = {
    "torso_upright": 1.0,  # cosine to the vertical: 1 head up, 0 lying, -1 head down
    "torso_lean": 0.0,  # its sine, without a sign
    "feet_distance": 0.5,  # between the ankles
    "legs_angle": 0.1,  # between the lines from hip to ankle; 1 is a split
    "hands_height_difference": 0.0,  # without a sign
    "torso_share": 0.25,  # torso's length over the picture's longer side
    "found": 0.0,  # 1 if there is a person at all
}
NEUTRAL = (
    {f"higher_{name}": value for name, value in LEG.items()}
    | {f"lower_{name}": value for name, value in LEG.items()}
    | BODY
)
FEATURE_NAMES = tuple(NEUTRAL)

Points = NDArray[np.float64]


def pose_vector(landmarks: NDArray[np.floating] | None, longer_side: float) -> NDArray[np.float32]:
    """Return the numbers of FEATURE_NAMES, (39,) float32, always finite.

    landmarks: (33, 3), per landmark x (right), y (down) and visibility in [0, 1]; x and y may
    lie outside the picture. None: nobody was found. longer_side: of the picture, in the unit
    of x and y. A landmark that is not finite or less visible than MIN_VISIBILITY is missing:
    every number that needs it is neutral, visibilities apart.

    The same for landmarks that are moved, scaled (with the picture) or mirrored (`mirrored`).
    """
    vector = dict(NEUTRAL)
    if landmarks is not None:
        with np.errstate(all="ignore"):  # missing is NaN and spreads; it is replaced below
            vector.update(measured(np.asarray(landmarks, dtype=np.float64), longer_side))
    values = np.array([vector[name] for name in FEATURE_NAMES])
    unknown = ~np.isfinite(values)
    values[unknown] = np.array(list(NEUTRAL.values()))[unknown]
    numbers: NDArray[np.float32] = values.clip(-MAX_LENGTH, MAX_LENGTH).astype(np.float32)
    return numbers


def measured(landmarks: Points, longer_side: float) -> dict[str, float]:
    """Return the numbers by name; NaN or infinite where a landmark of the body is missing."""
    seen = np.clip(np.nan_to_num(landmarks[:, 2], nan=0.0), 0.0, 1.0)
    points = landmarks[:, :2] * [1.0, -1.0]  # heights point up
    known = np.isfinite(points).all(axis=1) & (seen >= MIN_VISIBILITY)
    points[~known] = np.nan
    hips, shoulders = middle(points, HIPS), middle(points, SHOULDERS)
    torso = length(shoulders - hips)
    if known.any() and torso <= FLAT_TORSO * np.ptp(points[known], axis=0).max():
        torso = np.nan
    axis = (shoulders - hips) / torso
    body = (points - hips) / torso
    legs = sorted((leg_of(points, body, axis, seen, side) for side in (0, 1)), key=by_height)
    numbers = {f"lower_{name}": value for name, value in legs[0].items()}
    numbers |= {f"higher_{name}": value for name, value in legs[1].items()}
    return numbers | {
        "torso_upright": float(axis[1]),
        "torso_lean": float(abs(axis[0])),
        "feet_distance": length(body[ANKLES[0]] - body[ANKLES[1]]),
        "legs_angle": between(*(points[ANKLES[i]] - points[HIPS[i]] for i in (0, 1))),
        "hands_height_difference": float(abs(body[WRISTS[0], 1] - body[WRISTS[1], 1])),
        "torso_share": torso / longer_side,
        "found": 1.0,
    }


def leg_of(points: Points, body: Points, axis: Points, seen: Points, side: int) -> dict[str, float]:
    """Return the numbers of LEG for one leg (0 left, 1 right), neutral ones where unknown.

    points: (33, 2), in any unit; body: the same in torsos, from the middle of the hips; axis: of
    the torso, a unit vector.
    """
    shoulder, hip, knee, ankle, heel, toe = (
        pair[side] for pair in (SHOULDERS, HIPS, KNEES, ANKLES, HEELS, TOES)
    )
    numbers = {
        "ankle_height": float(body[ankle, 1]),
        "ankle_distance": length(body[ankle] - body[hip]),
        "ankle_along": float(body[ankle] @ axis),
        "ankle_across": float(abs(body[ankle] @ [-axis[1], axis[0]])),
        "knee_height": float(body[knee, 1]),
        "heel_height": float(body[heel, 1]),
        "toe_height": float(body[toe, 1]),
        "heel_over_toe": float(body[heel, 1] - body[toe, 1]),
        "foot_length": length(body[heel] - body[toe]),
        "knee_angle": between(points[hip] - points[knee], points[ankle] - points[knee]),
        "hip_angle": between(points[shoulder] - points[hip], points[knee] - points[hip]),
        "ankle_angle": between(points[knee] - points[ankle], points[toe] - points[ankle]),
        "knee_visibility": float(seen[knee]),
        "ankle_visibility": float(seen[ankle]),
        "heel_visibility": float(seen[heel]),
        "toe_visibility": float(seen[toe]),
    }
    return {name: x if np.isfinite(x) else LEG[name] for name, x in numbers.items()}


def by_height(leg: dict[str, float]) -> tuple[float, ...]:
    """Order legs by the height of the ankle; equal ones by the other numbers, never by side."""
    return tuple(leg.values())


def middle(points: Points, pair: tuple[int, int]) -> Points:
    found: Points = (points[pair[0]] + points[pair[1]]) / 2
    return found


def length(vector: Points) -> float:
    return float(np.hypot(vector[0], vector[1]))


def between(one: Points, other: Points) -> float:
    """Return the angle between two directions, 0 (same) to 1 (opposite); NaN if one has none."""
    if length(one) == 0 or length(other) == 0:
        return float("nan")
    cross = one[0] * other[1] - one[1] * other[0]
    return float(np.arctan2(abs(cross), one @ other) / np.pi)


def packed(people: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return what is kept of the people in a picture, (ANSWER,) float32: how many, who climbs.

    people: each (33, PARTS).
    """
    climber = the_climber(people)
    marks = np.zeros((LANDMARKS, PARTS), np.float32) if climber is None else climber
    return np.concatenate([np.array([len(people)], np.float32), marks.reshape(-1)])


def unpacked(answer: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return the climber's landmarks, (33, PARTS), from what `packed` gave; None for nobody."""
    if not answer[0] > 0:
        return None
    return answer[1:].reshape(LANDMARKS, PARTS)


def pose_vectors(answers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn (n, ANSWER) into (n, 39), see `pose_vector`; rows of NaN stay rows of NaN."""
    vectors = np.full((len(answers), len(FEATURE_NAMES)), np.nan, dtype=np.float32)
    for i in np.flatnonzero(np.isfinite(answers[:, 0])):
        person = unpacked(answers[i])
        vectors[i] = pose_vector(None if person is None else person[:, :3], longer_side=1.0)
    return vectors


def mirrored(landmarks: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    """Return the landmarks, (33, 3) or (33, PARTS), of the same person in the mirrored picture."""
    swapped = landmarks[SWAPPED].copy()
    swapped[:, 0] = width - swapped[:, 0]
    swapped[:, 3:4] *= -1
    return swapped


def the_climber(people: Sequence[NDArray[np.float32]]) -> NDArray[np.float32] | None:
    """Return the person whose visible landmarks fill the largest box; None of none.

    people: each (33, 3+), x and y in [0, 1] inside the picture, visibility. The largest is who
    the photo is about: belayers and spectators stand further off. Only what is visible counts,
    since a body made up from a foot or from lettering is large, too. The first of equals.
    """
    if not people:
        return None

    def area(person: NDArray[np.float32]) -> float:
        inside = np.clip(person[person[:, 2] >= CLEARLY_VISIBLE, :2], 0.0, 1.0)
        return float(np.ptp(inside, axis=0).prod()) if len(inside) else 0.0

    return max(people, key=area)
