"""Laws of the folds: what must hold for any photos, classes, groups and seeds."""

from dataclasses import dataclass
from random import Random

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from footwork.errors import DataError
from footwork.folds import Fold, assign_folds, cross_validation
from footwork.models.head import inner_cut

Cuts = list[list[Fold]]


@dataclass(frozen=True)
class Album:
    """Photos with classes and groups that `folds` folds can be cut from."""

    label: NDArray[np.int64]
    group: NDArray[np.int64]
    image: list[str]
    folds: int
    seed: int

    def cut(self, repeats: int = 2) -> Cuts:
        return cross_validation(
            self.label,
            self.group,
            image=self.image,
            folds=self.folds,
            repeats=repeats,
            seed=self.seed,
        )


@st.composite
def albums(draw: st.DrawFn, mixed: bool = True, largest: int = 5) -> Album:
    """Each class has at least `folds` groups of 1 to `largest` photos; some groups mix classes."""
    folds = draw(st.integers(2, 6))
    classes = draw(st.integers(2, 4))
    label: list[int] = []
    group: list[int] = []
    for klass in range(classes):
        sizes = draw(st.lists(st.integers(1, largest), min_size=folds, max_size=12))
        for size in sizes:
            label += [klass] * size
            group += [len(set(group))] * size
    if mixed:
        strangers = draw(st.lists(st.integers(0, len(label) - 1), max_size=8))
        for photo in strangers:
            label[photo] = (label[photo] + 1) % classes
    y, g = np.array(label, dtype=np.int64), np.array(group, dtype=np.int64)
    assume(all(len(np.unique(g[y == k])) >= folds for k in range(classes)))
    ids = [f"{number:064x}" for number in draw(st.permutations(range(len(label))))]
    return Album(y, g, ids, folds, draw(st.integers(0, 2**31 - 1)))


def as_sets(cuts: Cuts, image: list[str]) -> list[list[frozenset[str]]]:
    return [[frozenset(image[i] for i in fold.test) for fold in cut] for cut in cuts]


def counts(cut: list[Fold], label: NDArray[np.int64]) -> NDArray[np.int64]:
    k = int(label.max()) + 1
    return np.array([np.bincount(label[fold.test], minlength=k) for fold in cut])


def unevenness(table: NDArray[np.int64]) -> float:
    """Over folds and classes, and for all photos: (photos in the fold)^2 / (photos)."""
    whole = np.column_stack([table, table.sum(axis=1)])
    return float((whole**2 / whole.sum(axis=0)).sum())


@given(albums())
def test_every_photo_is_tested_exactly_once_per_repeat(album: Album) -> None:
    for cut in album.cut():
        assert len(cut) == album.folds
        tested = np.concatenate([fold.test for fold in cut])
        assert sorted(tested) == list(range(len(album.label)))
        for fold in cut:
            assert len(fold.test)
            both = np.concatenate([fold.train, fold.test])
            assert sorted(both) == list(range(len(album.label)))
            assert (np.diff(fold.train) > 0).all()
            assert (np.diff(fold.test) > 0).all()


@given(albums())
def test_no_group_is_on_both_sides(album: Album) -> None:
    for cut in album.cut():
        for fold in cut:
            assert not set(album.group[fold.train]) & set(album.group[fold.test])


@given(albums())
def test_every_training_side_holds_every_class(album: Album) -> None:
    for cut in album.cut():
        for fold in cut:
            assert set(album.label[fold.train]) == set(album.label)


@given(albums(), st.randoms(use_true_random=False))
def test_neither_order_nor_numbering_of_photos_classes_and_groups_matters(
    album: Album, random: Random
) -> None:
    n = len(album.label)
    order = list(range(n))
    random.shuffle(order)
    new_label = list(range(int(album.label.max()) + 1))
    random.shuffle(new_label)
    new_group = list(range(100, 101 + int(album.group.max())))
    random.shuffle(new_group)
    other = Album(
        np.array(new_label)[album.label][order],
        np.array(new_group)[album.group][order],
        [album.image[i] for i in order],
        album.folds,
        album.seed,
    )

    assert as_sets(other.cut(), other.image) == as_sets(album.cut(), album.image)


@given(albums())
def test_the_seed_decides_and_a_repeat_does_not_depend_on_those_after_it(album: Album) -> None:
    three = as_sets(album.cut(repeats=3), album.image)

    assert as_sets(album.cut(repeats=1), album.image) == three[:1]
    assert as_sets(album.cut(repeats=3), album.image) == three


