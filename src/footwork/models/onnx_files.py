"""A user's ONNX file made into a base: checked as hostile input, ended in one vector.

Called by `footwork.models.conversion` only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from footwork.errors import DataError
from footwork.models.contract import InputContract

Vectors: TypeAlias = NDArray[np.float32]
Proto: TypeAlias = Any  # a protobuf message of the package onnx

MAX_BYTES = 2**31 - 1  # of one protobuf message; larger networks keep their tensors outside
VECTOR_OUTPUTS = ("vector", "features", "embedding")  # taken where there are several


@dataclass(frozen=True)
class VectorGraph:
    """model: serialised, one input, one output (n, d) float. vectors: of the given inputs.

    untrained: why the network cannot have been trained, or None.
    """

    model: bytes
    vectors: Vectors
    parameters: int
    untrained: str | None
    notes: tuple[str, ...]


def told(error: Exception) -> str:
    """The first line of what a library said, short enough for a message of ours."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def run(model: bytes | Path, inputs: Vectors) -> Vectors:
    """Run an ONNX network with one input on ONNX Runtime's CPU provider; its first output."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is raised; nothing needs to be printed as well
    session = onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model),
        options,
        providers=["CPUExecutionProvider"],
    )
    answer = session.run([session.get_outputs()[0].name], {session.get_inputs()[0].name: inputs})[0]
    return np.asarray(answer)


def vector_graph(name: str, file: Path, contract: InputContract, inputs: Vectors) -> VectorGraph:
    """Read an ONNX file and make it answer a batch of photos with one vector each.

    A feature map gets global average pooling, along the axes that the contract's layout says.
    Raises DataError for anything but one whole file with one float32 image input of the
    contract's shape and one usable output that ONNX Runtime can run for any number of photos.
    """
    model = _read(name, file)
    _check_input(name, file, model, contract)
    _keep_one_output(name, file, model)
    notes: list[str] = []
    answer = _run(name, file, model, inputs)
    if answer.ndim == 4:
        _pool(model, contract)
        notes.append(f"{name}: its feature map is averaged over height and width.")
        answer = _run(name, file, model, inputs)
    if answer.ndim != 2 or len(answer) != len(inputs):
        raise DataError(
            f"The base {name} ({file.name}) answers {len(inputs)} photos with {answer.shape}; "
            "a base gives one vector (n, d) or one feature map per photo."
        )
    return VectorGraph(
        model=model.SerializeToString(),
        vectors=answer.astype(np.float32),
        parameters=sum(int(np.prod(tensor.dims)) for tensor in _weights(model)),
        untrained=_never_trained(model),
        notes=tuple(notes),
    )


def one_file(name: str, file: Path) -> bytes:
    """Return the bytes of an ONNX file that names no other file. Raises DataError."""
    data: bytes = _read(name, file).SerializeToString()
    return data


def _read(name: str, file: Path) -> Proto:
    import onnx

    if file.stat().st_size > MAX_BYTES:
        raise DataError(f"{file} is over 2 GB; no base model needs that. Use a smaller network.")
    try:
        model = onnx.load_model_from_string(file.read_bytes())
        outside = any(
            tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(model)
        )
        if not outside:
            onnx.checker.check_model(model)
    except Exception as error:  # protobuf's DecodeError, the checker's ValidationError, ...
        raise DataError(
            f"{file} is not a valid ONNX network ({told(error)}); the base {name} needs one."
        ) from error
    if outside:
        raise DataError(
            f"{file} keeps tensors in other files, and footwork opens no file that a network "
            f"names. Save {name} as one file: onnx.save(model, FILE, save_as_external_data=False)."
        )
    return model


def _tensors(message: Proto) -> Iterator[Proto]:
    """Yield every tensor anywhere in a model: weights, attributes, subgraphs, functions."""
    if message.DESCRIPTOR.name == "TensorProto":
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if hasattr(value, "ListFields") else value:
                yield from _tensors(part)


def _check_input(name: str, file: Path, model: Proto, contract: InputContract) -> None:
    """Refuse another input than the contract's; open its first axis to any number of photos."""
    import onnx

    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise DataError(f"A base takes one batch of photos; {file} ({name}) has inputs: {names}.")
    kind = inputs[0].type.tensor_type
    axes = [axis.dim_value or None for axis in kind.shape.dim]
    channels = (None, contract.side, contract.side, 3)
    wanted = channels if contract.layout == "nhwc" else (None, 3, contract.side, contract.side)
    fits = len(axes) == 4 and all(
        seen in (None, want) for seen, want in zip(axes[1:], wanted[1:], strict=True)
    )
    if not fits or kind.elem_type != onnx.TensorProto.FLOAT:
        typed = onnx.TensorProto.DataType.Name(kind.elem_type).lower()
        raise DataError(
            f"The base {name} ({file.name}) takes {typed} of {tuple(axes)}; its contract gives "
            f"float of {wanted} ({contract.layout!r}). Correct side or layout in "
            f"[bases.{name}] contract, or export the network anew."
        )
    if axes[0] is not None:  # exported for one photo: nearly always runs with more
        kind.shape.dim[0].dim_param = "n"
        for value in model.graph.output:
            if value.type.tensor_type.shape.dim:
                value.type.tensor_type.shape.dim[0].dim_param = "n"
        del model.graph.value_info[:]


