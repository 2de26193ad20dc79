"""The laws of body geometry: where, how large and how mirrored a body is must not matter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from footwork.models import pose
from footwork.models.pose import FEATURE_NAMES, NEUTRAL, mirrored, pose_vector, the_climber

Landmarks = NDArray[np.float64]

anything = hnp.arrays(
    np.float64, (33, 3), elements=st.floats(allow_nan=True, allow_infinity=True)
) | hnp.arrays(np.float64, (33, 3), elements=st.sampled_from([0.0, 0.5, 1.0, np.nan]))


@st.composite
def bodies(draw: st.DrawFn) -> Landmarks:
    """A person at random, about 200 px high, some landmarks hardly visible, some missing."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    landmarks = np.column_stack([rng.uniform(0, 200, (33, 2)), rng.uniform(0, 1, 33)])
    landmarks[rng.random(33) < draw(st.sampled_from([0.0, 0.1, 0.5]))] = np.nan
    return landmarks


def numbers(landmarks: Landmarks | None, longer_side: float = 400.0) -> dict[str, float]:
    return dict(zip(FEATURE_NAMES, pose_vector(landmarks, longer_side).tolist(), strict=True))


def standing() -> Landmarks:
    """Somebody upright, seen from the front: torso 100 px, legs 200 px, hips at (200, 300)."""
    body = np.full((33, 3), [200.0, 150.0, 1.0])
    for side, x in ((0, 220.0), (1, 180.0)):
        for pair, y in (
            (pose.SHOULDERS, 200), (pose.WRISTS, 320), (pose.HIPS, 300), (pose.KNEES, 400),
            (pose.ANKLES, 500), (pose.HEELS, 510), (pose.TOES, 510),
        ):  # fmt: skip
            body[pair[side], :2] = (x, y)
    body[pose.TOES[0], 0], body[pose.TOES[1], 0] = 260.0, 140.0
    return body


def test_there_are_39_names_each_once() -> None:
    assert len(FEATURE_NAMES) == len(set(FEATURE_NAMES)) == 39
    assert pose_vector(None, 100).shape == (39,)


@given(anything, st.floats(1e-3, 1e4))
def test_every_number_is_finite_whatever_the_landmarks(seen: Landmarks, longer: float) -> None:
    vector = pose_vector(seen, longer)
    assert vector.dtype == np.float32
    assert np.isfinite(vector).all()
    assert np.abs(vector).max() <= pose.MAX_LENGTH
    assert numbers(seen, longer)["found"] == 1


@pytest.mark.parametrize("value", [0.0, 0.5, 1e-300, 1e300, np.nan, np.inf])
def test_a_body_that_is_a_point_is_neutral_apart_from_what_was_seen(value: float) -> None:
    landmarks = np.full((33, 3), [value, value, 0.9])
    found = numbers(landmarks)
    for name, neutral in NEUTRAL.items():
        expected = 0.9 if name.endswith("visibility") else 1.0 if name == "found" else neutral
        assert found[name] == pytest.approx(expected), name


@given(bodies(), st.floats(0.01, 1000), st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)))
def test_size_and_place_do_not_matter(
    body: Landmarks, size: float, shift: tuple[float, float]
) -> None:
    moved = body.copy()
    moved[:, :2] = body[:, :2] * size + np.array(shift) * size
    np.testing.assert_allclose(
        pose_vector(moved, 400 * size), pose_vector(body, 400), rtol=1e-4, atol=1e-4
    )


@given(bodies())
def test_a_mirrored_body_gives_the_same_numbers(body: Landmarks) -> None:
    other = mirrored(body.astype(np.float32), 400.0)
    # Same-sided numbers only: x moved to the other side and left became right.
    np.testing.assert_allclose(
        pose_vector(other, 400), pose_vector(body.astype(np.float32), 400), rtol=1e-4, atol=1e-4
    )


@given(bodies())
def test_naming_left_right_changes_nothing(body: Landmarks) -> None:
    np.testing.assert_array_equal(pose_vector(body[pose.SWAPPED], 400), pose_vector(body, 400))


