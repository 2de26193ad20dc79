import sys
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from footwork.errors import DataError, UsageError
from footwork.importing.layouts import Layout, find_rows
from photo_folders import write

X = b"any bytes: no image is opened here"


def found(layout: Layout) -> list[tuple[str, str, str | None]]:
    return [(row.path.name, row.label, row.split) for row in layout.rows]


def test_class_folders_at_any_depth(tmp_path: Path) -> None:
    write(tmp_path, {"ants/b.jpg": X, "ants/more/deep/a.JPG": X, "bees/c": X})
    assert found(find_rows(tmp_path)) == [
        ("b.jpg", "ants", None),
        ("a.JPG", "ants", None),
        ("c", "bees", None),
    ]


def test_splits_above_class_folders(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"train/ants/a": X, "Valid/ants/b": X, "validation/bees/c": X, "test/bees/d": X},
    )
    assert sorted(found(find_rows(tmp_path))) == [
        ("a", "ants", "train"),
        ("b", "ants", "val"),
        ("c", "bees", "val"),
        ("d", "bees", "test"),
    ]


def test_a_declared_class_named_train_is_a_class(tmp_path: Path) -> None:
    write(tmp_path, {"train/steam/a": X, "bus/red/b": X})
    layout = find_rows(tmp_path, classes=["train", "bus"])
    assert found(layout) == [("b", "bus", None), ("a", "train", None)]


def test_split_folders_beside_others_are_not_guessed_at(tmp_path: Path) -> None:
    write(tmp_path, {"train/ants/a": X, "bees/b": X})
    with pytest.raises(DataError, match=r"split folders \(train\) beside others \(bees\)"):
        find_rows(tmp_path)


def test_what_nobody_means_as_an_image_is_left_out_and_counted(tmp_path: Path) -> None:
    junk = [".DS_Store", "Thumbs.db", "notes.txt", "a.csv", ".hidden.jpg", "b.json", "c.TXT"]
    write(tmp_path, {f"ants/{name}": X for name in [*junk, "photo.jpg", "odd.dat", "film.mp4"]})
    write(tmp_path, {".git/x/a.jpg": X, "__MACOSX/ants/._a.jpg": X})
    layout = find_rows(tmp_path)
    assert [name for name, _, _ in found(layout)] == ["film.mp4", "odd.dat", "photo.jpg"]
    assert layout.left_out == {"hidden": 2, ".db": 1, ".txt": 2, ".csv": 1, ".json": 1}


def test_links_are_followed_once_and_never_in_circles(tmp_path: Path) -> None:
    real = write(tmp_path / "elsewhere", {"a.jpg": X, "b.jpg": X})
    root = write(tmp_path / "set", {"ants/c.jpg": X, "bees/d.jpg": X})
    (root / "ants" / "linked.jpg").symlink_to(real / "a.jpg")
    (root / "ants" / "dangling.jpg").symlink_to(real / "gone.jpg")
    (root / "ants" / "folder").symlink_to(real)
    (root / "ants" / "again").symlink_to(real)
    (root / "ants" / "self").symlink_to(root / "ants")
    (root / "ants" / "up").symlink_to(root)
    (root / "ants" / "round.jpg").symlink_to("round.jpg")
    layout = find_rows(root)
    names = Counter(name for name, label, _ in found(layout) if label == "ants")
    assert names == Counter(["a.jpg", "b.jpg", "c.jpg", "linked.jpg", "dangling.jpg", "round.jpg"])
    assert layout.left_out == {"link back to a folder": 3}


def test_a_class_folder_may_be_a_link(tmp_path: Path) -> None:
    real = write(tmp_path / "elsewhere", {"a.jpg": X})
    root = write(tmp_path / "set", {"bees/d.jpg": X})
    (root / "ants").symlink_to(real)
    assert found(find_rows(root)) == [("a.jpg", "ants", None), ("d.jpg", "bees", None)]


def test_a_folder_named_like_a_photo_goes_to_the_decoder(tmp_path: Path) -> None:
    write(tmp_path, {"ants/a.jpg": X, "ants/folder.jpg/b.jpg": X})
    assert [name for name, _, _ in found(find_rows(tmp_path))] == ["a.jpg", "folder.jpg"]


def test_deep_folders_are_no_recursion_error(tmp_path: Path) -> None:
    write(tmp_path / "ants" / "/".join(["d"] * 400), {"a.jpg": X})
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(350)
    try:
        assert found(find_rows(tmp_path)) == [("a.jpg", "ants", None)]
    finally:
        sys.setrecursionlimit(limit)


def test_a_table_beside_class_folders_is_named_not_used(tmp_path: Path) -> None:
    write(tmp_path, {"ants/a": X, "bees/b": X, "manifest.csv": "file,label\n", "c.png": X})
    used, stray = find_rows(tmp_path).notes
    assert "manifest.csv lies beside the class folders and was not used" in used
    assert f"footwork import {tmp_path / 'manifest.csv'}" in used
    assert "1 image(s) lie outside the class folders" in stray


