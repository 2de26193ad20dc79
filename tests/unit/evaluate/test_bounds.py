"""Bounds from published counts: against brute force, the bootstrap, and the original's numbers."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from answer_tables import answer_table
from footwork.evaluate.bounds import PublishedBoard, compared, ends, influences, published_board
from footwork.evaluate.bounds_words import bounds_in_words
from footwork.evaluate.exact import clopper_pearson
from footwork.evaluate.intervals import GroupBootstrap
from footwork.evaluate.published import Published, read_confusion, read_report
from footwork.scores import confusions, macro_f1, tally

ORIGINAL = Path(__file__).resolve().parents[3] / "examples" / "original"
REPORTS = ("ResNet50", "VGG16", "EfficientNetB2", "MobileNetV3Large")


@pytest.fixture(scope="module")
def original() -> PublishedBoard:
    models = [read_report(ORIGINAL / f"{name}.csv") for name in REPORTS]
    return published_board([*models, read_confusion(ORIGINAL / "GPT-4-Turbo.csv")])


def published(name: str, *matrices: list[list[int]]) -> Published:
    square = np.array(matrices)
    k = square.shape[1]
    return Published(
        name, tuple("abcd"[:k]), np.concatenate([square, np.zeros((len(square), k, 1), int)], 2)
    )


def photos_of(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    cells = [(t, a) for (t, a), n in np.ndenumerate(matrix) for _ in range(n)]
    truth, answers = np.array(cells).T
    return truth, answers


def test_the_original_cannot_be_told_from_chance(original: PublishedBoard) -> None:
    """The published 0.42, 0.38, 0.36 and 0.32 on 62 photos, and 0.22 on 32 others."""
    found = {one.published.name: one for one in original.scores}

    for name, value in zip(REPORTS, (0.42, 0.38, 0.36, 0.32), strict=True):
        assert round(found[name].macro_f1.low, 2) == round(found[name].macro_f1.high, 2) == value
    assert round(found["GPT-4-Turbo"].macro_f1.low, 2) == 0.22
    p = {name: one.p_guessing.high for name, one in found.items()}
    assert 0.05 < p["ResNet50"] < 0.06
    assert all(p[name] > 0.06 for name in p if name != "ResNet50")
    assert found["ResNet50"].interval.low < 0.33 < found["ResNet50"].interval.high
    assert [one.tier for one in original.scores] == [1, 1, 1, 1, None]


def test_0_42_cannot_be_told_from_0_38(original: PublishedBoard) -> None:
    pair = original.pairs[0]

    assert (pair.a, pair.b) == ("ResNet50", "VGG16")
    assert pair.difference.low == pytest.approx(0.038, abs=0.0005)
    assert pair.interval.low < 0 < pair.interval.high
    assert pair.p.low > 0.1  # even if they are right on the same photos
    assert pair.mcnemar.low == pytest.approx(binomtest(2, 2).pvalue)  # 13/9/5 against 13/8/4


def test_it_is_said_in_words(original: PublishedBoard) -> None:
    said = bounds_in_words(original)

    assert said[0] == "None of these 5 models can be told from guessing for sure."
    assert said[1].endswith("no model can be shown to be worse than another: all are in tier 1.")
    assert said[2] == (
        "GPT-4-Turbo was tested on 32 other photos (14 heel_hook, 6 toe_hook, 12 others): its "
        "score cannot be compared with the others'."
    )
    assert said[3].startswith(
        "ResNet50: 27 of 62 right (in each of the 7 confusion matrices that fit), macro-F1 0.42 "
        "(95 % interval 0.29 to 0.55), which cannot be told from guessing: the same answers dealt "
        "out at random do as well with p = 0.05"
    )
    assert any(
        s.startswith("ResNet50 and VGG16 cannot be told apart, whatever the pairing: the "
                     "difference is 0.04 (-0.15 to +0.22 unpaired, p = 0.68; paired p 0.18 to ")
        for s in said
    )  # fmt: skip


@pytest.mark.parametrize(
    "matrix",
    [
        [[13, 5, 6], [9, 9, 0], [6, 9, 5]],
        [[30, 5, 5], [4, 20, 6], [2, 2, 26]],
        [[40, 10], [3, 12]],
    ],
)
def test_the_interval_is_that_of_the_bootstrap(matrix: list[list[int]]) -> None:
    """A matrix is a table of photos of one model: both ways must give one interval."""
    truth, answers = photos_of(np.array(matrix))
    table = answer_table(truth, {"m": answers}, folds=1)
    theirs = GroupBootstrap(table, kind="model", seed=1, draws=8000).estimate("m")
    ours = published_board([published("m", matrix)]).scores[0]

    assert ours.macro_f1.low == ours.macro_f1.high == theirs.value
    # The bootstrap of few photos is a little wider than its linear part.
    assert ours.interval.high - ours.interval.low == pytest.approx(
        theirs.high - theirs.low, rel=0.06
    )


def test_a_perfect_matrix_is_not_certain() -> None:
    score = published_board([published("m", [[20, 0], [0, 15]])]).scores[0]
    truth = np.repeat([0, 1], [20, 15])
    table = answer_table(truth, {"m": truth})

    theirs = GroupBootstrap(table, kind="model", seed=1).estimate("m")
    assert (score.interval.low, score.interval.high) == pytest.approx((theirs.low, 1.0))
    assert score.p_guessing.high < 1e-4


def test_influences_are_what_a_photo_moves() -> None:
    """Doubling one photo in a hundred thousand moves macro-F1 by its influence."""
    matrix = np.array([[5, 3, 1, 2], [2, 4, 0, 1], [0, 1, 7, 0]])
    model = Published("m", ("c", "a", "b"), matrix[None])
    step = 1e-6
    expected = {}
    for t, a in np.ndindex(3, 4):
        moved = matrix.astype(float)
        moved[t, a] += step
        expected[t, a] = (macro_f1(tally(moved)) - macro_f1(tally(matrix))) / step
    laid = [
        np.sort(np.repeat([expected[t, a] for a in range(4)], matrix[t])) for t in (1, 2, 0)
    ]  # a, b, c

    np.testing.assert_allclose(influences(model)[0], np.concatenate(laid), atol=1e-6)
    assert influences(model)[0].sum() == pytest.approx(0)


def test_pairings_are_bounded_by_brute_force() -> None:
    """All ways to lay b's answers over a's photos, of six photos."""
    a, b = np.array([[2, 1], [1, 2]]), np.array([[1, 2], [0, 3]])
    pair = compared(published("a", a.tolist()), published("b", b.tolist()))
    truth, mine = photos_of(a)
    _, theirs = photos_of(b)
    p = set()
    for order in permutations(range(3)):
        for other in permutations(range(3, 6)):
            laid = theirs[[*order, *other]]
            assert (confusions(truth, laid, "ab")[:, :2] == b).all()
            only = (
                int(((mine == truth) & (laid != truth)).sum()),
                int(((mine != truth) & (laid == truth)).sum()),
            )
            p.add(binomtest(only[0], sum(only)).pvalue if sum(only) else 1.0)

    assert (pair.mcnemar.low, pair.mcnemar.high) == pytest.approx((min(p), max(p)))


def test_the_paired_error_lies_between_the_extreme_pairings() -> None:
    """Any pairing's own bootstrap error must lie within the bounds behind p."""
    a = np.array([[20, 6, 4], [5, 18, 7], [6, 3, 21]])
    b = np.array([[14, 10, 6], [8, 14, 8], [9, 5, 16]])
    pair = compared(published("a", a.tolist()), published("b", b.tolist()))
    gap = pair.difference.low
    truth, mine = photos_of(a)
    _, theirs = photos_of(b)
    rng = np.random.default_rng(2)
    from scipy.stats import norm

    low, high = (gap / norm.isf(p / 2) for p in (pair.p.low, pair.p.high))
    for _ in range(3):
        laid = np.concatenate([rng.permutation(theirs[truth == t]) for t in range(3)])
        table = answer_table(truth, {"a": mine, "b": laid}, folds=1)
        error = GroupBootstrap(table, kind="model", seed=1).standard_error("a", "b")
        assert 0.97 * low < error < 1.03 * high
    assert high > 1.3 * low


