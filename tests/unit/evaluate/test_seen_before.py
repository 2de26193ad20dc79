"""A class that the network learned before is said to flatter; a new one is not."""

import numpy as np

from footwork.evaluate.seen_before import known_classes, warning


def test_a_class_with_an_answer_of_its_own_is_known() -> None:
    label = np.repeat([0, 1], 20)
    answers = np.concatenate([np.full(15, 310), np.arange(5), np.arange(100, 120)])

    found = known_classes(answers, label, ("ants", "walls"))

    assert found == [("ants", 310, 0.75, 0.0)]
    assert "ants (ImageNet class 310: 75% of its photos, 0% of the others)" in warning(found, "x")


def test_one_answer_for_everything_says_nothing() -> None:
    """All climbers look like 'cliff' to ImageNet: that is no knowledge of heel hooks."""
    label = np.repeat([0, 1], 20)
    assert known_classes(np.full(40, 972), label, ("heel_hook", "toe_hook")) == []


def test_scattered_answers_say_nothing() -> None:
    assert known_classes(np.arange(40), np.repeat([0, 1], 20), ("a", "b")) == []
