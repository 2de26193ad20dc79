"""Views of a photo, and the vectors of several bases and views as one."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError

from footwork.errors import DataError, UsageError
from footwork.folds import Fold
from footwork.models.bases import Base
from footwork.models.contract import InputContract
from footwork.models.features import FeatureKey
from footwork.models.head import (
    equal_say,
    fit_average,
    fit_head,
    fit_linear,
    fit_probe,
    out_of_fold,
)
from footwork.models.networks import Prepared
from footwork.models.pose import (
    ANKLES,
    ANSWER,
    HEELS,
    HIPS,
    LANDMARKS,
    PARTS,
    SHOULDERS,
    TOES,
    mirrored,
    packed,
    pose_vector,
    pose_vectors,
    unpacked,
)
from footwork.models.recipes import BUILT_IN, Recipe, find_recipes
from footwork.models.runtimes import Network
from footwork.models.sights import Sight, blocks_of, drawn, sight, views_of
from footwork.models.strong import discriminant, fit_strong, margins, network, prototypes
from footwork.models.views import CORNERS, REGIONS, VIEWS, cut_out, needs_body, region_box, square
from footwork.project import Config, RecipeSettings

CONTRACT = InputContract(side=32, crop="centre", crop_fraction=0.875)


def photo(seed: int = 0, width: int = 90, height: int = 60) -> bytes:
    """A smooth picture in a lossless file, so that views can be compared pixel by pixel."""
    import io

    small = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("view", [v for v in VIEWS if v[:4] not in ("own", "own-", "mild")])
def test_every_view_is_a_square_and_its_mirror_is_it_mirrored(view: str) -> None:
    box = (0.3, 0.3, 0.6, 0.6) if needs_body(view) else None
    seen = square(photo(), CONTRACT, view, box)
    assert seen.shape == (32, 32, 3)
    assert seen.dtype == np.uint8
    if not view.endswith("-mirrored"):
        np.testing.assert_array_equal(square(photo(), CONTRACT, f"{view}-mirrored", box),
                                      seen[:, ::-1])  # fmt: skip


def test_corners_see_what_the_centre_does_not() -> None:
    views = [square(photo(), CONTRACT, view).astype(int) for view in ("centre", *CORNERS)]
    for i, one in enumerate(views):
        for other in views[i + 1 :]:
            assert np.abs(one - other).mean() > 5


def test_a_region_of_nobody_is_the_own_crop() -> None:
    for view in REGIONS:
        np.testing.assert_array_equal(
            square(photo(), CONTRACT, view), square(photo(), CONTRACT, "centre")
        )


def test_a_view_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValidationError, match=r"no view 'foot'; there is own, centre, .*hands"):
        RecipeSettings(views=("foot",))


@given(
    st.tuples(*[st.floats(-2, 3, allow_nan=False) for _ in range(4)]),
    st.integers(1, 70),
    st.integers(1, 70),
)
def test_a_cut_is_a_square_inside_the_picture(
    box: tuple[float, float, float, float], height: int, width: int
) -> None:
    pixels = np.zeros((height, width, 3), np.uint8)
    cut = cut_out(pixels, box)
    assert 1 <= cut.shape[0] == cut.shape[1] <= min(height, width)


def test_a_cut_lies_where_the_box_says_in_the_letterboxed_photo() -> None:
    pixels = np.zeros((60, 90, 3), np.uint8)
    pixels[40, 70] = 255
    x, y = 70.5 / 90, (40.5 + 15) / 90  # bars of 15 above and below
    cut = cut_out(pixels, (x - 0.1, y - 0.1, x + 0.1, y + 0.1))
    (row, column) = np.argwhere(cut[..., 0] == 255)[0]
    assert cut.shape == (18, 18, 3)
    assert abs(row - 9) <= 1
    assert abs(column - 9) <= 1


def body(seed: int = 0) -> NDArray[np.float32]:
    """Somebody upright in the middle whose right foot is higher, in a square picture."""
    marks = np.zeros((LANDMARKS, PARTS), np.float32)
    marks[:, 2] = 1
    marks[:, :2] = np.random.default_rng(seed).uniform(0.4, 0.6, (LANDMARKS, 2))
    for pair, y in ((SHOULDERS, 0.3), (HIPS, 0.5)):
        for side, x in zip(pair, (0.55, 0.45), strict=True):
            marks[side, :2] = x, y
    for pair in (ANKLES, HEELS, TOES):
        marks[pair[0], :2] = 0.56, 0.9
        marks[pair[1], :2] = 0.2, 0.45
    return marks


def test_the_higher_foot_is_in_its_region_and_the_lower_in_its_own() -> None:
    left, top, right, bottom = region_box(body(), "higher_foot") or (0, 0, 0, 0)
    assert left < 0.2 < right
    assert top < 0.45 < bottom
    assert not left < 0.56 < right
    left, top, right, bottom = region_box(body(), "lower_foot") or (0, 0, 0, 0)
    assert left < 0.56 < right
    assert top < 0.9 < bottom
    assert not top < 0.45 < bottom
    both = region_box(body(), "feet") or (0, 0, 0, 0)
    assert both[0] < 0.2
    assert both[2] > 0.56


@pytest.mark.parametrize("view", REGIONS)
def test_in_the_mirrored_photo_the_region_is_mirrored(view: str) -> None:
    left, top, right, bottom = region_box(body(), view) or (0, 0, 0, 0)
    flipped = region_box(mirrored(body(), 1.0), view) or (0, 0, 0, 0)
    np.testing.assert_allclose(flipped, (1 - right, top, 1 - left, bottom), atol=1e-6)
    assert region_box(None, view) is None


def test_what_is_kept_of_a_body_gives_the_same_numbers() -> None:
    marks = body()
    kept = packed([marks, marks * 0.5])
    assert kept.shape == (ANSWER,)
    assert kept[0] == 2
    found = unpacked(kept)
    assert found is not None
    np.testing.assert_array_equal(found, marks)
    answers = np.stack([kept, packed([]), np.full(ANSWER, np.nan, np.float32)])
    vectors = pose_vectors(answers)
    np.testing.assert_array_equal(vectors[0], pose_vector(marks[:, :3], 1.0))
    np.testing.assert_array_equal(vectors[1], pose_vector(None, 1.0))
    assert np.isnan(vectors[2]).all()
    turned = mirrored(marks, 1.0)
    np.testing.assert_array_equal(mirrored(turned, 1.0)[:, 3:], marks[:, 3:])


def prepared(name: str, size: int) -> Prepared:
    def never(_threads: int) -> Network:
        raise AssertionError("nothing is loaded in this test")

    base = Base(name, "lite", CONTRACT, "package", "none")
    return Prepared(base, "verified", "0" * 64, size, 1.0, "test", (), never, "onnx", lambda: b"")


def recipe(name: str) -> Recipe:
    (found,) = find_recipes([name], Config())
    return found


def test_own_is_the_crop_of_each_base() -> None:
    assert views_of(recipe("probe"), prepared("a", 3).base) == ("centre",)
    assert views_of(recipe("mirrored"), prepared("a", 3).base) == ("centre", "centre-mirrored")


def test_the_locator_is_in_the_key_of_regions_only() -> None:
    whole, foot = sight(prepared("a", 3), recipe("regions"), "right", prepared("pose", 39)).keys
    assert (whole.locator, whole.view) == ("", "centre")
    assert foot.locator == f"{'0' * 64}/test"
    assert whole == sight(prepared("a", 3), recipe("probe"), "right", None).keys[0]


def test_views_are_averaged_or_stand_side_by_side() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 5, 3)).astype(np.float32)
    other[2] = np.nan
    keys: tuple[FeatureKey, ...] = sight(prepared("a", 3), recipe("mirrored"), "right", None).keys
    mean = Sight(prepared("a", 3), keys).vectors([one, other])
    np.testing.assert_allclose(mean[[0, 1, 3, 4]], ((one + other) / 2)[[0, 1, 3, 4]], rtol=1e-6)
    assert np.isnan(mean[2]).all()
    joined = Sight(prepared("a", 3), keys, joined=True)
    np.testing.assert_array_equal(joined.vectors([one, other]), np.hstack([one, other]))
    assert blocks_of([joined, Sight(prepared("b", 7), keys)]) == (3, 3, 7)


def test_recipes_of_the_toml_come_over_the_built_in_ones() -> None:
    config = Config(recipes={"mine": RecipeSettings(kind="average", views=("own", "squash"))})
    (found,) = find_recipes(["mine"], config)
    assert (found.name, found.kind, found.views) == ("mine", "average", ("own", "squash"))
    assert [one.name for one in find_recipes(BUILT_IN, config)] == list(BUILT_IN)
    with pytest.raises(UsageError, match="did you mean regions"):
        find_recipes(["region"], config)


def two_blocks(
    n: int, informative: float, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """39 + 400 columns; the first block's first column says the class, the rest is noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    rows = rng.normal(size=(n, 439)).astype(np.float32)
    rows[:, 0] += informative * y
    return rows, y, np.arange(n)


