"""The leaderboard of foreign models agrees with scikit-learn, SciPy and by-hand counts."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap
from sklearn.metrics import classification_report, f1_score, log_loss

from footwork.evaluate.intervals import GroupBootstrap
from footwork.evaluate.judge import Judged, judge
from footwork.evaluate.tiers import holm
from prediction_files import CLASSES, Row, answers_of, rows_of, write_rows

LABELS = [CLASSES[i % 3] for i in range(90)]


def judged(tmp_path: Path, rows: list[Row]) -> Judged:
    return judge(write_rows(tmp_path / "t.csv", rows))


def models(*skills: float, repeats: int = 0, folds: int = 0, photos: int = 90) -> list[Row]:
    return [
        row
        for i, skill in enumerate(skills)
        for row in rows_of(
            "abcdef"[i], skill, photos=range(photos), seed=i, repeats=repeats, folds=folds
        )
    ]


def test_scores_are_scikit_learns_to_the_last_digit(tmp_path: Path) -> None:
    rows = models(1.0)
    entry = judged(tmp_path, rows).board.entries[0]
    predicted = [row["prediction"] for row in answers_of(rows)]
    theirs = classification_report(LABELS, predicted, output_dict=True, zero_division=0)

    assert entry.macro_f1.value == theirs["macro avg"]["f1-score"]
    assert entry.accuracy.value == theirs["accuracy"]
    for one in entry.classes:
        assert (one.precision, one.recall, one.f1, one.support) == (
            theirs[one.name]["precision"],
            theirs[one.name]["recall"],
            theirs[one.name]["f1-score"],
            theirs[one.name]["support"],
        )
    proba = np.array([[float(row[f"p_{name}"]) for name in CLASSES] for row in rows])
    proba /= proba.sum(axis=1, keepdims=True)
    assert entry.log_loss == pytest.approx(log_loss(LABELS, proba, labels=CLASSES), abs=1e-4)


def test_the_interval_is_scipys_bootstrap(tmp_path: Path) -> None:
    rows = models(1.0)
    found = judged(tmp_path, rows)
    predicted = np.array([row["prediction"] for row in answers_of(rows)])

    def score(rows_drawn: np.ndarray) -> float:
        drawn = rows_drawn.astype(int)
        return float(f1_score(np.array(LABELS)[drawn], predicted[drawn], average="macro"))

    theirs = bootstrap(
        (np.arange(90),), score, n_resamples=1000, vectorized=False, rng=1
    ).standard_error
    ours = GroupBootstrap(found.predictions, kind="model", seed=0).standard_error("a")

    assert ours == pytest.approx(theirs, rel=0.08)  # Monte Carlo errors of 2.2 and 1.6 %
    entry = found.board.entries[0].macro_f1
    # Student's t with 87 degrees of freedom; 2 x 3 pretended groups beside 90
    assert entry.high - entry.low == pytest.approx(2 * 1.988 * np.sqrt(96 / 90) * theirs, rel=0.08)


def test_folds_make_it_about_the_recipe(tmp_path: Path) -> None:
    with_folds = judged(tmp_path, models(1.0, repeats=2, folds=5))
    without = judged(tmp_path, models(1.0, repeats=2))

    assert (with_folds.board.kind, without.board.kind) == ("recipe", "model")
    assert (with_folds.board.folds, with_folds.board.repeats) == (5, 2)
    wide, narrow = (one.board.entries[0].macro_f1 for one in (with_folds, without))
    assert wide.value == narrow.value
    assert wide.high - wide.low == pytest.approx(2**0.5 * (narrow.high - narrow.low))


def test_mcnemar_is_the_binomial_test_of_the_photos_that_only_one_gets_right(
    tmp_path: Path,
) -> None:
    rows = models(0.5, 2.0)
    found = judged(tmp_path, rows)
    right = np.array([row["prediction"] == row["label"] for row in answers_of(rows)]).reshape(2, 90)
    only = int((right[1] & ~right[0]).sum()), int((right[0] & ~right[1]).sum())

    assert min(only) > 0
    assert found.pairs[0].mcnemar == pytest.approx(binomtest(only[0], sum(only)).pvalue)
    grouped = judged(tmp_path, [row | {"group": row["image"][:2]} for row in rows])
    assert grouped.pairs[0].mcnemar is None  # photos of one group are no coin tosses


def test_tiers_and_pairs(tmp_path: Path) -> None:
    found = judged(tmp_path, models(3.0, 2.9, 0.0, 0.1))
    tier = {name: level for name, level, _ in found.rows()}

    assert (tier["a"], tier["b"]) == (1, 1)
    assert (tier["c"], tier["d"]) == (2, 2)
    assert len(found.pairs) == 6
    assert [pair.p for pair in found.pairs] == holm(
        np.array([pair.p_alone for pair in found.pairs])
    ).tolist()
    assert any(pair.p > pair.p_alone for pair in found.pairs)
    for pair in found.pairs:
        assert pair.difference.value >= 0
        assert (pair.p_alone < 0.05) == (pair.difference.low > 0)
    second = found.rows()[1][0]
    assert found.sentences()[1].startswith(
        f"1 of the 3 others cannot be told apart from it ({second}), corrected for the 6 "
        "comparisons made; the difference to the runner-up, "
    )


def test_one_model_has_no_rival(tmp_path: Path) -> None:
    found = judged(tmp_path, models(1.0))

    assert found.pairs == ()
    assert [level for _, level, _ in found.rows()] == [1]


def test_the_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    rows = models(1.0, 0.5, 0.2, repeats=2, folds=3, photos=30)
    one = judged(tmp_path, rows)
    other = judged(tmp_path, [rows[i] for i in np.random.default_rng(5).permutation(len(rows))])

    assert (one.board, one.pairs, one.tier) == (other.board, other.pairs, other.tier)


def test_a_perfect_model_is_not_certain(tmp_path: Path) -> None:
    perfect = judged(tmp_path, models(100.0)).board.entries[0].macro_f1

    assert (perfect.value, perfect.high) == (1, 1)
    assert 0.9 < perfect.low < 0.97


def test_one_group_with_half_the_photos_and_a_class_of_two_are_said(tmp_path: Path) -> None:
    rows = [
        row | {"group": "gym" if i < 46 else row["image"], "label": "toe_hook" if i < 2 else
               ("others" if row["label"] == "toe_hook" else row["label"])}
        for i, row in enumerate(models(1.0))
    ]  # fmt: skip
    notes = judged(tmp_path, rows).sentences()[-2:]

    assert notes[0].startswith("One group holds 51% of the photos (gym: 46 of 90): every interval")
    assert notes[1].startswith("toe_hook has only 2 photos in 1 group: every interval is wide")
    assert "group" not in " ".join(judged(tmp_path, models(1.0)).sentences())
