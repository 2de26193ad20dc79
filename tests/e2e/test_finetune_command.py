"""The recipe `finetune` through the command line, on a tiny network; then trained and used."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import command_line
from footwork import verbs
from footwork.classifier import Classifier, photos_in, read_facts
from footwork.errors import DataError
from footwork.histories import read_histories
from footwork.models.trainable import training_keras
from tiny_keras import toml, write_network, write_photos

pytestmark = pytest.mark.keras

SHORT = "epochs = 2\nbatch = 8\nlearning_rate = 0.001\n"
TUNED = '[recipes.tuned]\nkind = "finetune"\n[recipes.tuned.finetuning]\n' + SHORT


footwork = partial(command_line.footwork, timeout_s=600)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a run of a fine-tuned network and of `seed`."""
    folder = tmp_path_factory.mktemp("finetune")
    with training_keras("a test") as keras:
        file = write_network(keras, folder / "tiny.keras")
    (folder / "footwork.toml").write_text(toml(file, SHORT) + TUNED)
    write_photos(folder / "photos", 24)
    footwork("import", "photos", cwd=folder)
    footwork("compare", "--recipe", "tuned", "--recipe", "short", cwd=folder)
    return folder


def test_compare_fine_tunes_every_fold(project: Path) -> None:
    (run,) = (project / "runs").iterdir()
    entries = {entry["recipe"]: entry for entry in json.loads((run / "entries.json").read_text())}
    tuned = entries["tuned"]
    assert (tuned["contract"], tuned["view"], tuned["side"]) == ("right", "centre", 32)
    fits = [one for one in read_histories(run / "history.parquet") if one.recipe == "tuned"]
    assert len(fits) == 3
    for fit in fits:
        assert len(fit.curves) == 2
        assert np.isfinite(fit.curves).all()
        assert fit.kept in (0, 1, 2)
    assert len(list((run / "plots").glob("history-*.png"))) == 2
    assert "tiny · tuned" in (run / "report.html").read_text()


@pytest.mark.parametrize("recipe", ["tuned", "short"])
def test_what_was_trained_is_a_classifier_that_says_the_same_elsewhere(
    recipe: str, project: Path, tmp_path: Path
) -> None:
    if recipe == "tuned":
        footwork("train", "-r", recipe, "--name", recipe, cwd=project)
    else:
        verbs.train(project=project, recipe=recipe, name=recipe)
    kept = read_facts(project / "classifiers" / recipe)
    assert (kept.recipe, kept.bases[0].form, kept.promise.kind) == (recipe, "keras", "recipe")
    moved = (project / "classifiers" / recipe).rename(tmp_path / "moved")
    told = json.loads(
        footwork("predict", project / "photos", "-c", moved, "--json", cwd=tmp_path).stdout
    )
    answers = Classifier.load(moved).predict(list(photos_in([project / "photos"])))
    found = np.array([list(row["probabilities"].values()) for row in told])
    np.testing.assert_allclose(found, answers.proba, atol=1e-6, rtol=0)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-9)
    if recipe == "tuned":  # brightness is easy
        right = [row["label"] == Path(row["photo"]).parent.name for row in told]
        assert np.mean(right) > 0.9

    network = moved / "network1.keras"
    data = bytearray(network.read_bytes())
    data[len(data) // 2] ^= 1
    network.write_bytes(data)
    with pytest.raises(DataError, match=r"network1\.keras is not the file"):
        Classifier.load(moved)