def test_every_block_has_the_same_say() -> None:
    factor = equal_say((39, 400))
    assert factor.shape == (439,)
    np.testing.assert_allclose((factor[:39] ** 2).sum(), (factor[39:] ** 2).sum())
    np.testing.assert_allclose((factor**2).sum(), 439)
    np.testing.assert_array_equal(equal_say((5,)), np.ones(5))


def test_a_small_block_is_not_drowned_by_a_large_one() -> None:
    rows, y, group = two_blocks(120, 2.0, seed=1)
    test = np.arange(120) % 4 == 0
    cut = [[Fold(train=np.flatnonzero(~test), test=np.flatnonzero(test))]]
    right = {}
    for blocks in ((439,), (39, 400)):
        answers = out_of_fold(rows, y, group, 3, cut, seed=0, blocks=blocks)[0]
        right[blocks] = (answers[test].argmax(axis=1) == y[test]).mean()
    assert right[39, 400] > right[(439,)] + 0.1


def test_average_leaves_out_a_block_of_noise() -> None:
    rows, y, group = two_blocks(150, 2.0, seed=2)
    head = fit_average(rows, y, group, 3, seed=0, blocks=(39, 400))
    own = np.linalg.norm(head.weights[:39] / head.scale[:39, None])
    noise = np.linalg.norm(head.weights[39:] / head.scale[39:, None])
    assert own > 5 * noise
    alone = fit_probe(rows[:, :39], y, group, 3, seed=0)
    agree = head.predict_proba(rows).argmax(1) == alone.predict_proba(rows[:, :39]).argmax(1)
    assert agree.mean() > 0.95


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_the_average_of_one_block_is_its_probe(seed: int) -> None:
    rows, y, group = two_blocks(45, 1.0, seed)
    one = fit_head("average", rows[:, :39], y, group, 3, seed=3)
    np.testing.assert_allclose(
        one.predict_proba(rows[:, :39]), fit_probe(rows[:, :39], y, group, 3, seed=3)
        .predict_proba(rows[:, :39]), atol=1e-12
    )  # fmt: skip