@given(st.integers(0, 2**31 - 2))
def test_repeats_and_seeds_give_different_folds(seed: int) -> None:
    label = np.arange(60) % 3
    image = [f"{i:03d}" for i in range(60)]

    def cut(seed: int) -> list[frozenset[frozenset[str]]]:
        album = Album(label, np.arange(60), image, 5, seed)
        return [frozenset(tests) for tests in as_sets(album.cut(repeats=3), image)]

    assert len({*cut(seed), *cut(seed + 1)}) == 6


@given(albums(mixed=False, largest=1))
def test_photos_without_copies_are_spread_evenly_to_one_photo(album: Album) -> None:
    for cut in album.cut():
        table = counts(cut, album.label)
        assert np.ptp(table, axis=0).max() <= 1
        assert np.ptp(table.sum(axis=1)) <= 1


@given(albums())
@settings(max_examples=60)
def test_no_group_can_move_or_change_places_for_evener_folds(album: Album) -> None:
    """As even as groups allow: no single move and no swap of two groups does better."""
    k = int(album.label.max()) + 1
    per_group = np.zeros((int(album.group.max()) + 1, k), dtype=np.int64)
    np.add.at(per_group, (album.group, album.label), 1)
    cut = album.cut(repeats=1)[0]
    table = counts(cut, album.label)
    fold_of = np.empty(len(per_group), dtype=np.int64)
    for number, fold in enumerate(cut):
        fold_of[album.group[fold.test]] = number
    now = unevenness(table)

    def after(g: int, target: int, h: int | None = None) -> float:
        moved = table.copy()
        source = fold_of[g]
        for group, away, to in (
            (g, source, target),
            *(((h, target, source),) if h is not None else ()),
        ):
            moved[away] -= per_group[group]
            moved[to] += per_group[group]
        if (moved == table.sum(axis=0)).any():  # a class would be missing in training
            return np.inf
        return unevenness(moved)

    for g in range(len(per_group)):
        for target in set(range(album.folds)) - {int(fold_of[g])}:
            assert after(g, target) >= now - 1e-6
            for h in np.flatnonzero(fold_of == target)[:4]:
                assert after(g, target, int(h)) >= now - 1e-6


@given(st.integers(2, 5), st.integers(0, 2**31 - 1), st.integers(20, 200))
def test_a_huge_group_takes_a_fold_and_the_rest_is_shared(folds: int, seed: int, huge: int) -> None:
    """Groups of one photo beside one that is larger than a fold: the others stay even."""
    singles = 12 * (folds - 1)
    label = np.concatenate([np.arange(huge) % 2, np.arange(singles) % 2])
    group = np.concatenate([np.zeros(huge, dtype=np.int64), 1 + np.arange(singles)])

    number = assign_folds(label, group, folds, np.random.default_rng(seed))

    sizes = sorted(np.bincount(number, minlength=folds))
    assert sizes == [12] * (folds - 1) + [huge]


@given(albums(), st.integers(2, 6))
def test_inner_folds_never_share_a_group_and_train_on_every_class(album: Album, most: int) -> None:
    """The folds that choose the penalty are cut from the training side of an outer fold."""
    k = int(album.label.max()) + 1
    for fold in album.cut(repeats=1)[0]:
        y, group = album.label[fold.train], album.group[fold.train]
        inner = inner_cut(y, group, k, seed=album.seed, most=most)
        fewest = min(len(np.unique(group[y == c])) for c in range(k))
        assert len(inner) in (min(most, fewest), 0)
        assert inner or fewest < 2 or k > 2
        for part in inner:
            assert not set(group[part.train]) & set(group[part.test])
            assert len(np.unique(y[part.train])) == k
        if inner:
            tested = np.concatenate([part.test for part in inner])
            assert sorted(tested) == list(range(len(y)))


@given(st.integers(2, 7), st.integers(1, 8), st.integers(0, 100))
def test_too_few_groups_are_refused_with_the_number_that_works(
    folds: int, groups: int, seed: int
) -> None:
    """--folds as the message says then works; one group alone never does."""
    label = np.array([0] * 40 + [1] * 16)
    group = np.concatenate([np.arange(40), 40 + np.arange(16) % groups])
    image = [f"{i:03d}" for i in range(56)]
    if groups >= folds:
        cross_validation(label, group, image=image, folds=folds, repeats=1, seed=seed)
        return
    with pytest.raises(DataError) as refused:
        cross_validation(label, group, image=image, folds=folds, repeats=1, seed=seed)
    if groups >= 2:
        assert f"use --folds {groups}," in str(refused.value)
        cross_validation(label, group, image=image, folds=groups, repeats=1, seed=seed)
