"""Laws of intervals and comparisons: what may not matter, and what must not be surer."""

from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from answer_tables import answer_table
from footwork.evaluate.intervals import GroupBootstrap
from footwork.evaluate.measures import measures
from footwork.evaluate.pairs import compared_pairs
from footwork.predictions import NO_ANSWER, Predictions
from footwork.scores import METRICS

SLOW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def tables(draw: st.DrawFn) -> Predictions:
    """Two entries over up to 24 photos in groups; probabilities that are nobody's."""
    k, repeats = draw(st.integers(2, 4)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    m = draw(st.integers(2 * k, 24))
    label = rng.permutation(np.arange(m) % k)
    skill = draw(st.sampled_from([0.0, 0.5, 0.9, 1.0]))
    answers = {}
    for name in "pq":
        guess = rng.integers(k, size=(repeats, m))
        answers[name] = np.where(rng.random((repeats, m)) < skill, label, guess)
    group = rng.integers(draw(st.integers(1, m)), size=m)
    table = answer_table(label, answers, group=group.tolist(), classes="abcd"[:k])
    return replace(table, proba=rng.dirichlet(np.ones(k), size=len(table)))


def shuffled(table: Predictions, order: NDArray[np.int64]) -> Predictions:
    return replace(
        table,
        **{
            name: getattr(table, name)[order]
            for name in ("entry", "photo", "repeat", "fold", "status", "reason", "predicted",
                         "proba")
        },
    )  # fmt: skip


@SLOW
@given(tables(), st.integers(0, 1000))
def test_the_order_of_rows_does_not_matter(table: Predictions, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(table))

    assert measures(table, kind="recipe", seed=3) == measures(
        shuffled(table, order), kind="recipe", seed=3
    )


@SLOW
@given(tables(), st.integers(0, 1000))
def test_the_order_of_classes_does_not_matter(table: Predictions, seed: int) -> None:
    """Not even to the resamples: the pretended groups go by the names of the classes."""
    k = len(table.classes)
    place = np.random.default_rng(seed).permutation(k)  # class c is now class place[c]
    back = np.argsort(place)
    other = replace(
        table,
        classes=tuple(table.classes[c] for c in back),
        photos=replace(table.photos, label=place[table.photos.label]),
        predicted=place[table.predicted],
        proba=table.proba[:, back],
    )
    one, two = (GroupBootstrap(t, kind="recipe", seed=3) for t in (table, other))

    for metric in METRICS:
        for here, there in (
            (one.estimate("p", metric), two.estimate("p", metric)),
            (one.difference("p", "q", metric), two.difference("p", "q", metric)),
        ):
            for field in ("value", "low", "high"):
                assert abs(getattr(here, field) - getattr(there, field)) < 1e-12


@SLOW
@given(tables())
def test_intervals_hold_their_value_and_stay_in_range(table: Predictions) -> None:
    for found in measures(table, kind="recipe", seed=3):
        ranges = [(found.macro_f1, 1), (found.accuracy, 1), (found.balanced_accuracy, 1)]
        ranges += [(one, 1) for one in found.class_f1.values()]
        assert found.log_loss is not None
        assert found.brier is not None
        assert found.calibration is not None
        ranges += [(found.log_loss, 37), (found.brier, 2), (found.calibration.error, 1)]
        for estimate, most in ranges:
            assert 0 <= estimate.low <= estimate.value <= estimate.high <= most
            assert estimate.low < estimate.high  # never certain


@SLOW
@given(tables(), st.integers(0, 23))
def test_a_mistake_more_raises_no_score(table: Predictions, photo: int) -> None:
    photo %= len(table.photos)
    mistaken = table.predicted.copy()
    mistaken[(table.photo == photo) & (table.entry == 0)] = NO_ANSWER
    worse = replace(table, predicted=mistaken)
    one, two = (GroupBootstrap(t, kind="recipe", seed=3) for t in (table, worse))

    for metric in METRICS:
        gained = two.estimate("p", metric).value - one.estimate("p", metric).value
        # Macro-F1 may gain where the answer was wrong: no answer spoils no other class's precision.
        right = (
            table.predicted[(table.photo == photo) & (table.entry == 0)]
            == (table.photos.label[photo])
        )
        if right.all():
            assert gained < 1e-12


@SLOW
@given(tables())
def test_swapping_two_entries_changes_the_sign_only(table: Predictions) -> None:
    made = GroupBootstrap(table, kind="recipe", seed=3)
    (there,), (back,) = compared_pairs(made, ["p", "q"]), compared_pairs(made, ["q", "p"])

    assert there.difference.value == -back.difference.value
    assert abs(there.difference.low + back.difference.high) < 1e-12
    assert (there.p, there.p_alone) == (back.p, back.p_alone)
    assert (there.accuracy_p, there.log_loss_p) == (back.accuracy_p, back.log_loss_p)


@SLOW
@given(tables())
def test_recipes_are_less_sure_than_models(table: Predictions) -> None:
    model, recipe = (GroupBootstrap(table, kind=kind, seed=3) for kind in ("model", "recipe"))
    one, two = model.estimate("p"), recipe.estimate("p")

    assert two.low <= one.low
    assert two.high >= one.high
