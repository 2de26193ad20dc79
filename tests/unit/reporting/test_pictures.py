"""Which photos are shown, in which order; each thumbnail once."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from footwork.predictions import FAILED, NO_ANSWER, OK, EntryName, Photos, Predictions
from footwork.reporting.pictures import (
    Album,
    Verdict,
    missed_by_all,
    mistakes,
    right_ones,
    verdicts,
)

A, B, C = 0, 1, 2


def one_photo(answers: list[int], proba: list[tuple[float, float, float]]) -> Predictions:
    """One entry's answers to one photo of class A, one per repeat; NO_ANSWER is a failure."""
    n = len(answers)
    failed = np.array(answers) == NO_ANSWER
    values = np.array(proba, dtype=np.float64)
    values[failed] = np.nan
    return Predictions(
        classes=("a", "b", "c"),
        photos=Photos(("f0",), ("x/y.jpg",), np.array([A]), np.array([0]), ("g",)),
        entries=(EntryName("e", "base", "probe"),),
        entry=np.zeros(n, dtype=np.int64),
        photo=np.zeros(n, dtype=np.int64),
        repeat=np.arange(n),
        fold=np.zeros(n, dtype=np.int64),
        status=np.where(failed, FAILED, OK).astype(np.uint8),
        reason=np.array(["truncated" if bad else "" for bad in failed], dtype=object),
        predicted=np.array(answers, dtype=np.int64),
        proba=values,
    )


SURE_OF = {A: (0.8, 0.1, 0.1), B: (0.1, 0.7, 0.2), C: (0.2, 0.2, 0.6), NO_ANSWER: (0.0, 0.0, 0.0)}


def verdict_on(*answers: int) -> Verdict:
    (found,) = verdicts(one_photo(list(answers), [SURE_OF[a] for a in answers]), 0)
    return found


def test_wrong_in_most_repeats_is_a_mistake_shown_with_its_commonest_wrong_answer() -> None:
    found = verdict_on(A, A, B, B, C)

    assert (found.right, found.answer, found.wrong, found.repeats) == (False, "b", 3, 5)
    # Mean probability of b over all five repeats, not only over those that said b.
    assert found.confidence == pytest.approx((0.1 + 0.1 + 0.7 + 0.7 + 0.2) / 5)


def test_half_wrong_is_not_a_mistake() -> None:
    found = verdict_on(A, A, B, C)
    assert (found.right, found.answer, found.wrong) == (True, "a", 2)


def test_of_two_equally_common_wrong_answers_the_likelier_one_is_shown() -> None:
    assert verdict_on(B, C).answer == "b"
    swapped = one_photo([B, C], [(0.1, 0.5, 0.4), (0.0, 0.1, 0.9)])
    assert verdicts(swapped, 0)[0].answer == "c"


def test_a_photo_without_any_answer_is_wrong_and_says_why() -> None:
    found = verdict_on(NO_ANSWER, NO_ANSWER)
    assert (found.right, found.answer, found.confidence, found.reason) == (
        False, "", None, "truncated",
    )  # fmt: skip


def test_missing_answers_count_as_wrong_and_give_no_confidence() -> None:
    found = verdict_on(A, NO_ANSWER, NO_ANSWER)
    assert (found.right, found.answer, found.confidence, found.wrong) == (False, "", None, 2)

    kept = verdict_on(A, A, NO_ANSWER)
    assert (kept.right, kept.answer) == (True, "a")
    assert kept.confidence == pytest.approx(0.8)


def verdict(photo: int, *, right: bool, confidence: float | None, label: str = "a") -> Verdict:
    answer = label if right else ("b" if confidence is not None else "")
    return Verdict(photo, label, answer, right, confidence, 0 if right else 5, 5, "")


def test_the_most_confident_mistakes_come_first_and_missing_answers_last() -> None:
    found = [
        verdict(0, right=False, confidence=None),
        verdict(1, right=False, confidence=0.4),
        verdict(2, right=True, confidence=0.99),
        verdict(3, right=False, confidence=0.9),
        verdict(4, right=False, confidence=0.4),
    ]
    assert [v.photo for v in mistakes(found)] == [3, 1, 4, 0]


def test_the_sample_of_right_ones_takes_the_classes_in_turn() -> None:
    found = [verdict(i, right=True, confidence=0.5, label="a") for i in range(4)]
    found += [verdict(9, right=True, confidence=0.5, label="b")]
    found += [verdict(10, right=False, confidence=0.5, label="b")]

    assert [v.photo for v in right_ones(found)] == [0, 9, 1, 2, 3]


def test_missed_by_all_needs_every_entry_to_be_wrong() -> None:
    first = [verdict(i, right=i == 0, confidence=0.5) for i in range(3)]
    second = [replace(v, right=v.photo == 1, confidence=0.6) for v in first]

    assert [[v.photo for v in vs] for vs in missed_by_all([first, second])] == [[2, 2]]


@given(st.integers(1, 40), st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_every_photo_has_one_verdict_that_agrees_with_its_answers(
    photos: int, repeats: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    answers = rng.integers(-1, 3, (repeats, photos))
    label = rng.integers(0, 3, photos)
    proba = rng.dirichlet(np.ones(3), (repeats, photos))
    proba[answers < 0] = np.nan
    base = one_photo([A], [SURE_OF[A]])
    table = replace(
        base,
        photos=Photos(
            tuple(f"{i:03}" for i in range(photos)), tuple("p" * photos), label,
            np.arange(photos), tuple(map(str, range(photos))),
        ),
        entry=np.zeros(repeats * photos, dtype=np.int64),
        photo=np.tile(np.arange(photos), repeats),
        repeat=np.repeat(np.arange(repeats), photos),
        fold=np.zeros(repeats * photos, dtype=np.int64),
        status=np.where(answers < 0, FAILED, OK).astype(np.uint8).ravel(),
        reason=np.full(repeats * photos, "", dtype=object),
        predicted=answers.ravel(),
        proba=proba.reshape(-1, 3),
    )  # fmt: skip

    found = verdicts(table, 0)

    assert [v.photo for v in found] == list(range(photos))
    assert len(mistakes(found)) + len(right_ones(found)) == photos
    for v in found:
        assert v.wrong == (answers[:, v.photo] != label[v.photo]).sum()
        assert v.right == (v.wrong * 2 <= repeats)
        assert (v.answer == v.label) == v.right
        assert v.confidence is None or 0 <= v.confidence <= 1


def test_a_thumbnail_is_asked_for_and_embedded_once() -> None:
    asked: list[str] = []

    def thumbnail(image: str) -> bytes:
        asked.append(image)
        return b"jpeg of " + image.encode()

    album = Album(thumbnail)
    assert [album.css_class(image) for image in ("x", "y", "x", "x")] == ["t0", "t1", "t0", "t0"]
    assert asked == ["x", "y"]
    assert str(album.style()).count("data:image/jpeg;base64,") == 2


def test_an_album_stops_when_the_page_is_full_and_counts_what_it_leaves_out() -> None:
    album = Album(lambda image: None if image == "gone" else b"12" * int(image), room=100)

    assert album.css_class("gone") is None
    assert album.css_class("30") == "t0"  # 60 bytes are 80 letters
    assert album.css_class("30") == "t0"
    assert album.css_class("31") is None
    assert album.css_class("3") == "t1"
    assert (album.unreadable, album.without_room) == (1, 1)
    assert len(str(album.style())) < 220
