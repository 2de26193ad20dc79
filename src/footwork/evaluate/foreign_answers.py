"""What a row of a foreign table answers: its class, its probabilities, or nothing and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from footwork.errors import DataError, nearest
from footwork.predictions import ABSTAINED, FAILED, NO_ANSWER, OK
from footwork.scores import Floats
from footwork.tables import Coded

SUM_TOLERANCE = 0.02  # two decimals each of a few classes
ROUNDING = 1e-6  # what float32 is off by; more is divided out


@dataclass(frozen=True)
class Answers:
    """status, reason, predicted, proba: as in Predictions, in the order of the file."""

    status: NDArray[np.uint8]
    reason: NDArray[np.object_]
    predicted: NDArray[np.int64]
    proba: Floats
    notes: tuple[str, ...]


def checked_answers(
    text: Mapping[str, Coded],
    numbers: Mapping[str, Floats],
    classes: Sequence[str],
    path: Path,
) -> Answers:
    """Return the answer of each row.

    Probabilities must lie in [0, 1] and sum to 1 within SUM_TOLERANCE; what is off by more than
    a rounding is divided by its sum. Where `prediction` is given too, it is the answer; else the
    highest probability is, of equal ones that of the class that comes first. A row without an
    answer says so by a `status` or by an empty `prediction`.

    Raises DataError for NaN, impossible probabilities and classes that no photo is labelled with.
    """
    rows = len(text["image"].code)
    status, reason = statuses(text.get("status"), rows)
    said = text.get("prediction")
    if said is not None and not said.names and numbers:
        said = None  # an empty column says nothing
    predicted = np.full(rows, NO_ANSWER, dtype=np.int64)
    if said is not None:
        predicted = named_classes(said, classes, path)
        status[(predicted == NO_ANSWER) & (status == OK)] = ABSTAINED
        predicted[status != OK] = NO_ANSWER
    if not numbers:
        nothing = np.broadcast_to(np.nan, (rows, len(classes)))
        return Answers(status, reason, predicted, nothing, ())
    proba = np.column_stack([numbers[f"p_{name}"] for name in classes])
    proba[status != OK] = np.nan
    check_probabilities(proba, status == OK, text, path)
    highest = np.full(rows, NO_ANSWER, dtype=np.int64)
    highest[status == OK] = proba[status == OK].argmax(axis=1)
    if said is None:
        return Answers(status, reason, highest, proba, ())
    unlike = int((highest != predicted).sum())
    note = (
        f"In {unlike:,} of {rows:,} rows `prediction` is not the class of the highest "
        "probability; `prediction` is what counts."
    )
    return Answers(status, reason, predicted, proba, (note,) if unlike else ())


def statuses(column: Coded | None, rows: int) -> tuple[NDArray[np.uint8], NDArray[np.object_]]:
    """Parse `status`: 'ok', 'abstained', or anything else, which is a failure."""
    if column is None:
        return np.zeros(rows, dtype=np.uint8), np.full(rows, "", dtype=object)
    meaning = {"ok": OK, "abstained": ABSTAINED}
    kinds = np.array([meaning.get(name, FAILED) for name in column.names], dtype=np.uint8)
    words = np.array(
        ["" if name in meaning else name.removeprefix("failed: ") for name in column.names],
        dtype=object,
    )
    return kinds[column.code], words[column.code]


def named_classes(said: Coded, classes: Sequence[str], path: Path) -> NDArray[np.int64]:
    """Return the class index of every prediction, NO_ANSWER where it is empty."""
    lost = [name for name in said.names if name not in classes]
    if lost:
        times = int((said.code == said.names.index(lost[0])).sum())
        raise DataError(
            f"{path}: {times:,} rows predict {lost[0]!r}, which no photo is labelled with; "
            f"{nearest(lost[0], classes)}. Leave `prediction` empty where there is no answer."
        )
    index = np.array([*(classes.index(name) for name in said.names), NO_ANSWER], dtype=np.int64)
    return index[said.code]  # an empty cell is -1: the last


def check_probabilities(
    proba: Floats, answered: NDArray[np.bool_], text: Mapping[str, Coded], path: Path
) -> None:
    """Raise DataError for what is no probability; divide by the sum, in place, what is nearly."""

    def refuse(wrong: NDArray[np.bool_], what: str, way_out: str) -> None:
        if not wrong.any():
            return
        row = int(wrong.argmax())
        image, model = (text[name].names[text[name].code[row]] for name in ("image", "model"))
        numbers = ", ".join(f"{p:.4g}" for p in proba[row][:6])
        raise DataError(
            f"{path}: {int(wrong.sum()):,} rows have {what} (first: {image}, model {model}: "
            f"{numbers}). {way_out}"
        )

    refuse(
        answered & np.isnan(proba).any(axis=1),
        "a probability that is missing or NaN",
        "Where a model gave no answer, say so in a column `status`: ok or abstained.",
    )
    refuse(
        answered & ((proba < 0) | (proba > 1 + ROUNDING)).any(axis=1),
        "probabilities outside 0 to 1",
        "If these are scores, put them through a softmax.",
    )
    total = proba.sum(axis=1)
    refuse(
        answered & (np.abs(total - 1) > SUM_TOLERANCE + ROUNDING),
        f"probabilities that do not sum to 1 within {SUM_TOLERANCE}",
        "Write more decimals; scores of independent classes are no answer that can be judged.",
    )
    off = answered & (np.abs(total - 1) > ROUNDING)
    proba[off] /= total[off, None]
