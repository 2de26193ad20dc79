"""The drawn classes mean something: geometry that a climber would agree with."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footwork.drawing.body import (
    ARM,
    FOREARM,
    HEEL,
    INSTEP,
    SHIN,
    THIGH,
    UPPER_ARM,
    Leg,
    Pose,
    dot,
    towards,
    unit,
)
from footwork.drawing.poses import MOVES, draw_pose

seeds = st.integers(0, 2**32 - 1)
labels = st.sampled_from(sorted(MOVES))


def pose_of(label: str, seed: int) -> Pose:
    return draw_pose(label, np.random.default_rng(seed))


def height(pose: Pose, z: complex) -> float:
    """How high a point is once the wall leans as it is drawn."""
    return (z * unit(pose.overhang)).imag


def gripped(pose: Pose, leg: Leg, part: tuple[float, float]) -> bool:
    """Whether a hold in use touches this part of the foot."""
    return any(abs(grip.at - leg.at(*part)) < 1.05 * grip.size for grip in pose.grips)


@settings(max_examples=100, deadline=None)
@given(seeds, labels)
def test_limbs_keep_their_length_and_stay_outside_the_wall(seed: int, label: str) -> None:
    pose = pose_of(label, seed)
    for leg in pose.legs:
        assert abs(leg.knee - leg.hip) == pytest.approx(THIGH)
        assert abs(leg.ankle - leg.knee) == pytest.approx(SHIN)
        assert abs(dot(leg.toe, leg.up)) < 1e-9
    for arm in pose.arms:
        assert abs(arm.elbow - arm.shoulder) == pytest.approx(UPPER_ARM)
        assert abs(arm.hand - arm.elbow) == pytest.approx(FOREARM)
        assert abs(arm.hand - arm.shoulder) < ARM
    assert abs(pose.chest - pose.hips) == pytest.approx(1)
    if pose.side_on and pose.floor is None:
        assert max(leg.knee.real for leg in pose.legs) < 0
        assert pose.head.real < 0


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_in_a_heel_hook_a_heel_at_hip_height_or_above_is_on_a_hold(seed: int) -> None:
    pose = pose_of("heel_hook", seed)
    hooks = [
        leg
        for leg in pose.legs
        if height(pose, leg.at(*HEEL)) >= height(pose, leg.hip) and gripped(pose, leg, HEEL)
    ]
    assert hooks
    # Bent knee: nobody pulls with a straight leg.
    assert any(abs(leg.ankle - leg.hip) < 0.97 * (THIGH + SHIN) for leg in hooks)
    assert not any(grip.over for grip in pose.grips)


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_in_a_toe_hook_a_flexed_foot_pulls_with_its_instep(seed: int) -> None:
    pose = pose_of("toe_hook", seed)
    over = [grip for grip in pose.grips if grip.over]
    assert len(over) == 1
    hooks = [leg for leg in pose.legs if abs(over[0].at - leg.at(*INSTEP)) < over[0].size]
    assert any(dot(leg.toe, towards(leg.ankle, leg.knee)) > 0 for leg in hooks)
    # The hold is on the shin's side of the foot, not under the sole.
    assert any(dot(over[0].at - leg.at(*INSTEP), leg.up) > 0 for leg in hooks)


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_others_use_neither_heel_nor_instep(seed: int) -> None:
    pose = pose_of("others", seed)
    assert not any(grip.over for grip in pose.grips)
    if pose.floor is not None:
        assert pose.grips == ()
