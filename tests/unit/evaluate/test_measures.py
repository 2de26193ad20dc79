"""Scores of a table with intervals: against scikit-learn, SciPy, and tables that mean nothing."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import bootstrap
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, classification_report, log_loss

from answer_tables import answer_table, noisy
from footwork.errors import DataError
from footwork.evaluate.exact import clopper_pearson
from footwork.evaluate.intervals import GroupBootstrap
from footwork.evaluate.measures import (
    WORST_BRIER,
    calibration,
    checked,
    class_f1,
    mean_brier,
    mean_log_loss,
    measures,
)
from footwork.predictions import Predictions
from footwork.scores import brier_losses, calibration_error

LABEL = np.repeat([0, 1, 2], [25, 25, 17])
CLASSES = ("a", "b", "c")


def with_probabilities(*, repeats: int = 1, sharp: float = 1.0, seed: int = 0) -> Predictions:
    """Answers whose probabilities differ from row to row; sharp: the larger, the surer."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(repeats, 67, 3)) + 1.2 * np.eye(3)[LABEL]
    proba = np.exp(sharp * logits)
    proba /= proba.sum(axis=2, keepdims=True)
    table = answer_table(LABEL, {"one": proba.argmax(axis=2)}, classes=CLASSES)
    return replace(table, proba=proba.reshape(-1, 3))


def test_every_value_is_scikit_learns_to_the_last_digit() -> None:
    table = with_probabilities()
    (found,) = measures(table, kind="model", seed=1)
    theirs = classification_report(
        table.truth, table.predicted, output_dict=True, zero_division=0, target_names=CLASSES
    )

    assert found.macro_f1.value == theirs["macro avg"]["f1-score"]
    assert found.balanced_accuracy.value == theirs["macro avg"]["recall"]
    assert found.accuracy.value == theirs["accuracy"]
    assert {name: one.value for name, one in found.class_f1.items()} == {
        name: theirs[name]["f1-score"] for name in CLASSES
    }
    assert found.log_loss is not None
    assert found.brier is not None
    assert found.log_loss.value == pytest.approx(log_loss(table.truth, table.proba), rel=1e-14)
    brier = sum(
        brier_score_loss(table.truth == k, table.proba[:, k], pos_label=True) for k in range(3)
    )
    assert found.brier.value == pytest.approx(brier, rel=1e-14)


def test_the_calibration_error_is_that_of_scikit_learns_curve() -> None:
    table = with_probabilities(sharp=3.0)
    confidence = table.proba.max(axis=1)
    hit = (table.predicted == table.truth).astype(int)
    right, said = calibration_curve(hit, confidence, n_bins=10)
    sizes = np.histogram(confidence, bins=np.linspace(0, 1, 11))[0]
    wanted = (sizes[sizes > 0] * np.abs(right - said)).sum() / 67

    assert calibration_error(table.truth, table.proba) == pytest.approx(wanted)


@pytest.mark.parametrize("which", ["log_loss", "brier", "macro_f1"])
def test_standard_errors_are_scipys_bootstrap(which: str) -> None:
    """Of the losses per photo; the reach takes out what is ours: t, and six pretended groups."""
    table = with_probabilities()
    made = GroupBootstrap(table, kind="model", seed=1)
    of_class = table.proba[np.arange(67), LABEL]
    losses = -np.log(of_class) if which == "log_loss" else brier_losses(LABEL, table.proba)
    if which == "macro_f1":
        ours = made.standard_error("one")
        drawn = np.arange(67)

        def score(i: np.ndarray) -> float:
            truth, said = LABEL[i.astype(int)], table.predicted[i.astype(int)]
            hits = np.array([((truth == k) & (said == k)).sum() for k in range(3)])
            sizes = np.array([(truth == k).sum() + (said == k).sum() for k in range(3)])
            return float(np.mean(2 * hits / sizes))

        theirs = bootstrap((drawn,), score, n_resamples=3000, vectorized=False, rng=1)
    else:
        estimate = (mean_log_loss if which == "log_loss" else mean_brier)(made, "one")
        assert estimate is not None
        ours = (estimate.value - estimate.low) / made.reach("accuracy").errors
        longer = np.exp(made.reach("accuracy").errors * ours / estimate.value)
        assert estimate.high == pytest.approx(estimate.value * longer)
        theirs = bootstrap((losses,), np.mean, n_resamples=3000, rng=1)

    assert ours == pytest.approx(theirs.standard_error, rel=0.06)  # 1.3 and 1.6 % Monte Carlo


