"""What others published, read: a confusion matrix, or a classification report to two decimals.

A report says less than the matrix behind it. Every matrix that rounds to it is listed, so that
whatever is said afterwards is said of all of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from footwork.errors import DataError, nearest
from footwork.tables import Table, read_table

NO_ANSWER_COLUMN = "no answer"
AVERAGES = ("accuracy", "micro avg", "macro avg", "weighted avg")  # rows of scikit-learn's report
MOST_MATRICES = 5_000
MOST_TRIED = 200_000  # sets of hits and answered, before they are filled in
MOST_PHOTOS = 100_000
SLACK = 1e-9  # for 0.445 that is stored as 0.44500000000000001


@dataclass(frozen=True)
class Published:
    """A model that is known by its counts only.

    matrices: (g, k, k + 1) int64, every confusion matrix that fits; rows are true classes,
    columns the answers, the last column no answer. All have the same row sums.
    """

    name: str
    classes: tuple[str, ...]
    matrices: NDArray[np.int64]

    @property
    def support(self) -> NDArray[np.int64]:
        """(k,) photos per class."""
        return np.asarray(self.matrices[0].sum(axis=1))

    @property
    def photos(self) -> int:
        return int(self.support.sum())


def read_confusion(path: Path) -> Published:
    """Read a confusion matrix: a header of class names, then a true class and its counts per row.

    The classes may stand in another order in the rows than in the header; a last column called
    'no answer' is allowed. Raises DataError for anything that is no matrix of counts.
    """
    table = read_table(path)
    columns = list(table)
    truths = [str(name) for name in table[columns[0]]] if columns else []
    answers = columns[1:]
    classes = tuple(name for name in answers if name != NO_ANSWER_COLUMN)
    if len(classes) < 2 or sorted(truths) != sorted(classes):
        raise DataError(
            f"{path} is no confusion matrix: its rows are {', '.join(truths) or 'none'} and its "
            f"columns {', '.join(answers) or 'none'}. The header must name the classes answered, "
            "and each row begin with one true class, the same ones."
        )
    matrix = np.zeros((1, len(classes), len(classes) + 1), dtype=np.int64)
    for name in answers:
        place = len(classes) if name == NO_ANSWER_COLUMN else classes.index(name)
        for truth, cell in zip(truths, table[name], strict=True):
            where = f"{path}, row {truth}, column {name}"
            matrix[0, classes.index(truth), place] = whole_number(cell, where)
    empty = [name for name, n in zip(classes, matrix[0].sum(axis=1), strict=True) if n == 0]
    if empty:
        raise DataError(f"{path}: no photo is labelled {empty[0]!r}; drop its row and column.")
    return Published(path.stem, classes, matrix)


def read_report(path: Path) -> Published:
    """Read a classification report: columns class, precision, recall, support, perhaps f1.

    The scores are taken as rounded to as many decimals as the longest of them has. Rows of
    averages as scikit-learn prints them are skipped. Every photo is taken to have got one of the
    classes as its answer. Raises DataError if nothing fits, or more than can be listed.
    """
    table = read_table(path)
    renamed = {{"f1-score": "f1"}.get(name, name): column for name, column in table.items()}
    for name in ("class", "precision", "recall", "support"):
        if name not in renamed:
            raise DataError(
                f"{path} is no classification report: it lacks {name}; {nearest(name, renamed)}"
            )
    names = [str(name) for name in renamed["class"]]
    rows = [i for i, name in enumerate(names) if name not in AVERAGES]
    classes = tuple(names[i] for i in rows)
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise DataError(f"{path} must have one row for each of at least two classes.")
    support = [whole_number(renamed["support"][i], f"{path}, support of {names[i]}") for i in rows]
    if min(support) == 0 or sum(support) > MOST_PHOTOS:
        raise DataError(f"{path}: each class needs a photo, and all at most {MOST_PHOTOS:,}.")
    scores: list[str] = [name for name in ("precision", "recall", "f1") if name in renamed]
    tolerance = 0.5 * 10.0 ** -decimals(renamed, scores, rows) + SLACK
    total = sum(support)
    options = []
    for i, photos in zip(rows, support, strict=True):
        said = {name: share(renamed[name][i], f"{path}, {name} of {names[i]}") for name in scores}
        fitting = class_options(said, photos, total, tolerance)
        if not fitting:
            raise DataError(
                f"{path}: no counts of {photos} photos of {names[i]} give "
                f"{', '.join(f'{name} {value:g}' for name, value in said.items())}. Is there a "
                "slip in typing?"
            )
        options.append(fitting)
    found: list[NDArray[np.int64]] = []
    too_many = DataError(
        f"{path}: more than {MOST_MATRICES:,} confusion matrices fit this report, too many to say "
        "anything of each. Give more decimals, or the matrix itself (--confusion)."
    )
    if max(map(len, options)) > MOST_MATRICES:
        raise too_many
    for tried, fit in enumerate(fits(options, total)):
        for matrix in filled_in(support, fit):
            found.append(matrix)
            if len(found) > MOST_MATRICES:
                raise too_many
        if tried > MOST_TRIED:
            raise too_many
    if not found:
        raise DataError(
            f"{path}: no confusion matrix of {total} photos fits this report. Is there a slip in "
            "typing, or did some photos get an answer outside these classes?"
        )
    return Published(path.stem, classes, np.stack(found))


def class_options(
    said: dict[str, float], photos: int, total: int, tolerance: float
) -> list[tuple[int, int]]:
    """Return every (hits, answered) of one class that rounds to its published scores.

    hits: photos of the class answered with it; answered: of all `total` photos, those answered
    with it.
    """
    options = []
    for hits in range(photos + 1):
        if abs(hits / photos - said["recall"]) > tolerance:
            continue
        answered = np.arange(hits, total - photos + hits + 1)
        precision = np.divide(
            hits, answered, out=np.zeros(len(answered)), where=answered > 0
        )  # 0 / 0 is printed as 0
        fitting = np.abs(precision - said["precision"]) <= tolerance
        if "f1" in said:
            fitting &= np.abs(2 * hits / (answered + photos) - said["f1"]) <= tolerance
        options += [(hits, int(a)) for a in answered[fitting]]
    return options


def fits(options: Sequence[list[tuple[int, int]]], total: int) -> Iterator[list[tuple[int, int]]]:
    """Yield one (hits, answered) per class, such that all `total` photos are answered."""
    last: dict[int, list[tuple[int, int]]] = {}
    for option in options[-1]:
        last.setdefault(option[1], []).append(option)
    ends = [(min(a for _, a in one), max(a for _, a in one)) for one in options]

    def chosen(k: int, left: int) -> Iterator[list[tuple[int, int]]]:
        if k == len(options) - 1:
            yield from ([option] for option in last.get(left, ()))
            return
        least, most = (sum(end[side] for end in ends[k + 1 :]) for side in (0, 1))
        for option in options[k]:
            if least <= left - option[1] <= most:
                for rest in chosen(k + 1, left - option[1]):
                    yield [option, *rest]

    yield from chosen(0, total)


def filled_in(
    support: Sequence[int], fit: Sequence[tuple[int, int]]
) -> Iterator[NDArray[np.int64]]:
    """Yield every (k, k + 1) confusion matrix with these row sums, hits and column sums."""
    k = len(support)
    rows = [n - hits for n, (hits, _) in zip(support, fit, strict=True)]
    columns = [answered - hits for hits, answered in fit]
    wrong = sum(rows)
    # Every wrong answer to a photo of c must find room outside column c (Gale 1957).
    if wrong != sum(columns) or any(r + q > wrong for r, q in zip(rows, columns, strict=True)):
        return
    matrix = np.zeros((k, k + 1), dtype=np.int64)
    matrix[np.arange(k), np.arange(k)] = [hits for hits, _ in fit]

    def place(row: int, column: int, left: int, room: list[int]) -> Iterator[NDArray[np.int64]]:
        if column == k:
            if left == 0:
                if row + 1 == k:
                    yield matrix.copy()
                else:
                    yield from place(row + 1, 0, rows[row + 1], room)
            return
        if column == row:
            yield from place(row, column + 1, left, room)
            return
        later = sum(room[c] for c in range(column + 1, k) if c != row)
        below = sum(rows[r] for r in range(row + 1, k) if r != column)
        for count in range(max(0, left - later, room[column] - below), min(left, room[column]) + 1):
            matrix[row, column] = count
            rest = [*room[:column], room[column] - count, *room[column + 1 :]]
            yield from place(row, column + 1, left - count, rest)
        matrix[row, column] = 0

    yield from place(0, 0, rows[0], columns)


def decimals(table: Table, scores: Sequence[str], rows: Sequence[int]) -> int:
    """Return to how many decimals the scores were written; 0.5 among 0.46 has two."""
    cells = [str(table[name][i]) for name in scores for i in rows]
    return max(len(cell.strip().partition(".")[2]) for cell in cells)


def share(cell: object, where: str) -> float:
    try:
        value = float(str(cell))
    except ValueError:
        value = np.nan
    if not 0 <= value <= 1:
        raise DataError(f"{where} is {cell!r}; it must be a number from 0 to 1.")
    return value


def whole_number(cell: object, where: str) -> int:
    try:
        value = float(str(cell))
    except ValueError:
        value = np.nan
    if not (0 <= value <= MOST_PHOTOS and value == int(value)):
        raise DataError(f"{where} is {cell!r}; it must be a count of photos, 0 to {MOST_PHOTOS:,}.")
    return int(value)
