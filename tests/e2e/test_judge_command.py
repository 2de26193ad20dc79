"""`footwork judge` through the command line: tables, published scores, bad input, the page."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from prediction_files import answers_of, rows_of, write_rows

ORIGINAL = Path(__file__).resolve().parents[2] / "examples" / "original"
REPORTS = ("ResNet50", "VGG16", "EfficientNetB2", "MobileNetV3Large")


def judge(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "footwork", "judge", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "80", "NO_COLOR": "1"},
    )
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [
        row
        for name, skill in (("pose", 2.0), ("lite [red]0[/]", 1.9), ("guess", 0.0))
        for row in rows_of(name, skill, photos=range(60), repeats=3, folds=5)
    ]
    return write_rows(tmp_path / "predictions.csv", rows)


def test_json(table: Path) -> None:
    found = json.loads(judge(table, "--json").stdout)

    assert found["kind"] == "recipe"
    tier = {one["model"]: one["tier"] for one in found["entries"]}
    assert (tier["pose"], tier["lite [red]0[/]"], tier["guess"]) == (1, 1, 2)
    for one in found["entries"]:
        score = one["macro_f1"]
        assert 0 <= score["low"] < score["value"] < score["high"] <= 1
    assert [{p["a"], p["b"]} for p in found["pairs"]][-1] >= {"guess"}
    assert len(found["pairs"]) == 3
    for pair in found["pairs"]:
        assert set(pair) >= {"a", "b", "difference", "p"}
        assert set(pair["difference"]) == {"value", "low", "high"}
        assert 0 <= pair["p_alone"] <= pair["p"] <= 1


def test_terminal_and_page(table: Path, tmp_path: Path) -> None:
    page = tmp_path / "out" / "page.html"
    printed = judge(table, "--out", page).stdout

    assert max(len(line) for line in printed.splitlines() if "Page: " not in line) <= 80
    assert re.search(r"^lite \[red\]0\[/\] +1 +0\.\d\d +0\.\d\d to 0\.\d\d", printed, re.MULTILINE)
    said = " ".join(printed.split())
    assert "1 of the 2 others cannot be told apart from it (" in said
    assert "corrected for the 3 comparisons made" in said
    html = page.read_text()
    assert "<bdi>lite [red]0[/]</bdi>" in html
    assert "<script" not in html
    assert html.count('class="dot"') == 3
    assert "widened by √2" in html


def test_a_hostile_name_is_text_on_the_page(tmp_path: Path) -> None:
    rows = answers_of(rows_of("<img src=x onerror=alert(1)>", 1.0))
    page = tmp_path / "page.html"
    judge(write_rows(tmp_path / "t.csv", rows), "--out", page)

    assert "<img" not in page.read_text()
    assert "&lt;img src=x" in page.read_text()


def test_the_original_published_scores(tmp_path: Path) -> None:
    arguments: list[object] = []
    for name in REPORTS:
        arguments += ["--report", ORIGINAL / f"{name}.csv"]
    arguments += ["--confusion", ORIGINAL / "GPT-4-Turbo.csv"]
    page = tmp_path / "page.html"
    printed = judge(*arguments, "--out", page).stdout
    found = json.loads(judge(*arguments, "--json").stdout)

    assert max(len(line) for line in printed.splitlines() if "Page: " not in line) <= 80
    said = " ".join(printed.split())
    assert "None of these 5 models can be told from guessing for sure." in said
    assert "ResNet50 and VGG16 cannot be told apart, whatever the pairing" in said
    assert "GPT-4-Turbo was tested on 32 other photos" in said
    right = {one["model"]: one["right"] for one in found["entries"]}
    assert [right[name] for name in REPORTS] == [{"low": n, "high": n} for n in (27, 25, 27, 23)]
    assert {one["model"]: one["tier"] for one in found["entries"]}["GPT-4-Turbo"] is None
    assert len(found["pairs"]) == 6
    assert "GPT-4-Turbo was tested on 32 other photos" in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "Give either a table of predictions, or --confusion and --report files"),
        (("none.csv",), 3, "none.csv does not exist"),
        (("--report", "none.csv"), 3, "none.csv does not exist"),
        (("--confusion", ORIGINAL / "ResNet50.csv"), 3, "is no confusion matrix: its rows are"),
        (
            ("--report", ORIGINAL / "VGG16.csv", "--report", ORIGINAL / "VGG16.csv"),
            3,
            "Two models are called VGG16; rename one of the files.",
        ),
    ],
)
def test_bad_input_is_one_sentence(arguments: tuple[object, ...], code: int, message: str) -> None:
    done = judge(*arguments, code=code)

    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_models_on_different_photos_need_common(tmp_path: Path) -> None:
    rows = [*rows_of("a", 1.0), *rows_of("b", 1.0, photos=range(3, 30))]
    path = write_rows(tmp_path / "t.csv", rows)

    assert "of 30, b lacks 3 (000.jpg" in " ".join(judge(path, code=3).stderr.split())
    found = json.loads(judge(path, "--common", "--json").stdout)
    assert found["photos"] == 27
    assert found["notes"][0].startswith("3 of 30 photos were left out")


def test_the_same_seed_gives_the_same_bytes(table: Path) -> None:
    assert judge(table, "--json").stdout == judge(table, "--json").stdout
    one, other = (
        json.loads(judge(table, "--json", "--seed", seed).stdout)["entries"][0]["macro_f1"]
        for seed in (1, 2)
    )
    assert one["value"] == other["value"]
    assert one["low"] != other["low"]
    assert np.isclose(one["low"], other["low"], atol=0.01)
