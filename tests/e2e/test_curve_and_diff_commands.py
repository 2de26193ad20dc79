"""`curve` and `diff` through the command line."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from footwork.cli import app
from footwork.evaluate.diff import RunDiff
from footwork.evaluate.forecast import Curve
from footwork.runs import Run
from synthetic_run import made_run

runner = CliRunner()


def said(*words: str | Path, code: int = 0) -> str:
    done = runner.invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done.stdout


@pytest.mark.shared
def test_a_curve_is_measured_kept_and_drawn_anew(shared: Path, tmp_path: Path) -> None:
    for name in ("ants", "bees"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for photo in sorted((shared / "data" / "hymenoptera" / name).glob("train_*"))[:28]:
            shutil.copy(photo, tmp_path / "photos" / name)
    project = tmp_path / "project"
    project.mkdir()
    said("import", tmp_path / "photos", "-C", project)
    told = json.loads(said("curve", "-C", project, "--folds", "3", "--repeats", "1", "--json"))
    folder = Path(told.pop("folder"))
    first = Curve.model_validate(told)

    assert first.needs == ()
    assert first.points[-1].macro_f1.value > 0.7
    assert first.points[0].photos < first.points[-1].photos < 56
    assert {path.name for path in folder.iterdir()} == {
        "curve.parquet", "curve.json", "curve.png", "facts.json",
    }  # fmt: skip
    picture = (folder / "curve.png").read_bytes()
    text = said("curve", folder.name, "-C", project, "--target", "0.2")
    assert "is reached" in text
    assert (folder / "curve.png").read_bytes() != picture, "the wanted score is drawn"
    again = Curve.model_validate_json((folder / "curve.json").read_bytes())
    assert again.points == first.points
    assert len(list(folder.parent.iterdir())) == 1
    said("curve", "-C", project, "--target", "1.5", code=2)
    said("curve", "20990101", "-C", project, code=2)


def written(run: Run) -> Path:
    (run.folder / "environment.json").write_text(run.environment.model_dump_json())
    listed = [entry.model_dump(mode="json") for entry in run.entries]
    (run.folder / "entries.json").write_text(json.dumps(listed))
    run.predictions.write(run.folder / "predictions.parquet")
    return run.folder


def test_runs_of_different_projects_are_compared_by_path(tmp_path: Path) -> None:
    first = written(made_run(tmp_path / "one" / "runs" / "first"))
    second = written(
        made_run(
            tmp_path / "two" / "runs" / "second", config='name = "x"\n\n[compare]\nfolds = 5\n'
        )
    )
    found = RunDiff.model_validate_json(said("diff", first, second, "--json"))

    assert (found.first, found.second, found.shared) == ("first", "second", 60)
    assert [(one.kind, one.what, one.now) for one in found.changes] == [("settings", "name", "x")]
    assert len(found.entries) == 4
    text = said("diff", first, second)
    assert "60 photos were tested in both runs; they are the same." in text.replace("\n", " ")
    assert "cannot be told from no change" in text.replace("\n", " ")
    said("diff", first, tmp_path / "one" / "runs" / "absent", code=2)
    said("diff", first, tmp_path / "one", code=3)