def test_a_calibrated_model_is_not_blamed_for_few_photos() -> None:
    """Truth drawn from the probabilities themselves: the error is what calibration scores."""
    rng = np.random.default_rng(3)
    errors, floors = [], []
    for seed in range(30):
        table = with_probabilities(seed=seed)
        drawn = (table.proba.cumsum(axis=1) < rng.random((67, 1))).sum(axis=1)
        if len(np.unique(drawn)) < 3:
            continue
        drawn_table = replace(table, photos=replace(table.photos, label=drawn))
        found = calibration(GroupBootstrap(drawn_table, kind="model", seed=1), "one")
        assert found is not None
        errors.append(found.error.value)
        floors.append(found.calibrated)

    assert np.mean(errors) == pytest.approx(np.mean(floors), rel=0.1)
    assert np.mean(floors) > 0.05
    sure = calibration(GroupBootstrap(with_probabilities(sharp=6), kind="model", seed=1), "one")
    assert sure is not None
    assert sure.error.low > sure.calibrated


def test_a_class_never_hit_is_not_certain() -> None:
    answers = noisy(LABEL, 0.7)
    answers[:, LABEL == 2] = 0
    answers[answers == 2] = 1
    found = class_f1(
        GroupBootstrap(answer_table(LABEL, {"one": answers}), kind="recipe", seed=1), "one"
    )

    assert found["c"].value == found["c"].low == 0
    assert found["c"].high >= clopper_pearson(0.0, 17)[1]


def test_a_perfect_model_has_exact_bounds_per_class_and_no_certain_loss() -> None:
    table = answer_table(LABEL, {"one": LABEL}, classes=CLASSES)
    table = replace(table, proba=np.eye(3)[table.predicted])
    (found,) = measures(table, kind="model", seed=1)

    for name, groups in zip(CLASSES, (25, 25, 17), strict=True):
        one = found.class_f1[name]
        exact = clopper_pearson(1.0, groups)[0]
        assert (one.value, one.high) == (1, 1)
        assert one.low == pytest.approx(exact) or one.low < exact
    unseen = clopper_pearson(0.0, 67)[1]
    assert found.brier is not None
    assert (found.brier.value, found.brier.low) == (0, 0)
    assert found.brier.high == pytest.approx(unseen * WORST_BRIER)
    assert found.calibration is not None
    assert found.calibration.error.high == pytest.approx(unseen)


def test_a_missing_answer_leaves_no_loss() -> None:
    (found,) = measures(answer_table([0, 0, 1, 1], {"p": [0, -1, 1, 1]}), kind="model", seed=1)

    assert (found.log_loss, found.brier, found.calibration) == (None, None, None)


def test_one_group_says_nothing_of_others() -> None:
    table = replace(with_probabilities(), photos=replace(
        with_probabilities().photos, group=np.zeros(67, dtype=np.int64)))  # fmt: skip
    (found,) = measures(table, kind="model", seed=1)

    assert found.brier is not None
    assert (found.brier.low, found.brier.high) == (0, 2)
    assert all((one.low, one.high) == (0, 1) for one in found.class_f1.values())


def broken(**change: object) -> Predictions:
    return replace(with_probabilities(), **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("proba", np.nan, r"1 rows have a probability that is NaN \(first: 5.jpg: nan, "),
        ("proba", 1.5, "1 rows have a probability outside 0 to 1"),
        ("proba", 0.0, "1 rows have probabilities that do not sum to 1"),
        ("photo", 67, "1 rows of predictions are for a photo that is not among the 67"),
        ("predicted", 3, "1 rows of predictions answer a class that is not among the 3"),
        ("entry", 2, "1 rows of predictions are by an entry that is not among the 1"),
        ("photo", 4, "answered twice"),
    ],
)
def test_tables_that_mean_nothing_are_refused(column: str, value: float, said: str) -> None:
    whole = getattr(with_probabilities(), column).copy()
    whole[5] = value if whole.ndim == 1 else [value, *whole[5, 1:]]

    with pytest.raises(DataError, match=said):
        measures(broken(**{column: whole}), kind="model", seed=1)


def test_empty_tables_and_missing_classes_are_refused() -> None:
    table = with_probabilities()

    with pytest.raises(DataError, match="empty"):
        measures(table.where(table.photo < 0), kind="model", seed=1)
    more = replace(
        table, classes=(*CLASSES, "d"), proba=np.column_stack([table.proba, np.zeros(67)])
    )
    with pytest.raises(DataError, match="'d' has 0 of 67"):
        measures(more, kind="model", seed=1)
    assert checked(table) is table


def test_answers_without_any_probability_are_scored() -> None:
    table = with_probabilities()
    bare = replace(table, proba=np.full_like(table.proba, np.nan))
    (found,) = measures(bare, kind="model", seed=1)

    assert found.log_loss is None
    assert found.macro_f1.value > 0.5
