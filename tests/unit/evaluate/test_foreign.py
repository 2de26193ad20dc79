"""Tables that others made: read as they were meant, or refused in a sentence."""

from pathlib import Path

import numpy as np
import pytest

from footwork.errors import DataError
from footwork.evaluate.foreign import Foreign, read_foreign
from footwork.predictions import ABSTAINED, FAILED, NO_ANSWER, read_predictions
from footwork.tables import write_parquet
from prediction_files import CLASSES, Row, answers_of, rows_of, write_rows
from synthetic_run import made_run

BOTH = [*rows_of("b", 1.0), *rows_of("a", 2.0)]


def read(tmp_path: Path, rows: list[Row], *, common: bool = False) -> Foreign:
    return read_foreign(write_rows(tmp_path / "t.csv", rows), common=common)


def refused(tmp_path: Path, rows: list[Row], match: str) -> str:
    with pytest.raises(DataError, match=match) as caught:
        read(tmp_path, rows)
    return str(caught.value)


def changed(rows: list[Row], at: int, **cells: str) -> list[Row]:
    return [row | cells if i == at else row for i, row in enumerate(rows)]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    table = read(tmp_path, BOTH).predictions

    assert table.classes == CLASSES
    assert [e.entry for e in table.entries] == ["a", "b"]
    assert table.photos.image == tuple(f"{i:03}.jpg" for i in range(30))
    assert table.photos.label.tolist() == [i % 3 for i in range(30)]
    assert (table.repeats, table.folds) == (1, 1)
    wanted = np.array([[float(row[f"p_{name}"]) for name in CLASSES] for row in rows_of("a", 2.0)])
    wanted /= wanted.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(table.probabilities(0)[0], wanted, atol=1e-4)
    assert table.answers(0)[0].tolist() == wanted.argmax(axis=1).tolist()


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_row_order_and_format_do_not_matter(tmp_path: Path, ending: str) -> None:
    import json

    rows = [*rows_of("b", 1.0, repeats=2, folds=3), *rows_of("a", 2.0, repeats=2, folds=3)]
    expected = read(tmp_path, rows).predictions
    shuffled = [rows[i] for i in np.random.default_rng(1).permutation(len(rows))]
    path = tmp_path / f"u{ending}"
    if ending == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in shuffled))
    elif ending == ".parquet":
        columns = {k: np.array([r[k] for r in shuffled], dtype=object) for k in shuffled[0]}
        numbers = {k: v.astype(float) for k, v in columns.items() if k.startswith("p_")}
        write_parquet(path, columns | numbers)
    else:
        mark = "\t" if ending == ".tsv" else ","
        lines = [mark.join(shuffled[0]), *(mark.join(row.values()) for row in shuffled)]
        path.write_text("\n".join(lines) + "\n")
    found = read_foreign(path).predictions

    assert (found.classes, found.entries) == (expected.classes, expected.entries)
    assert found.photos.image == expected.photos.image
    for name in ("entry", "photo", "repeat", "fold", "predicted", "proba"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)


def test_predictions_alone_will_do_and_an_empty_one_is_no_answer(tmp_path: Path) -> None:
    table = read(tmp_path, changed(answers_of(BOTH), 0, prediction="")).predictions

    assert table.answers(1)[0, 0] == NO_ANSWER
    assert table.status.tolist().count(ABSTAINED) == 1
    assert table.answers(0).tolist() == read(tmp_path, BOTH).predictions.answers(0).tolist()
    assert np.isnan(table.proba).all()


def test_a_prediction_outranks_the_highest_probability_and_says_so(tmp_path: Path) -> None:
    rows = [
        r | {"prediction": a["prediction"]} for r, a in zip(BOTH, answers_of(BOTH), strict=True)
    ]
    other = next(name for name in CLASSES if name != rows[0]["prediction"])
    found = read(tmp_path, changed(rows, 0, prediction=other))

    assert found.predictions.answers(1)[0, 0] == CLASSES.index(other)
    assert found.notes == (
        "In 1 of 60 rows `prediction` is not the class of the highest probability; `prediction` "
        "is what counts.",
    )


