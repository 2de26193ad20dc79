"""Histories on disk, and the rule that says what a curve shows."""

from pathlib import Path

import numpy as np
import pytest

from footwork.errors import DataError
from footwork.histories import History, mean_curves, read_histories, verdict, write_histories
from footwork.tables import write_parquet


def curves(loss: np.ndarray, val: np.ndarray) -> np.ndarray:
    return np.column_stack([loss, np.full(len(loss), 0.5), val, np.full(len(loss), 0.4)])


def history(fold: int, epochs: int, kept: int) -> History:
    table = curves(np.linspace(1.1, 0.6, epochs), np.linspace(1.1, 1.0, epochs))
    return History("abc", "base", "seed", 1, fold, table, kept, 12.5, 16)


FALLING = np.linspace(1.1, 0.4, 40)


@pytest.mark.parametrize(
    ("loss", "val", "beginning"),
    [
        (FALLING, np.r_[np.linspace(1.1, 0.9, 10), np.linspace(0.9, 1.4, 30)], "Over-fitting from"),
        (FALLING, FALLING, "Still falling after 40"),
        (FALLING, np.full(40, 1.1), "Flat: "),
        (FALLING, np.r_[np.linspace(1.1, 0.9, 10), np.full(30, 0.9)], "Flat since about epoch 10"),
        (np.full(40, 1.1), np.r_[1.1, 1.0, np.full(38, 1.2)], "Flat"),  # training fell no further
    ],
)
def test_what_curves_show(loss: np.ndarray, val: np.ndarray, beginning: str) -> None:
    assert verdict(curves(loss, val)).startswith(beginning)


def test_over_fitting_names_the_epoch_of_the_lowest_validation_loss() -> None:
    val = np.r_[np.linspace(1.1, 0.9, 10), np.linspace(0.91, 1.4, 30)]
    assert verdict(curves(FALLING, val)).startswith("Over-fitting from epoch 10: ")


def test_histories_come_back_as_they_were(tmp_path: Path) -> None:
    fits = (history(0, 5, 3), history(1, 3, 0))
    write_histories(tmp_path / "history.parquet", fits)
    back = read_histories(tmp_path / "history.parquet")
    assert [(h.entry, h.fold, h.kept, h.batch, h.seconds) for h in back] == [
        ("abc", 0, 3, 16, 12.5),
        ("abc", 1, 0, 16, 12.5),
    ]
    for old, new in zip(fits, back, strict=True):
        np.testing.assert_array_equal(old.curves, new.curves)
    assert mean_curves(back).shape == (3, 4), "the mean goes as far as all fits do"
    assert read_histories(tmp_path / "none.parquet") == ()


def test_another_table_is_no_history(tmp_path: Path) -> None:
    write_parquet(tmp_path / "history.parquet", {"entry": np.array(["a"], dtype=object)})
    with pytest.raises(DataError, match="history 1"):
        read_histories(tmp_path / "history.parquet")
