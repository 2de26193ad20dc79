"""Parquet, CSV and JSON lines in; Parquet out."""

from pathlib import Path

import numpy as np
import pytest

from footwork.errors import DataError
from footwork.tables import read_table, write_parquet


def test_parquet_round_trip_keeps_types_nulls_and_order(tmp_path: Path) -> None:
    path = tmp_path / "it's a table.parquet"
    write_parquet(
        path,
        {
            "name": np.array(["b", None, "a"], dtype=object),
            "p_heel hook": np.array([0.5, np.nan, 0.25]),
            "fold": np.array([2, 0, 1], dtype=np.int16),
        },
    )
    read = read_table(path)

    assert list(read["name"]) == ["b", None, "a"]
    np.testing.assert_array_equal(read["p_heel hook"], [0.5, np.nan, 0.25])
    assert read["fold"].dtype == np.int16


def test_csv_values_stay_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('file,label\n"a,1.jpg",007\nb.jpg,\n')
    read = read_table(tmp_path / "t.csv")

    assert list(read["file"]) == ["a,1.jpg", "b.jpg"]
    assert list(read["label"]) == ["007", None]


def test_json_lines(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text('{"file_name": "a.jpg", "label": "x"}\n')
    assert list(read_table(tmp_path / "m.jsonl")["label"]) == ["x"]


def test_wrong_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"it reads \.parquet, \.csv"):
        read_table(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match="does not exist"):
        read_table(tmp_path / "a.csv")
    (tmp_path / "a.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(DataError, match=r"a\.parquet cannot be read"):
        read_table(tmp_path / "a.parquet")


def test_path_is_never_a_pattern(tmp_path: Path) -> None:
    """A file called *.csv must not make the reader open its neighbours."""
    (tmp_path / "a.csv").write_text("x\n1\n")
    (tmp_path / "*.csv").write_text("x\n2\n")
    assert list(read_table(tmp_path / "*.csv")["x"]) == ["2"]