def test_mirroring_twice_is_no_change() -> None:
    body = standing().astype(np.float32)
    np.testing.assert_array_equal(mirrored(mirrored(body, 400.0), 400.0), body)
    assert sorted(pose.SWAPPED) == list(range(33))
    assert [pose.SWAPPED[i] for i in (0, 2, 7, 8, 27, 31)] == [0, 5, 8, 7, 28, 32]


@given(bodies(), st.integers(0, 32), st.floats(0, 0.0999))
def test_a_hardly_visible_landmark_counts_as_missing(
    body: Landmarks, which: int, seen: float
) -> None:
    body[which, 2] = seen
    gone = body.copy()
    gone[which, :2] = np.nan
    np.testing.assert_array_equal(pose_vector(gone, 400), pose_vector(body, 400))


def test_half_a_body_keeps_what_can_be_known() -> None:
    """The feet lie outside the picture: their numbers are neutral, all others untouched."""
    whole = numbers(standing())
    half = standing()
    for pair in (pose.ANKLES, pose.HEELS, pose.TOES):
        half[list(pair)] = np.nan
    found = numbers(half)
    for name, value in found.items():
        needs_foot = any(part in name for part in ("ankle", "heel", "toe", "foot", "feet"))
        if needs_foot or name in ("higher_knee_angle", "lower_knee_angle", "legs_angle"):
            assert value == pytest.approx(NEUTRAL[name]), name
        else:
            assert value == whole[name], name


def test_nobody_is_neutral_and_not_found() -> None:
    assert numbers(None) == pytest.approx(NEUTRAL)
    assert numbers(None)["found"] == 0


def test_numbers_of_a_standing_person_by_hand() -> None:
    found = numbers(standing())
    expected = {
        "ankle_height": -2.0, "ankle_distance": 2.0, "ankle_along": -2.0, "ankle_across": 0.2,
        "knee_height": -1.0, "heel_height": -2.1, "toe_height": -2.1, "heel_over_toe": 0.0,
        "foot_length": 0.4, "knee_angle": 1.0, "hip_angle": 1.0,
        "ankle_angle": (90 + np.degrees(np.arctan2(10, 40))) / 180,
    }  # fmt: skip
    for leg in ("higher", "lower"):
        for name, value in expected.items():
            assert found[f"{leg}_{name}"] == pytest.approx(value, abs=1e-6), name
    assert found["torso_upright"] == pytest.approx(1)
    assert found["torso_lean"] == pytest.approx(0)
    assert found["feet_distance"] == pytest.approx(0.4)
    assert found["torso_share"] == pytest.approx(0.25)


def test_a_raised_heel_is_seen_in_the_first_leg_whichever_it_is() -> None:
    for side in (0, 1):
        hooking = standing()
        hooking[pose.ANKLES[side], :2] = (300, 280)
        hooking[pose.HEELS[side], :2] = (310, 270)
        hooking[pose.TOES[side], :2] = (330, 290)
        found = numbers(hooking)
        assert found["higher_ankle_height"] == pytest.approx(0.2)
        assert found["higher_heel_over_toe"] == pytest.approx(0.2)
        assert found["lower_ankle_height"] == pytest.approx(-2)


def person(left: float, top: float, right: float, bottom: float) -> NDArray[np.float32]:
    corners = np.array([[left, top, 1], [right, bottom, 1]], dtype=np.float32)
    zigzag: NDArray[np.float32] = corners[np.arange(33) % 2]
    return zigzag


def test_the_climber_is_who_fills_most_of_the_picture() -> None:
    far, near = person(0.1, 0.1, 0.2, 0.3), person(0.3, 0.2, 0.7, 0.9)
    outside = person(0.9, -5, 6, 5)  # large, but hardly any of it is in the picture
    made_up = person(0.0, 0.0, 1.0, 1.0)
    made_up[:, 2] = 0.3
    assert the_climber([far, near, outside, made_up]) is near
    assert the_climber([made_up]) is made_up
    assert the_climber([near, far]) is near
    nobody: list[NDArray[np.float32]] = []
    assert the_climber(nobody) is None
