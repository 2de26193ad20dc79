"""Intervals against brute force, against SciPy, and at their edges."""

from math import sqrt

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap
from sklearn.metrics import f1_score

from answer_tables import answer_table, noisy
from footwork.errors import DataError
from footwork.evaluate import resampling
from footwork.evaluate.exact import clopper_pearson
from footwork.evaluate.intervals import GroupBootstrap, Kind, paired_difference
from footwork.scores import METRICS, Metric, Tally

LABEL = np.repeat([0, 1, 2], [25, 25, 17])


def test_every_resample_scores_what_its_photos_score() -> None:
    """The counts of weighted groups must be the counts of the photos drawn, repeats and all."""
    rng = np.random.default_rng(0)
    group = rng.integers(12, size=len(LABEL))
    answers = noisy(LABEL, 0.5)
    answers[2, 5] = -1
    table = answer_table(LABEL, {"one": answers}, group=group.tolist())
    made = GroupBootstrap(table, kind="recipe", seed=3, draws=20)
    drawn = made.entry("one").draws["macro_f1"]

    assert (made.weights.sum(axis=1) == made.groups).all()  # whole groups, as many as there are
    for weights, score in zip(made.weights, drawn, strict=True):
        photos = np.repeat(np.arange(len(LABEL)), weights[group])
        each = [
            f1_score(LABEL[photos], row[photos], labels=[0, 1, 2], average="macro", zero_division=0)
            for row in answers
        ]
        assert score == pytest.approx(np.mean(each), abs=1e-12)


