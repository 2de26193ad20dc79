"""A network of Keras that is small enough to be trained in a test, and photos to train on."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from footwork.models.bases import Base
from footwork.models.contract import InputContract

SIDE = 32
CONTRACT = InputContract(side=SIDE, scale=255.0)


def write_network(keras: Any, file: Path) -> Path:
    """Save a network of one convolution, (n, 32, 32, 3) to (n, 4, 4, 8), with fixed weights."""
    inputs = keras.Input((SIDE, SIDE, 3))
    outputs = keras.layers.Conv2D(8, 8, strides=8, activation="relu", use_bias=True)(inputs)
    model = keras.Model(inputs, outputs)
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(0, 0.3, w.shape).astype("f4") for w in model.get_weights()])
    model.save(file)
    return file


def tiny_base(file: Path) -> Base:
    return Base(name="tiny", kind="file", contract=CONTRACT, weights=str(file), licence="none")


def toml(file: Path, training: str) -> str:
    return f"""
name = "tiny"
[compare]
bases = ["tiny"]
recipes = ["short"]
folds = 3
repeats = 1
[bases.tiny]
model = "{file}"
contract = {{ side = {SIDE}, scale = 255.0 }}
[recipes.short]
kind = "seed"
[recipes.short.training]
{training}
"""


def pixels(n: int, seed: int = 0) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Noisy pictures, (n, 32, 32, 3) uint8, whose class, 0 or 1, is their brightness."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    values = rng.normal(np.where(label, 170, 80)[:, None, None, None], 40, (n, SIDE, SIDE, 3))
    return np.clip(values, 0, 255).astype(np.uint8), label.astype(np.int64)


def write_photos(folder: Path, n: int) -> Path:
    images, labels = pixels(n)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        place = folder / ("dark", "light")[label] / f"{i:02}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place)
    return folder