def test_average_is_the_same_for_the_same_arguments_and_sums_log_odds() -> None:
    rows, y, group = two_blocks(60, 1.0, seed=5)
    one, again = (fit_average(rows, y, group, 3, seed=1, blocks=(39, 400)) for _ in range(2))
    np.testing.assert_array_equal(one.weights, again.weights)
    first, second = (fit_probe(part, y, group, 3, seed=1) for part in (rows[:, :39], rows[:, 39:]))
    parts = np.stack([first.scores(rows[:, :39]), second.scores(rows[:, 39:])])
    total = one.scores(rows)
    share = np.linalg.lstsq(parts.reshape(2, -1).T, total.reshape(-1), rcond=None)[0]
    np.testing.assert_allclose(np.tensordot(share, parts, axes=1), total, atol=1e-8)
    assert share.sum() == pytest.approx(1)
    assert (share * 4).round(6).tolist() == [round(4 * s) for s in share]


def test_mild_draws_differ_are_the_same_again_and_stay_near_the_photo() -> None:
    plain = square(photo(3, 200, 200), CONTRACT, "centre").astype(int)
    draws = [square(photo(3, 200, 200), CONTRACT, f"mild-{i}") for i in range(1, 9)]
    assert all(draw.shape == (32, 32, 3) for draw in draws)
    for i, draw in enumerate(draws):
        np.testing.assert_array_equal(square(photo(3, 200, 200), CONTRACT, f"mild-{i + 1}"), draw)
        apart = min(np.abs(draw.astype(int) - other).mean() for other in (plain, plain[:, ::-1]))
        assert 1 < apart < 45
        assert all((draw != other).any() for other in draws[:i])
    upside_down = np.abs(np.stack(draws).astype(int) - plain[::-1]).mean(axis=(1, 2, 3)).min()
    assert upside_down > 45


def test_a_mild_draw_changes_with_the_photo() -> None:
    grey = np.full((64, 64, 3), 127, np.uint8)

    def lit(seed: int) -> float:
        import io

        pixels = grey.copy()
        pixels[0, 0] = seed
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "PNG")
        return float(square(out.getvalue(), CONTRACT, "mild-1")[16, 16].mean())

    assert len({lit(seed) for seed in range(6)}) > 3


def test_a_bank_goes_with_the_own_crop_only() -> None:
    with pytest.raises(ValidationError, match="leave `views` out"):
        RecipeSettings(kind="strong", bank=4, views=("squash",))
    sights = (sight(prepared("a", 3), recipe("strong"), "right", None),)
    (first,) = drawn(sights, 1)
    assert [key.view for key in first.keys] == ["mild-1"]


def test_the_bank_is_trained_on_with_its_photos_own_labels() -> None:
    rows, y, group = two_blocks(60, 2.0, seed=7)
    bank = np.stack([rows + 0.01, rows - 0.01])
    head = fit_head("probe", rows, y, group, 3, seed=0, bank=bank)
    same = fit_probe(
        np.concatenate([rows, *bank]), np.tile(y, 3), np.tile(group, 3), 3, seed=0, draws=3
    )
    np.testing.assert_array_equal(head.weights, same.weights)


