"""Learning curves: what is trained on, the law that is fitted, and what is said of it."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footwork.errors import DataError
from footwork.evaluate.curve import (
    CurveFacts,
    CurveTable,
    first_groups,
    growing,
    measure_curve,
    read_curve,
    sizes_for,
    write_curve,
)
from footwork.evaluate.forecast import Curve, curve_of, resampled, scores_at
from footwork.evaluate.power_law import fit_power_law
from footwork.folds import Fold
from footwork.predictions import Photos
from footwork.reporting.learning_curve import curve_png, spread


def photos_of(label: np.ndarray, group: np.ndarray) -> Photos:
    names = tuple(f"{i:064x}" for i in range(len(label)))
    return Photos(names, names, label, group, tuple(f"g{i:04}" for i in range(len(label))))


def made_table(
    skill: list[float], trained: list[float], *, n: int = 300, repeats: int = 3, seed: int = 0
) -> CurveTable:
    """Answers that are right with the given chances at the given sizes; two equal classes."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    hard = rng.random(n)
    answers = np.array(
        [
            [np.where(hard + rng.normal(0, 0.05, n) < right, label, 1 - label)
             for _ in range(repeats)]
            for right in skill
        ]
    )  # fmt: skip
    fold = np.tile(np.arange(n) % 5, (repeats, 1))
    sizes = np.array(trained)
    return CurveTable(photos_of(label, np.arange(n)), ("a", "b"), sizes, sizes, answers, fold)


def curve_from(table: CurveTable, target: float | None = None) -> Curve:
    return curve_of(table, title="probe on x", target=target, seed=1, drawn=False)


@given(st.floats(0.3, 1), st.floats(0.1, 3), st.sampled_from([0.25, 0.5, 1.0, 1.7]))
def test_a_power_law_is_found_again(a: float, b: float, c: float) -> None:
    photos = np.geomspace(20, 400, 7)
    score = a - b * photos**-c
    law = fit_power_law(photos, score)

    np.testing.assert_allclose(law.at(150), np.clip(a - b * 150**-c, 0, 1), atol=2e-3)


@given(st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_laws_never_fall_and_stay_within_scores(score: list[float]) -> None:
    law = fit_power_law(np.geomspace(10, 160, 5), np.array(score))
    line = [float(law.at(n)) for n in (5, 10, 50, 160, 1000, 1e6)]

    assert 0 <= float(law.a) <= 1
    assert float(law.b) >= 0
    assert line == sorted(line)


@given(st.integers(0, 1000))
def test_many_laws_at_once_are_each_the_law_alone(seed: int) -> None:
    photos = np.geomspace(10, 160, 6)
    score = np.random.default_rng(seed).random((3, 2, 6))
    together = fit_power_law(photos, score)

    assert together.a.shape == (3, 2)
    alone = fit_power_law(photos, score[2, 1])
    assert float(together.at(300)[2, 1]) == pytest.approx(float(alone.at(300)))


def test_photos_for_a_score_are_where_the_law_has_it() -> None:
    law = fit_power_law(np.geomspace(10, 160, 6), 0.9 - 2 * np.geomspace(10, 160, 6) ** -0.8)

    needed = float(law.photos_for(0.85))
    assert float(law.at(needed)) == pytest.approx(0.85, abs=1e-6)
    assert np.isinf(law.photos_for(0.95))


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_training_parts_are_nested_whole_groups_in_proportion(seed: int) -> None:
    rng = np.random.default_rng(seed)
    group = np.sort(rng.integers(60, size=200))
    label = (group % 3 == 0).astype(np.int64) + (group % 7 == 0)
    fold = Fold(np.flatnonzero(group % 5 != 0), np.flatnonzero(group % 5 == 0))
    order = growing(fold, photos_of(label, group), rng)

    assert sorted(order) == sorted(fold.train)
    before: set[int] = set()
    for size in (20, 40, 80, 10_000):
        rows = first_groups(order, group, size)
        assert before <= set(rows.tolist())
        assert len(rows) >= min(size, len(order))
        assert not set(group[rows]) & set(np.setdiff1d(fold.train, rows).tolist() and
                                          group[np.setdiff1d(fold.train, rows)])  # fmt: skip
        before = set(rows.tolist())
    half = first_groups(order, group, len(order) // 2)
    whole = np.bincount(label[fold.train], minlength=3) / len(fold.train)
    assert np.abs(np.bincount(label[half], minlength=3) / len(half) - whole).max() < 0.15


def test_every_photo_is_answered_at_every_size_by_models_of_that_size() -> None:
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1], 60)
    vectors = (rng.normal(0, 1, (120, 4)) + 1.5 * label[:, None]).astype(np.float32)
    seen: list[int] = []
    table = measure_curve(
        vectors, photos_of(label, np.arange(120)), ("a", "b"), folds=3, repeats=2, seed=5,
        advance=seen.append,
    )  # fmt: skip

    assert table.answers.shape == (len(table.trained), 2, 120)
    assert len(seen) == 3 * 2 * len(table.trained)
    assert (table.fold.max(), table.folds) == (2, 3)
    assert (np.diff(table.trained) > 0).all()
    assert table.trained[-1] == 80
    assert scores_at(table)[-1, 0] > 0.75
    again = measure_curve(
        vectors, photos_of(label, np.arange(120)), ("a", "b"), folds=3, repeats=2, seed=5
    )
    assert (again.answers == table.answers).all()


def test_too_few_photos_for_a_curve_are_refused_with_a_number() -> None:
    with pytest.raises(DataError, match="too few for a learning curve; it takes about 10"):
        sizes_for(np.repeat([0, 1], 5), folds=5)


