"""The main job through the real command line: photos in, an honest report out."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import command_line
from footwork.predictions import read_predictions
from footwork.runs import read_run

QUICK = ["--base", "efficientnet_lite0", "--folds", "3", "--repeats", "2"]


footwork = partial(command_line.footwork, timeout_s=500)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:  # type: ignore[type-arg]
    """A small demo project, and what its command printed as JSON."""
    folder = tmp_path_factory.mktemp("demo") / "project"
    said = footwork("demo", folder, "--photos", "40", "--json").stdout
    return folder, json.loads(said)


def test_demo_ends_with_a_report_that_says_it_is_drawn(demo: tuple[Path, dict]) -> None:  # type: ignore[type-arg]
    folder, said = demo
    page = Path(said["report"]).read_text()

    assert {e["base"] for e in said["entries"]} == {f"efficientnet_lite{i}" for i in range(3)}
    for entry in said["entries"]:
        f1 = entry["macro_f1"]
        assert 0 <= f1["low"] <= f1["value"] <= f1["high"] <= 1
        assert entry["weights"] == "verified"
        assert entry["milliseconds"] > 0
        assert entry["megabytes"] > 10
    assert "drawn" in page
    assert any("drawn" in sentence for sentence in said["sentences"])
    assert any("Nobody has looked" in note for note in said["notes"]), "it runs no dedupe"
    assert (folder / "runs" / said["run"] / "plots" / "leaderboard.png").stat().st_size > 5_000


def test_planted_trouble_is_found(demo: tuple[Path, dict]) -> None:  # type: ignore[type-arg]
    folder, _ = demo
    status = json.loads(footwork("status", "--json", cwd=folder).stdout)

    assert len(status["rejected"]) == 3, "the three broken files, each with its reason"
    assert all(item["reason"] for item in status["rejected"])
    assert len(status["conflicts"]) >= 1


def test_every_planned_photo_is_answered_once_per_repeat(demo: tuple[Path, dict]) -> None:  # type: ignore[type-arg]
    folder, said = demo
    table = read_predictions(folder / "runs" / said["run"] / "predictions.parquet")

    for index in range(len(table.entries)):
        mine = table.of_entry(index)
        cells = set(zip(mine.repeat.tolist(), mine.photo.tolist(), strict=True))
        assert len(cells) == len(mine) == table.repeats * len(table.photos)
    assert table.repeats == table.folds == 5


def test_entries_are_compared_on_the_same_folds(demo: tuple[Path, dict]) -> None:  # type: ignore[type-arg]
    folder, said = demo
    table = read_predictions(folder / "runs" / said["run"] / "predictions.parquet")
    first = table.of_entry(0)
    for index in (1, 2):
        np.testing.assert_array_equal(table.of_entry(index).fold, first.fold)


def test_a_second_compare_decodes_nothing_and_says_the_same(demo: tuple[Path, dict]) -> None:  # type: ignore[type-arg]
    folder, said = demo
    again = json.loads(footwork("compare", "--json", cwd=folder).stdout)

    assert said["decoded"] > 0
    assert again["decoded"] == 0
    assert again["run"] != said["run"]
    assert again["entries"] == said["entries"]
    runs = [folder / "runs" / name / "predictions.parquet" for name in (said["run"], again["run"])]
    assert runs[0].read_bytes() == runs[1].read_bytes()


def test_a_report_is_made_again_from_the_run_alone(demo: tuple[Path, dict]) -> None:  # type: ignore[type-arg]
    folder, said = demo
    run = folder / "runs" / said["run"]
    page = run / "report.html"
    before = page.read_text()
    page.unlink()
    (run / "metrics.json").unlink()
    footwork("report", said["run"], cwd=folder)
    assert page.read_text() == before

    footwork("report", said["run"], "--no-photos", cwd=folder)
    without = page.read_text()
    assert "data:image" not in without
    assert len(without) < len(before)
    page.write_text(before)


def test_names_and_order_of_the_files_do_not_matter(
    demo: tuple[Path, dict],  # type: ignore[type-arg]
    tmp_path: Path,
) -> None:
    """The same photos under other names give the same predictions of the same bytes."""
    drawings = demo[0] / "drawings"
    other = tmp_path / "renamed"
    for number, path in enumerate(sorted(drawings.glob("*/*"), reverse=True)):
        target = other / path.parent.name / f"{number:04}{path.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)

    answers = []
    for name, source in (("a", drawings), ("b", other)):
        folder = tmp_path / name
        folder.mkdir()
        footwork("import", source, cwd=folder)
        said = json.loads(footwork("compare", *QUICK, "--json", cwd=folder).stdout)
        table = read_predictions(folder / "runs" / said["run"] / "predictions.parquet")
        answers.append((table.photos.image, table.fold, table.proba))
    assert answers[0][0] == answers[1][0]
    np.testing.assert_array_equal(answers[0][1], answers[1][1])
    np.testing.assert_array_equal(answers[0][2], answers[1][2])


def test_a_conflict_stays_out_until_decided(demo: tuple[Path, dict], tmp_path: Path) -> None:  # type: ignore[type-arg]
    folder = tmp_path / "p"
    shutil.copytree(demo[0], folder)
    status = json.loads(footwork("status", "--json", cwd=folder).stdout)
    conflict = status["conflicts"][0]
    label = conflict["classes"][0]

    footwork("label", conflict["image"][:10], label, "--who", "ada", "--why", "seen", cwd=folder)

    after = json.loads(footwork("status", "--json", cwd=folder).stdout)
    assert len(after["conflicts"]) == len(status["conflicts"]) - 1
    assert after["photos"] == status["photos"] + 1
    footwork("label", conflict["image"][:10], "heel", cwd=folder, code=2)


def test_breaking_the_contract_is_a_row_of_its_own(demo: tuple[Path, dict]) -> None:  # type: ignore[type-arg]
    said = json.loads(
        footwork("compare", *QUICK, "--break-contract", "unit-range", "--json", cwd=demo[0]).stdout
    )
    rows = {entry["contract"]: entry for entry in said["entries"]}
    assert set(rows) == {"right", "unit-range"}
    assert any("instead of its own range" in sentence for sentence in said["sentences"])
    run = read_run(demo[0] / "runs" / said["run"])
    assert 'break_contract = [\n    "unit-range",\n]' in run.config_text


def test_backup_and_restore(demo: tuple[Path, dict], tmp_path: Path) -> None:  # type: ignore[type-arg]
    footwork("backup", tmp_path / "b.zip", cwd=demo[0])
    footwork("restore", tmp_path / "b.zip", tmp_path / "back")

    before = json.loads(footwork("status", "--json", cwd=demo[0]).stdout)
    after = json.loads(footwork("status", "--json", cwd=tmp_path / "back").stdout)
    assert {k: after[k] for k in ("photos", "per_class", "conflicts", "rejected")} == {
        k: before[k] for k in ("photos", "per_class", "conflicts", "rejected")
    }


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_compare_goes_on(
    demo: tuple[Path, dict],  # type: ignore[type-arg]
    tmp_path: Path,
    how: signal.Signals,
) -> None:
    folder = tmp_path / "p"
    shutil.copytree(demo[0], folder, ignore=shutil.ignore_patterns("cache", "runs"))
    process = command_line.started("compare", *QUICK, cwd=folder)
    index = folder / ".footwork" / "cache" / "features"
    deadline = time.monotonic() + 60
    while not list(index.glob("*/rows.idx")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(how)
    _, told = process.communicate(timeout=60)

    if how is signal.SIGINT:
        assert process.returncode == 130
        assert "run the same command to go on" in told
        assert "Traceback" not in told
        assert not list((folder / "runs").glob("*")), "nothing half-written"
    said = json.loads(footwork("compare", *QUICK, "--json", cwd=folder).stdout)
    unbroken = json.loads(footwork("compare", *QUICK, "--json", cwd=demo[0]).stdout)
    assert [e["macro_f1"] for e in said["entries"]] == [e["macro_f1"] for e in unbroken["entries"]]


def photos_of(folder: Path, counts: dict[str, int]) -> Path:
    from PIL import Image

    rng = np.random.default_rng(0)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"a": 6}, "one class"),
        ({"a": 6, "b": 1}, "b"),
        ({"a": 3, "b": 3}, "folds"),
    ],
)
def test_photos_that_do_not_allow_a_comparison(
    tmp_path: Path, counts: dict[str, int], said: str
) -> None:
    footwork("import", photos_of(tmp_path / "photos", counts), cwd=tmp_path)
    told = footwork("compare", cwd=tmp_path, code=3).stderr

    assert said in told
    assert len(told.strip().splitlines()) <= 4
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_mistakes_have_the_exit_code_of_their_kind(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    footwork("compare", cwd=empty, code=2)
    footwork("import", tmp_path / "nowhere", cwd=empty, code=2)
    footwork("import", empty, cwd=empty, code=3)
    assert not list(empty.iterdir()), "a failed first import leaves no project behind"
    footwork("init", "project", "--template", "climbing", cwd=tmp_path)
    project = tmp_path / "project"
    footwork("compare", cwd=project, code=3)
    wrong = photos_of(tmp_path / "photos", {"heel_hok": 3, "others": 3})
    told = footwork("import", wrong, cwd=project, code=3).stderr
    assert "heel_hok" in told
    assert "heel_hook" in told
    told = footwork("compare", "-b", "ResNet5", cwd=project, code=2).stderr
    assert "did you mean ResNet50" in told
    told = footwork("compare", "-r", "prob", cwd=project, code=2).stderr
    assert "did you mean probe" in told


def test_a_project_that_cannot_be_written_to(tmp_path: Path) -> None:
    footwork("import", photos_of(tmp_path / "photos", {"a": 6, "b": 6}), cwd=tmp_path)
    (tmp_path / "runs").write_text("a file where the folder should be")
    told = footwork("compare", *QUICK, cwd=tmp_path, code=4).stderr
    assert "runs" in told


LIMITED = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
from footwork.cli import main
main()
"""


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    """A file size limit stands in for the full disk, which a test cannot have."""
    footwork("import", photos_of(tmp_path / "photos", {"a": 6, "b": 6}), cwd=tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, "compare", *QUICK],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    assert "could not be written" in done.stderr
    footwork("compare", *QUICK, cwd=tmp_path)


