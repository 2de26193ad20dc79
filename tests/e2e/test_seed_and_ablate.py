"""The recipe `seed` and `footwork ablate` through the command line, on a tiny network."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from footwork import verbs
from footwork.histories import read_histories
from footwork.models.fit import Trainer
from footwork.models.trainable import training_keras
from footwork.runs import find_run, read_run
from tiny_keras import toml, write_network, write_photos

pytestmark = pytest.mark.keras

TRAINING = "epochs = 2\nbatch = 8\nlearning_rate = 0.001\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    with training_keras("a test") as keras:
        file = write_network(keras, tmp_path / "tiny.keras")
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "footwork.toml").write_text(toml(file, TRAINING))
    verbs.import_images(write_photos(tmp_path / "photos", 30), project=folder)
    return folder


def command(*words: str, project: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "footwork", *words],
        cwd=project,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def kept(project: Path) -> list[Path]:
    return sorted((project / ".footwork" / "cache" / "fits").glob("*/r*f*.npz"))


def test_a_killed_training_goes_on_and_is_reported(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = TRAINING.replace("epochs = 2", "epochs = 6")
    toml_file = project / "footwork.toml"
    toml_file.write_text(toml_file.read_text().replace(TRAINING, long))
    running = command("compare", project=project)
    try:
        deadline = time.monotonic() + 240
        while not kept(project) and running.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        running.send_signal(signal.SIGKILL)
        _, said = running.communicate()
    before = kept(project)
    assert 0 < len(before) < 3, said
    trained = 0
    fit = Trainer.fit

    def counted(self: Trainer, *arguments: Any) -> Any:
        nonlocal trained
        trained += 1
        return fit(self, *arguments)

    monkeypatch.setattr(Trainer, "fit", counted)
    compared = verbs.compare(project=project)
    assert trained == 3 - len(before), "finished folds are not trained again"
    assert len(kept(project)) == 3

    (info,) = compared.run.entries
    assert (info.recipe, info.contract, info.view) == ("short", "unit-range", "squash")
    fits = read_histories(compared.run.folder / "history.parquet")
    assert [(h.fold, len(h.curves)) for h in fits] == [(0, 6), (1, 6), (2, 6)]
    assert len(compared.run.predictions) == 30
    (picture,) = (compared.run.folder / "plots").glob("history-*.png")
    page = compared.report.read_text()
    assert "How training went" in page
    assert "3 fits of 6 epochs" in page
    assert "Answered wrongly" in page or "mistakes" in page.lower()

    monkeypatch.setattr(Trainer, "__init__", None)  # nothing can be trained any more
    drawn = picture.read_bytes()
    shutil.rmtree(compared.run.folder / "plots")
    again = verbs.report(project=project)
    assert picture.read_bytes() == drawn
    assert again.report.read_text() == page


def test_ablate_says_what_each_choice_does(project: Path) -> None:
    running = command(
        "ablate", "--draws", "2", "--check", "2", "--repeats", "1", "--json", project=project
    )
    out, err = running.communicate(timeout=600)
    assert running.returncode == 0, err
    said = json.loads(out)["ablation"]
    switches = [step["switch"] for step in said["path"]]
    moved = "contract learning_rate flip rotation squash split restore_best recipe"
    assert switches == moved.split()
    assert sorted(step["switch"] for step in said["back"]) == sorted(switches[:-1])
    for step in said["path"]:
        assert step["change"]["low"] <= step["change"]["value"] <= step["change"]["high"]
    assert len(said["checks"]) == 8
    for check in said["checks"]:
        assert len(check["real"]) == len(check["bank"]) == 2
    assert [len(split["others"]) for split in said["splits"]] == [20, 20]

    run = read_run(find_run(project / "runs", None))
    assert run.ablation is not None
    scores = {one.entry: one.macro_f1.value for one in verbs.report(project=project).board.entries}
    for step in run.ablation.path:
        difference = scores[step.entry] - scores[step.before]
        assert step.change.value == pytest.approx(difference), step.switch
    page = (run.folder / "report.html").read_text()
    assert "What the original" in page
    assert (run.folder / "plots" / "ablation.png").exists()
    assert (run.folder / "plots" / "bank.png").exists()
