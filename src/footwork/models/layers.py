"""RandomHeight and RandomWidth, which Keras 3 dropped, and the whole augmentation of `seed`.

Import this module only inside `footwork.models.trainable.training_keras`: it needs Keras.
All layers are called eagerly, on batches on their way into `fit`: a random height is a new
shape, which a compiled step of JAX could not take, and it is how the bank draws too.
"""

from typing import Any, Literal

import keras
import numpy as np
from numpy.typing import NDArray

from footwork.models.seed import SeedSettings


class RandomStretch(keras.layers.Layer):  # type: ignore[misc]
    """Resizes a batch (n, h, w, c) along one axis by one random factor, bilinearly.

    As `tf.keras.layers.RandomHeight` and `RandomWidth` did in Keras 2: one factor for the whole
    batch, uniform in [1 - factor, 1 + factor); the new size is cut off to a whole number; nothing
    happens outside training.
    """

    def __init__(self, axis: Literal[1, 2], factor: float, seed: int) -> None:
        super().__init__()
        self.axis, self.factor = axis, factor
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or not self.factor:
            return inputs
        drawn = keras.random.uniform((), 1 - self.factor, 1 + self.factor, seed=self.generator)
        size = list(inputs.shape[1:3])
        size[self.axis - 1] = max(1, int(float(drawn) * size[self.axis - 1]))
        return keras.ops.image.resize(
            inputs, tuple(size), interpolation="bilinear", data_format="channels_last"
        )


class RandomHeight(RandomStretch):
    def __init__(self, factor: float, seed: int) -> None:
        super().__init__(1, factor, seed)


class RandomWidth(RandomStretch):
    def __init__(self, factor: float, seed: int) -> None:
        super().__init__(2, factor, seed)


class Augmentation:
    """RandomFlip, RandomRotation, RandomZoom, RandomHeight, RandomWidth, then Resizing.

    In the original's order and each with its own random numbers from `seed`. Switches of the
    settings that are 0 or 'none' leave their layer out.
    """

    def __init__(self, settings: SeedSettings, side: int, seed: int) -> None:
        s, kinds = settings, keras.layers
        self.layers: list[Any] = []
        if s.flip != "none":
            self.layers.append(kinds.RandomFlip(s.flip, seed=seed))
        if s.rotation:
            self.layers.append(kinds.RandomRotation(s.rotation, seed=seed + 1))
        if s.zoom:
            self.layers.append(kinds.RandomZoom(s.zoom, seed=seed + 2))
        if s.stretch:
            self.layers += [RandomHeight(s.stretch, seed + 3), RandomWidth(s.stretch, seed + 4)]
        self.side = side

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (n, side, side, 3) float32 in [0, 255] of a batch (n, s, s, 3) uint8."""
        values: Any = keras.ops.convert_to_tensor(pixels.astype(np.float32))
        for layer in self.layers:
            values = layer(values, training=True)
        if tuple(values.shape[1:3]) != (self.side, self.side):
            values = keras.ops.image.resize(
                values, (self.side, self.side), "bilinear", data_format="channels_last"
            )
        return np.asarray(keras.ops.convert_to_numpy(values), dtype=np.float32)
