"""ONNX files of one's own: hostile until checked, then one vector per photo."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from footwork.errors import DataError
from footwork.models import onnx_files
from footwork.models.contract import InputContract
from footwork.models.conversion import Converted, convert_file

FIRST = InputContract(side=16, layout="nchw", scale=255.0)
LAST = InputContract(side=16, scale=255.0)
RNG = np.random.default_rng(5)
KERNEL = RNG.normal(size=(6, 3, 3, 3)).astype(np.float32)
BIAS = RNG.normal(size=6).astype(np.float32)
PIXELS = RNG.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)


def must_not_be_asked() -> NDArray[np.float32]:
    raise AssertionError("the network was opened again")


def network(
    *,
    shape: Sequence[int | str] = ("n", 3, 16, 16),
    kind: int = TensorProto.FLOAT,
    before: Sequence[Any] = (),
    after: Sequence[Any] = (),
    photo: str = "photo",
    outputs: Sequence[tuple[str, int]] = (("map", 4),),
    bias: NDArray[np.float32] = BIAS,
    opset: int = 17,
) -> Any:
    """One convolution from `photo` to `map`, and whatever comes before and after it."""
    nodes = [
        *before,
        helper.make_node("Conv", [photo, "kernel", "bias"], ["map"]),
        *after,
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("photo", kind, shape)],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank)
            for name, rank in outputs
        ],
        [numpy_helper.from_array(KERNEL, "kernel"), numpy_helper.from_array(bias, "bias")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def flatten(source: str, target: str) -> Any:
    return helper.make_node("Flatten", [source], [target], axis=1)


@pytest.fixture
def convert(tmp_path: Path) -> Callable[..., Converted]:
    def run(model: Any, contract: InputContract = FIRST) -> Converted:
        file = tmp_path / "mine.onnx"
        pixels = np.resize(PIXELS, (4, contract.side, contract.side, 3))
        file.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        return convert_file(
            "mine", file, contract, lambda: contract.apply(pixels), tmp_path / "cache"
        )

    return run


def convolved() -> NDArray[np.float32]:
    """The mean over height and width of the convolution, by NumPy: (n, 6)."""
    inputs = FIRST.apply(PIXELS)
    windows = np.lib.stride_tricks.sliding_window_view(inputs, (3, 3), axis=(2, 3))
    maps = np.einsum("nchwij,ocij->nohw", windows, KERNEL) + BIAS[:, None, None]
    return np.asarray(maps.mean(axis=(2, 3)), dtype=np.float32)


def answers(result: Converted, contract: InputContract, n: int = 4) -> NDArray[np.float32]:
    assert result.onnx is not None
    return onnx_files.run(result.onnx, contract.apply(PIXELS)[:n])


@pytest.mark.parametrize("opset", [11, 17, 21])
def test_a_feature_map_is_averaged(convert: Callable[..., Converted], opset: int) -> None:
    result = convert(network(opset=opset))
    assert (result.runtime, result.weights, result.vector_size) == ("onnxruntime", "unverified", 6)
    assert result.parameters == KERNEL.size + BIAS.size
    assert result.parity < 1e-6
    assert "averaged over height and width" in result.notes[0]
    np.testing.assert_allclose(answers(result, FIRST), convolved(), rtol=1e-4, atol=1e-5)
    assert answers(result, FIRST, 1).shape == (1, 6)


def test_a_feature_map_with_channels_last_is_averaged(
    convert: Callable[..., Converted],
) -> None:
    result = convert(
        network(
            shape=("n", 16, 16, 3),
            photo="turned",
            before=[helper.make_node("Transpose", ["photo"], ["turned"], perm=[0, 3, 1, 2])],
            after=[helper.make_node("Transpose", ["map"], ["last"], perm=[0, 2, 3, 1])],
            outputs=[("last", 4)],
        ),
        LAST,
    )
    assert result.vector_size == 6
    np.testing.assert_allclose(answers(result, LAST), convolved(), rtol=1e-4, atol=1e-5)


def test_a_vector_is_taken_as_it_is(convert: Callable[..., Converted]) -> None:
    result = convert(network(after=[flatten("map", "long")], outputs=[("long", 2)]))
    assert (result.vector_size, result.notes) == (6 * 14 * 14, ())


def test_a_network_exported_for_one_photo_is_opened_to_many(
    convert: Callable[..., Converted],
) -> None:
    result = convert(network(shape=(1, 3, 16, 16)))
    np.testing.assert_allclose(answers(result, FIRST), convolved(), rtol=1e-4, atol=1e-5)


def test_one_that_cannot_take_many_says_so(convert: Callable[..., Converted]) -> None:
    size = numpy_helper.from_array(np.array([1, 6 * 14 * 14], dtype=np.int64), "size")
    fixed = network(
        shape=(1, 3, 16, 16),
        after=[helper.make_node("Reshape", ["map", "size"], ["long"])],
        outputs=[("long", 2)],
    )
    fixed.graph.initializer.append(size)
    with pytest.raises(DataError, match=r"on 4 photos.*with an open first axis"):
        convert(fixed)


def test_of_several_outputs_the_vector_is_taken(convert: Callable[..., Converted]) -> None:
    after = [
        helper.make_node("GlobalAveragePool", ["map"], ["mean"]),
        flatten("mean", "features"),
    ]
    result = convert(network(after=after, outputs=[("map", 4), ("features", 2)]))
    assert result.vector_size == 6
    after[1] = flatten("mean", "flat")
    with pytest.raises(DataError, match=r"2 outputs: map, flat.*vector or features or embedding"):
        convert(network(after=after, outputs=[("map", 4), ("flat", 2)]))


def test_the_network_kept_is_a_copy(convert: Callable[..., Converted], tmp_path: Path) -> None:
    result = convert(network())
    file = tmp_path / "mine.onnx"
    assert result.weights_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    again = convert_file("mine", file, FIRST, must_not_be_asked, tmp_path / "cache")
    assert again == result
    file.write_bytes(network(bias=BIAS + 1).SerializeToString())
    other = convert_file("mine", file, FIRST, lambda: FIRST.apply(PIXELS), tmp_path / "cache")
    assert other.weights_sha256 != result.weights_sha256
    np.testing.assert_allclose(answers(result, FIRST), convolved(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(answers(other, FIRST), convolved() + 1, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "contract", "told"),
    [
        (network(), LAST, r"takes float of \(None, 3, 16, 16\).*gives .* \(None, 16, 16, 3\)"),
        (network(), InputContract(side=24, layout="nchw"), r"\(None, 3, 24, 24\) \('nchw'\)"),
        (network(shape=("n", 3, "h", "w"), kind=TensorProto.UINT8), FIRST, "takes uint8"),
        (network(shape=(3, 16, 16)), FIRST, r"takes float of \(3, 16, 16\)"),
        (network(outputs=[]), FIRST, "has 0 outputs: none"),
        (
            network(
                after=[helper.make_node("ReduceMean", ["map"], ["rows"], axes=[2], keepdims=0)],
                outputs=[("rows", 3)],
            ),
            FIRST,
            r"answers 4 photos with \(4, 6, 14\)",
        ),
        (network(before=[helper.make_node("Own", ["photo"], ["x"], domain="mine")]), FIRST, "mine"),
        (b"not a network at all", FIRST, "not a valid ONNX network"),
        (b"", FIRST, "not a valid ONNX network"),
        (network().SerializeToString()[:-40], FIRST, "not a valid ONNX network"),
    ],
    ids=[
        "layout", "side", "dtype", "rank", "no output", "rows", "own operator", "text", "empty",
        "cut off",
    ],
)  # fmt: skip
def test_what_cannot_be_a_base_is_refused(
    model: Any, contract: InputContract, told: str, convert: Callable[..., Converted]
) -> None:
    with pytest.raises(DataError, match=told):
        convert(model, contract)


def test_two_inputs_are_refused(convert: Callable[..., Converted]) -> None:
    model = network()
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["n"]))
    with pytest.raises(DataError, match="has inputs: photo, mask"):
        convert(model)


def outside(tensor: Any) -> None:
    """Make a tensor say that its values are in a file above the model's folder."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../secret"


