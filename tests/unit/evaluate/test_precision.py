"""bfloat16 is used only where the scores stay."""

from collections.abc import Callable

import numpy as np
import pytest

from footwork.errors import EnvironmentProblem
from footwork.evaluate import precision
from footwork.evaluate.dataset import DataSet
from footwork.evaluate.precision import TRIED, gated
from footwork.models.bases import Base
from footwork.models.contract import InputContract
from footwork.models.features import Features
from footwork.models.networks import Prepared
from footwork.models.runtimes import Network
from footwork.predictions import Photos


def data(n: int = 200) -> DataSet:
    names = tuple(f"{i:064x}" for i in range(n))
    photos = Photos(names, names, np.arange(n) % 2, np.arange(n), names)
    return DataSet(photos, ("a", "b"), (None,) * n, 0)


def prepared(kind: str) -> Prepared:
    base = Base("net", "lite", InputContract(side=32), "package", "none")

    def never(_threads: int) -> Network:
        raise AssertionError("the vectors of this test are made up; nothing is loaded")

    return Prepared(base, "verified", "0" * 64, 4, 1.0, kind, (), never, "onnx", lambda: b"", kind)


@pytest.fixture
def vectors(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], Callable[..., Features]]:
    monkeypatch.setattr(precision, "in_bfloat16", lambda _p: prepared("bfloat16"))

    def make(noise: float) -> Callable[..., Features]:
        def features(which: Prepared, some: DataSet) -> Features:
            assert len(some.photos) == TRIED, "never more than the stated number"
            rng = np.random.default_rng(0)
            x = rng.normal(size=(len(some.photos), 4)) + some.photos.label[:, None] * 1.2
            if which.precision == "bfloat16":
                x = x + noise * rng.normal(size=x.shape)
            return Features(x.astype(np.float32), {}, 1.0, 0)

        return features

    return make


def test_rounding_that_moves_nothing_is_accepted(
    vectors: Callable[[float], Callable[..., Features]],
) -> None:
    chosen = gated(prepared("float32"), data(), vectors(1e-4), seed=1)
    assert chosen.precision == "bfloat16"
    assert "Computed in bfloat16" in chosen.notes[-1]


def test_scores_that_move_keep_float32_and_say_so(
    vectors: Callable[[float], Callable[..., Features]],
) -> None:
    chosen = gated(prepared("float32"), data(), vectors(2.0), seed=1)
    assert chosen.precision == "float32"
    assert "bfloat16 is not used: macro-F1 moved by" in chosen.notes[-1]


def test_a_machine_without_it_keeps_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_prepared: Prepared) -> Prepared:
        raise EnvironmentProblem("This processor has no bfloat16.")

    monkeypatch.setattr(precision, "in_bfloat16", refuse)
    chosen = gated(prepared("float32"), data(), lambda _p, _d: None, seed=1)  # type: ignore[arg-type, return-value]
    assert chosen.precision == "float32"
    assert "no bfloat16" in chosen.notes[-1]