def test_help_and_version_are_quick_and_light() -> None:
    code = (
        "import sys; sys.argv = ['footwork', '--help']\n"
        "from footwork.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'sklearn', 'onnx', 'onnxruntime', 'keras', 'tensorflow', 'matplotlib',"
        " 'duckdb', 'PIL', 'pydantic', 'asyncio', 'aiohttp', 'ssl', 'sqlite3', 'footwork.verbs'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"
    assert footwork("--version").stdout.startswith("footwork ")


@pytest.mark.shared
@pytest.mark.slow
def test_ants_and_bees(shared: Path, tmp_path: Path) -> None:
    """396 photos; macro-F1 of at least 0.93 for the best lite base."""
    said = footwork("import", shared / "data" / "hymenoptera", "--json", cwd=tmp_path).stdout
    assert json.loads(said)["per_class"] == {"ants": 192, "bees": 204}
    again = json.loads(
        footwork("import", shared / "data" / "hymenoptera", "--json", cwd=tmp_path).stdout
    )
    assert (again["new"], again["known"]) == (0, 396)

    compared = json.loads(footwork("compare", "--json", cwd=tmp_path).stdout)
    best = compared["entries"][0]
    assert best["macro_f1"]["value"] >= 0.93
    assert best["beats_guessing"]


@pytest.mark.shared
@pytest.mark.slow
def test_climbing_tiles(shared: Path, tmp_path: Path) -> None:
    """67 photos of climbers: lite0 between 0.33 and 0.46, and the report says what that means."""
    manifest = shared / "data" / "climbing_tiles" / "manifest.csv"
    footwork("import", manifest, "--where", "best=1", "--column", "group=photo", cwd=tmp_path)
    said = json.loads(
        footwork("compare", "--base", "efficientnet_lite0", "--json", cwd=tmp_path).stdout
    )
    (entry,) = said["entries"]
    assert said["photos"] == 67
    assert 0.33 <= entry["macro_f1"]["value"] <= 0.46
    assert not entry["beats_guessing"]
    assert "cannot be told from guessing" in said["sentences"][0]


def test_environment_is_recorded(demo: tuple[Path, dict]) -> None:  # type: ignore[type-arg]
    folder, said = demo
    run = read_run(folder / "runs" / said["run"])

    assert run.environment.seed == 12
    assert run.environment.versions["onnxruntime"]
    assert run.environment.data.drawn
    assert run.environment.data.photos == len(run.predictions.photos)
    assert all(len(info.weights_sha256) == 64 for info in run.entries)
    assert os.cpu_count()
