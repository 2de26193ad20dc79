"""A bank of augmented features: each photo drawn K times through the augmentation of `seed`.

The photos go through the very layers that `fit` augments with, then through the fast runtime of
a frozen base. With K draws per photo the head sees K pictures where `fit` would show it a new
one in each epoch.
"""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import footwork
from footwork.files import write_bytes
from footwork.machine import cores
from footwork.models.contract import InputContract
from footwork.models.networks import Prepared
from footwork.models.seed import SeedSettings
from footwork.progress import Advance

Floats = NDArray[np.float32]
IMAGE_SETTINGS = ("contract", "flip", "rotation", "zoom", "stretch", "squash", "batch")


def bank_file(
    folder: Path,
    images: tuple[str, ...],
    prepared: Prepared,
    s: SeedSettings,
    draws: int,
    seed: int,
) -> Path:
    """Return where the bank of these photos under these settings is kept."""
    whole = [
        images,
        prepared.weights_sha256,
        prepared.base.contract.model_dump(mode="json"),
        prepared.runtime,
        s.model_dump(mode="json", include=set(IMAGE_SETTINGS)),
        [draws, seed, footwork.__version__],
    ]
    digest = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:20]
    return folder / f"{digest}.npy"


def feature_bank(
    pixels: NDArray[np.uint8],
    prepared: Prepared,
    settings: SeedSettings,
    draws: int,
    seed: int,
    file: Path,
    advance: Advance,
) -> Floats:
    """Return (1 + draws, n, d) features, from `file` if they were made before.

    pixels: (n, side, side, 3) uint8 as `fit` gets them. Row 0 is the photos as they are, for
    validating and testing; the others are draws of the augmentation, in batches as in training.
    Use inside `trainable.training_keras`.
    """
    shape = (1 + draws, len(pixels), prepared.vector_size)
    try:
        kept: Floats = np.load(file, allow_pickle=False)
        if kept.shape == shape:
            advance(len(pixels) * (1 + draws))
            return kept
    except (OSError, ValueError):
        pass
    from footwork.models.layers import Augmentation

    contract: InputContract = prepared.base.contract
    network = prepared.open(cores())
    bank = np.empty(shape, np.float32)
    draw = Augmentation(settings, contract.side, seed)
    for number in range(1 + draws):
        for start in range(0, len(pixels), settings.batch):
            batch = slice(start, start + settings.batch)
            values = draw(pixels[batch]) if number else pixels[batch].astype(np.float32)
            inputs = contract.apply(values, settings.contract)
            bank[number, batch] = network.vectors(inputs)
            advance(len(inputs))
    buffer = io.BytesIO()
    np.save(buffer, bank, allow_pickle=False)
    write_bytes(file, buffer.getvalue())
    return bank
