"""The input contract: what a base model expects to be fed, and whether it was.

A network trained on values in one range sees noise in another, and nothing crashes: the
original experiment fed [0, 1] to networks that wanted [0, 255]. So the contract is data, it
makes the inputs itself, and the first real batch of every run is checked against it.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from footwork.errors import DataError
from footwork.records import Position, Record

Crop = Literal["centre", "squash", "letterbox"]


class InputContract(Record):
    """How upright RGB pixels become what the network takes: ((pixel / scale) - mean) / std.

    side: height and width in pixels. scale, mean, std: as above; mean and std in the order of
    `channels`. layout: 'nhwc' (Keras) or 'nchw'. resize: the filter. crop: 'centre' (the
    shorter side becomes side / crop_fraction, then the middle is cut out), 'squash' (both sides
    at once, the aspect is lost) or 'letterbox' (the longer side fits, grey bars fill the rest).
    """

    side: int = Field(ge=16, le=4096)
    channels: Literal["rgb", "bgr"] = "rgb"
    scale: float = Field(default=1.0, gt=0)
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    layout: Literal["nhwc", "nchw"] = "nhwc"
    resize: Literal["bilinear", "bicubic"] = "bilinear"
    crop: Crop = "centre"
    crop_fraction: float = Field(default=0.875, gt=0, le=1)

    @model_validator(mode="after")
    def std_is_positive(self) -> "InputContract":
        if min(self.std) <= 0:
            raise ValueError(f"std must be above 0 in every channel, it is {self.std}")
        return self

    @property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest value that a pixel of 0 or 255 can become."""
        mean, std = np.array(self.mean), np.array(self.std)
        return float(((0 - mean) / std).min()), float(((255 / self.scale - mean) / std).max())

    def apply(
        self, pixels: NDArray[np.uint8] | NDArray[np.float32], position: Position = "right"
    ) -> NDArray[np.float32]:
        """Turn pixels into the network's input.

        pixels: (n, side, side, 3) RGB, uint8 or float32 in [0, 255]. Result: float32,
        (n, side, side, 3), or (n, 3, side, side) for 'nchw'. `position` breaks the contract on
        purpose: 'unit-range' feeds RGB / 255 and nothing else; 'right-then-divided' divides the
        right input by 255 (both are mistakes that the original may have made).
        """
        values = pixels.astype(np.float32)
        if position == "unit-range":
            values /= np.float32(255)
        else:
            if self.channels == "bgr":
                values = values[..., ::-1]
            values = values / np.float32(self.scale)
            values -= np.array(self.mean, dtype=np.float32)
            values /= np.array(self.std, dtype=np.float32)
            if position == "right-then-divided":
                values /= np.float32(255)
        if self.layout == "nchw":
            values = values.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(values)

    def as_fed(self, position: Position) -> "InputContract":
        """Return the contract whose right inputs are what `position` makes under this one."""
        if position == "unit-range":
            changes: dict[str, object] = {"channels": "rgb", "scale": 255.0}
            return self.model_copy(update=changes | {"mean": (0.0,) * 3, "std": (1.0,) * 3})
        if position == "right-then-divided":
            return self.model_copy(update={"std": tuple(255 * value for value in self.std)})
        return self

    def check(self, inputs: NDArray[np.float32], base: str) -> None:
        """Refuse a batch that `base` was not made for; called on a run's first real batch.

        Raises DataError for another shape or dtype, for values outside the contract's range,
        and for values that fill so little of it that another scaling must have been applied
        (real photos fill at least a tenth; [0, 1] in [0, 255] fills 1/255).
        """
        shape = (3, self.side, self.side) if self.layout == "nchw" else (self.side, self.side, 3)
        if inputs.shape[1:] != shape or inputs.dtype != np.float32:
            raise DataError(
                f"{base} wants float32 batches of {shape}; this batch is {inputs.dtype} "
                f"{inputs.shape[1:]}."
            )
        low, high = self.range
        seen_low, seen_high = float(inputs.min()), float(inputs.max())
        slack = 1e-3 * (high - low)
        outside = seen_low < low - slack or seen_high > high + slack
        # Fewer than 1/50 of the range: no real batch of photos is that flat.
        flat = seen_high - seen_low < (high - low) / 50
        if outside or flat or not np.isfinite(inputs).all():
            raise DataError(
                f"{base} wants inputs in [{low:.4g}, {high:.4g}] ({self.describe()}), and this "
                f"batch lies in [{seen_low:.4g}, {seen_high:.4g}]. Feed it through its own "
                "contract, or break it on purpose with --break-contract, which marks the result."
            )

    def describe(self) -> str:
        """'RGB, (x / 255 - mean) / std' and the like, for messages and pages."""
        x = "x" if self.scale == 1 else f"x / {self.scale:g}"
        if any(self.mean):
            x = f"{x} - mean"
        if set(self.std) != {1.0}:
            x = f"({x}) / std"
        return f"{self.channels.upper()}, {x}"