def _keep_one_output(name: str, file: Path, model: Proto) -> None:
    outputs = list(model.graph.output)
    named = [value for value in outputs if value.name in VECTOR_OUTPUTS]
    if len(outputs) != 1 and len(named) != 1:
        names = ", ".join(value.name for value in outputs) or "none"
        raise DataError(
            f"The base {name} ({file.name}) has {len(outputs)} outputs: {names}. Export it with "
            f"one, or call the right one {' or '.join(VECTOR_OUTPUTS)}."
        )
    kept = (named or outputs)[0]
    del model.graph.output[:]
    model.graph.output.append(kept)


def _pool(model: Proto, contract: InputContract) -> None:
    """Append global average pooling, in operators that every opset has."""
    import onnx

    source = model.graph.output[0]
    feed = source.name
    if contract.layout == "nhwc":
        feed = "footwork/nchw"
        nodes = [onnx.helper.make_node("Transpose", [source.name], [feed], perm=[0, 3, 1, 2])]
    else:
        nodes = []
    nodes.append(onnx.helper.make_node("GlobalAveragePool", [feed], ["footwork/mean"]))
    nodes.append(onnx.helper.make_node("Flatten", ["footwork/mean"], ["footwork/vector"], axis=1))
    model.graph.node.extend(nodes)
    kind = source.type.tensor_type.elem_type
    del model.graph.output[:]
    model.graph.output.append(
        onnx.helper.make_tensor_value_info("footwork/vector", kind, ["n", None])
    )


def _run(name: str, file: Path, model: Proto, inputs: Vectors) -> NDArray[Any]:
    try:
        return run(model.SerializeToString(), inputs)
    except Exception as error:  # onnxruntime raises a dozen kinds, none of them public
        raise DataError(
            f"ONNX Runtime cannot run {file} (base {name}) on {len(inputs)} photos: "
            f"{told(error)} If it was exported for one photo at a time, export it with an open "
            "first axis."
        ) from error


def _weights(model: Proto) -> list[Proto]:
    import onnx

    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
    return [tensor for tensor in model.graph.initializer if tensor.data_type in floats]


def _never_trained(model: Proto) -> str | None:
    """The rule of `keras_networks.never_trained` for a graph.

    Exporters fold batch-norm into the convolutions: untrained, it leaves biases of exactly 0.
    """
    import onnx

    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in _weights(model)}
    norms = [node for node in model.graph.node if node.op_type == "BatchNormalization"]
    if norms:
        for node in norms:
            gain, shift, mean, variance = (arrays.get(part) for part in node.input[1:5])
            if gain is None or shift is None or mean is None or variance is None:
                return None
            if np.ptp(gain) or shift.any() or mean.any() or not np.all(variance == 1):
                return None
        return "every batch-norm statistic is at its starting value"
    biased = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm")]
    biases = [arrays.get(node.input[2]) for node in biased if len(node.input) > 2]
    if biases and all(bias is not None and not bias.any() for bias in biases):
        return "every bias is exactly 0"
    return None
