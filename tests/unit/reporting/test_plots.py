"""The geometry of the leaderboard's picture, and its PNG."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from footwork.errors import DataError
from footwork.records import Leaderboard
from footwork.reporting.plots import (
    CHARACTER_PX,
    NARROWEST_PX,
    axis_over,
    leaderboard_chart,
    leaderboard_png,
    matched,
    placed,
    shortened,
    width_px,
)
from synthetic_run import board_of, entry_infos, made_run

scores = st.floats(0, 1)


@given(st.lists(scores, min_size=1, max_size=20))
def test_the_axis_holds_every_score_and_stays_readable(seen: list[float]) -> None:
    axis = axis_over(seen)

    assert 0 <= axis.low <= min(seen)
    assert max(seen) <= axis.high <= 1
    assert 3 <= len(axis.ticks) <= 11
    texts = [label.text for label in axis.tick_labels()]
    assert len(set(texts)) == len(texts)
    assert [float(text) for text in texts] == pytest.approx(axis.ticks)


@given(scores, scores, st.lists(scores, min_size=1, max_size=5))
def test_positions_keep_the_order_of_scores(a: float, b: float, others: list[float]) -> None:
    axis = axis_over([a, b, *others])
    low, high = sorted((a, b))

    assert 0 <= axis.x(low) <= axis.x(high) <= 100
    assert axis.score(axis.x(a)) == pytest.approx(a, abs=1e-4)


@given(st.text(max_size=80) | st.integers(0, 60).map("m".__mul__), st.floats(0, 100))
def test_a_floor_label_never_leaves_the_narrowest_plot(text: str, x: float) -> None:
    label = placed(text, x)
    width = 100 * width_px(label.text) / NARROWEST_PX
    left = label.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[label.anchor] * width

    assert left >= -1e-6
    assert left + width <= 100 + 1e-6


def test_a_floor_label_stands_over_its_floor_where_there_is_room() -> None:
    assert placed("guessing", 50).x == 50
    assert placed("guessing", 50).anchor == "middle"
    assert placed("guessing", 2).anchor == "start"
    assert placed("guessing", 98).anchor == "end"


def test_shortening_counts_wide_letters_twice() -> None:
    assert shortened("heel_hook", 9) == "heel_hook"
    assert shortened("heel_hook", 8) == "heel_ho…"
    assert shortened("ヒールフック", 12) == "ヒールフック"
    assert shortened("ヒールフック", 9) == "ヒールフ…"
    assert width_px("ヒー") == 4 * CHARACTER_PX


def board(tmp_path: Path) -> Leaderboard:
    return board_of(made_run(tmp_path).predictions)


def test_the_chart_shows_intervals_and_floors_where_they_are(tmp_path: Path) -> None:
    made = board(tmp_path)
    chart = leaderboard_chart(made)

    for entry in made.entries:
        marker = chart.axis.marker(entry.macro_f1)
        assert chart.axis.score(marker.value) == pytest.approx(entry.macro_f1.value, abs=1e-4)
        assert 0 <= marker.low <= marker.value <= marker.high <= 100
    assert chart.axis.score(chart.band.low) == pytest.approx(made.floors.guessing.low, abs=1e-4)
    assert chart.axis.score(chart.largest) == pytest.approx(
        made.floors.largest_class_macro_f1, abs=1e-4
    )
    assert made.floors.largest_class in chart.largest_label.text


def test_broken_contracts_come_last_whatever_they_score(tmp_path: Path) -> None:
    made = board(tmp_path)
    best_is_broken = made.model_copy(
        update={"entries": tuple(sorted(made.entries, key=lambda e: e.entry, reverse=True))}
    )

    rows = matched(best_is_broken, entry_infos())

    assert [info.contract for info, _ in rows] == ["right", "right", "right", "unit-range"]
    assert all(info.entry == found.entry for info, found in rows)


def test_a_board_of_another_run_is_refused(tmp_path: Path) -> None:
    made = board(tmp_path)
    with pytest.raises(DataError, match=f"{made.entries[0].entry}.*compare"):
        matched(made, entry_infos()[3:])


def test_the_png_is_a_picture_with_the_floors_drawn_in(tmp_path: Path) -> None:
    path = tmp_path / "plots" / "leaderboard.png"
    leaderboard_png(board(tmp_path), entry_infos(), path)

    with Image.open(path) as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 20) or []}
    assert {(0xEF, 0xE6, 0xD2), (0x1F, 0x5F, 0xA8), (0xB3, 0x26, 0x1E)} <= colours
    assert [file.name for file in path.parent.iterdir()] == ["leaderboard.png"]


def test_the_same_board_gives_the_same_png(tmp_path: Path) -> None:
    made = board(tmp_path)
    leaderboard_png(made, entry_infos(), tmp_path / "a.png")
    leaderboard_png(made, entry_infos(), tmp_path / "b.png")

    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_names_are_never_read_as_formulas(tmp_path: Path) -> None:
    made = board(tmp_path)
    hostile = [info.model_copy(update={"base": r"net$\frac$ 足 $x^"}) for info in entry_infos()]
    floors = made.floors.model_copy(update={"largest_class": r"$\bad{$"})

    path = tmp_path / "board.png"
    leaderboard_png(made.model_copy(update={"floors": floors}), hostile, path)

    assert path.stat().st_size > 10_000


def test_drawn_pictures_are_named_as_such_in_the_png(tmp_path: Path) -> None:
    made = board(tmp_path)
    leaderboard_png(made, entry_infos(), tmp_path / "photos.png")
    leaderboard_png(made, entry_infos(), tmp_path / "drawn.png", drawn=True)

    assert (tmp_path / "photos.png").read_bytes() != (tmp_path / "drawn.png").read_bytes()
