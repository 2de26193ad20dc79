"""The leaderboard of made answers: its floors, its order, and what it says."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import log_loss

from answer_tables import answer_table, noisy
from footwork.errors import DataError
from footwork.evaluate.intervals import GroupBootstrap, Kind
from footwork.evaluate.leaderboard import (
    difference_in_words,
    floors_of,
    leaderboard,
    reference,
    two,
)
from footwork.evaluate.tiers import holm
from footwork.predictions import Predictions
from footwork.records import Leaderboard

CLASSES = ("heel_hook", "others", "toe_hook")
LABEL = np.repeat([0, 1, 2], [25, 25, 17])
RIGHT, UNIT, DIVIDED = "p", "q", "r"  # entry hashes
TITLES = {
    RIGHT: "lite0 · probe",
    UNIT: "lite0 · probe [unit-range]",
    DIVIDED: "lite0 · probe [right-then-divided]",
}


def board(
    table: Predictions,
    titles: dict[str, str] | None = None,
    *,
    kind: Kind = "recipe",
    drawn: bool = False,
) -> Leaderboard:
    return leaderboard(table, kind=kind, seed=12, titles=titles or {}, drawn=drawn)


def compared(*right: float, seed: int = 0) -> Leaderboard:
    """A leaderboard of entries A, B, ... that are right with these probabilities."""
    answers = {
        "ABCDEF"[i]: noisy(LABEL, share, seed=seed + i, steady=0.0) for i, share in enumerate(right)
    }
    table = answer_table(LABEL, answers, classes=CLASSES)
    return board(table, {name: f"{name.lower()} · probe" for name in answers})


@pytest.mark.parametrize(
    ("sizes", "low", "high"), [((106, 76, 124), 0.278, 0.383), ((24, 18, 20), 0.214, 0.450)]
)
def test_guessing_ranges_as_known(sizes: tuple[int, ...], low: float, high: float) -> None:
    """The range of one pass; the ends come from two million simulated passes."""
    floors = floors_of(np.repeat([0, 1, 2], sizes), CLASSES, seed=12)

    assert floors.guessing.value == pytest.approx(0.3295, abs=0.002)
    assert floors.guessing.low == pytest.approx(low, abs=0.005)
    assert floors.guessing.high == pytest.approx(high, abs=0.005)


def test_the_largest_class_is_a_floor() -> None:
    """Always answering the class with 124 of 306 photos."""
    floors = floors_of(np.repeat([0, 2, 1], [106, 76, 124]), CLASSES, seed=12)

    assert floors.largest_class == "others"
    assert floors.largest_class_macro_f1 == pytest.approx(2 * 124 / (124 + 306) / 3)
    assert reference(floors) == floors.guessing.value


def test_where_one_class_rules_answering_it_is_the_floor() -> None:
    """1 of 64: guessing gets 0.36, always answering the large class 0.49."""
    label = np.repeat([0, 1], [62, 2])
    table = answer_table(label, {"p": np.zeros((5, 64), int)}, classes=CLASSES[:2])
    made = board(table)

    assert reference(made.floors) == made.floors.largest_class_macro_f1
    assert not made.entries[0].beats_guessing
    assert "cannot be told from always answering heel_hook (0.49)" in made.sentences[0]


def test_the_floors_do_not_depend_on_the_order_of_the_classes() -> None:
    one = floors_of(np.repeat([0, 1, 2], [30, 20, 10]), ("a", "b", "c"), seed=3)
    other = floors_of(np.repeat([2, 0, 1], [30, 20, 10]), ("b", "c", "a"), seed=3)

    assert one == other


def test_entries_are_sorted_by_score_then_by_hash() -> None:
    worst, best = noisy(LABEL, 0.1), noisy(LABEL, 0.9)
    table = answer_table(LABEL, {"c": best, "z": worst, "a": best}, classes=CLASSES)

    assert [one.entry for one in board(table).entries] == ["a", "c", "z"]


def test_every_number_of_an_entry() -> None:
    answers = np.array([[0, 0, 1, 1, 2, 2], [0, 1, 1, 1, 2, -1]])
    table = answer_table([0, 0, 1, 1, 2, 2], {"p": answers}, classes=CLASSES)
    made = board(table).entries[0]

    assert made.accuracy.value == pytest.approx((1 + 4 / 6) / 2)
    assert made.balanced_accuracy.value == pytest.approx((1 + 2 / 3) / 2)
    heel, others, toe = made.classes
    assert (heel.name, heel.precision, heel.recall, heel.support) == ("heel_hook", 1, 0.75, 2)
    assert heel.f1 == pytest.approx((1 + 2 / 3) / 2)
    assert others.precision == pytest.approx((1 + 2 / 3) / 2)
    assert toe.f1 == pytest.approx((1 + 2 / 3) / 2)
    assert made.macro_f1.value == pytest.approx(np.mean([heel.f1, others.f1, toe.f1]))
    assert made.confusion == ((1.5, 0.5, 0.0, 0.0), (0.0, 2.0, 0.0, 0.0), (0.0, 0.0, 1.5, 0.5))
    assert made.failed == 1
    assert made.log_loss is None  # one photo has no probabilities


def test_log_loss_is_over_all_answers() -> None:
    table = answer_table(LABEL, {"p": noisy(LABEL, 0.6)}, classes=CLASSES)

    assert board(table).entries[0].log_loss == pytest.approx(log_loss(table.truth, table.proba))


def test_an_entry_without_rows_is_not_in_the_table() -> None:
    table = answer_table(LABEL, {"p": noisy(LABEL, 0.6), "q": noisy(LABEL, 0.3)}, classes=CLASSES)

    assert [one.entry for one in board(table.of_entry(1)).entries] == ["q"]


def test_a_class_without_test_photos_is_an_error() -> None:
    table = answer_table([0, 0, 1, 1], {"p": [0, 1, 0, 1]}, classes=CLASSES)

    with pytest.raises(DataError, match="'toe_hook' has 0 of 4"):
        board(table, kind="model")


# What it says


def test_one_entry_that_beats_guessing() -> None:
    made = compared(0.7)
    score = made.entries[0].macro_f1

    assert made.sentences[0] == (
        f"a · probe scores a macro-F1 of {score.value:.2f} (95 % interval {score.low:.2f} to "
        f"{score.high:.2f}), better than guessing (0.33) on these 67 photos."
    )
    needed = 67 * ((score.high - score.value) / 0.05) ** 2
    assert made.sentences[1:] == (
        f"About {float(f'{needed:.2g}'):,.0f} photos like these 67 would make the interval no "
        "wider than 0.05 on either side.",
    )
    assert made.entries[0].beats_guessing


def test_one_entry_that_guesses() -> None:
    made = compared(0.0)

    assert not made.entries[0].beats_guessing
    assert "cannot be told from guessing (0.33) on these 67 photos." in made.sentences[0]


def test_an_entry_that_is_always_wrong() -> None:
    table = answer_table(LABEL, {"p": np.tile((LABEL + 1) % 3, (5, 1))}, classes=CLASSES)

    assert "worse than guessing (0.33)" in board(table).sentences[0]


def test_two_that_cannot_be_told_apart() -> None:
    made = compared(0.5, 0.45)
    best = made.entries[0].entry.lower()
    other = made.entries[1].entry.lower()

    assert made.sentences[0].startswith(f"Of 2 compared, {best} · probe scores higher: a macro-F1")
    assert made.sentences[1].startswith(
        f"{best} · probe and {other} · probe cannot be told apart: the difference is 0.0"
    )
    assert "(-0." in made.sentences[1]
    assert " to +0." in made.sentences[1]


def test_two_that_can_be_told_apart() -> None:
    made = compared(0.9, 0.2)

    assert made.sentences[1].startswith("a · probe is better than b · probe: the difference is 0.")
    assert "(+0." in made.sentences[1]


def test_the_photos_needed_follow_from_the_standard_error_and_not_from_the_difference() -> None:
    answers = {"A": noisy(LABEL, 0.9), "B": noisy(LABEL, 0.2, seed=1)}
    table = answer_table(LABEL, answers, classes=CLASSES)
    error = GroupBootstrap(table, kind="recipe", seed=12).standard_error("A", "B")
    spread = 0.8416 / 2**0.25  # half-way, in ratio, between the error with sqrt(2) and without
    needed = 67 * ((1.96 + spread) * error / 0.05) ** 2

    made = board(table)

    assert made.photos_needed == float(f"{needed:.2g}")
    assert made.smallest_seen == pytest.approx(
        # Student's t with 64 degrees of freedom; 2 x 3 pretended groups beside 67
        (1.9977 * np.sqrt(73 / 67) + spread) * error,
        rel=1e-4,
    )
    assert made.sentences[2] == (
        f"The smallest difference that could be seen now is about {made.smallest_seen:.2f}; about "
        f"{made.photos_needed:,} photos like these 67 would show a difference of 0.05 with 80 % "
        "power."
    )


def test_where_nothing_could_be_seen_no_difference_above_one_is_named() -> None:
    label = np.array([0, 1, 2] * 2)
    answers = {"A": noisy(label, 0.9), "B": noisy(label, 0.2, seed=1)}
    made = board(answer_table(label, answers, classes=CLASSES))

    assert made.smallest_seen is None
    assert made.photos_needed is not None
    assert made.sentences[2].startswith(
        f"No difference, however large, could be counted on to be seen now; about "
        f"{made.photos_needed:,} photos like these 6 would show"
    )


def test_of_two_groups_equally_large_the_first_by_name_is_named() -> None:
    label = np.array([0, 1])
    table = answer_table(label, {"A": label}, classes=("heel_hook", "toe_hook"))
    photos = replace(table.photos, group=np.array([1, 0]), group_name=("g0", "g1"))
    names = [
        next(said for said in board(replace(table, photos=one)).sentences if "One group" in said)
        for one in (photos, replace(photos, group=1 - photos.group))
    ]
    assert names[0] == names[1]
    assert "(g0: 1 of 2)" in names[0]


def test_many_photos_are_enough() -> None:
    label = np.repeat([0, 1, 2], 2000)
    answers = {"A": noisy(label, 0.9, repeats=1), "B": noisy(label, 0.8, repeats=1, seed=1)}
    made = board(answer_table(label, answers, classes=CLASSES), kind="model")

    assert made.sentences[2] == (
        "The smallest difference that could be seen now is about 0.01, with 80 % power: these "
        "6,000 photos are enough."
    )


@pytest.mark.parametrize(
    ("right", "start"),
    [
        ((0.5, 0.5, 0.5), "Neither of the 2 others can be told apart from it, corrected for the 3"),
        ((0.5, 0.5, 0.5, 0.5), "None of the 3 others can be told apart from it, corrected for the"),
        ((0.9, 0.9, 0.1), "1 of the 2 others cannot be told apart from it ("),
        ((0.9, 0.2, 0.1), "It is better than each of the 2 others, corrected for the 3"),
    ],
)
def test_several_others(right: tuple[float, ...], start: str) -> None:
    made = compared(*right)
    runner_up = made.entries[1].entry.lower()
    pairs = len(right) * (len(right) - 1) // 2

    assert made.sentences[0].startswith(f"Of {len(right)} compared, ")
    assert " scores highest: " in made.sentences[0]
    assert made.sentences[1].startswith(start), made.sentences[1]
    assert (
        f"corrected for the {pairs} comparisons made; the difference to the runner-up, "
        in (made.sentences[1])
    )
    assert f"{runner_up} · probe, is 0." in made.sentences[1]


def test_tiers_and_pairs_are_corrected_for_all_pairs() -> None:
    """What one comparison by itself would show may not survive that three were made."""
    made = compared(0.9, 0.88, 0.2)
    by_hash = {one.entry: one.tier for one in made.entries}

    assert by_hash == {"A": 1, "B": 1, "C": 2}
    assert [(pair.a, pair.b) for pair in made.pairs] == [
        (a.entry, b.entry) for a, b in combinations(made.entries, 2)
    ]
    assert [pair.p for pair in made.pairs] == holm(
        np.array([pair.p_alone for pair in made.pairs])
    ).tolist()
    for pair in made.pairs:
        assert (pair.p_alone < 0.05) == (pair.difference.low > 0)


def test_a_broken_contract_is_in_no_tier() -> None:
    answers = {RIGHT: noisy(LABEL, 0.8), UNIT: noisy(LABEL, 0.1, seed=1)}
    made = board(answer_table(LABEL, answers, classes=CLASSES), TITLES)

    assert {one.entry: one.tier for one in made.entries} == {RIGHT: 1, UNIT: 0}
    assert made.pairs == ()


def test_what_permuted_labels_say_counts_more_than_the_interval() -> None:
    """0.53 of 67 photos; the interval alone is not enough, 19 permutations below it are."""
    answers = {"p": noisy(LABEL, 0.24, seed=3), "q": noisy(LABEL, 0.0, seed=4)}
    table = answer_table(LABEL, answers, classes=CLASSES)
    low = {name: np.linspace(0.25, 0.38, 19) for name in "pq"}
    high = {"p": low["p"], "q": low["q"] + np.where(np.arange(19) == 18, 0.3, 0)}
    plain = board(table)
    floor, luck = (
        leaderboard(table, kind="recipe", seed=12, titles={}, drawn=False, permuted=permuted)
        for permuted in (low, high)
    )

    assert plain.floors.permuted is None
    assert [one.p_nothing for one in plain.entries] == [None, None]
    assert floor.entries[0].p_nothing == 1 / 20
    assert floor.entries[0].beats_guessing
    assert not plain.entries[0].beats_guessing
    assert "better than guessing" in floor.sentences[0]
    assert floor.floors.permuted is not None
    assert floor.floors.permuted.highest == 0.38
    assert floor.sentences[3].startswith(
        "Refitted on labels permuted by group 19 times, the best of them scores 0.32 on average "
        "and at most 0.38: base_p · probe is better than nothing (p = 0.05)."
    )
    # One lucky permutation of the other entry: the best of two was chosen.
    assert luck.entries[0].p_nothing == 2 / 20
    assert not luck.entries[0].beats_guessing


def test_what_breaking_the_contract_costs() -> None:
    answers = {
        RIGHT: noisy(LABEL, 0.8),
        UNIT: noisy(LABEL, 0.1, seed=1),
        DIVIDED: noisy(LABEL, 0.8),
    }
    answers[DIVIDED][:, 0] = 1
    said = board(answer_table(LABEL, answers, classes=CLASSES), TITLES).sentences

    assert said[0].startswith("lite0 · probe scores ")  # a broken contract is no contender
    assert "between the best two" not in " ".join(said)
    assert said[2].startswith(
        "Feeding lite0 · probe its own inputs divided by 255 changes nothing that can be shown "
        "here: the cost is 0.0"
    )
    assert said[3].startswith(
        "Feeding lite0 · probe pixels in [0, 1] instead of its own range costs 0."
    )
    assert len(said) == 4


def test_a_broken_contract_that_wins_is_suspicious_and_never_the_best() -> None:
    answers = {RIGHT: noisy(LABEL, 0.1, seed=1), UNIT: noisy(LABEL, 0.9)}
    said = board(answer_table(LABEL, answers, classes=CLASSES), TITLES).sentences

    assert said[0].startswith("lite0 · probe scores ")
    assert "gains 0." in said[2]
    assert said[2].endswith("which it should not: check its contract.")


@pytest.mark.parametrize(("right", "told"), [(0.9, "differs from"), (0.5, "cannot be told apart")])
def test_wrong_inputs_that_a_recipe_chose_are_paired_with_the_best(right: float, told: str) -> None:
    """As in `seed`: its base has no right row of that recipe to be held against."""
    table = answer_table(
        LABEL, {UNIT: noisy(LABEL, 0.5), "s": noisy(LABEL, right, seed=1)}, classes=CLASSES
    )
    made = board(table, TITLES)
    assert len(made.pairs) == 0  # not ranked
    (sentence,) = [one for one in made.sentences if "is not ranked" in one]
    assert sentence.startswith("lite0 · probe [unit-range] has inputs other than")
    assert told in sentence
    gap = GroupBootstrap(table, kind="recipe", seed=12).difference("s", UNIT)
    assert f"base_s · probe, whose score less its own is {difference_in_words(gap)}" in sentence


def test_a_broken_contract_alone() -> None:
    table = answer_table(LABEL, {UNIT: noisy(LABEL, 0.5)}, classes=CLASSES)
    said = board(table, TITLES).sentences

    assert said[0].startswith("lite0 · probe [unit-range] scores ")
    assert not any(sentence.startswith("Feeding") for sentence in said)


def test_a_single_group_and_drawn_pictures_are_said() -> None:
    answers = {"p": noisy(LABEL, 0.9), "q": noisy(LABEL, 0.1)}
    table = answer_table(LABEL, answers, classes=CLASSES, group=[0] * 67)
    said = board(table, drawn=True).sentences

    assert "(95 % interval 0.00 to 1.00), which cannot be told from guessing" in said[0]
    assert "base_p · probe and base_q · probe cannot be told apart" in said[1]
    assert said[2:] == (
        "All photos belong to one group, so nothing can be said about other photos.",
        "These pictures are drawn by code: the scores claim nothing about photos.",
    )


def test_equal_answers_promise_nothing_about_more_photos() -> None:
    same = np.tile(LABEL, (5, 1))
    said = board(answer_table(LABEL, {"p": same, "q": same}, classes=CLASSES)).sentences

    assert "(95 % interval 0.91 to 1.00)" in said[0]
    assert "cannot be told apart: the difference is 0.00 (-0.09 to +0.09)." in said[1]
    assert len(said) == 2


def test_numbers_read_well() -> None:
    assert two(-0.001) == two(-0.001, sign=True) == "0.00"
    assert two(0.111, sign=True) == "+0.11"
    assert two(-0.051, sign=True) == "-0.05"


def test_the_seed_decides() -> None:
    table = answer_table(LABEL, {"p": noisy(LABEL, 0.6)}, classes=CLASSES)
    again = replace(table, predicted=table.predicted.copy())
    other = leaderboard(table, kind="recipe", seed=13, titles={}, drawn=False)

    assert board(table) == board(again)
    assert board(table).entries[0].macro_f1.low != other.entries[0].macro_f1.low
