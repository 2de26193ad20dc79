"""What an ablation keeps as JSON (`ablation.json` in its run): steps, checks, other splits."""

from pathlib import Path

from pydantic import ValidationError

from footwork.errors import DataError
from footwork.records import Estimate, Record


class Step(Record):
    """One switch moved. entry, before: hashes of the recipe with and without the change.

    change: macro-F1 of `entry` minus that of `before`, paired on the same folds.
    """

    switch: str
    was: str
    became: str
    entry: str
    before: str
    change: Estimate


class Check(Record):
    """One position trained twice on the same fold: through the base by `fit`, and on the bank.

    real, bank: rows of loss, accuracy, val_loss, val_accuracy per epoch, as far as both go.
    """

    entry: str
    real: tuple[tuple[float, ...], ...]
    bank: tuple[tuple[float, ...], ...]
    seconds_per_epoch: float


class OtherSplits(Record):
    """A recipe judged as the original was: on one plain split, and on others like it.

    original: macro-F1 on the split of random_state 12; others: on as many further ones.
    """

    entry: str
    test_photos: int
    original: float
    others: tuple[float, ...]


class Ablation(Record):
    """path: from `seed` to ours, each step from the one before. back: from the end of the path
    each mistake put back alone; `before` is the end, so a change below 0 is what it costs.
    draws: K, of the bank. seconds: per part of the work.
    """

    base: str
    draws: int
    path: tuple[Step, ...]
    back: tuple[Step, ...]
    checks: tuple[Check, ...]
    splits: tuple[OtherSplits, ...]
    titles: dict[str, str]
    seconds: dict[str, float]


def read_ablation(path: Path) -> Ablation | None:
    """Read an `ablation.json`; None where there is none. Raises DataError if it is damaged."""
    if not path.exists():
        return None
    try:
        return Ablation.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise DataError(f"{path} is damaged or of another version: {error}") from error
