"""The recipe `seed`: the training of the original experiment, its mistakes as named switches.

Settings, splits and starting weights; `footwork.models.fit` trains by Keras,
`footwork.models.mlp` the same head on a bank of features. What the original does not state (the
widths of the Dense layers, a frozen base, global average pooling) is a parameter here.
"""

import itertools
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from footwork.errors import DataError
from footwork.folds import Fold, assign_folds
from footwork.records import Position, Record

HELD_BACK = 0.2  # for testing, then of the rest for validation
RANDOM_STATE = 12  # of both cuts, in the original
VALIDATION_FOLDS = 5  # one fifth validates

Layers = list[tuple[NDArray[np.float32], NDArray[np.float32]]]  # (in, out) and (out,) per layer


class SeedSettings(Record):
    """[recipes.NAME.training]: every default is the original's, its mistakes included."""

    contract: Position = Field(
        "unit-range", description="how pixels become inputs; the original rescales them to [0, 1]"
    )
    learning_rate: float = Field(1e-5, gt=0, le=1, description="of Adam")
    flip: Literal["horizontal_and_vertical", "horizontal", "none"] = Field(
        "horizontal_and_vertical", description="which mirror images are trained on"
    )
    rotation: float = Field(
        0.2, ge=0, le=0.5, description="largest turn, as a share of 360 degrees"
    )
    zoom: float = Field(0.2, ge=0, lt=1, description="largest zoom, as a share of the side")
    stretch: float = Field(
        0.2, ge=0, lt=1, description="largest change of height and of width, each by itself"
    )
    squash: bool = Field(
        True, description="photos become square by losing their aspect, not by the base's own crop"
    )
    split: Literal["plain", "grouped"] = Field(
        "plain",
        description="how validation photos are chosen: 'plain' shuffles (random_state 12, not "
        "stratified, groups torn apart), 'grouped' keeps classes even and groups together",
    )
    restore_best: bool = Field(
        False, description="after early stopping the weights of the best epoch are kept"
    )
    class_weights: bool = Field(True, description="rare classes weigh more in the loss")
    widths: tuple[int, ...] = Field(
        (256, 128), max_length=4, description="of the Dense layers before the last one"
    )
    dropout: float = Field(0.2, ge=0, lt=1, description="after each of them")
    frozen: bool = Field(True, description="the base's weights stay as they are")
    side: int | None = Field(
        224, ge=32, le=1024, description="pixels; the base's own where it is left out"
    )
    batch: int = Field(32, ge=1, le=4096, description="photos per step")
    epochs: int = Field(100, ge=1, le=10_000, description="at most")
    patience: int = Field(30, ge=1, description="epochs without a better validation loss")


def original_split(label: NDArray[np.int64], classes: tuple[str, ...]) -> Fold:
    """Return the original's cut: a plain shuffle, 20 % tested, neither stratified nor grouped.

    label: (n,) of photos in the order of their hashes. Raises DataError where a side lacks a
    class.
    """
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(
        np.arange(len(label)), test_size=HELD_BACK, random_state=RANDOM_STATE, shuffle=True
    )
    fold = Fold(np.sort(train), np.sort(test))
    for side, rows in (("training", fold.train), ("test", fold.test)):
        lost = np.setdiff1d(np.arange(len(classes)), label[rows])
        if len(lost):
            raise DataError(
                f"The original's split is not stratified, and here it leaves no {side} photo of "
                f"{classes[lost[0]]}. Add photos of it, or compare with --split cv."
            )
    return fold


def validation_split(
    label: NDArray[np.int64], group: NDArray[np.int64], settings: SeedSettings, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut training photos, (n,) labels and groups, into rows to fit on and rows to validate on.

    Raises DataError where there are too few to hold any back.
    """
    from sklearn.model_selection import train_test_split

    if len(label) < VALIDATION_FOLDS:
        raise DataError(f"{len(label)} training photos are too few to validate on a fifth of them.")
    if settings.split == "plain":
        fit, held = train_test_split(
            np.arange(len(label)), test_size=HELD_BACK, random_state=RANDOM_STATE, shuffle=True
        )
        return np.sort(fit), np.sort(held)
    dealt = assign_folds(label, group, VALIDATION_FOLDS, np.random.default_rng([seed, 3]))
    held = np.flatnonzero(dealt == 0)
    if not len(held) or len(held) == len(label):
        raise DataError("The training photos are one group; none can be held back to validate on.")
    return np.flatnonzero(dealt != 0), held


def class_weights(label: NDArray[np.int64], k: int, settings: SeedSettings) -> NDArray[np.float32]:
    """Return (k,) weights n / (k * n_c), 'balanced' in scikit-learn; 1 for an absent class."""
    counts = np.bincount(label, minlength=k)
    if not settings.class_weights:
        return np.ones(k, np.float32)
    present = int((counts > 0).sum())
    weights = len(label) / (present * np.maximum(counts, 1))
    return np.where(counts > 0, weights, 1.0).astype(np.float32)


def initial_head(size: int, k: int, settings: SeedSettings, seed: int) -> Layers:
    """Draw starting weights as Keras does (Glorot uniform, biases 0), the same in any framework."""
    rng = np.random.default_rng([seed, 5])
    sizes = (size, *settings.widths, k)
    layers: Layers = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        limit = np.sqrt(6 / (fan_in + fan_out))
        kernel = rng.uniform(-limit, limit, (fan_in, fan_out)).astype(np.float32)
        layers.append((kernel, np.zeros(fan_out, np.float32)))
    return layers


def epoch_order(n: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the order in which `n` photos are trained on in `epoch` (from 0)."""
    return np.random.default_rng([seed, 6, epoch]).permutation(n)