def test_a_status_explains_a_missing_answer(tmp_path: Path) -> None:
    rows = [row | {"status": "ok"} for row in BOTH]
    nothing = {f"p_{name}": "" for name in CLASSES}
    rows = changed(rows, 0, status="failed: truncated", **nothing)
    rows = changed(rows, 1, status="abstained", **nothing)
    table = read(tmp_path, rows).predictions

    assert table.status[30:32].tolist() == [FAILED, ABSTAINED]
    assert table.reason[30:32].tolist() == ["truncated", ""]
    assert np.isnan(table.proba[30:32]).all()


def test_a_run_of_our_own_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run")
    path = tmp_path / "predictions.parquet"
    run.predictions.write(path)
    ours, found = read_predictions(path), read_foreign(path)

    assert sorted(found.titles.values())[0].startswith("ResNet50 · probe")
    assert len(set(found.titles.values())) == 4  # two are called the same: told apart by hash
    for index, entry in enumerate(found.predictions.entries):
        theirs = [e.entry for e in ours.entries].index(entry.entry)
        assert (found.predictions.answers(index) == ours.answers(theirs)).all()
        np.testing.assert_array_equal(
            found.predictions.probabilities(index), ours.probabilities(theirs)
        )
    assert found.predictions.photos.path == ours.photos.path
    assert found.predictions.folds == ours.folds


def test_folds_numbered_through_all_repeats_are_numbered_anew(tmp_path: Path) -> None:
    rows = [
        row | {"fold": f"r{row['repeat']}f{row['fold']}"}
        for row in rows_of("a", 1.0, repeats=3, folds=5)
    ]

    assert read(tmp_path, rows).predictions.folds == 5


def test_groups(tmp_path: Path) -> None:
    rows = [r | {"group": "" if int(r["image"][:3]) < 10 else "wall"} for r in BOTH]
    photos = read(tmp_path, rows).predictions.photos

    assert len(np.unique(photos.group)) == 11  # ten alone, one wall
    assert photos.group_name[photos.group[29]] == "wall"
    assert photos.group_name[photos.group[0]] == "000.jpg"


# Refused


def test_probabilities_that_do_not_sum_to_one(tmp_path: Path) -> None:
    said = refused(tmp_path, changed(BOTH, 3, p_others="0.9"), "1 rows have probabilities that do")
    assert "within 0.02" in said
    assert "003.jpg, model b" in said


def test_a_rounding_is_divided_out(tmp_path: Path) -> None:
    cells = {"p_heel_hook": "0.33", "p_others": "0.33", "p_toe_hook": "0.33"}
    table = read(tmp_path, changed(BOTH, 0, **cells)).predictions

    np.testing.assert_allclose(table.probabilities(1)[0, 0], 1 / 3, rtol=1e-12)


@pytest.mark.parametrize("cell", ["", "nan", "NaN"])
def test_nan(tmp_path: Path, cell: str) -> None:
    refused(tmp_path, changed(BOTH, 3, p_others=cell), "1 rows have a probability that is missing")


@pytest.mark.parametrize("cell", ["-0.1", "1.7", "inf"])
def test_scores_that_are_no_probabilities(tmp_path: Path, cell: str) -> None:
    refused(tmp_path, changed(BOTH, 3, p_others=cell), "outside 0 to 1.*softmax")


def test_words_instead_of_numbers(tmp_path: Path) -> None:
    refused(tmp_path, changed(BOTH, 3, p_others="high"), "p_others holds 'high'")


def test_a_label_without_a_column(tmp_path: Path) -> None:
    rows = [row | ({"label": "toe_hoook"} if row["image"] == "003.jpg" else {}) for row in BOTH]
    refused(tmp_path, rows, "label 'toe_hoook' has no column p_toe_hoook; did you mean toe_hook")


def test_a_class_without_photos(tmp_path: Path) -> None:
    rows = [row for row in BOTH if row["label"] != "others"]
    refused(tmp_path, rows, "class 'others' has a column but no photo")


def test_a_prediction_that_is_no_class(tmp_path: Path) -> None:
    refused(
        tmp_path,
        changed(answers_of(BOTH), 3, prediction="Others"),
        "1 rows predict 'Others', which no photo is labelled with; did you mean others",
    )


def test_a_single_class(tmp_path: Path) -> None:
    rows = [row | {"label": "others", "prediction": "others"} for row in answers_of(BOTH)]
    refused(tmp_path, rows, "all photos are labelled 'others'")