@pytest.mark.parametrize("n", [45, 400])
def test_strong_learns_what_can_be_learnt_and_its_probabilities_are_honest(n: int) -> None:
    rows, y, group = two_blocks(n + 300, 2.0, seed=8)
    rows = rows[:, :60]
    head = fit_strong(rows[:n], y[:n], group[:n], 3, seed=0)
    proba = head.predict_proba(rows[n:])
    assert (proba.argmax(axis=1) == y[n:]).mean() > (0.42 if n == 45 else 0.55)
    surprise = -np.log(proba[np.arange(300), y[n:]]).mean()
    assert surprise < np.log(3) * (1 if n == 45 else 0.95)


def test_strong_on_noise_is_not_sure_of_itself() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 500)).astype(np.float32)
    head = fit_strong(rows, np.arange(60) % 3, np.arange(60), 3, seed=0)
    fresh = head.predict_proba(rng.normal(size=(300, 500)).astype(np.float32))
    assert -np.log(fresh[np.arange(300), rng.integers(0, 3, 300)]).mean() < 1.15


def test_each_head_of_strong_tells_separated_classes_apart() -> None:
    rng = np.random.default_rng(1)
    y = np.arange(90) % 3
    rows = rng.normal(size=(90, 5)) + 6 * np.eye(3, 5)[y]
    for head in (prototypes, discriminant, margins, network, partial(fit_linear, strength=0.1)):
        assert (head(rows, y, 3).scores(rows).argmax(axis=1) == y).mean() > 0.97, head


def crossed(n: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Only the product of two columns tells the classes apart: no line can."""
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(n, 20))
    y = (rows[:, 0] * rows[:, 1] > 0).astype(np.int64)
    rows[:, :2] *= 5
    return rows.astype(np.float32), y


@pytest.mark.parametrize("d", [20, 400])
def test_strong_takes_a_network_where_no_line_will_do(d: int) -> None:
    """With more columns than photos, too, where rows are turned first."""
    rows, y = crossed(500)
    wide = rows @ np.linalg.qr(np.random.default_rng(0).normal(size=(d, d)))[0][:20]
    group = np.arange(500)
    head = fit_strong(wide[:300], y[:300], group[:300], 2, seed=0)
    assert head.hidden is not None
    assert head.hidden[0].shape[0] == d
    assert (head.predict_proba(wide[300:]).argmax(axis=1) == y[300:]).mean() > 0.6
    again = fit_strong(wide[:300], y[:300], group[:300], 2, seed=0)
    assert again.weights.tobytes() == head.weights.tobytes()


def test_photos_drawn_several_times_are_no_more_evidence() -> None:
    """Every photo five times over gives the head of one time, if it is said so."""
    rows, y, group = two_blocks(60, 1.0, seed=11)
    one = fit_probe(rows, y, group, 3, seed=0)
    five = fit_probe(np.tile(rows, (5, 1)), np.tile(y, 5), np.tile(group, 5), 3, seed=0, draws=5)
    np.testing.assert_allclose(five.predict_proba(rows), one.predict_proba(rows), atol=1e-5)


def test_lda_is_that_of_sklearn() -> None:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    rng = np.random.default_rng(2)
    y = np.arange(60) % 3
    rows = rng.normal(size=(60, 12)) + np.eye(3, 12)[y]
    rows -= np.stack([rows[y == c].mean(0) for c in range(3)]).mean(0)
    found = discriminant(rows, y, 3)
    weights, bias = found.weights, found.bias
    from sklearn.covariance import LedoitWolf

    reference = LinearDiscriminantAnalysis(
        solver="lsqr", covariance_estimator=LedoitWolf(assume_centered=True), priors=[1 / 3] * 3
    )
    within = np.stack([rows[y == c].mean(0) for c in range(3)])
    shrunk = LedoitWolf(assume_centered=True).fit(rows - within[y]).covariance_
    np.testing.assert_allclose(shrunk @ weights, within.T, atol=1e-6)
    answers = reference.fit(rows, y).predict(rows)
    assert ((rows @ weights + bias).argmax(1) == answers).mean() > 0.95


def test_strong_refuses_a_class_without_a_photo_as_probe_does() -> None:
    rows, y, group = two_blocks(30, 1.0, seed=9)
    for kind in ("probe", "strong"):
        with pytest.raises(DataError, match=r"Class 2 .* has none of the 30 photos"):
            fit_head(kind, rows, np.minimum(y, 1), group, 3, seed=0)
