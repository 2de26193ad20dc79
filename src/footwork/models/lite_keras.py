"""EfficientNet-Lite as a Keras model, so that it can be trained through, not only run.

The same weights as `footwork.models.lite`; batch-norms stay layers of their own.
"""

import itertools
from typing import Any

import numpy as np

from footwork.models.lite import EPSILON, LITE, STAGE_STRIDES, Tensors, read_state_dict, weight_file


def build_lite(keras: Any, name: str, side: int) -> Any:
    """Return a keras.Model from (n, side, side, 3) float32 under `lite_contract`, but channels
    last, to the (n, 1280) vector. Raises what `weight_file` and `read_state_dict` raise.
    """
    tensors = read_state_dict(weight_file(name), LITE[name].sha256)
    inputs = keras.Input((side, side, 3))
    x = _conv(keras, tensors, inputs, "_conv_stem", "_bn0", stride=2)
    strides = iter(STAGE_STRIDES)
    width = 0
    for number in itertools.count():
        block = f"_blocks.{number}"
        if f"{block}._project_conv.weight" not in tensors:
            break
        channels = tensors[f"{block}._project_conv.weight"].shape[0]
        first = channels != width  # no two neighbouring stages are equally wide
        entry, width = x, channels
        if f"{block}._expand_conv.weight" in tensors:
            x = _conv(keras, tensors, x, f"{block}._expand_conv", f"{block}._bn0")
        stride = next(strides) if first else 1
        x = _conv(keras, tensors, x, f"{block}._depthwise_conv", f"{block}._bn1", stride)
        x = _conv(keras, tensors, x, f"{block}._project_conv", f"{block}._bn2", relu6=False)
        if not first:
            x = keras.layers.Add()([x, entry])
    x = _conv(keras, tensors, x, "_conv_head", "_bn1")
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x), name=name)


def _conv(
    keras: Any,
    tensors: Tensors,
    x: Any,
    conv: str,
    norm: str,
    stride: int = 1,
    relu6: bool = True,
) -> Any:
    kernel = tensors[f"{conv}.weight"]
    label = conv.replace(".", "_").strip("_")
    if kernel.shape[1] == 1 and kernel.shape[0] == x.shape[-1] and kernel.shape[2] > 1:
        layer = keras.layers.DepthwiseConv2D(
            kernel.shape[2], strides=stride, padding="same", use_bias=False, name=label
        )
        kernel = kernel.transpose(2, 3, 0, 1)
    else:
        layer = keras.layers.Conv2D(
            kernel.shape[0],
            kernel.shape[2],
            strides=stride,
            padding="same",
            use_bias=False,
            name=label,
        )
        kernel = kernel.transpose(2, 3, 1, 0)
    y = layer(x)
    layer.set_weights([np.ascontiguousarray(kernel)])
    batch_norm = keras.layers.BatchNormalization(epsilon=EPSILON, name=f"{label}_bn")
    y = batch_norm(y)
    batch_norm.set_weights(
        [tensors[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")]
    )
    return keras.layers.ReLU(6.0)(y) if relu6 else y
