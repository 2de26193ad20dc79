import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from footwork.drawing import climbers
from footwork.drawing.climbers import DESCRIPTION, NOTE, ORIGINAL_COUNTS, Drawn, draw_climbers
from footwork.errors import EnvironmentProblem, UsageError
from footwork.files import PARTIAL, sha256_of

FEW = {"heel_hook": 7, "toe_hook": 5, "others": 8}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    return draw_climbers(tmp_path_factory.mktemp("demo") / "drawings", seed=3, counts=FEW)


@pytest.fixture
def blots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blots instead of climbers: for what does not depend on the picture, and is then fast."""

    def blot(_label: str, rng: np.random.Generator) -> Image.Image:
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3)).astype(np.uint8))
        return coarse.resize((80, 60), Image.Resampling.BICUBIC)

    monkeypatch.setattr(climbers, "draw_scene", blot)


def planted(folder: Path) -> list[dict[str, str]]:
    text = (folder / "planted.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def pictures(folder: Path) -> dict[str, Path]:
    return {f"{p.parent.name}/{p.name}": p for p in folder.glob("*/*")}


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def undamaged(folder: Path) -> Iterator[tuple[str, Path]]:
    broken = {row["file"] for row in planted(folder) if row["what"] == "broken"}
    return ((name, path) for name, path in pictures(folder).items() if name not in broken)


@pytest.mark.usefixtures("blots")
def test_original_counts_and_all_the_planted_trouble(tmp_path: Path) -> None:
    drawn = draw_climbers(tmp_path / "all")

    assert (drawn.photos, drawn.wrong_labels, drawn.exact_copies) == (306, 10, 10)
    assert (drawn.conflicts, drawn.near_copies, drawn.broken) == (2, 12, 3)
    rows = planted(drawn.folder)
    assert Counter(row["what"] for row in rows) == {
        "wrong_label": 10,
        "exact_copy": 8,
        "conflicting_copy": 2,
        "near_copy": 12,
        "broken": 3,
    }
    assert len(rows) == len({row["file"] for row in rows})
    files = pictures(drawn.folder)
    assert len(files) == drawn.files == 331
    on_top = {row["file"] for row in rows if row["what"] != "wrong_label"}
    assert Counter(Path(name).parent.name for name in files.keys() - on_top) == ORIGINAL_COUNTS


@pytest.mark.usefixtures("blots")
def test_a_share_of_the_trouble_for_fewer_drawings(tmp_path: Path) -> None:
    """Half the drawings, half the trouble; but always the three broken files."""
    half = {"heel_hook": 53, "toe_hook": 38, "others": 62}
    drawn = draw_climbers(tmp_path / "half", counts=half)

    assert (drawn.wrong_labels, drawn.exact_copies, drawn.near_copies) == (5, 5, 6)
    assert drawn.broken == 3


def test_same_seed_same_bytes_whatever_the_order_of_classes(drawn: Drawn, tmp_path: Path) -> None:
    backwards = dict(reversed(FEW.items()))
    again = draw_climbers(tmp_path / "again", seed=3, counts=backwards)
    other = draw_climbers(tmp_path / "other", seed=4, counts=FEW)

    assert everything(again.folder) == everything(drawn.folder)
    hashes = {sha256_of(path) for _, path in undamaged(drawn.folder)}
    assert hashes.isdisjoint(sha256_of(path) for _, path in undamaged(other.folder))


def test_planted_copies_are_what_they_are_said_to_be(drawn: Drawn) -> None:
    seen: Counter[str] = Counter()
    for row in planted(drawn.folder):
        if not row["what"].endswith("copy"):
            continue
        seen[row["what"]] += 1
        source = row["detail"].split("of ")[-1]
        same_bytes = sha256_of(drawn.folder / row["file"]) == sha256_of(drawn.folder / source)
        same_class = row["file"].split("/")[0] == source.split("/")[0]
        assert same_bytes == (row["what"] != "near_copy")
        assert same_class == (row["what"] != "conflicting_copy")
        assert row["file"] != source
    assert set(seen) == {"exact_copy", "near_copy", "conflicting_copy"}


@pytest.mark.usefixtures("blots")
def test_near_copies_look_like_their_source(tmp_path: Path) -> None:
    """Closer to it than to any other drawing, at a size where edges and noise are gone."""
    folder = draw_climbers(tmp_path / "all").folder
    small = {
        name: np.asarray(Image.open(path).convert("L").resize((16, 16)), dtype=np.float64)
        for name, path in undamaged(folder)
    }
    checked = 0
    for row in planted(folder):
        if row["what"] == "near_copy":
            others = {n: abs(v - small[row["file"]]).mean() for n, v in small.items()}
            del others[row["file"]]
            closest = min(others, key=others.__getitem__)
            assert closest == row["detail"].split("of ")[-1]
            assert others[closest] > 0
            checked += 1
    assert checked == 12


def test_broken_files_are_undecodable_and_all_others_are_not(drawn: Drawn) -> None:
    broken = [row for row in planted(drawn.folder) if row["what"] == "broken"]
    for row in broken:
        with pytest.raises(OSError, match=r"truncated|cannot identify"):
            Image.open(drawn.folder / row["file"]).load()
    assert len(broken) == drawn.broken == 3
    assert {(drawn.folder / row["file"]).stat().st_size == 0 for row in broken} == {True, False}

    near = {row["file"] for row in planted(drawn.folder) if row["what"] == "near_copy"}
    for name, path in undamaged(drawn.folder):
        with Image.open(path) as image:
            image.load()
            assert max(image.size) <= 640
            assert min(image.size) >= (120 if name in near else 240)


@pytest.mark.usefixtures("blots")
def test_wrong_labels_show_what_the_table_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each class is a colour here, so that the shown class can be read off the picture."""
    colours = {"heel_hook": (250, 0, 0), "toe_hook": (0, 250, 0), "others": (0, 0, 250)}

    def plain(label: str, rng: np.random.Generator) -> Image.Image:
        return Image.new("RGB", (64 + int(rng.integers(64)), 64), colours[label])

    monkeypatch.setattr(climbers, "draw_scene", plain)
    folder = draw_climbers(tmp_path / "plain", seed=5).folder
    rows = {row["file"]: row for row in planted(folder)}
    wrong = 0
    for name, path in undamaged(folder):
        row = rows.get(name, {"what": "", "detail": ""})
        if row["what"] == "conflicting_copy":
            continue
        channel = int(np.asarray(Image.open(path).convert("RGB")).mean(axis=(0, 1)).argmax())
        shown = list(colours)[channel]
        said = row["detail"].removeprefix("shows ") if row["what"] == "wrong_label" else None
        assert shown == (said or path.parent.name)
        wrong += shown != path.parent.name
    assert wrong == 10


