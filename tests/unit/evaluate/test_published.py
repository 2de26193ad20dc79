"""Published matrices and reports: every matrix that fits is found, and nothing else."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import classification_report

from footwork.errors import DataError
from footwork.evaluate.published import Published, filled_in, read_confusion, read_report
from footwork.scores import f1, precision, recall, tally

ORIGINAL = Path(__file__).resolve().parents[3] / "examples" / "original"
RIGHT = {"ResNet50": 27, "VGG16": 25, "EfficientNetB2": 27, "MobileNetV3Large": 23}


def report_of(matrix: np.ndarray, path: Path, *, with_f1: bool = False) -> Path:
    """Write scikit-learn's report of a confusion matrix, to two decimals."""
    cells = [(t, a) for (t, a), n in np.ndenumerate(matrix) for _ in range(n)]
    names = [f"class{k}" for k in range(len(matrix))]
    truth, answers = zip(*cells, strict=True)
    printed = classification_report(
        truth, answers, labels=range(len(names)), target_names=names, digits=2, zero_division=0
    )
    lines = ["class,precision,recall" + (",f1-score" if with_f1 else "") + ",support"]
    for line in printed.splitlines():
        if line.strip().startswith("class"):
            name, p, r, f, n = line.split()
            lines.append(",".join([name, p, r, *([f] if with_f1 else []), n]))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("name", RIGHT)
def test_the_originals_reports_fix_every_score(name: str) -> None:
    """One set of hits and answers fits each report; counted by hand: 27, 25, 27 and 23 right."""
    model = read_report(ORIGINAL / f"{name}.csv")
    counts = tally(model.matrices)

    assert dict(zip(model.classes, model.support.tolist(), strict=True)) == {
        "heel_hook": 24, "others": 18, "toe_hook": 20,
    }  # fmt: skip
    assert (counts.hits.sum(axis=1) == RIGHT[name]).all()
    assert len(np.unique(counts.answered, axis=0)) == 1
    text = (ORIGINAL / f"{name}.csv").read_text().splitlines()[1:]
    for matrix in model.matrices:
        one = tally(matrix)
        for k, line in enumerate(text):
            scores = precision(one)[k], recall(one)[k], f1(one)[k]
            assert line.split(",")[1:4] == [f"{value:.2f}" for value in scores]


def test_gpts_matrix_is_read_by_its_names() -> None:
    model = read_confusion(ORIGINAL / "GPT-4-Turbo.csv")

    assert model.classes == ("heel_hook", "toe_hook", "others")
    assert model.matrices[0, :, :3].tolist() == [[1, 1, 12], [0, 0, 6], [0, 1, 11]]
    assert model.photos == 32


@given(st.integers(0, 2**32 - 1), st.integers(2, 3), st.booleans())
@settings(max_examples=25, deadline=None)
def test_all_that_fits_is_found_and_nothing_else(seed: int, k: int, with_f1: bool) -> None:
    import tempfile

    rng = np.random.default_rng(seed)
    true = rng.integers(0, 4 if k == 3 else 12, size=(k, k))
    true[np.arange(k), rng.integers(k, size=k)] += 1  # no class is empty
    with tempfile.TemporaryDirectory() as folder:
        path = report_of(true, Path(folder) / "r.csv", with_f1=with_f1)
        found = {tuple(m[:, :k].ravel()) for m in read_report(path).matrices}
        assert tuple(true.ravel()) in found
        for cells in found:
            again = report_of(
                np.array(cells).reshape(k, k), Path(folder) / "s.csv", with_f1=with_f1
            )
            assert again.read_text() == path.read_text()


def test_brute_force_finds_the_same_matrices(tmp_path: Path) -> None:
    true = np.array([[0, 1, 1], [1, 1, 0], [0, 1, 2]])
    path = report_of(true, tmp_path / "r.csv")
    wanted = path.read_text()
    rows = [
        [(a, b, n - a - b) for a in range(n + 1) for b in range(n + 1 - a)]
        for n in true.sum(axis=1).tolist()
    ]
    fitting = {
        sum(cells, ())
        for cells in product(*rows)
        if report_of(np.array(cells), tmp_path / "s.csv").read_text() == wanted
    }

    found = [tuple(m[:, :3].ravel()) for m in read_report(path).matrices]
    assert set(found) == fitting
    assert len(found) == len(fitting) > 1


