"""`compare --permutations`: what can be learnt beats permuted labels, and the run keeps them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from footwork import verbs
from footwork.errors import DataError, FootworkError
from footwork.runs import read_run
from footwork.tables import read_table


def draw(path: Path, grey: int, seed: int) -> None:
    pixels = np.clip(np.random.default_rng(seed).normal(grey, 50, (48, 48, 3)), 0, 255)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Twelve dark and twelve light pictures."""
    for number in range(24):
        name = "light" if number % 2 else "dark"
        draw(tmp_path / "photos" / name / f"{number}.png", 190 if number % 2 else 60, number)
    folder = tmp_path / "project"
    folder.mkdir()
    verbs.import_images(tmp_path / "photos", project=folder)
    return folder


def test_permutations_are_kept_and_said(project: Path) -> None:
    def compared(permutations: int) -> verbs.Compared:
        return verbs.compare(
            project=project,
            bases=("efficientnet_lite0",),
            folds=2,
            repeats=2,
            permutations=permutations,
            photos=False,
        )

    made = compared(19)
    kept = read_table(made.run.folder / "null.parquet")
    (entry,) = made.board.entries

    assert len(kept["macro_f1"]) == 19
    assert made.board.floors.permuted is not None
    assert made.board.floors.permuted.highest == max(kept["macro_f1"])
    assert entry.macro_f1.value > made.board.floors.permuted.highest
    assert (entry.p_nothing, entry.beats_guessing) == (1 / 20, True)
    assert any("is better than nothing (p = 0.05)" in said for said in made.board.sentences)
    # The report can be made again from the run alone, and none is kept unless asked for.
    again = verbs.report(project=project, photos=False)
    assert again.board == made.board
    assert not (compared(0).run.folder / "null.parquet").exists()

    (made.run.folder / "null.parquet").write_bytes(b"no table")
    with pytest.raises(DataError):
        read_run(made.run.folder)


def test_too_few_permutations_are_refused(project: Path) -> None:
    with pytest.raises(FootworkError, match="at least 19"):
        verbs.compare(project=project, bases=("efficientnet_lite0",), permutations=3)
