"""Label noise: laws, and the same answers as cleanlab on the same table."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from answer_tables import answer_table
from footwork.evaluate.noise import label_noise, mean_probabilities

Table = tuple[NDArray[np.int64], NDArray[np.float64]]


def noisy_table(seed: int, *, photos: int = 240, k: int = 4, wrong: float = 0.1) -> Table:
    """Labels of which a share was drawn anew, and probabilities that follow the true classes."""
    rng = np.random.default_rng(seed)
    true = rng.integers(k, size=photos)
    true[:k] = np.arange(k)
    scores = rng.normal(0, 1, (photos, k)) + 2.5 * np.eye(k)[true]
    proba = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    moved = rng.random(photos) < wrong
    label = np.where(moved, (true + 1 + rng.integers(k - 1, size=photos)) % k, true)
    label[:k] = np.arange(k)
    return label.astype(np.int64), proba


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("k", [2, 3, 7])
def test_cleanlab_lists_the_same_photos(seed: int, k: int) -> None:
    reason = "cleanlab 2.9 is not installed: pip install cleanlab==2.9.0"
    filters = pytest.importorskip("cleanlab.filter", reason=reason)
    count = pytest.importorskip("cleanlab.count", reason=reason)
    label, proba = noisy_table(seed, k=k, wrong=0.02 + 0.02 * seed)
    mine = label_noise(label, proba)
    theirs = filters.find_label_issues(label, proba, filter_by="confident_learning", n_jobs=1)

    assert sorted(one.photo for one in mine.suspects) == np.flatnonzero(theirs).tolist()
    joint = count.compute_confident_joint(label, proba, calibrate=True)
    # theirs are rounded to whole photos
    assert mine.share == pytest.approx(1 - np.trace(joint) / joint.sum(), abs=k / len(label))


@given(st.integers(0, 10_000), st.permutations(range(4)))
def test_numbering_of_classes_and_order_of_photos_do_not_matter(seed: int, new: list[int]) -> None:
    label, proba = noisy_table(seed)
    order = np.random.default_rng(seed).permutation(len(label))
    renumbered = np.array(new)
    there = np.empty_like(proba[order])
    there[:, renumbered] = proba[order]
    before, after = label_noise(label, proba), label_noise(renumbered[label[order]], there)

    assert {one.photo for one in before.suspects} == {order[one.photo] for one in after.suspects}
    assert after.share == pytest.approx(before.share)


@given(st.integers(0, 10_000))
def test_no_photo_is_listed_whose_label_is_the_answer(seed: int) -> None:
    label, proba = noisy_table(seed, wrong=0.3)
    found = label_noise(label, proba).suspects

    assert all(proba[one.photo].argmax() != one.label == label[one.photo] for one in found)
    assert [one.margin for one in found] == sorted((one.margin for one in found), reverse=True)


def test_planted_wrong_labels_are_found_and_their_share_estimated() -> None:
    rng = np.random.default_rng(3)
    true = np.repeat([0, 1, 2], 200)
    scores = rng.normal(0, 0.7, (600, 3)) + 4 * np.eye(3)[true]
    proba = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    moved = rng.choice(600, 60, replace=False)
    label = true.copy()
    label[moved] = (true[moved] + 1) % 3
    found = label_noise(label, proba)

    listed = {one.photo for one in found.suspects}
    assert len(listed & set(moved.tolist())) >= 55
    assert len(listed - set(moved.tolist())) <= 3
    assert found.share == pytest.approx(0.1, abs=0.02)
    assert all(one.likely == true[one.photo] for one in found.suspects if one.photo in moved)


def test_honest_labels_of_a_sure_model_are_not_suspected() -> None:
    label = np.repeat([0, 1], 20)
    proba = np.where(np.eye(2)[label] == 1, 0.9, 0.1)
    found = label_noise(label, proba)

    assert found.suspects == ()
    assert found.share == 0


def test_photos_without_an_answer_are_not_judged() -> None:
    label, proba = noisy_table(1)
    proba[::2] = np.nan
    found = label_noise(label, proba)

    assert found.judged == 120
    assert all(one.photo % 2 for one in found.suspects)
    assert label_noise(label, np.full_like(proba, np.nan)).judged == 0


def test_repeats_are_averaged_over_those_that_answered() -> None:
    predictions = answer_table([0, 1, 0], {"a": [[0, 1, -1], [1, 1, -1]]})
    proba = mean_probabilities(predictions, 0)

    np.testing.assert_allclose(proba[0], [0.5, 0.5])
    np.testing.assert_allclose(proba[1], [0.3, 0.7])
    assert np.isnan(proba[2]).all()


def test_a_worked_example() -> None:
    """The thresholds, means of a class's own probabilities, are 0.695 and 0.6."""
    of_b = np.array([0.1, 0.3, 0.2, 0.62, 0.7, 0.8, 0.3])
    label = np.array([0, 0, 0, 0, 1, 1, 1])
    found = label_noise(label, np.column_stack([1 - of_b, of_b]))

    assert [(one.photo, one.label, one.likely) for one in found.suspects] == [(6, 1, 0), (3, 0, 1)]
    assert [one.margin for one in found.suspects] == pytest.approx([0.4, 0.24])
    # Of a: 3 sure of a, 1 of b, so 4 photos as 3 and 1; of b: 2 and 1.
    assert found.share == pytest.approx(2 / 7)
