"""Edits, registration and the choice of thresholds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from footwork.duplicates.agreements import Agreements
from footwork.duplicates.calibrate import (
    SAFE_AGREEMENT,
    SAFE_NEAR_AGREEMENT,
    SAFE_RADIUS,
    Calibration,
    Point,
    calibrate,
    chosen_agreement,
    chosen_near_agreement,
    chosen_radius,
    upper_bound,
)
from footwork.duplicates.detail import in_detail
from footwork.duplicates.edits import EDITS, MIRRORED, STRENGTHS, Pixels, edited
from footwork.duplicates.evidence import NONE, Thresholds, codes_of, hash_candidates, looks_of
from footwork.duplicates.registration import agreement, picture_of
from footwork.images import encode_jpeg


def scene(seed: int, height: int = 150, width: int = 200) -> Pixels:
    """Large shapes, small ones and grain: no two seeds share any."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), dtype=np.float32)
    for cells in (3, 7, 16, 40):
        noise = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        picture += np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC)) / 4
    return picture.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", EDITS)
def test_an_edit_is_the_same_again_and_changes_the_photo(kind: str) -> None:
    photo = scene(0)
    before = photo.copy()
    for strength in STRENGTHS:
        copy = edited(photo, kind, strength, seed=3)
        assert copy.dtype == np.uint8
        assert copy.ndim == 3
        assert np.array_equal(copy, edited(photo, kind, strength, seed=3))
        assert copy.shape != photo.shape or not np.array_equal(copy, photo)
    assert np.array_equal(photo, before)


@pytest.mark.parametrize("kind", sorted(EDITS))
def test_details_agree_with_a_usual_edit_and_with_nothing_else(kind: str) -> None:
    photo, other = picture_of(scene(1)), picture_of(scene(2))
    copy = picture_of(edited(scene(1), kind, 1, seed=5))
    mirrored = kind in MIRRORED
    assert agreement(photo, copy, turned=True, mirrored=mirrored) >= SAFE_AGREEMENT
    assert agreement(other, copy, turned=True, mirrored=mirrored) < SAFE_AGREEMENT


def test_agreement_is_symmetric_and_knows_squashed_copies() -> None:
    from PIL import Image

    photo = scene(3)
    squashed = np.asarray(Image.fromarray(photo).resize((120, 150)))
    a, b = picture_of(photo), picture_of(squashed)
    assert agreement(a, b) == pytest.approx(agreement(b, a))
    assert agreement(a, b) >= SAFE_AGREEMENT
    crop = picture_of(photo[30:125, 40:175])
    assert min(agreement(a, crop), agreement(crop, a)) >= SAFE_AGREEMENT


def test_large_letters_are_looked_through_only_where_hashes_are_near() -> None:
    photo, other = picture_of(scene(14)), picture_of(scene(2))
    copy = picture_of(edited(scene(14), "text", 2, seed=14))
    assert agreement(photo, copy) == 0, "coarsely, letters are all there is"
    assert 0.35 < agreement(photo, copy, close=True) < SAFE_AGREEMENT
    assert agreement(other, copy, close=True) < 0.35


def test_a_lower_agreement_is_enough_where_hashes_are_near() -> None:
    thresholds = Thresholds(8, 0.6, 0.5)
    bits = np.array([9, 16, 17, NONE, NONE, 9])
    agreed = np.array([0.5, 0.5, 0.59, 0.6, np.nan, 0.49])
    assert thresholds.in_detail(bits, agreed).tolist() == [True, True, False, True, False, False]


def test_mirrored_photos_that_agree_raise_what_near_ones_need() -> None:
    seen = np.array([0.1, 0.49, 0.51, 0.55])
    assert chosen_near_agreement(seen[:2], 0.6, allowed=0.3) == SAFE_NEAR_AGREEMENT
    assert chosen_near_agreement(seen, 0.6, allowed=0.3) == 0.6
    assert chosen_near_agreement(seen, 0.6, allowed=2) == SAFE_NEAR_AGREEMENT
    assert chosen_near_agreement(seen[:2], 0.46, allowed=0.3) == 0.46, "never above the others"


