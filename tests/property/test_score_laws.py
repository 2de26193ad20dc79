"""Laws of scores, intervals and leaderboards, for any table of answers."""

import warnings
from dataclasses import replace
from random import Random

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
)

from answer_tables import answer_table
from footwork import scores
from footwork.evaluate.intervals import paired_difference
from footwork.evaluate.leaderboard import leaderboard
from footwork.predictions import NO_ANSWER, Predictions
from footwork.records import Estimate, Leaderboard

CLASSES = "abcde"


@st.composite
def answered(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """Labels with every class in them, answers with gaps, and the number of classes."""
    k = draw(st.integers(2, 5))
    more = draw(st.lists(st.integers(0, k - 1), max_size=40))
    truth = np.array([*range(k), *more])
    size = len(truth)
    answers = draw(st.lists(st.integers(NO_ANSWER, k - 1), min_size=size, max_size=size))
    return truth, np.array(answers), k


@st.composite
def tables(draw: st.DrawFn) -> Predictions:
    """Up to three entries over up to 24 photos in groups, some photos without an answer."""
    k, repeats = draw(st.integers(2, 4)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    m = draw(st.integers(k, 24))
    label = rng.permutation(np.arange(m) % k)
    skill = draw(st.sampled_from([0.0, 0.5, 0.9, 1.0]))
    answers = {}
    for name in "pqr"[: draw(st.integers(1, 3))]:
        guess = rng.integers(NO_ANSWER, k, size=(repeats, m))
        answers[name] = np.where(rng.random((repeats, m)) < skill, label, guess)
    group = rng.integers(draw(st.integers(1, m)), size=m)
    return answer_table(label, answers, group=group.tolist(), classes=CLASSES[:k])


def board(table: Predictions, seed: int = 7) -> Leaderboard:
    return leaderboard(table, kind="recipe", seed=seed, titles={}, drawn=False)


@given(answered())
def test_scores_are_scikit_learns_to_the_last_digit(
    case: tuple[np.ndarray, np.ndarray, int],
) -> None:
    truth, answers, k = case
    counts = scores.confusions(truth, answers, CLASSES[:k])
    made = scores.tally(counts)
    labels = list(range(k))
    asked = {"labels": labels, "average": None, "zero_division": 0}

    assert (counts[:, :k] == confusion_matrix(truth, answers, labels=[*labels, -1])[:k, :k]).all()
    assert (scores.precision(made) == precision_score(truth, answers, **asked)).all()
    assert (scores.recall(made) == recall_score(truth, answers, **asked)).all()
    assert (scores.f1(made) == f1_score(truth, answers, **asked)).all()
    assert scores.macro_f1(made) == f1_score(truth, answers, **{**asked, "average": "macro"})
    assert scores.accuracy(made) == accuracy_score(truth, answers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of -1 being no class of the truth
        assert scores.balanced_accuracy(made) == balanced_accuracy_score(truth, answers)


@given(answered(), st.integers(0, 2**32 - 1))
def test_log_loss_is_scikit_learns(case: tuple[np.ndarray, np.ndarray, int], seed: int) -> None:
    truth, _, k = case
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.full(k, 0.05), size=len(truth))  # many very close to 0 and 1
    made = scores.log_loss(truth, proba)

    assert made == log_loss(truth, proba, labels=list(range(k)))


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(tables())
def test_scores_and_intervals_are_in_range_and_in_order(table: Predictions) -> None:
    made = board(table)
    for entry in made.entries:
        for estimate in (entry.macro_f1, entry.accuracy, entry.balanced_accuracy):
            assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
            assert estimate.high - estimate.low > 0.01  # never certain with 24 photos
        assert sum(map(sum, entry.confusion)) == np.float64(made.photos)
        shares = np.array([(c.precision, c.recall, c.f1) for c in entry.classes])
        assert ((shares >= 0) & (shares <= 1)).all()
    order = [(-one.macro_f1.value, one.entry) for one in made.entries]
    assert order == sorted(order)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(tables(), st.integers(0, 2**32 - 1))
def test_the_order_of_rows_photos_groups_and_entries_does_not_matter(
    table: Predictions, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(table))
    photo, entry = rng.permutation(len(table.photos)), rng.permutation(len(table.entries))
    code = rng.permutation(len(table.photos.group_name))
    photos = table.photos
    shuffled = replace(
        table,
        photos=replace(
            photos,
            image=tuple(photos.image[i] for i in photo),
            path=tuple(photos.path[i] for i in photo),
            label=photos.label[photo],
            group=np.argsort(code)[photos.group[photo]],
            group_name=tuple(photos.group_name[i] for i in code),
        ),
        entries=tuple(table.entries[i] for i in entry),
        entry=np.argsort(entry)[table.entry][rows],
        photo=np.argsort(photo)[table.photo][rows],
        repeat=table.repeat[rows],
        fold=table.fold[rows],
        status=table.status[rows],
        reason=table.reason[rows],
        predicted=table.predicted[rows],
        proba=table.proba[rows],
    )
    one, other = board(table), board(shuffled)

    assert without_log_loss(one) == without_log_loss(other)
    for a, b in zip(one.entries, other.entries, strict=True):
        # A sum over photos: the order may move its last digit.
        assert (a.log_loss is None) == (b.log_loss is None)
        assert np.isclose(a.log_loss or 0, b.log_loss or 0, rtol=1e-12, atol=0)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(tables(), st.randoms(use_true_random=False))
def test_reordered_classes_reorder_the_rows_per_class_and_nothing_else(
    table: Predictions, random: Random
) -> None:
    k = len(table.classes)
    order = list(range(k))
    random.shuffle(order)
    new = np.append(np.argsort(order), NO_ANSWER)  # the last is no answer
    renamed = replace(
        table,
        classes=tuple(table.classes[i] for i in order),
        photos=replace(table.photos, label=new[table.photos.label]),
        predicted=new[table.predicted],
        proba=table.proba[:, order],
    )
    one, other = board(table), board(renamed)

    assert one.floors.guessing == other.floors.guessing
    assert one.floors.largest_class == other.floors.largest_class
    by_entry = {entry.entry: entry for entry in other.entries}
    for a in one.entries:
        b = by_entry[a.entry]
        assert {c.name: c for c in a.classes} == {c.name: c for c in b.classes}
        moved = np.array(a.confusion)[order][:, [*order, k]]
        assert np.array_equal(moved, np.array(b.confusion))
        for metric in ("macro_f1", "accuracy", "balanced_accuracy"):
            assert same(getattr(a, metric), getattr(b, metric))


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(tables())
def test_an_entry_does_not_change_by_the_company_it_is_in(table: Predictions) -> None:
    together = {entry.entry: entry for entry in board(table).entries}

    for index, name in enumerate(table.entries):
        alone = board(table.of_entry(index)).entries
        assert alone == (together[name.entry],)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(tables())
def test_a_difference_turned_round_changes_its_sign(table: Predictions) -> None:
    first, last = table.entries[0].entry, table.entries[-1].entry
    there = paired_difference(table, first, last, kind="recipe", seed=7)
    back = paired_difference(table, last, first, kind="recipe", seed=7)

    assert -1 <= there.low <= there.value <= there.high <= 1
    assert same(there, Estimate(value=-back.value, low=-back.high, high=-back.low))


def same(a: Estimate, b: Estimate) -> bool:
    return np.allclose([a.value, a.low, a.high], [b.value, b.low, b.high], rtol=0, atol=1e-12)


def without_log_loss(made: Leaderboard) -> Leaderboard:
    entries = tuple(entry.model_copy(update={"log_loss": None}) for entry in made.entries)
    return made.model_copy(update={"entries": entries})
