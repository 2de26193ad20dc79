"""The input contract: what it makes, and what it refuses."""

import numpy as np
import pytest
from pydantic import ValidationError

from footwork.errors import DataError
from footwork.models.contract import InputContract
from footwork.records import Position

CAFFE = InputContract(side=32, channels="bgr", mean=(103.939, 116.779, 123.68))
KERAS_255 = InputContract(side=32)
LITE = InputContract(side=32, mean=(127, 127, 127), std=(128, 128, 128), layout="nchw")
TORCH = InputContract(side=32, scale=255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
ALL = [CAFFE, KERAS_255, LITE, TORCH]


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)


def test_caffe_mode_is_bgr_without_the_mean(pixels: np.ndarray) -> None:
    made = CAFFE.apply(pixels)

    assert made.dtype == np.float32
    np.testing.assert_allclose(made[..., 0], pixels[..., 2] - 103.939, atol=1e-4)
    np.testing.assert_allclose(made[..., 2], pixels[..., 0] - 123.68, atol=1e-4)


def test_nchw_moves_the_channels(pixels: np.ndarray) -> None:
    made = LITE.apply(pixels)

    assert made.shape == (4, 3, 32, 32)
    np.testing.assert_allclose(made[:, 1], (pixels[..., 1] - 127.0) / 128, atol=1e-6)


def test_inputs_are_left_as_they_were(pixels: np.ndarray) -> None:
    before = pixels.copy()
    for contract in ALL:
        contract.apply(pixels)
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("contract", ALL, ids=lambda c: c.describe())
def test_right_inputs_pass(contract: InputContract, pixels: np.ndarray) -> None:
    contract.check(contract.apply(pixels), "net")


@pytest.mark.parametrize("contract", ALL, ids=lambda c: c.describe())
def test_a_dim_but_real_batch_passes(contract: InputContract) -> None:
    dim = np.random.default_rng(0).integers(20, 60, (2, 32, 32, 3), dtype=np.uint8)
    contract.check(contract.apply(dim), "net")


def test_unit_range_to_a_255_network_is_refused_with_both_ranges(pixels: np.ndarray) -> None:
    wrong = KERAS_255.apply(pixels, "unit-range")

    assert wrong.max() <= 1
    with pytest.raises(DataError, match=r"MobileNetV3Large wants inputs in \[0, 255\].*\[0, 1\]"):
        KERAS_255.check(wrong, "MobileNetV3Large")


@pytest.mark.parametrize("contract", [CAFFE, KERAS_255, TORCH], ids=lambda c: c.describe())
def test_right_then_divided_is_refused(contract: InputContract, pixels: np.ndarray) -> None:
    with pytest.raises(DataError, match="--break-contract"):
        contract.check(contract.apply(pixels, "right-then-divided"), "net")


def test_raw_pixels_to_a_scaled_network_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(DataError, match="wants inputs in"):
        TORCH.check(pixels.astype(np.float32), "net")


def test_wrong_shape_dtype_and_nan_are_refused(pixels: np.ndarray) -> None:
    right = KERAS_255.apply(pixels)
    with pytest.raises(DataError, match="wants float32 batches"):
        KERAS_255.check(right.transpose(0, 3, 1, 2), "net")
    with pytest.raises(DataError, match="float64"):
        KERAS_255.check(right.astype(np.float64), "net")
    right[0, 0, 0, 0] = np.nan
    with pytest.raises(DataError, match="nan"):
        KERAS_255.check(right, "net")


def test_range_is_what_black_and_white_become() -> None:
    for contract in ALL:
        black = contract.apply(np.zeros((1, 32, 32, 3), np.uint8))
        white = contract.apply(np.full((1, 32, 32, 3), 255, np.uint8))
        assert contract.range == pytest.approx((black.min(), white.max()), abs=1e-4)


def test_impossible_contracts_are_refused() -> None:
    with pytest.raises(ValidationError, match="std must be above 0"):
        InputContract(side=224, std=(1, 0, 1))
    with pytest.raises(ValidationError):
        InputContract(side=4)


@pytest.mark.parametrize("position", ["right", "unit-range", "right-then-divided"])
def test_a_broken_contract_can_be_written_as_one_that_is_kept(position: Position) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    for layout in ("nhwc", "nchw"):
        contract = InputContract(
            side=16, channels="bgr", scale=2.0, mean=(1, 2, 3), std=(4, 5, 6), layout=layout
        )
        fed = contract.as_fed(position).apply(pixels)
        np.testing.assert_allclose(fed, contract.apply(pixels, position), rtol=1e-5, atol=1e-6)