def test_f1_narrows_what_fits(tmp_path: Path) -> None:
    true = np.array([[283, 17], [121, 179]])
    plain = report_of(true, tmp_path / "plain.csv")
    exact = report_of(true, tmp_path / "exact.csv", with_f1=True)
    wide, narrow = (read_report(path).matrices[:, :, :2] for path in (plain, exact))

    assert len(narrow) < len(wide)
    fitting = [
        m.tolist()
        for m in wide
        if report_of(m, tmp_path / "s.csv", with_f1=True).read_text() == exact.read_text()
    ]
    assert narrow.tolist() == fitting
    assert true.tolist() in fitting


def test_filling_in_counts_every_matrix_once() -> None:
    support, fit = [4, 3, 3, 2], [(1, 4), (1, 3), (2, 3), (0, 2)]
    found = [tuple(m.ravel()) for m in filled_in(support, fit)]

    # By brute force: each row deals its wrong answers over the three other columns.
    rows = []
    for k, (photos, (hits, _)) in enumerate(zip(support, fit, strict=True)):
        dealt = [d for d in product(range(photos + 1), repeat=3) if sum(d) == photos - hits]
        rows.append([(*d[:k], hits, *d[k:]) for d in dealt])
    brute = {
        tuple(np.pad(np.array(matrix), ((0, 0), (0, 1))).ravel())
        for matrix in product(*rows)
        if (np.array(matrix).sum(axis=0) == [answered for _, answered in fit]).all()
    }
    assert len(found) == len(set(found))
    assert set(found) == brute
    assert len(brute) > 10


def test_a_column_for_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("true,b,a,no answer\na,1,5,2\nb,4,0,0\n")
    model = read_confusion(path)

    assert model.classes == ("b", "a")
    assert model.matrices[0].tolist() == [[4, 0, 0], [1, 5, 2]]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("true,a,b\na,1,2\nc,3,4\n", "its rows are a, c and its columns a, b"),
        ("true,a,b\na,1,2\n", "no confusion matrix"),
        ("true,a,b\na,1,2.5\nb,3,4\n", "row a, column b is '2.5'; it must be a count"),
        ("true,a,b\na,1,-2\nb,3,4\n", "row a, column b is '-2'"),
        ("true,a,b\na,1,inf\nb,3,4\n", "row a, column b is 'inf'"),
        ("true,a,b\na,1,\nb,3,4\n", "row a, column b is None"),
        ("true,a,b\na,1,2\nb,0,0\n", "no photo is labelled 'b'"),
    ],
)
def test_what_is_no_matrix_of_counts(tmp_path: Path, text: str, match: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=match):
        read_confusion(path)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("class,precision,recal,support\na,1,1,2\nb,1,1,2\n", "lacks recall; did you mean recal"),
        ("class,precision,recall,support\na,0.5,0.55,2\nb,1,1,2\n", "no counts of 2 photos of a"),
        ("class,precision,recall,support\na,46,0.5,2\nb,1,1,2\n", "precision of a is '46'"),
        ("class,precision,recall,support\na,1,1,2.5\nb,1,1,2\n", "support of a is '2.5'"),
        ("class,precision,recall,support\na,1,1,2\n", "one row for each of at least two"),
        ("class,precision,recall,support\na,1.00,0.50,2\nb,1.00,1.00,2\n", "no confusion matrix"),
        ("class,precision,recall,support\na,0.5,0.5,900\nb,0.5,0.5,900\n", "more than 5,000"),
    ],
)  # fmt: skip
def test_what_is_no_report(tmp_path: Path, text: str, match: str) -> None:
    path = tmp_path / "r.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=match):
        read_report(path)


def test_averages_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(
        "class,precision,recall,f1-score,support\na,1.00,1.00,1.00,3\nb,1.00,1.00,1.00,2\n"
        "accuracy,,,1.00,5\nmacro avg,1.00,1.00,1.00,5\n"
    )
    model = read_report(path)

    assert isinstance(model, Published)
    assert model.matrices.tolist() == [[[3, 0, 0], [0, 2, 0]]]
