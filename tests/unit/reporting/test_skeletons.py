"""Skeletons over pictures, and where they are kept."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from footwork.bodies import read_bodies, write_bodies
from footwork.errors import DataError
from footwork.reporting.skeleton import HIGHER, LOWER, with_skeleton
from footwork.tables import write_parquet


def standing() -> NDArray[np.float32]:
    """A stick figure in a square: left leg down, right foot (32 and below) raised to the side."""
    marks = np.full((33, 3), np.nan, np.float32)
    marks[:, 2] = 0
    places = {
        11: (0.55, 0.2), 12: (0.45, 0.2), 13: (0.6, 0.3), 14: (0.4, 0.3), 15: (0.62, 0.1),
        16: (0.38, 0.1), 23: (0.53, 0.5), 24: (0.47, 0.5), 25: (0.54, 0.7), 27: (0.54, 0.9),
        29: (0.53, 0.92), 31: (0.58, 0.93), 26: (0.3, 0.5), 28: (0.2, 0.4), 30: (0.18, 0.42),
        32: (0.16, 0.36),
    }  # fmt: skip
    for i, place in places.items():
        marks[i] = (*place, 1)
    return marks


def near(pixels: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.int64]:
    """Rows and columns of pixels of about this colour."""
    return np.argwhere(np.abs(pixels.astype(int) - colour).max(axis=2) < 40)


def test_the_higher_foot_has_its_own_colour_and_lies_where_it_is_seen() -> None:
    drawn = with_skeleton(np.full((200, 200, 3), 90, np.uint8), standing())
    higher, lower = near(drawn, HIGHER), near(drawn, LOWER)
    assert len(higher) > 50
    assert higher[:, 1].max() < 110
    assert higher[:, 0].min() < 80
    assert len(lower) > 50
    assert lower[:, 0].max() > 175
    assert drawn.shape == (200, 200, 3)
    assert drawn.dtype == np.uint8


def test_bars_of_the_letterbox_are_taken_off() -> None:
    wide = with_skeleton(np.full((100, 200, 3), 90, np.uint8), standing())
    rows = near(wide, LOWER)[:, 0]
    assert rows.min() < 75  # the knee, 0.7 of 200 less 50
    assert near(wide, HIGHER)[:, 0].max() < 60


def test_what_is_not_seen_is_not_drawn() -> None:
    marks = standing()
    marks[28:, 2] = 0.05
    drawn = with_skeleton(np.full((200, 200, 3), 90, np.uint8), marks)
    assert near(drawn, HIGHER)[:, 1].min() > 50
    blank = np.full((50, 80, 3), 90, np.uint8)
    np.testing.assert_array_equal(with_skeleton(blank, np.full((33, 3), np.nan, np.float32)), blank)


def test_bodies_are_read_as_they_were_written_in_any_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    bodies = {c * 64: rng.random((33, 6)).astype(np.float32) for c in "fb3"}
    write_bodies(tmp_path / "bodies.parquet", bodies)
    found = read_bodies(tmp_path / "bodies.parquet")
    assert set(found) == set(bodies)
    for image, marks in bodies.items():
        np.testing.assert_array_equal(found[image], marks[:, :3])
    assert read_bodies(tmp_path / "absent.parquet") == {}
    write_parquet(tmp_path / "other.parquet", {"image": np.array(["a"], dtype=object)})
    with pytest.raises(DataError, match=r"other\.parquet is not a table of landmarks"):
        read_bodies(tmp_path / "other.parquet")
