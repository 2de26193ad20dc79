"""Permuted labels: what is kept by a permutation, and what the scores under it are."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from footwork.errors import DataError
from footwork.evaluate import permuted
from footwork.evaluate.answers import Entry
from footwork.evaluate.dataset import DataSet
from footwork.evaluate.permuted import permuted_by_group, permuted_scores
from footwork.folds import Fold
from footwork.models.features import Features
from footwork.models.head import out_of_fold
from footwork.predictions import Photos
from footwork.progress import Progress
from footwork.project import CompareSettings
from footwork.runs import read_null, write_null

SETTINGS = CompareSettings(permutations=19, folds=3, seed=5)
ENTRY = cast(
    Entry,
    SimpleNamespace(
        digest="e", base="base", blocks=(), recipe=SimpleNamespace(name="probe", kind="probe")
    ),
)


def nearest_mean(
    X: NDArray[np.float32],
    y: NDArray[np.int64],
    _group: NDArray[np.int64],
    k: int,
    folds: Sequence[Sequence[Fold]],
    **_rest: object,
) -> NDArray[np.float64]:
    """A head that is fitted in no time, in the place of `out_of_fold`."""
    answers = np.full((len(folds), len(y), k), np.nan)
    for repeat, cut in enumerate(folds):
        for fold in cut:
            means = np.stack([X[fold.train][y[fold.train] == c].mean(axis=0) for c in range(k)])
            far = ((X[fold.test][:, None] - means) ** 2).sum(axis=2)
            answers[repeat, fold.test] = far.min(axis=1, keepdims=True) / far
    return answers


@pytest.fixture(autouse=True)
def quick_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permuted, "out_of_fold", nearest_mean)


def data_of(label: NDArray[np.int64], group: NDArray[np.int64]) -> DataSet:
    k = int(label.max()) + 1
    photos = Photos(
        image=tuple(f"{i:064x}" for i in range(len(label))),
        path=tuple(f"{i}.jpg" for i in range(len(label))),
        label=label,
        group=group,
        group_name=tuple(f"g{i:04}" for i in range(int(group.max()) + 1)),
    )
    return DataSet(photos, tuple("abcde"[:k]), (None,) * len(label), 0)


def features_of(vectors: NDArray[np.float32], failed: dict[int, str] | None = None) -> Features:
    return Features(vectors, failed or {}, 1.0, 0)


def scored(data: DataSet, seen: Features, cache: Path) -> NDArray[np.float64]:
    return permuted_scores(ENTRY, data, seen, cache, SETTINGS, Progress())


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5)), min_size=1, max_size=30))
def test_groups_keep_one_class_and_classes_their_number_of_groups(
    groups: list[tuple[int, int]],
) -> None:
    label = np.repeat([one for one, _ in groups], [size for _, size in groups])
    group = np.repeat(np.arange(len(groups)), [size for _, size in groups])
    order = np.random.default_rng(1).permutation(len(label))
    label, group = label[order], group[order]
    dealt = permuted_by_group(label, group, np.random.default_rng(2))

    of_group = [np.unique(dealt[group == g]) for g in range(len(groups))]
    assert all(len(one) == 1 for one in of_group)
    assert sorted(int(one[0]) for one in of_group) == sorted(one for one, _ in groups)


def test_a_mixed_group_is_dealt_whole() -> None:
    label, group = np.array([0, 1, 0, 2, 2, 2]), np.array([0, 0, 0, 1, 1, 2])
    seen = {
        tuple(permuted_by_group(label, group, np.random.default_rng(i)).tolist()) for i in range(60)
    }

    assert (0, 1, 0, 2, 2, 2) in seen
    assert (2, 2, 2, 0, 1, 2) in seen  # cut to the two photos that get it
    assert (2, 2, 2, 2, 2, 0) in seen


def test_nothing_is_learnt_from_permuted_labels(tmp_path: Path) -> None:
    """Copies of a photo tell each other's class; under permuted labels they still agree."""
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1, 2], 20)
    vectors = (3 * np.eye(3)[label] + rng.normal(size=(60, 3))).astype(np.float32)
    alone = scored(data_of(label, np.arange(60)), features_of(vectors), tmp_path)

    assert len(alone) == 19
    assert 0.2 < alone.mean() < 0.42
    assert alone.std() > 0.02
    again = scored(data_of(label, np.arange(60)), features_of(vectors), tmp_path / "other")
    assert (alone == again).all()


def test_the_recipe_itself_is_refitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permuted, "out_of_fold", out_of_fold)
    label = np.repeat([0, 1], 10)
    vectors = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    two = SETTINGS.model_copy(update={"permutations": 2})
    data, seen = data_of(label, np.arange(20)), features_of(vectors)
    scores = permuted_scores(ENTRY, data, seen, tmp_path, two, Progress())

    place = np.arange(20)
    for number in range(2):
        dealt, folds = permuted.permuted_cut(data, place, two, number)
        proba = out_of_fold(vectors, dealt, np.arange(20), 2, [folds], seed=5)[0]
        assert scores[number] == f1_score(dealt, proba.argmax(axis=1), average="macro")


def test_scores_are_kept_and_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    label = np.repeat([0, 1], 12)
    data, seen = data_of(label, np.arange(24)), features_of(np.eye(24, dtype=np.float32))
    first = scored(data, seen, tmp_path)
    monkeypatch.setattr(permuted, "out_of_fold", None)  # fitting again would be a TypeError

    assert (scored(data, seen, tmp_path) == first).all()
    with pytest.raises(TypeError):
        scored(replace(data, classes=("a", "z")), seen, tmp_path)


def test_failed_photos_count_as_wrong(tmp_path: Path) -> None:
    """Half of the photos failed: no permutation scores above two thirds of full marks."""
    label = np.repeat([0, 1], 20)
    failed = dict.fromkeys(range(0, 40, 2), "truncated")
    seen = features_of(np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32), failed)
    scores = scored(data_of(label, np.arange(40)), seen, tmp_path)

    assert scores.max() <= 2 * 0.5 / 1.5


def test_groups_that_allow_no_folds_are_said(tmp_path: Path) -> None:
    label = np.array([0] * 12 + [1] * 12)
    group = np.repeat([0, 1], 12)

    with pytest.raises(DataError, match="--permutations 0"):
        scored(data_of(label, group), features_of(np.eye(24, dtype=np.float32)), tmp_path)


def test_the_table_in_the_run(tmp_path: Path) -> None:
    scores = {"q": np.array([0.1, 0.5]), "p": np.array([0.25, 1 / 3])}
    write_null(tmp_path / "null.parquet", scores)
    back = read_null(tmp_path / "null.parquet")

    assert {name: one.tolist() for name, one in back.items()} == {
        name: one.tolist() for name, one in scores.items()
    }
    assert read_null(tmp_path / "absent.parquet") == {}


def test_settings_that_can_show_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 19"):
        CompareSettings(permutations=5)
    with pytest.raises(ValueError, match="need folds"):
        CompareSettings(permutations=19, split="given")
