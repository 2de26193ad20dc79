"""The prediction table survives the disk, whatever is in it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from footwork.errors import DataError
from footwork.predictions import (
    FAILED,
    NO_ANSWER,
    EntryName,
    Photos,
    Predictions,
    from_table,
    read_predictions,
    stacked,
)

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)


@st.composite
def one_entry(draw: st.DrawFn) -> Predictions:
    classes = tuple(draw(st.lists(NAMES, min_size=2, max_size=4, unique_by=str.lower)))
    m = draw(st.integers(1, 6))
    repeats = draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    image = tuple(sorted({rng.bytes(32).hex() for _ in range(m)}))
    photos = Photos(
        image=image,
        path=tuple(draw(st.lists(NAMES, min_size=m, max_size=m))),
        label=rng.integers(0, len(classes), m),
        group=np.arange(m),
        group_name=tuple(f"g{i:03}" for i in range(m)),
    )
    n = m * repeats
    status = rng.choice(3, n).astype(np.uint8)
    proba = rng.dirichlet(np.ones(len(classes)), n)
    proba[status != 0] = np.nan
    reason = np.where(status == FAILED, "truncated: file", "").astype(object)
    return Predictions(
        classes=classes,
        photos=photos,
        entries=(EntryName(draw(NAMES), "base", "probe"),),
        entry=np.zeros(n, np.int64),
        photo=np.tile(np.arange(m), repeats),
        repeat=np.repeat(np.arange(repeats), m),
        fold=rng.integers(0, 5, n),
        status=status,
        reason=reason,
        predicted=np.where(status == 0, np.nan_to_num(proba).argmax(axis=1), NO_ANSWER),
        proba=proba,
    )


def assert_same(a: Predictions, b: Predictions) -> None:
    assert (a.classes, a.entries) == (b.classes, b.entries)
    assert (a.photos.image, a.photos.path) == (b.photos.image, b.photos.path)
    assert a.photos.group_name == b.photos.group_name
    for name in ("entry", "photo", "repeat", "fold", "status", "reason", "predicted", "proba"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    np.testing.assert_array_equal(a.truth, b.truth)


@given(one_entry())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_writing_and_reading_is_the_identity(table: Predictions) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "predictions.parquet"
        table.write(path)
        assert_same(read_predictions(path), table)


@given(one_entry())
@settings(max_examples=20, deadline=None)
def test_answers_hold_every_planned_photo_once_per_repeat(table: Predictions) -> None:
    answers = table.answers(0)

    assert answers.shape == (table.repeats, len(table.photos))
    np.testing.assert_array_equal(answers.ravel(), table.predicted)
    assert np.isnan(table.probabilities(0)).all(axis=2).sum() == (table.status != 0).sum()


@given(one_entry(), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_row_order_on_disk_does_not_matter(table: Predictions, seed: int) -> None:
    import tempfile

    from footwork.tables import read_table

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.parquet"
        table.write(path)
        columns = read_table(path)
    order = np.random.default_rng(seed).permutation(len(table))
    shuffled = from_table({name: column[order] for name, column in columns.items()}, Path("p"))
    assert_same(shuffled, table)


def test_stacking_keeps_entries_apart() -> None:
    photos = Photos(("a", "b"), ("a", "b"), np.array([0, 1]), np.array([0, 1]), ("a", "b"))

    def entry(name: str, predicted: list[int]) -> Predictions:
        return Predictions(
            ("x", "y"), photos, (EntryName(name, name, "probe"),), np.zeros(2, np.int64),
            np.arange(2), np.zeros(2, np.int64), np.arange(2), np.zeros(2, np.uint8),
            np.array(["", ""], dtype=object), np.array(predicted), np.full((2, 2), 0.5),
        )  # fmt: skip

    both = stacked([entry("one", [0, 0]), entry("two", [1, 1])])
    assert both.answers(0).tolist() == [[0, 0]]
    assert both.answers(1).tolist() == [[1, 1]]
    assert [e.entry for e in both.entries] == ["one", "two"]


def test_a_foreign_table_is_refused() -> None:
    with pytest.raises(DataError, match="it lacks entry, image"):
        from_table({"p_a": np.zeros(1)}, Path("x.parquet"))


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    from footwork.tables import parquet_note, write_parquet

    write_parquet(tmp_path / "p.parquet", {"a": np.zeros(1)}, note="predictions 2")
    assert parquet_note(tmp_path / "p.parquet") == "predictions 2"
    with pytest.raises(DataError, match="predictions 2"):
        read_predictions(tmp_path / "p.parquet")