def test_a_table_file(tmp_path: Path) -> None:
    write(tmp_path, {"t.csv": "path,label\nb,x\na,y\n"})
    layout = find_rows(tmp_path / "t.csv")
    assert found(layout) == [("a", "y", None), ("b", "x", None)]
    assert (layout.source, layout.folder) == (tmp_path / "t.csv", tmp_path)


def test_hugging_face_metadata_in_one_place(tmp_path: Path) -> None:
    rows = "file_name,label,split\ntrain/a.png,ants,\ntest/b.png,bees,\nc.png,bees,train\n"
    write(tmp_path, {"metadata.csv": rows, "train/a.png": X, "test/b.png": X, "c.png": X})
    assert found(find_rows(tmp_path)) == [
        ("c.png", "bees", "train"),
        ("b.png", "bees", "test"),
        ("a.png", "ants", "train"),
    ]


def test_hugging_face_metadata_in_each_split(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "train/metadata.jsonl": '{"file_name": "a.png", "label": "ants"}\n',
            "train/a.png": X,
            "test/metadata.csv": "file_name,label\nb.png,bees\n",
            "test/b.png": X,
        },
    )
    assert found(find_rows(tmp_path)) == [("b.png", "bees", "test"), ("a.png", "ants", "train")]


def test_metadata_without_labels_leaves_the_folders(tmp_path: Path) -> None:
    write(tmp_path, {"metadata.csv": "file_name,caption\na.png,hm\n", "ants/a.png": X})
    layout = find_rows(tmp_path)
    assert found(layout) == [("a.png", "ants", None)]
    assert "metadata.csv lies beside" in layout.notes[0]


def test_classes_are_spelt_as_declared(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "talón")
    write(tmp_path, {f"{decomposed}/a": X, "pie/b": X})
    assert {row.label for row in find_rows(tmp_path, classes=["talón", "pie"]).rows} == {
        "talón",
        "pie",
    }


def test_an_undeclared_class_is_named_with_its_neighbour(tmp_path: Path) -> None:
    write(tmp_path, {"heelhook/a": X, "toe_hook/b": X})
    with pytest.raises(DataError, match=r"'heelhook' \(1 files\).*did you mean heel_hook"):
        find_rows(tmp_path, classes=["heel_hook", "toe_hook"])


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"no class folders\. An import understands class folders"),
        ({"a.jpg": X, "b.jpg": X}, "Put its photos into one folder per class"),
        ({"a.jpg": X, "t.csv": "file,label\n"}, r"footwork import .*t\.csv"),
        ({"ants/a.jpg": X, "bees/notes.txt": X}, "class folders without a photo: bees"),
        ({"x" * 101 + "/a.jpg": X}, "1 to 100 printable characters"),
        ({"an\nts/a.jpg": X}, r"class 'an\\\\nts': a class name"),
        ({"back\\slash/a.jpg": X}, "folder name"),
        ({"\u202egnp/a.jpg": X}, "printable"),
    ],
)
def test_folders_that_are_no_data_set(
    tmp_path: Path, files: dict[str, bytes | str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        find_rows(write(tmp_path, files))


def test_a_class_name_that_is_not_text(tmp_path: Path) -> None:
    write(tmp_path, {"an\udcffts/a.jpg": X})
    with pytest.raises(DataError, match=r"an\\\\xffts"):
        find_rows(tmp_path)


def test_an_empty_class_name_in_a_table(tmp_path: Path) -> None:
    write(tmp_path, {"t.csv": "path,label\na,../x\n"})
    with pytest.raises(DataError, match="folder name"):
        find_rows(tmp_path / "t.csv")


def test_missing_and_mistaken_sources(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere does not exist"):
        find_rows(tmp_path / "nowhere")
    write(tmp_path, {"a.zip": X, "set/ants/a": X, "set/t.csv": "a,b\n"})
    with pytest.raises(DataError, match="neither a folder nor a table"):
        find_rows(tmp_path / "a.zip")
    with pytest.raises(UsageError, match=r"filters are for tables: footwork import .*t\.csv"):
        find_rows(tmp_path / "set", where={"best": "1"})
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(UsageError, match="does not exist"):
        find_rows(loop)


@pytest.mark.shared
def test_the_real_sets(shared: Path) -> None:
    ants_and_bees = find_rows(shared / "data" / "hymenoptera", classes=["bees", "ants"])
    assert Counter(row.label for row in ants_and_bees.rows) == {"ants": 192, "bees": 204}
    tiles = find_rows(
        shared / "data" / "climbing_tiles" / "manifest.csv",
        columns={"group": "photo"},
        where={"best": "1"},
    )
    assert Counter(row.label for row in tiles.rows) == {
        "heel_hook": 25,
        "others": 25,
        "toe_hook": 17,
    }
    assert len({row.group for row in tiles.rows}) == 67
