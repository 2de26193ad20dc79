"""Columns as codes: the same cells as the plain reader gives, whatever the file."""

import json
from pathlib import Path

import numpy as np
import pytest

from footwork.errors import DataError
from footwork.tables import read_coded, read_names, read_table, write_parquet


def test_codes_stand_for_the_cells(tmp_path: Path) -> None:
    path = tmp_path / "it's [one] of *.csv"
    path.write_text('name,p,"a ""b"""\nb,0.5,x\na,,\nb,1e-3,é\n')

    text, numbers = read_coded(path, ["name", 'a "b"'], ["p"])

    assert read_names(path) == ("name", "p", 'a "b"')
    assert text["name"].names == ("a", "b")
    assert text["name"].code.tolist() == [1, 0, 1]
    assert (text['a "b"'].names, text['a "b"'].code.tolist()) == (("x", "é"), [0, -1, 1])
    np.testing.assert_array_equal(numbers["p"], [0.5, np.nan, 0.001])


def test_numbers_may_be_wanted_as_text(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_parquet(path, {"repeat": np.array([0, 10, 2]), "p": np.array([0.1, np.nan, 1.0])})

    text, numbers = read_coded(path, ["repeat"], ["p"])

    assert text["repeat"].names == ("0", "10", "2")
    np.testing.assert_array_equal(numbers["p"], read_table(path)["p"])


def test_json_lines_and_empty_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(json.dumps({"a": a, "b": None}) for a in ("x", "", None, "y")))

    text, _ = read_coded(path, ["a", "b"], [])

    assert text["a"].code.tolist() == [0, -1, -1, 1]
    assert (text["b"].names, text["b"].code.tolist()) == ((), [-1] * 4)


def test_many_values_and_rows_agree_with_the_plain_reader(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = np.array([rng.bytes(6).hex() for _ in range(700)], dtype=object)
    write_parquet(tmp_path / "t.parquet", {"name": names[rng.integers(700, size=5000)]})

    text, _ = read_coded(tmp_path / "t.parquet", ["name"], [])

    back = np.array(text["name"].names, dtype=object)[text["name"].code]
    assert (back == read_table(tmp_path / "t.parquet")["name"]).all()
    assert list(text["name"].names) == sorted(set(back))


def test_what_is_no_number_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("p\n0.5\nhalf\n")

    with pytest.raises(DataError, match="p holds 'half', which is no number"):
        read_coded(path, [], ["p"])
    with pytest.raises(DataError, match="does not exist"):
        read_names(tmp_path / "none.csv")
    with pytest.raises(DataError, match="not a table that footwork reads"):
        read_names(tmp_path / "none.xlsx")
