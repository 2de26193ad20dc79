"""Scores against counts made by hand, and against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import classification_report
from sklearn.metrics import log_loss as sklearn_log_loss

from footwork.errors import DataError
from footwork.predictions import NO_ANSWER
from footwork.scores import (
    accuracy,
    balanced_accuracy,
    confusions,
    f1,
    log_loss,
    macro_f1,
    precision,
    recall,
    tally,
)

# GPT-4-Turbo's published matrix; rows heel, toe, others; columns heel, toe, others.
PUBLISHED = np.array([[1, 1, 12], [0, 0, 6], [0, 1, 11]])
CLASSES = ("heel_hook", "toe_hook", "others")


def published() -> tuple[np.ndarray, np.ndarray]:
    """The labels and answers behind the published matrix."""
    rows, columns = np.indices(PUBLISHED.shape)
    return np.repeat(rows.ravel(), PUBLISHED.ravel()), np.repeat(columns.ravel(), PUBLISHED.ravel())


def test_a_published_matrix_gives_its_published_scores() -> None:
    truth, answers = published()
    counts = confusions(truth, answers, CLASSES)

    assert counts[:, :3].tolist() == PUBLISHED.tolist()
    assert counts[:, 3].tolist() == [0, 0, 0]
    assert np.round(f1(tally(counts)), 2).tolist() == [0.13, 0.0, 0.54]
    assert round(float(macro_f1(tally(counts))), 2) == 0.22
    assert round(float(accuracy(tally(counts))), 2) == 0.38


def test_every_number_of_the_classification_report_agrees() -> None:
    truth, answers = published()
    report = classification_report(
        truth, answers, target_names=CLASSES, output_dict=True, zero_division=0
    )
    counts = tally(confusions(truth, answers, CLASSES))

    for k, name in enumerate(CLASSES):
        assert report[name] == {
            "precision": precision(counts)[k],
            "recall": recall(counts)[k],
            "f1-score": f1(counts)[k],
            "support": counts.support[k],
        }
    assert report["macro avg"]["f1-score"] == macro_f1(counts)
    assert report["macro avg"]["recall"] == balanced_accuracy(counts)
    assert report["accuracy"] == accuracy(counts)


def test_no_answer_is_a_wrong_answer() -> None:
    """Giving up on the only photo that would be wrong must not look perfect."""
    truth = np.array([0, 0, 1, 1])
    given_up = confusions(truth, np.array([0, 0, 1, NO_ANSWER]), "ab")
    wrong = confusions(truth, np.array([0, 0, 1, 0]), "ab")

    assert given_up.tolist() == [[2, 0, 0], [0, 1, 1]]
    assert accuracy(tally(given_up)) == accuracy(tally(wrong)) == 0.75
    assert recall(tally(given_up)).tolist() == [1, 0.5]


def test_repeats_are_scored_each_on_its_own() -> None:
    truth = np.array([0, 1, 1])
    answers = np.array([[[0, 1, 1], [1, 1, 1]], [[1, 0, 0], [0, 1, 0]]])
    counts = confusions(truth, answers, "ab")

    assert counts.shape == (2, 2, 2, 3)
    assert np.allclose(accuracy(tally(counts)), [[1, 2 / 3], [0, 2 / 3]])
    for index in np.ndindex(2, 2):
        assert (counts[index] == confusions(truth, answers[index], "ab")).all()


def test_balanced_accuracy_ignores_class_sizes() -> None:
    """Nine photos of one class must not outvote one of another."""
    counts = tally(confusions(np.array([0] * 9 + [1]), np.zeros(10, int), "ab"))

    assert balanced_accuracy(counts) == 0.5
    assert accuracy(counts) == 0.9


def test_a_class_without_photos_is_an_error_that_names_it() -> None:
    with pytest.raises(DataError, match=r"'toe_hook' has 0 of 3 test photos.*footwork\.toml"):
        confusions(np.array([0, 0, 2]), np.array([0, 1, 2]), CLASSES)


def test_log_loss_is_clipped_as_in_scikit_learn() -> None:
    truth = np.array([0, 1, 2, 1])
    proba = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0.2, 0.5, 0.3]])

    assert log_loss(truth, proba) == sklearn_log_loss(truth, proba)
    assert log_loss(truth, np.stack([proba, proba])) == pytest.approx(log_loss(truth, proba))


def test_log_loss_is_not_given_where_an_answer_is_missing() -> None:
    proba = np.array([[0.9, 0.1], [np.nan, np.nan]])

    assert log_loss(np.array([0, 1]), proba) is None
