"""Training histories: loss and accuracy per epoch, and what a curve says in one sentence.

On disk (`history.parquet`, format 1), one row per fit and epoch:

    entry, base, recipe  str    as in predictions.parquet
    repeat, fold         int    which fold was left out
    epoch                int    from 1
    loss, accuracy, val_loss, val_accuracy  float
    kept                 bool   the epoch whose weights answer
    seconds              float  of the whole fit
    batch                int    photos per step
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from footwork.errors import DataError
from footwork.tables import parquet_note, read_table, write_parquet

FORMAT = "history 1"
CURVES = ("loss", "accuracy", "val_loss", "val_accuracy")
# The rule of `verdict`. A validation loss moves by a few percent from epoch to epoch for no
# reason (a tenth of 67 photos decides it), so less than this share of its first value is nothing.
MOVED = 0.02


@dataclass(frozen=True)
class History:
    """One fit. curves: (epochs, 4) float64, columns as CURVES; kept: the epoch, from 1, whose
    weights answer (0: the starting weights).
    """

    entry: str
    base: str
    recipe: str
    repeat: int
    fold: int
    curves: NDArray[np.float64]
    kept: int
    seconds: float
    batch: int


def mean_curves(fits: Sequence[History]) -> NDArray[np.float64]:
    """Return the mean over fits, (epochs, 4), as far as all of them go.

    Further on it would be a mean over fewer and fewer fits, and jump where one ends.
    """
    shortest = min(len(fit.curves) for fit in fits)
    mean: NDArray[np.float64] = np.mean([fit.curves[:shortest] for fit in fits], axis=0)
    return mean


def best_epoch(mean: NDArray[np.float64]) -> int:
    """Return the epoch, from 1, of the lowest mean validation loss."""
    return int(np.argmin(mean[:, 2])) + 1


def verdict(mean: NDArray[np.float64]) -> str:
    """Say in one sentence what curves, (epochs, 4), show.

    The rule, with b the epoch of the lowest validation loss and 'end' the mean of the last
    tenth of the epochs (at least one); moves below MOVED of the first validation loss count as
    none. Over-fitting from b: validation loss ends higher than at b while training loss ends
    lower than at b. Still falling: the last quarter of the epochs lowered it. Flat: neither.
    """
    if not len(mean):
        return "No epoch was finished."
    loss, val = mean[:, 0], mean[:, 2]
    least = MOVED * abs(val[0])
    b, tail, quarter = best_epoch(mean), max(1, len(mean) // 10), max(1, len(mean) // 4)
    end, train_end = val[-tail:].mean(), loss[-tail:].mean()
    numbers = (
        f"validation loss {val[0]:.2f} at first, {val[b - 1]:.2f} at best, {end:.2f} at the end"
    )
    if end - val[b - 1] > least and train_end < loss[b - 1]:
        return f"Over-fitting from epoch {b}: {numbers}, while training loss goes on falling."
    before = val[-quarter - 1] if len(val) > quarter else val[0]
    if before - end > least:
        return f"Still falling after {len(mean)} epochs: {numbers}; more epochs would lower it."
    if val[0] - val[b - 1] <= least:
        return f"Flat: {numbers}; less than {MOVED:.0%} was learnt that holds for other photos."
    return f"Flat since about epoch {b}: {numbers}."


def write_histories(path: Path, fits: Sequence[History]) -> None:
    """Write the table documented at the top of this module."""
    sizes = [len(fit.curves) for fit in fits]

    def spread(values: Sequence[object], kind: type) -> NDArray[np.generic]:
        return np.repeat(np.array(values, dtype=kind), sizes)

    curves = np.concatenate([fit.curves for fit in fits])
    epoch = np.concatenate([np.arange(1, size + 1) for size in sizes])
    kept = spread([fit.kept for fit in fits], np.int64)
    columns = {
        "entry": spread([fit.entry for fit in fits], object),
        "base": spread([fit.base for fit in fits], object),
        "recipe": spread([fit.recipe for fit in fits], object),
        "repeat": spread([fit.repeat for fit in fits], np.int16),
        "fold": spread([fit.fold for fit in fits], np.int16),
        "epoch": epoch.astype(np.int32),
        **{name: curves[:, i] for i, name in enumerate(CURVES)},
        "kept": epoch == kept,
        "seconds": spread([fit.seconds for fit in fits], np.float64),
        "batch": spread([fit.batch for fit in fits], np.int32),
    }
    write_parquet(path, columns, note=FORMAT)


def read_histories(path: Path) -> tuple[History, ...]:
    """Read a `history.parquet` back, in its order; () where there is none.

    Raises DataError for a file of another kind.
    """
    if not path.exists():
        return ()
    note = parquet_note(path)
    if note != FORMAT:
        raise DataError(f"{path} is of the format {note!r}; this footwork reads {FORMAT!r}.")
    table = read_table(path)
    keys = list(zip(table["entry"], table["repeat"], table["fold"], strict=True))
    fits = []
    for key in dict.fromkeys(keys):
        rows = np.array([i for i, other in enumerate(keys) if other == key])
        rows = rows[np.argsort(table["epoch"][rows])]
        first = rows[0]
        kept = np.flatnonzero(table["kept"][rows].astype(bool))
        fits.append(
            History(
                entry=str(table["entry"][first]),
                base=str(table["base"][first]),
                recipe=str(table["recipe"][first]),
                repeat=int(table["repeat"][first]),
                fold=int(table["fold"][first]),
                curves=np.column_stack([table[name][rows] for name in CURVES]).astype(np.float64),
                kept=int(kept[0]) + 1 if len(kept) else 0,
                seconds=float(table["seconds"][first]),
                batch=int(table["batch"][first]),
            )
        )
    return tuple(fits)
