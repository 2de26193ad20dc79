"""Recipes that look for the climber: compared, trained, and used by another process."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import command_line
from footwork.classifier import Classifier, photos_in

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(
        importlib.util.find_spec("mediapipe") is None, reason="footwork[pose] is not installed"
    ),
]

PER_CLASS = 4
SHORT = ("--folds", "2", "--repeats", "1")


def footwork(*words: str | Path, cwd: Path) -> str:
    return command_line.footwork(*words, cwd=cwd).stdout


@pytest.fixture(scope="module")
def project(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with 12 climbing photos; the pose landmarker's file stands in footwork.toml."""
    folder = tmp_path_factory.mktemp("regions")
    for name in ("heel_hook", "toe_hook", "others"):
        tiles = shared / "data" / "climbing_tiles" / name
        for file in sorted(tiles.iterdir())[:PER_CLASS]:
            target = folder / "photos" / name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    task = shared / "weights" / "pose_landmarker_full.task"
    (folder / "footwork.toml").write_text(
        f'name = "climbers"\n[bases.pose]\nweights = "{task}"\n', encoding="utf-8"
    )
    footwork("import", "photos", cwd=folder)
    return folder


def answers_of(folder: Path, project: Path, cwd: Path) -> np.ndarray:
    """Return what another process says of the project's photos, (n, 3)."""
    said = json.loads(footwork("predict", project / "photos", "-c", folder, "--json", cwd=cwd))
    assert len(said) == 3 * PER_CLASS
    return np.array([list(row["probabilities"].values()) for row in said])


def test_regions_find_the_climber_again_in_another_process(project: Path, tmp_path: Path) -> None:
    footwork("compare", "-b", "efficientnet_lite0", "-r", "regions", *SHORT, cwd=project)
    words = ("train", "-r", "regions", "--name", "regions", "--json")
    said = json.loads(footwork(*words, cwd=project))
    assert said["locator"]["file"] == "locator.task"
    assert said["bases"][0]["views"] == ["centre", "higher_foot"]
    assert said["bases"][0]["joined"]
    kept = project / "classifiers" / "regions"
    assert {file.name for file in kept.iterdir()} == {
        "classifier.json", "card.md", "head.npz", "locator.task", "network1.onnx",
    }  # fmt: skip

    photos = list(photos_in([project / "photos"]))
    here = Classifier.load(kept).predict(photos).proba
    moved = kept.rename(tmp_path / "moved")  # nothing in it says where it lay
    np.testing.assert_allclose(answers_of(moved, project, tmp_path), here, atol=1e-6, rtol=0)


def test_pose_and_a_network_are_averaged_in_one_classifier(project: Path, tmp_path: Path) -> None:
    base = "pose+efficientnet_lite0"
    footwork("compare", "-b", base, "-r", "average", *SHORT, cwd=project)
    said = json.loads(
        footwork("train", "-b", base, "-r", "average", "--name", "both", "--json", cwd=project)
    )
    assert [one["name"] for one in said["bases"]] == ["pose", "efficientnet_lite0"]
    assert [one["form"] for one in said["bases"]] == ["task", "onnx"]
    assert said["locator"] is None
    kept = project / "classifiers" / "both"
    here = Classifier.load(kept).predict(list(photos_in([project / "photos"]))).proba
    assert np.isfinite(here).all()
    np.testing.assert_allclose(answers_of(kept, project, tmp_path), here, atol=1e-6, rtol=0)