def test_no_other_file_is_opened(convert: Callable[..., Converted], tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(KERNEL.tobytes())
    weights = network()
    outside(weights.graph.initializer[0])
    with pytest.raises(DataError, match="keeps tensors in other files"):
        convert(weights)
    # Deep inside: a constant in the branch of a condition.
    constant = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(BIAS, "value"))
    branch = helper.make_graph(
        [constant], "b", [], [helper.make_tensor_value_info("c", TensorProto.FLOAT, [6])]
    )
    hidden = network(
        after=[helper.make_node("If", ["yes"], ["c"], then_branch=branch, else_branch=branch)]
    )
    hidden.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    assert convert(hidden).vector_size == 6  # nothing wrong with it as such
    for attribute in hidden.graph.node[-1].attribute:
        outside(attribute.g.node[0].attribute[0].t)
    with pytest.raises(DataError, match="keeps tensors in other files"):
        convert(hidden)


def test_never_trained_networks_are_random(convert: Callable[..., Converted]) -> None:
    fresh = convert(network(bias=np.zeros_like(BIAS)))
    assert fresh.weights == "random"
    assert fresh.notes[0] == "mine: these weights were never trained: every bias is exactly 0."


@pytest.mark.parametrize("moved", [None, "gain", "shift", "mean", "variance"])
def test_batch_norm_shows_training(moved: str | None, convert: Callable[..., Converted]) -> None:
    parts = {"gain": np.ones(6), "shift": np.zeros(6), "mean": np.zeros(6), "variance": np.ones(6)}
    if moved:
        parts[moved] = parts[moved] + np.linspace(0.1, 0.5, 6)
    model = network(
        bias=np.zeros_like(BIAS),
        after=[helper.make_node("BatchNormalization", ["map", *parts], ["normed"])],
        outputs=[("normed", 4)],
    )
    for name, values in parts.items():
        model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
    assert convert(model).weights == ("unverified" if moved else "random")


BYTES = network().SerializeToString()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
@given(
    cut=st.integers(0, len(BYTES)),
    flips=st.lists(st.tuples(st.integers(0, len(BYTES) - 1), st.integers(1, 255)), max_size=3),
)
def test_a_damaged_file_is_refused_or_runs(
    cut: int, flips: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    damaged = bytearray(BYTES)
    for place, change in flips:
        damaged[place] ^= change
    file = tmp_path_factory.getbasetemp() / "damaged.onnx"
    file.write_bytes(bytes(damaged[:cut] if cut % 3 == 0 else damaged))
    inputs = FIRST.apply(PIXELS)
    try:
        graph = onnx_files.vector_graph("mine", file, FIRST, inputs)
    except DataError:
        return
    assert graph.vectors.shape[0] == len(inputs)
    assert onnx.load_model_from_string(graph.model).graph.output