def test_classes_may_come_in_any_order() -> None:
    a = published("a", [[5, 3, 1], [2, 4, 0], [0, 1, 7]])
    b = published("b", [[6, 2, 1], [1, 5, 0], [2, 1, 5]])
    turn = [2, 0, 1]
    turned = Published(
        "b", tuple(b.classes[i] for i in turn), b.matrices[:, turn][:, :, [*turn, 3]]
    )

    one, other = published_board([a, b]), published_board([turned, a])
    assert one.pairs == other.pairs
    assert [s.p_guessing for s in one.scores] == [s.p_guessing for s in other.scores]


def test_a_clear_difference_is_found_whatever_the_pairing() -> None:
    good = published("good", [[95, 5], [5, 95]])
    bad = published("bad", [[50, 50], [50, 50]])
    board = published_board([bad, good])

    assert board.pairs[0].p.high < 1e-4
    assert board.pairs[0].p_corrected == board.pairs[0].p.high
    assert [(s.published.name, s.tier) for s in board.scores] == [("good", 1), ("bad", 2)]
    assert "good and bad are told apart whatever the pairing" in " ".join(bounds_in_words(board))


def test_what_is_unknown_widens_the_bounds() -> None:
    one = published("m", [[10, 5], [5, 10]])
    either = published("m", [[10, 5], [5, 10]], [[11, 4], [5, 10]])
    narrow, wide = (published_board([m]).scores[0] for m in (one, either))

    assert wide.right.low == 20
    assert wide.right.high == 21
    assert wide.interval.low == narrow.interval.low
    assert wide.interval.high > narrow.interval.high
    assert wide.p_guessing.low < 0.04
    assert wide.p_guessing.high == pytest.approx(narrow.p_guessing.low, abs=0.002)  # Monte Carlo


def test_the_edges_are_those_of_predictions() -> None:
    """Few mistakes: at least as far as exact bounds; small classes: theirs are added."""
    nearly = np.array([[20, 1, 0, 0], [0, 20, 0, 0], [0, 0, 20, 0]])
    low = [clopper_pearson(share, n)[0] for share, n in ((20 / 21, 21), (1.0, 20), (1.0, 20))]
    exact = np.sqrt(sum((s - one) ** 2 for s, one in zip((20 / 21, 1, 1), low, strict=True))) / 3
    assert ends(0.9, 0.001, nearly)[0] == pytest.approx(0.9 - exact)
    assert ends(0.9, 0.5, nearly) == (0.4, 1.4)

    rare = np.array([[20, 10, 0, 0], [8, 20, 0, 0], [0, 2, 2, 0]])
    down = (0.5 - clopper_pearson(0.5, 4)[0]) / 3
    assert ends(0.6, 0.1, rare)[0] == pytest.approx(0.6 - np.hypot(0.1, down))
