"""Which run `footwork run` takes for the one of today's photos."""

from pathlib import Path

import footwork
from footwork.ablations import Ablation
from footwork.project import open_project
from footwork.verbs.gather import newest_if_current
from photo_folders import png, write


def compared(folder: Path) -> Path:
    write(folder / "photos", {f"{c}/{i}.png": png(10 * (c == "b") + i, 48)
                              for c in "ab" for i in range(5)})  # fmt: skip
    footwork.import_images(folder / "photos", project=folder)
    return folder


def compare(folder: Path) -> Path:
    made = footwork.compare(
        project=folder, bases=["efficientnet_lite0"], folds=2, repeats=1, photos=False
    )
    text = (made.run.folder / "config.toml").read_text()
    (folder / "footwork.toml").write_text(text)  # the settings of the toml are those of the run
    return made.run.folder


def test_photos_tied_to_external_ones_do_not_make_it_compare_for_ever(tmp_path: Path) -> None:
    folder = compared(tmp_path / "p")
    table = "file,label,group,split\n" + "".join(
        f"{c}/{i}.png,{c},{'tied' if i == 0 else f'{c}{i}'},\n" for c in "ab" for i in range(5)
    )
    (folder / "photos" / "groups.csv").write_text(table)
    footwork.import_images(folder / "photos/groups.csv", project=folder, columns={"path": "file"})
    write(tmp_path / "more", {"a/new.png": png(90, 48), "b/new.png": png(91, 48)})
    (tmp_path / "more/list.csv").write_text("file,label,group\na/new.png,a,tied\nb/new.png,b,z\n")
    footwork.import_images(
        tmp_path / "more/list.csv", project=folder, columns={"path": "file"}, external=True
    )
    run = compare(folder)
    current = newest_if_current(open_project(folder))
    assert current is not None
    assert current.folder == run


def test_an_ablation_is_no_comparison(tmp_path: Path) -> None:
    folder = compared(tmp_path / "p")
    run = compare(folder)
    assert newest_if_current(open_project(folder)) is not None
    empty = Ablation(
        base="b", draws=1, path=(), back=(), checks=(), splits=(), titles={}, seconds={}
    )
    (run / "ablation.json").write_text(empty.model_dump_json())
    assert newest_if_current(open_project(folder)) is None
