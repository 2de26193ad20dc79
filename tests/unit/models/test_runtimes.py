"""Which runtime a network gets, and that both say the same."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from footwork.models import runtimes
from footwork.models.lite import build_onnx
from footwork.models.runtimes import (
    OnnxNetwork,
    Trial,
    chosen_runtime,
    largest_difference,
    timed_trial,
)


@pytest.fixture(scope="module")
def network() -> bytes:
    return build_onnx("efficientnet_lite0")


@pytest.fixture
def batch() -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(-1, 1, (4, 3, 224, 224)).astype(np.float32)


def test_openvino_agrees_with_onnxruntime(network: bytes, batch: NDArray[np.float32]) -> None:
    pytest.importorskip("openvino", reason="footwork[openvino] is not installed")
    trial = timed_trial(network, batch)

    assert trial.difference < 1e-4
    assert trial.onnxruntime_per_s > 0
    assert trial.openvino_per_s > 0


def test_answers_do_not_depend_on_the_batch(network: bytes, batch: NDArray[np.float32]) -> None:
    opened = OnnxNetwork(network)
    alone = np.concatenate([opened.vectors(batch[i : i + 1]) for i in range(len(batch))])
    assert largest_difference(alone, opened.vectors(batch)) < 1e-5


def test_a_trial_is_held_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: bytes, batch: NDArray[np.float32]
) -> None:
    pytest.importorskip("openvino", reason="footwork[openvino] is not installed")
    held = []

    def trial(_model: bytes, _inputs: NDArray[np.float32]) -> Trial:
        held.append(1)
        return Trial(chosen="openvino", onnxruntime_per_s=1, openvino_per_s=2, difference=0)

    monkeypatch.setattr(runtimes, "timed_trial", trial)
    for _ in range(3):
        assert chosen_runtime("a" * 64, lambda: network, lambda: batch, tmp_path) == "openvino"
    assert held == [1]
    chosen_runtime("b" * 64, lambda: network, lambda: batch, tmp_path)
    assert held == [1, 1], "another network has a trial of its own"


@pytest.mark.parametrize(
    ("openvino_s", "off", "chosen"),
    [(0.001, 0.0, "openvino"), (0.04, 0.0, "onnxruntime"), (0.001, 1e-2, "onnxruntime")],
    ids=["quicker", "slower", "quicker but wrong"],
)
def test_speed_chooses_only_among_right_answers(
    monkeypatch: pytest.MonkeyPatch, openvino_s: float, off: float, chosen: str
) -> None:
    import time

    class Fake:
        def __init__(self, seconds: float, off: float) -> None:
            self.seconds, self.off = seconds, off

        def vectors(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
            time.sleep(self.seconds)
            return np.ones((len(inputs), 5), np.float32) * np.float32(1 + self.off)

    monkeypatch.setattr(runtimes, "OnnxNetwork", lambda _model: Fake(0.02, 0))
    monkeypatch.setattr(runtimes, "OpenVinoNetwork", lambda _model: Fake(openvino_s, off))
    assert timed_trial(b"", np.zeros((2, 3, 8, 8), np.float32)).chosen == chosen


def test_largest_difference_is_relative_and_refuses_nonsense() -> None:
    reference = np.array([[3.0, 4.0], [0.0, 1.0]], np.float32)
    assert largest_difference(reference, reference) == 0
    assert largest_difference(reference * 1.01, reference) == pytest.approx(0.01, rel=1e-3)
    assert largest_difference(reference[:1], reference) == float("inf")
    assert largest_difference(reference * np.float32(np.nan), reference) == float("inf")
