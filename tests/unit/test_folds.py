"""Folds: refusals that say what to do, given splits, and a comparison with scikit-learn's."""

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray

from footwork.errors import DataError
from footwork.folds import Fold, assign_folds, cross_validation, given_split

CLASSES = ("heel_hook", "others", "toe_hook")


def cut(
    label: list[int], group: list[int] | None = None, folds: int = 5, classes: int = 3
) -> list[list[Fold]]:
    return cross_validation(
        np.array(label, dtype=np.int64),
        np.array(range(len(label)) if group is None else group, dtype=np.int64),
        image=[f"{i:064x}" for i in range(len(label))],
        folds=folds,
        repeats=1,
        seed=12,
        classes=CLASSES[:classes],
    )


def test_fewer_than_two_folds_are_refused() -> None:
    with pytest.raises(DataError, match="at least 2 folds, not 1: use --folds 2"):
        cut([0, 1] * 10, folds=1, classes=2)


def test_one_class_is_refused() -> None:
    with pytest.raises(DataError, match=r"of one class; .* Import photos of another class"):
        cross_validation(
            np.zeros(9, np.int64), np.arange(9), image="abcdefghi", folds=3, repeats=1, seed=0
        )


def test_a_class_without_a_photo_is_named() -> None:
    with pytest.raises(DataError, match=r"Class 'toe_hook' has 0 photo\(s\)"):
        cut([0, 1] * 10)


def test_a_class_with_one_photo_is_named() -> None:
    with pytest.raises(DataError, match=r"'toe_hook' has 1 photo\(s\).*at least 5 photos of it"):
        cut([0, 1] * 10 + [2])


def test_a_class_whose_photos_are_all_copies_is_named() -> None:
    with pytest.raises(DataError, match="All 6 photos of class 'toe_hook' are one group"):
        cut([0, 1] * 10 + [2] * 6, [*range(20), *[20] * 6])


def test_a_class_with_too_few_groups_says_how_many_folds_work() -> None:
    label, group = [0, 1] * 10 + [2] * 6, [*range(20), 20, 20, 20, 21, 21, 22]
    with pytest.raises(DataError, match=r"'toe_hook' has 6 photos in 3 groups.*use --folds 3,"):
        cut(label, group)
    assert len(cut(label, group, folds=3)[0]) == 3


def test_fewer_photos_than_folds_are_refused() -> None:
    with pytest.raises(DataError, match="4 photos cannot be cut into 5 folds: use --folds 2"):
        cut([0, 0, 1, 1], classes=2)


def test_an_image_that_is_listed_twice_is_refused() -> None:
    with pytest.raises(DataError, match="Image b is listed twice"):
        cross_validation(
            np.array([0, 0, 1, 1]), np.arange(4), image="abbc", folds=2, repeats=1, seed=0
        )


def test_classes_that_cannot_all_be_trained_on_are_refused() -> None:
    """Three groups, each of two classes: two folds leave one side without a class."""
    with pytest.raises(DataError, match="shares its groups with other classes"):
        cut([0, 1, 1, 2, 2, 0], [0, 0, 1, 1, 2, 2], folds=2)


@pytest.mark.parametrize("seed", range(5))
def test_a_class_is_kept_in_training_even_where_that_is_less_even(seed: int) -> None:
    """The evenest two folds would test both groups of the first class together."""
    per_group = np.array([[0, 10, 11], [6, 0, 3], [0, 0, 3], [1, 6, 0]])
    group, label = (
        np.repeat(axis, per_group.ravel()) for axis in np.indices((4, 3)).reshape(2, 12)
    )

    number = assign_folds(label, group, 2, np.random.default_rng(seed))

    for fold in range(2):
        assert set(label[number != fold]) == {0, 1, 2}


@pytest.mark.parametrize("most", [1, 12])
def test_folds_are_evener_than_those_of_scikit_learn(most: int) -> None:
    """On mixed groups ours are better by far, on single photos never worse (why it is our own)."""
    from sklearn.model_selection import StratifiedGroupKFold

    def unevenness(label: NDArray[np.int64], number: NDArray[np.int64]) -> float:
        table = np.zeros((5, 4))
        np.add.at(table, (number, label), 1)
        table[:, 3] = table.sum(axis=1)
        mean = table.mean(axis=0)
        return float(((table - mean) ** 2 / (5 * mean)).sum())

    ours, theirs = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        group = np.repeat(np.arange(120), rng.integers(1, most + 1, 120))[:120].astype(np.int64)
        main = rng.integers(0, 3, 120)
        label = np.where(rng.random(120) < 0.5, main[group], rng.integers(0, 3, 120))
        number = np.empty(120, dtype=np.int64)
        splitter = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            for fold, (_, test) in enumerate(splitter.split(label, label, group)):
                number[test] = fold
        theirs.append(unevenness(label, number))
        ours.append(unevenness(label, assign_folds(label, group, 5, rng)))

    if most == 1:
        assert (np.array(ours) <= np.array(theirs) + 1e-9).all()
    else:
        assert np.mean(ours) < np.mean(theirs) / 2  # measured: 0.36


def imported(split: str, label: str, group: str | None = None) -> Fold:
    """One letter per photo: t(rain), v(al), s (test), - (none); its class; its group."""
    sides = {"t": "train", "v": "val", "s": "test", "-": None}
    return given_split(
        [sides[letter] for letter in split],
        np.array([int(letter) for letter in label]),
        np.array([ord(letter) for letter in group]) if group else np.arange(len(split)),
        names=[f"photo{i}.jpg" for i in range(len(split))],
        classes=CLASSES[:2],
    )


def test_a_given_split_trains_on_train_and_val() -> None:
    fold = imported("tsvts", "00111")

    assert fold.train.tolist() == [0, 2, 3]
    assert fold.test.tolist() == [1, 4]


def test_a_group_on_both_sides_is_named() -> None:
    with pytest.raises(DataError, match=r"1 group\(s\).*photo1.jpg, photo3.jpg\. Move"):
        imported("ttss", "0101", "abcb")


def test_a_given_split_without_test_photos_is_refused() -> None:
    with pytest.raises(DataError, match=r"no test photo.*--split cv"):
        imported("ttvv", "0101")


def test_photos_without_a_split_are_named() -> None:
    with pytest.raises(DataError, match=r"2 of 6 photos .*\(photo4.jpg, photo5.jpg\)"):
        imported("ttss--", "010101")


@pytest.mark.parametrize(("label", "side"), [("0001", "train or val"), ("0100", "test")])
def test_a_class_missing_from_a_side_is_named(label: str, side: str) -> None:
    with pytest.raises(DataError, match=f"Class 'others' has no {side} photo"):
        imported("ttss", label)
