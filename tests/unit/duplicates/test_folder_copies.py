"""Folders in no project: what is old stays, and what is a class."""

from pathlib import Path

import numpy as np
from PIL import Image

from footwork.duplicates.folder import FolderCopies, folder_copies
from footwork.duplicates.search import Search


def save(path: Path, seed: int, width: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((320, 240), Image.Resampling.BICUBIC)
    image.resize((width, width * 3 // 4)).save(path)


def kept(found: FolderCopies) -> dict[str, list[str]]:
    return {
        Path(group.keep.name).name: [Path(file.name).name for file, _why, _pair in group.copies]
        for group in found.groups
    }


def test_an_old_file_is_kept_before_a_better_new_one_and_old_doubles_are_not_listed(
    tmp_path: Path,
) -> None:
    save(tmp_path / "old" / "small.png", 0, 160)
    save(tmp_path / "new" / "large.png", 0, 320)
    save(tmp_path / "new" / "other.png", 2, 320)
    for name in ("a", "b"):
        save(tmp_path / "old" / f"double_{name}.png", 1, 200 if name == "a" else 240)
    save(tmp_path / "new" / "third.png", 1, 280)
    save(tmp_path / "old" / "again_b.png", 1, 240)  # the same bytes
    found = folder_copies([tmp_path / "new"], Search(8, features=False), against=tmp_path / "old")
    assert kept(found) == {"small.png": ["large.png"], "again_b.png": ["third.png"]}
    assert [file.name for file in found.new] == ["other.png"]


def test_folders_of_a_split_are_no_classes(tmp_path: Path) -> None:
    save(tmp_path / "train" / "heel" / "a.png", 0, 320)
    save(tmp_path / "test" / "heel" / "b.png", 0, 160)
    save(tmp_path / "train" / "toe" / "c.png", 0, 200)
    found = folder_copies([tmp_path], Search(8, features=False))
    assert kept(found) == {"a.png": ["b.png", "c.png"]}
    assert [sorted(group.labels) for group in found.conflicts] == [["heel", "toe"]]