def test_the_same_photo_twice(tmp_path: Path) -> None:
    said = refused(tmp_path, [*BOTH, BOTH[4]], "1 rows repeat a photo.*004.jpg, model b")
    assert "add a column `repeat`" in said
    repeated = rows_of("a", 1.0, repeats=2)
    refused(tmp_path, [*repeated, repeated[-1]], "029.jpg, model a, repeat 2")


def test_models_on_different_photos(tmp_path: Path) -> None:
    rows = [*rows_of("a", 1.0), *rows_of("b", 1.0, photos=range(4, 30))]
    said = refused(tmp_path, rows, "of 30, b lacks 4")
    assert "000.jpg, 001.jpg, 002.jpg and 1 more" in said
    assert "1 of 2 models have all" in said
    assert "--common" in said

    found = read(tmp_path, rows, common=True)
    assert len(found.predictions.photos) == 26
    assert found.notes == ("4 of 30 photos were left out (--common): not all models predict them.",)
    alone = read(tmp_path, rows_of("b", 1.0, photos=range(4, 30))).predictions
    assert (found.predictions.answers(1) == alone.answers(0)).all()


def test_a_repeat_that_lacks_photos(tmp_path: Path) -> None:
    rows = rows_of("a", 1.0, repeats=2) + rows_of("b", 1.0, repeats=2)
    refused(tmp_path, rows[:-1], "model b answers 29 of the 30 photos in repeat 2")
    common = read(tmp_path, rows[:-1], common=True).predictions
    assert (len(common.photos), common.repeats) == (29, 2)

    short = rows_of("a", 1.0, repeats=3) + rows_of("b", 1.0, repeats=2)
    refused(tmp_path, short, "model b answers 0 of the 30 photos in repeat 3")
    assert read(tmp_path, short, common=True).predictions.repeats == 2


def test_nothing_in_common(tmp_path: Path) -> None:
    rows = [*rows_of("a", 1.0, photos=range(15)), *rows_of("b", 1.0, photos=range(15, 30))]
    with pytest.raises(DataError, match="no photo is predicted by all 2 models"):
        read(tmp_path, rows, common=True)


@pytest.mark.parametrize("column", ["label", "group"])
def test_models_that_disagree_about_a_photo(tmp_path: Path, column: str) -> None:
    rows = changed([row | {"group": row["label"]} for row in BOTH], 4, **{column: "toe_hook"})
    said = refused(tmp_path, rows, f"1 photos have more than one {column}: 004.jpg is 'others'")
    assert "in a row of a and 'toe_hook' in a row of b" in said


def test_unlike_numbers_of_folds(tmp_path: Path) -> None:
    rows = [*rows_of("a", 1.0, folds=5), *rows_of("b", 1.0, folds=3)]
    refused(tmp_path, rows, "into 3 folds and others into 5")


def test_empty_cells_and_tables(tmp_path: Path) -> None:
    refused(tmp_path, changed(BOTH, 0, model=""), "model is empty in 1 of 60 rows")
    empty = tmp_path / "empty.csv"
    empty.write_text(",".join(BOTH[0]) + "\n")
    with pytest.raises(DataError, match="holds no rows"):
        read_foreign(empty)


def test_columns_that_are_missing_or_misspelt(tmp_path: Path) -> None:
    wrong = [{("Modell" if k == "model" else k): v for k, v in row.items()} for row in BOTH]
    said = refused(tmp_path, wrong, "lacks model")
    assert "'Modell' (did you mean model?)" in said
    bare = [{k: v for k, v in row.items() if not k.startswith("p_")} for row in BOTH]
    refused(tmp_path, bare, "lacks p_CLASS for each class")
    # An optional column is not needed, but a slip in it would change the intervals.
    slip = [row | {"gruop": "a"} for row in BOTH]
    refused(tmp_path, slip, r"look misspelt. Unknown columns: 'gruop' \(did you mean group")


def test_other_columns_are_named_and_not_used(tmp_path: Path) -> None:
    found = read(tmp_path, [row | {"photographer": "anna"} for row in BOTH])

    assert found.notes == ("Columns that were not used: photographer.",)