def test_scores_are_scikit_learns() -> None:
    from sklearn.metrics import f1_score

    table = made_table([0.6, 0.7, 0.8, 0.9], [20, 40, 80, 160])
    label = table.photos.label
    wanted = [
        np.mean([f1_score(label, one, average="macro") for one in repeats])
        for repeats in table.answers
    ]
    np.testing.assert_allclose(scores_at(table)[:, 0], wanted, atol=1e-12)


def test_intervals_hold_their_values_and_narrow_with_photos() -> None:
    few = curve_from(made_table([0.6, 0.7, 0.75, 0.8], [20, 40, 80, 160], n=60))
    many = curve_from(made_table([0.6, 0.7, 0.75, 0.8], [20, 40, 80, 160], n=2000))
    for made in (few, many):
        for point in made.points:
            for one in (point.macro_f1, *point.f1):
                assert 0 <= one.low <= one.value <= one.high <= 1
        assert made.forecast.low <= made.forecast.value <= made.forecast.high

    def width(made: Curve) -> float:
        return made.points[-1].macro_f1.high - made.points[-1].macro_f1.low

    assert width(many) < width(few) / 3


def test_the_forecast_lies_half_way_between_the_law_and_no_change() -> None:
    table = made_table([0.6, 0.7, 0.75, 0.8], [20.0, 40.0, 80.0, 160.0], n=600)
    made = curve_from(table)
    now = made.points[-1].macro_f1.value
    law = fit_power_law(table.trained, scores_at(table)[:, 0]).at(320.0)

    assert law > now + 0.01
    assert made.forecast.value == pytest.approx((float(law) + now) / 2)
    assert made.gain.value == pytest.approx((float(law) - now) / 2)
    assert any("forecasts of this kind were off by 0.02" in one for one in made.sentences)


def test_a_flat_curve_below_the_target_says_more_photos_will_not_do_it() -> None:
    made = curve_from(made_table([0.7] * 6, [20, 40, 80, 160, 320, 640], n=4000), target=0.9)

    assert made.needs[0].outcome == "never"
    assert "will not do it" in made.needs[0].sentence
    assert made.needs[0].photos is None


def test_a_reached_target_is_said_to_be_reached() -> None:
    made = curve_from(made_table([0.7, 0.8, 0.85, 0.9], [20, 40, 80, 160], n=1000), target=0.7)

    assert [need.outcome for need in made.needs] == ["reached"] * 3


def test_a_rising_curve_says_how_many_photos_of_which_class() -> None:
    sizes = [25, 50, 100, 200, 400, 800]
    skill = [0.95 - 2 * n**-0.6 for n in sizes]
    made = curve_from(made_table(skill, [float(n) for n in sizes], n=20_000), target=0.93)
    need = made.needs[0]

    assert need.outcome == "photos"
    assert need.photos is not None
    assert need.photos.value == pytest.approx((2 / 0.02) ** (1 / 0.6), rel=0.25)
    assert need.photos.low <= need.photos.value <= need.photos.high
    assert sum(need.of_class) == pytest.approx(need.photos.value, rel=0.01)
    assert "a," in need.sentence
    assert "b" in need.sentence


def test_a_noisy_curve_of_few_photos_cannot_say() -> None:
    made = curve_from(made_table([0.5, 0.55, 0.5, 0.6], [10, 14, 20, 30], n=40), target=0.8)

    assert made.needs[0].outcome == "unknown"
    assert "cannot be said" in made.needs[0].sentence


def test_a_kept_curve_gives_the_same_curve(tmp_path: Path) -> None:
    table = made_table([0.6, 0.7, 0.75, 0.8], [20, 40, 80, 160])
    facts = CurveFacts(
        title="probe on x", target=None, seed=1, drawn=False, classes=table.classes,
        trained=tuple(table.trained.tolist()), trained_groups=tuple(table.trained_groups.tolist()),
    )  # fmt: skip
    write_curve(table, facts, tmp_path)
    again, kept = read_curve(tmp_path)

    assert kept == facts
    assert curve_from(again) == curve_from(table)
    with pytest.raises(DataError, match="does not hold a learning curve"):
        read_curve(tmp_path / "other")


def test_resamples_do_not_depend_on_the_order_of_photos() -> None:
    table = made_table([0.6, 0.7, 0.75, 0.8], [20, 40, 80, 160], n=50)
    assert (resampled(table, 1) == resampled(table, 1)).all()
    assert not (resampled(table, 1) == resampled(table, 2)).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_labels_of_the_picture_keep_apart_and_in_order(heights: list[float]) -> None:
    placed = spread(heights)

    assert max(placed) <= 0.99 + 1e-9 or max(heights) > 0.99
    ordered = [placed[i] for i in np.argsort(heights, kind="stable")]
    assert all(b - a >= 0.045 - 1e-9 for a, b in itertools.pairwise(ordered))


def test_the_picture_has_the_same_bytes_twice(tmp_path: Path) -> None:
    made = curve_from(made_table([0.6, 0.7, 0.75, 0.8], [20, 40, 80, 160]), target=0.9)
    curve_png(made, tmp_path / "a.png")
    curve_png(made, tmp_path / "b.png")

    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").stat().st_size > 20_000


def test_resamples_spread_as_independent_photos_do_but_wider_by_what_folds_share() -> None:
    table = made_table([0.8] * 4, [20, 40, 80, 160], n=400, repeats=1)
    binomial = np.sqrt(0.8 * 0.2 / 400)

    spread_of = resampled(table, 3, draws=2000)[:, -1, 0].std()
    assert spread_of == pytest.approx(np.sqrt(1 + 5 / 4) * binomial, rel=0.12)