def test_drawings_differ_from_each_other(drawn: Drawn) -> None:
    copies = {row["file"] for row in planted(drawn.folder) if row["what"].endswith("copy")}
    thumbs = [
        np.asarray(Image.open(path).convert("RGB").resize((24, 24)), dtype=np.float64)
        for name, path in undamaged(drawn.folder)
        if name not in copies
    ]
    assert len(thumbs) == sum(FEW.values())
    gaps = [abs(a - b).mean() for k, a in enumerate(thumbs) for b in thumbs[:k]]
    assert min(gaps) > 5  # levels; copies differ by less than 2, but for the brightened


@pytest.mark.usefixtures("blots")
def test_no_name_tells_the_class_or_the_plant(tmp_path: Path) -> None:
    folder = draw_climbers(tmp_path / "all").folder
    files = pictures(folder)
    assert all(re.fullmatch(r"climber_\d{4}\.(jpg|png|webp)", p.name) for p in files.values())
    number = {name: int(path.stem[-4:]) for name, path in files.items()}
    assert sorted(number.values()) == list(range(1, len(files) + 1))

    # In random order the mean number of a class or of the planted files is near the middle;
    # in blocks a class's would be off by 60 or more.
    middle = (len(files) + 1) / 2
    for label in ORIGINAL_COUNTS:
        of_class = [n for name, n in number.items() if name.startswith(label)]
        assert abs(np.mean(of_class) - middle) < 40
    on_top = [number[r["file"]] for r in planted(folder) if r["what"] != "wrong_label"]
    assert abs(np.mean(on_top) - middle) < 70  # 25 files: the standard error is 19


def test_every_picture_says_that_it_is_drawn_and_none_its_class(drawn: Drawn) -> None:
    for _, path in undamaged(drawn.folder):
        with Image.open(path) as image:
            assert image.getexif()[DESCRIPTION] == NOTE
        assert not re.search(rb"heel|toe.?hook|others", path.read_bytes())
    assert "not a photo" in (drawn.folder / "drawn.json").read_text(encoding="utf-8")


def test_a_complete_folder_is_left_alone(drawn: Drawn, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("drawn again")

    monkeypatch.setattr(climbers, "draw_scene", refuse)
    before = {path: path.stat().st_mtime_ns for path in drawn.folder.rglob("*")}
    assert draw_climbers(drawn.folder, seed=3, counts=FEW) == drawn
    assert {path: path.stat().st_mtime_ns for path in drawn.folder.rglob("*")} == before


@pytest.mark.usefixtures("blots")
def test_a_folder_with_anything_else_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    assert draw_climbers(folder, counts=FEW).photos == 20  # empty: taken

    with pytest.raises(UsageError, match=r"mine exists and does not hold .* \(seed 13,"):
        draw_climbers(folder, seed=13, counts=FEW)
    with pytest.raises(UsageError, match="21 climbers"):
        draw_climbers(folder, counts=FEW | {"others": 9})
    next(folder.glob("others/*")).unlink()
    with pytest.raises(UsageError, match="some were changed since"):
        draw_climbers(folder, counts=FEW)

    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "photo.jpg").write_bytes(b"mine")
    for name in ("file", "full"):
        with pytest.raises(UsageError, match=name):
            draw_climbers(tmp_path / name, counts=FEW)
    assert (tmp_path / "full" / "photo.jpg").read_bytes() == b"mine"


@pytest.mark.usefixtures("blots")
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_interrupted_drawing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    written = []
    write = Path.write_bytes

    def stop(path: Path, data: bytes) -> int:
        written.append(path)
        if len(written) == 9:
            raise error
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", stop)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else EnvironmentProblem
    with pytest.raises(expected):
        draw_climbers(tmp_path / "drawings", counts=FEW)
    assert len(written) == 9
    assert all(PARTIAL in str(path) for path in written)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("blots")
def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EnvironmentProblem, match="drawings"):
        draw_climbers(tmp_path / "file" / "drawings", counts=FEW)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"heel_hok": 9, "others": 9}, "'heel_hok'; did you mean heel_hook"),
        ({"heel_hook": 3, "others": 9}, "heel_hook: 3 drawings are too few"),
        ({"heel_hook": 9}, "two classes or more"),
    ],
)
def test_impossible_counts_are_named(tmp_path: Path, counts: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        draw_climbers(tmp_path / "drawings", counts=counts)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("blots")
def test_progress_counts_every_drawing(tmp_path: Path) -> None:
    done: list[int] = []
    draw_climbers(tmp_path / "drawings", counts=FEW, advance=done.append)
    assert done == [1] * 20