@pytest.mark.parametrize(("constant", "value"), [("BLOCK", 500), ("MANY_CLASSES", 2)])
def test_how_it_is_computed_changes_no_digit(
    constant: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = answer_table(LABEL, {"one": noisy(LABEL, 0.5)})
    whole = GroupBootstrap(table, kind="recipe", seed=3, draws=50)
    monkeypatch.setattr(resampling, constant, value)
    blocks = GroupBootstrap(table, kind="recipe", seed=3, draws=50)

    assert (whole.weights == blocks.weights).all()
    for metric in METRICS:
        assert (whole.entry("one").draws[metric] == blocks.entry("one").draws[metric]).all()


def test_the_standard_error_is_that_of_scipys_bootstrap() -> None:
    answers = noisy(LABEL, 0.5, repeats=1)
    table = answer_table(LABEL, {"one": answers})
    right = (answers[0] == LABEL).astype(float)
    theirs = bootstrap((right,), np.mean, n_resamples=5000, rng=1).standard_error

    ours = GroupBootstrap(table, kind="model", seed=1).standard_error("one", metric="accuracy")

    assert ours == pytest.approx(theirs, rel=0.06)  # both have a Monte Carlo error of 1 to 2 %


def test_a_recipe_is_less_sure_than_a_model() -> None:
    """Folds share photos: the interval of a recipe is sqrt(2) as wide."""
    table = answer_table(LABEL, {"one": noisy(LABEL, 0.5)}, folds=4)
    model = GroupBootstrap(table, kind="model", seed=1).estimate("one", "accuracy")
    recipe = GroupBootstrap(table, kind="recipe", seed=1).estimate("one", "accuracy")

    assert recipe.value == model.value
    assert recipe.high - recipe.low == pytest.approx(sqrt(2) * (model.high - model.low))
    assert recipe.high - recipe.value == pytest.approx(recipe.value - recipe.low)


def test_the_value_is_the_mean_over_repeats_of_their_scores() -> None:
    answers = np.stack([LABEL, np.zeros_like(LABEL)])  # all right, then the first class only
    made = GroupBootstrap(answer_table(LABEL, {"one": answers}), kind="recipe", seed=1)

    assert made.estimate("one", "accuracy").value == pytest.approx((1 + 25 / 67) / 2)
    constant = 2 * 25 / (25 + 67) / 3
    assert made.estimate("one", "macro_f1").value == pytest.approx((1 + constant) / 2)


def test_copies_in_one_group_make_nothing_surer() -> None:
    answers = noisy(LABEL, 0.5)
    single = answer_table(LABEL, {"one": answers})
    double = answer_table(
        np.tile(LABEL, 2), {"one": np.tile(answers, 2)}, group=[*range(67), *range(67)]
    )
    apart = answer_table(np.tile(LABEL, 2), {"one": np.tile(answers, 2)})
    error = [
        GroupBootstrap(table, kind="recipe", seed=1).standard_error("one")
        for table in (single, double, apart)
    ]

    assert error[1] == pytest.approx(error[0], rel=1e-9)
    assert error[2] == pytest.approx(error[0] / sqrt(2), rel=0.1)


@pytest.mark.parametrize("kind", ["recipe", "model"])
@pytest.mark.parametrize("metric", list(METRICS))
def test_a_perfect_score_is_not_certain(kind: Kind, metric: Metric) -> None:
    table = answer_table(LABEL, {"one": LABEL})
    made = GroupBootstrap(table, kind=kind, seed=1).estimate("one", metric)

    assert (made.value, made.high) == (1, 1)
    # Exact: the share whose chance of 67 (or 17, 25, 25) right of as many is 2.5 %.
    exact = 0.025 ** (1 / 67)
    reach = [1 - 0.025 ** (1 / n) for n in (25, 25, 17)]
    wanted = exact if metric == "accuracy" else 1 - sqrt(sum(r * r for r in reach)) / 3
    assert made.low == pytest.approx(wanted)
    assert made.low < 0.95


def test_one_mistake_is_not_surer_than_none() -> None:
    answers = np.array([LABEL] * 5)
    answers[3, 0] = 1
    table = answer_table(LABEL, {"none": [LABEL] * 5, "one": answers})
    made = GroupBootstrap(table, kind="recipe", seed=1)

    for metric in METRICS:
        assert made.estimate("one", metric).low < made.estimate("none", metric).low


def test_a_constant_answer_has_an_interval() -> None:
    """Its balanced accuracy is 1 / k in every resample that keeps all classes."""
    table = answer_table(LABEL, {"one": np.zeros_like(LABEL)})
    made = GroupBootstrap(table, kind="model", seed=1).estimate("one", "balanced_accuracy")

    assert made.value == pytest.approx(1 / 3)
    assert made.low < 0.30
    assert made.high > 0.37


def test_little_is_known_of_a_class_of_three_photos() -> None:
    """All three wrong is no evidence that such photos are always wrong."""
    label = np.repeat([0, 1, 2], [40, 40, 3])
    answers = noisy(label, 0.8, repeats=1)
    answers[:, 80:] = 0
    made = GroupBootstrap(answer_table(label, {"one": answers}), kind="model", seed=1)
    plain = 1.96 * made.standard_error("one", metric="balanced_accuracy")
    sampled = made.reach("balanced_accuracy").errors * made.smoothed_error(
        "one", "balanced_accuracy"
    )
    estimate = made.estimate("one", "balanced_accuracy")

    _, at_most = clopper_pearson(0, 3)
    assert estimate.high - estimate.value >= at_most / 3 > plain
    assert estimate.value - estimate.low == pytest.approx(sampled)


def test_a_class_never_hit_does_not_look_certain() -> None:
    """Six photos, all wrong in every repeat: no resample of them varies."""
    label = np.repeat([0, 1, 2], [42, 12, 6])
    answers = noisy(label, 0.2)
    answers[:, 54:] = 0
    answers[answers == 2] = 1
    made = GroupBootstrap(answer_table(label, {"one": answers}), kind="recipe", seed=1)

    assert made.smoothed_error("one") > 1.3 * made.standard_error("one")


def test_the_pretended_groups_are_one_right_and_one_wrong_of_each_class() -> None:
    table = answer_table(LABEL, {"one": noisy(LABEL, 0.5)}, group=[i // 2 for i in range(67)])
    made = GroupBootstrap(table, kind="model", seed=1, draws=4000)
    size = 67 / made.groups

    assert made.pretended.sum(axis=(0, 2)) == pytest.approx(6 * size)  # 2 k groups in each draw
    assert made.pretended.mean(axis=1) == pytest.approx(np.full((2, 3), size), rel=0.1)
    nothing = Tally(np.zeros((4000, 1, 3)), np.zeros((4000, 1, 3)), np.zeros((4000, 1, 3)))
    more = made.with_pretended(nothing, slice(None))
    assert more.hits[:, 0] == pytest.approx(made.pretended[0])
    assert more.answered.sum(axis=-1) == pytest.approx(more.support.sum(axis=-1))


def test_a_mean_over_classes_is_no_surer_than_its_smallest_class() -> None:
    """Of fixed models the degrees of freedom are counted class by class (Satterthwaite)."""
    label = np.repeat([0, 1, 2], [210, 60, 10])
    table = answer_table(label, {"one": noisy(label, 0.7)})
    model, recipe = (GroupBootstrap(table, kind=kind, seed=1) for kind in ("model", "recipe"))
    variance = np.array([1 / 210, 1 / 60, 1 / 10])
    freedom = variance.sum() ** 2 / (variance**2 / np.array([209, 59, 9])).sum()

    assert model.reach().freedom == pytest.approx(freedom)
    assert freedom < 15
    assert model.reach().inflation == pytest.approx(
        sqrt((variance * np.array([212 / 210, 62 / 60, 12 / 10])).sum() / variance.sum())
    )
    assert model.reach(2).freedom == pytest.approx(9)  # of the F1 of the third class
    assert model.reach("accuracy") == recipe.reach("macro_f1") == recipe.reach("accuracy")
    assert recipe.reach().freedom == 277


def test_groups_of_several_classes_are_not_counted_twice() -> None:
    table = answer_table(LABEL, {"one": noisy(LABEL, 0.5)}, group=[i % 9 for i in range(67)])
    made = GroupBootstrap(table, kind="model", seed=1)

    assert made.reach().freedom == 6  # nine groups, three classes


def test_small_classes_are_left_to_their_exact_bounds() -> None:
    label = np.repeat([0, 1, 2], [40, 40, 3])
    made = GroupBootstrap(answer_table(label, {"one": label}), kind="model", seed=1)

    assert made.reach().freedom == pytest.approx(78)
    assert made.reach().inflation >= sqrt(1 + 6 / 83)


def test_one_group_says_nothing_about_others() -> None:
    table = answer_table(LABEL, {"a": LABEL, "b": noisy(LABEL, 0.5, repeats=1)}, group=[0] * 67)
    made = GroupBootstrap(table, kind="model", seed=1)
    score, difference = made.estimate("b"), made.difference("a", "b")

    assert (score.low, score.high) == (0, 1)
    assert (difference.low, difference.high) == (-1, 1)


def test_pairing_cancels_what_both_find_hard() -> None:
    """Two entries that share most answers differ more surely than their intervals suggest."""
    one = noisy(LABEL, 0.6, repeats=1)
    other = one.copy()
    other[0, ::6] = LABEL[::6]
    table = answer_table(LABEL, {"one": one, "other": other})
    made = GroupBootstrap(table, kind="model", seed=1)
    unpaired = sqrt(made.standard_error("one") ** 2 + made.standard_error("other") ** 2)

    assert made.standard_error("other", "one") < 0.6 * unpaired


def test_a_difference_is_that_of_the_scores_and_changes_sign() -> None:
    table = answer_table(LABEL, {"a": noisy(LABEL, 0.7), "b": noisy(LABEL, 0.3, seed=1)})
    made = GroupBootstrap(table, kind="recipe", seed=1)
    there = paired_difference(table, "a", "b", kind="recipe", seed=1)
    back = paired_difference(table, "b", "a", kind="recipe", seed=1)

    assert there.value == made.estimate("a").value - made.estimate("b").value
    assert there.low > 0  # 0.7 against 0.3 is seen with 67 photos
    assert (back.value, back.low, back.high) == pytest.approx(
        (-there.value, -there.high, -there.low)
    )


def test_equal_answers_are_not_proof_of_equality() -> None:
    table = answer_table(LABEL, {"a": noisy(LABEL, 0.5), "b": noisy(LABEL, 0.5)})
    same = paired_difference(table, "a", "b", kind="recipe", seed=1, metric="accuracy")

    assert same.value == 0
    assert (same.low, same.high) == pytest.approx((0.025 ** (1 / 67) - 1, 1 - 0.025 ** (1 / 67)))


def test_five_photos_never_tell_two_entries_apart() -> None:
    """The exact McNemar test of 5 against 0 has p = 0.06."""
    worse = LABEL.copy()
    worse[:5] = 1
    table = answer_table(LABEL, {"a": LABEL, "b": worse})

    for metric in METRICS:
        made = paired_difference(table, "a", "b", kind="model", seed=1, metric=metric)
        assert made.low < 0 < made.value


@pytest.mark.parametrize(("right", "n"), [(0, 9), (1, 9), (5, 67), (67, 67)])
def test_clopper_pearson_is_scipys(right: int, n: int) -> None:
    theirs = binomtest(right, n).proportion_ci(0.95, method="exact")

    assert clopper_pearson(right / n, n) == pytest.approx((theirs.low, theirs.high))


def test_what_cannot_be_scored_is_said() -> None:
    table = answer_table(LABEL, {"one": LABEL}, folds=1)

    with pytest.raises(DataError, match="single fold"):
        GroupBootstrap(table, kind="recipe", seed=1)
    with pytest.raises(DataError, match="empty"):
        GroupBootstrap(table.where(table.photo < 0), kind="model", seed=1)
    with pytest.raises(DataError, match=r"no entry onee.*did you mean one"):
        GroupBootstrap(table, kind="model", seed=1).entry("onee")
