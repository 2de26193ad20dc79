import os
from pathlib import Path

import numpy as np
import pytest

from footwork.errors import DataError, UsageError
from footwork.findings import Rejection
from footwork.importing.listing import Row, read_listing
from footwork.tables import write_parquet


def table(folder: Path, text: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("header", "purpose"),
    [
        ("path,label", "file.png as path"),
        ("Filename,Class", "Filename as path, Class as label"),
        (" image_path ,target", "image_path"),
        ("label,file_name,set,group_id", "file_name as path, label as label, set as split"),
    ],
)
def test_columns_are_found_by_their_usual_names(tmp_path: Path, header: str, purpose: str) -> None:
    cells = {"path": "a.png", "label": "ants", "split": "valid", "group": "g"}
    kind = {"class": "label", "target": "label", "label": "label", "set": "split"}
    names = [name.strip().lower() for name in header.split(",")]
    row = ",".join(
        cells[kind.get(name, "group" if name.startswith("group") else "path")] for name in names
    )
    listing = read_listing(table(tmp_path, f"{header}\n{row}\n"), {}, {})
    (found,) = listing.rows
    assert (found.path, found.label) == (tmp_path / "a.png", "ants")
    assert found.split == ("val" if "set" in names else None)
    assert found.group == ("g" if "group_id" in names else None)
    assert purpose.split(" as ")[0] in listing.note or purpose in ("file.png as path",)


def test_named_columns_and_filters_are_obeyed(tmp_path: Path) -> None:
    path = table(tmp_path, "file,label,photo,best\na,x,7,1\nb,x,7,0\nc,y,8,1\n")
    listing = read_listing(path, {"group": "photo"}, {"best": "1"})
    assert listing.rows == (
        Row(tmp_path / "a", "x", None, "7"),
        Row(tmp_path / "c", "y", None, "8"),
    )
    assert listing.note == (
        "t.csv: read file as path, label as label, photo as group; 2 of 3 rows have best = 1."
    )


def test_parquet_numbers_are_classes_too(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    columns = {
        "image": np.array(["a.png", "b.png"], dtype=object),
        "label": np.array([3, 10], dtype=np.int64),
        "group": np.array([1.0, np.nan]),
    }
    write_parquet(path, columns)
    assert read_listing(path, {}, {"label": "3"}).rows == (Row(tmp_path / "a.png", "3", None, "1"),)
    assert read_listing(path, {}, {}).rows[1] == Row(tmp_path / "b.png", "10", None, None)


def test_json_lines_and_tabs(tmp_path: Path) -> None:
    lines = '{"path": "a.png", "label": "é"}\n{"path": "b.png", "label": "e\u0301"}\n'
    rows = read_listing(table(tmp_path, lines, "t.jsonl"), {}, {}).rows
    assert {row.label for row in rows} == {"é"}  # composed and decomposed are one class
    rows = read_listing(table(tmp_path, "path\tlabel\na b.png\t ants \n", "t.tsv"), {}, {}).rows
    assert rows == (Row(tmp_path / "a b.png", "ants"),)


def test_one_file_has_one_name_whatever_way_leads_there(tmp_path: Path) -> None:
    (tmp_path / "photos" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("photos/inner")
    names = ["photos/a.png", "./photos/inner/../a.png", "link/../a.png"]
    path = table(tmp_path, "path,label\n" + "".join(f"{name},x\n" for name in names))
    rows = read_listing(path, {}, {}).rows
    assert {row.path for row in rows} == {Path(os.path.realpath(tmp_path)) / "photos" / "a.png"}


def test_rows_without_path_or_label_are_rejected_not_fatal(tmp_path: Path) -> None:
    path = table(tmp_path, f"path,label\n,x\na.png,\nb.png,y\n{'d' * 5000},y\n")
    listing = read_listing(path, {}, {})
    assert [row.path.name for row in listing.rows] == ["b.png"]
    assert listing.rejected == (
        Rejection(f"row 1 of {path}", "it gives no path"),
        Rejection(f"row 2 of {path}", "it gives no label"),
        Rejection(f"row 4 of {path}", "its path is longer than 4,096 characters"),
    )


def test_pictures_inside_a_table_are_not_paths(tmp_path: Path) -> None:
    line = '{"image": {"bytes": "abc", "path": null}, "label": "x"}\n'
    listing = read_listing(table(tmp_path, line, "t.jsonl"), {}, {})
    assert [item.reason for item in listing.rejected] == ["its path is not text"]


@pytest.mark.parametrize(
    ("text", "columns", "where", "message"),
    [
        ("file,kind\na,b\n", {}, {}, r"no column for the label .*file, kind.*--column label=NAME"),
        ("name,label\na,b\n", {}, {}, r"no column for the path .*name, label"),
        ("file,label\na,b\n", {"group": "phot"}, {}, r"no column 'phot' \(wanted for group\)"),
        ("file,label\na,b\n", {}, {"bets": "1"}, r"no column 'bets' to filter by; there is: file"),
        ("file,label,best\na,b,0\n", {}, {"best": "1"}, r"best = 1 \(its values: 0\)"),
        ("file,label\n", {}, {}, "has no rows"),
        ("file,label\nhttps://x.org/a.jpg,b\n", {}, {}, r"row 1 .* gives a URL .*https://x.org"),
        ("file,label\nfile:///etc/passwd,b\n", {}, {}, "gives a URL"),
        ("file,label,split\na,b,tset\n", {}, {}, r"row 1 .* split 'tset'; did you mean test"),
    ],
)
def test_wrong_tables_are_named_with_the_way_out(
    tmp_path: Path, text: str, columns: dict[str, str], where: dict[str, str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_listing(table(tmp_path, text), columns, where)


def test_an_unknown_purpose_is_a_wrong_command(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'gruop'; did you mean group"):
        read_listing(table(tmp_path, "file,label\na,b\n"), {"gruop": "file"}, {})