def test_the_upper_bound_is_the_rule_of_three() -> None:
    assert upper_bound(0, 2211) == pytest.approx(3 / 2211, rel=0.01)
    assert upper_bound(0, 0) == upper_bound(5, 5) == 1
    assert upper_bound(3, 100) == pytest.approx(0.0757, abs=5e-4)  # R: binom.test(3, 100, a="l")


@given(st.integers(0, 50), st.integers(1, 10**6))
def test_the_upper_bound_grows_with_what_was_seen(seen: int, tried: int) -> None:
    tried += seen
    assert seen / tried <= upper_bound(seen, tried) <= upper_bound(seen + 1, tried)


def curve(thresholds: Sequence[float], false_pairs: Sequence[int], pairs: int) -> list[Point]:
    return [
        Point(
            threshold=threshold,
            recall=0.5,
            false_pairs=seen,
            tried=pairs,
            expected=upper_bound(seen, pairs) * pairs,
        )
        for threshold, seen in zip(thresholds, false_pairs, strict=True)
    ]


def test_many_copies_widen_the_radius_up_to_the_first_false_pairs() -> None:
    radii = curve(range(17), [0] * 12 + [1, 2, 9, 40, 200], 10**6)
    assert chosen_radius(radii, allowed=3.1) == (11, "calibrated")
    assert chosen_radius(radii, allowed=5.0) == (12, "calibrated")


def test_few_copies_fall_back_to_the_safe_radius_or_below_what_is_seen() -> None:
    assert chosen_radius(curve(range(17), [0] * 17, 2211), 0.3) == (SAFE_RADIUS, "safe")
    drawings = curve(range(17), [0] * 5 + [2] * 12, 2211)
    assert chosen_radius(drawings, 0.3) == (4, "safe")


@given(st.lists(st.integers(0, 30), min_size=17, max_size=17), st.floats(0, 50), st.floats(0, 50))
def test_more_allowed_false_pairs_never_narrow_what_is_calibrated(
    steps: list[int], less: float, more: float
) -> None:
    radii = curve(range(17), np.cumsum(steps).tolist(), 10**6)
    less, more = sorted((less, more))
    narrow, why = chosen_radius(radii, less)
    if why == "calibrated":
        assert chosen_radius(radii, more)[0] >= narrow


def test_agreement_is_safe_unless_the_data_say_otherwise() -> None:
    levels = [0.5, 0.56, 0.6, 0.7]
    assert chosen_agreement(curve(levels, [3, 0, 0, 0], 500), 0.1) == (0.6, "safe")
    assert chosen_agreement(curve(levels, [3, 2, 2, 0], 500), 0.1) == (0.7, "safe")
    assert chosen_agreement(curve(levels, [3, 0, 0, 0], 500), 4.0) == (0.56, "calibrated")


def calibrated(order: Sequence[int], cache: Path | None = None) -> Calibration:
    files = {f"{seed:064x}": encode_jpeg(scene(seed), 200, 90) for seed in range(6)}
    files["f" * 64] = encode_jpeg(scene(0), 150, 60)
    images = [list(files)[i] for i in order]
    codes, _reasons = codes_of(images, files.__getitem__)
    looks = looks_of(images, codes)
    candidates, _known = hash_candidates(looks.codes)
    memory = Agreements(None, "test")
    found = in_detail(candidates, looks, 8, files.__getitem__, memory, lambda _n: None)
    return calibrate(looks, found, files.__getitem__, cache=cache)


def test_calibration_says_what_it_cannot_support_and_does_not_depend_on_order(
    tmp_path: Path,
) -> None:
    found = calibrated(range(7), tmp_path)
    assert (found.radius, found.radius_because) == (SAFE_RADIUS, "safe")
    assert "cannot show" in found.sentence
    assert [one.recall for one in found.radii] == sorted(one.recall for one in found.radii)
    assert [p.false_pairs for p in found.radii] == sorted(p.false_pairs for p in found.radii)
    assert (found.agreement, found.agreement_because) == (SAFE_AGREEMENT, "safe")
    assert {found.recall_of[kind] for kind in ("resize", "jpeg", "border")} == {1.0}
    assert found.recall_of["crop"] < 0.5, "no hash finds crops, and nothing else proposed them"
    assert Calibration.model_validate_json(found.model_dump_json()) == found
    assert calibrated([3, 6, 1, 0, 5, 2, 4], tmp_path) == found
