"""Features of real photos: `keras predict` against footwork, decoding included on both sides.

    python bench/feature_speed.py PHOTOS [--resnet50-conv4 FILE.keras] [--rounds 5]

PHOTOS is a folder of JPEGs. The peer is what a Keras user writes: a tf.data pipeline (read,
decode, resize, crop, scale; parallel map, prefetch) into `model.predict`, batch 32. Ours starts
from an empty cache each time, in float32 and, where the processor has it, in bfloat16 with the
float32 vectors of 128 photos that show whether scores stay. Rounds are interleaved; medians and
their ratio are printed, and so is the largest difference between the two sides' vectors on the
same inputs.
"""

import argparse
import hashlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from footwork.evaluate.precision import TRIED
from footwork.machine import describe_machine, library_versions
from footwork.models.bases import Base, registry
from footwork.models.contract import InputContract
from footwork.models.features import feature_key, features
from footwork.models.lite import LITE, read_state_dict, weight_file
from footwork.models.networks import Prepared, in_bfloat16, prepare
from footwork.models.runtimes import has_bfloat16
from footwork.models.views import square

CAFFE = InputContract(side=224, channels="bgr", mean=(103.939, 116.779, 123.68))


def lite_in_keras(name: str) -> Any:
    """Rebuild EfficientNet-Lite in Keras with the same weights: the peer's network."""
    import keras
    from keras import layers

    side = LITE[name].side
    state = read_state_dict(weight_file(name), LITE[name].sha256)
    values = iter(state.items())

    def take(suffix: str) -> NDArray[Any]:
        for key, value in values:
            if key.endswith("num_batches_tracked"):
                continue
            assert key.endswith(suffix), (key, suffix)
            return value
        raise AssertionError(suffix)

    def normalised(x: Any, relu: bool) -> Any:
        weights = [take(s) for s in ("weight", "bias", "running_mean", "running_var")]
        layer = layers.BatchNormalization(epsilon=1e-3)
        x = layer(x)
        layer.set_weights(weights)
        return layers.ReLU(6.0)(x) if relu else x

    def convolution(x: Any, stride: int, relu: bool = True, depthwise: bool = False) -> Any:
        kernel = take("weight")
        if depthwise:
            layer = layers.DepthwiseConv2D(kernel.shape[2], stride, "same", use_bias=False)
            order = (2, 3, 0, 1)
        else:
            layer = layers.Conv2D(kernel.shape[0], kernel.shape[2], stride, "same", use_bias=False)
            order = (2, 3, 1, 0)
        x = layer(x)
        layer.set_weights([kernel.transpose(order)])
        return normalised(x, relu)

    depth = {"efficientnet_lite0": (1, 2, 2, 3, 3, 4, 1)}[name]
    strides = (1, 2, 2, 2, 1, 2, 1)
    inputs = keras.Input((side, side, 3))
    x = convolution(inputs, 2)
    for stage, (repeats, stride) in enumerate(zip(depth, strides, strict=True)):
        for i in range(repeats):
            before = x
            if stage:
                x = convolution(x, 1)
            x = convolution(x, stride if i == 0 else 1, depthwise=True)
            x = convolution(x, 1, relu=False)
            if i:
                x = layers.Add()([before, x])
    x = convolution(x, 1)
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(x))


def peer_pipeline(paths: list[str], contract: InputContract) -> Any:
    """What a Keras user writes: tf.data with parallel decoding, batch 32, prefetch."""
    import tensorflow as tf

    side, shorter = contract.side, round(contract.side / contract.crop_fraction)
    mean, std = (np.array(v, np.float32) for v in (contract.mean, contract.std))

    def load(path: Any) -> Any:
        pixels = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        size = tf.cast(tf.shape(pixels)[:2], tf.float32)
        target = tf.cast(tf.round(size * (shorter / tf.reduce_min(size))), tf.int32)
        pixels = tf.image.resize(pixels, target, antialias=True)
        pixels = tf.image.resize_with_crop_or_pad(pixels, side, side)
        if contract.channels == "bgr":
            pixels = pixels[..., ::-1]
        return (pixels / contract.scale - mean) / std

    data = tf.data.Dataset.from_tensor_slices(paths)
    return data.map(load, num_parallel_calls=tf.data.AUTOTUNE).batch(32).prefetch(tf.data.AUTOTUNE)


def ours(photos: dict[str, bytes], *steps: tuple[Prepared, int]) -> Callable[[], None]:
    """Features from an empty cache: of the first so many photos for each step."""

    def run() -> None:
        with tempfile.TemporaryDirectory() as cache:
            for prepared, count in steps:
                key = feature_key(prepared, None, "right")
                read, names = photos.__getitem__, list(photos)[:count]
                found = features(names, prepared, key, read, Path(cache), lambda _n: None)
                assert found.computed == count

    return run


def timed(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def measure(
    title: str, base: Base, model: Any, paths: list[str], rounds: int
) -> dict[str, float | str]:
    photos = {hashlib.sha256(p).hexdigest(): p for p in (Path(x).read_bytes() for x in paths)}
    contract = base.contract

    def sample() -> NDArray[np.float32]:
        return contract.apply(
            np.stack([square(d, contract, contract.crop) for d in list(photos.values())[:8]])
        )

    prepared = prepare(base, sample)
    batch = sample()
    nhwc = batch.transpose(0, 2, 3, 1) if contract.layout == "nchw" else batch
    said = model.predict(nhwc, verbose=0)
    mine = prepared.open(1).vectors(batch)
    apart = float((np.linalg.norm(said - mine, axis=1) / np.linalg.norm(said, axis=1)).max())

    def peer() -> object:
        return model.predict(peer_pipeline(paths, contract), verbose=0)

    # What `compare --precision bfloat16` does: float32 on some photos, to see that scores stay.
    half = in_bfloat16(prepared) if has_bfloat16() else None
    sides = {"keras": peer, "float32": ours(photos, (prepared, len(photos)))}
    if half:
        sides["bfloat16"] = ours(photos, (prepared, TRIED), (half, len(photos)))
    for run in sides.values():
        run()  # warm up
    times = [{name: timed(run) for name, run in sides.items()} for _ in range(rounds)]
    row: dict[str, float | str] = {"base": title, "runtime": prepared.runtime}
    row["largest_relative_difference"] = apart
    for name in sides:
        row[f"{name}_per_s"] = round(len(photos) / statistics.median(t[name] for t in times), 1)
    for name in list(sides)[1:]:
        ratios = sorted(t["keras"] / t[name] for t in times)
        row[f"{name}_ratio"] = round(statistics.median(ratios), 2)
        row[f"{name}_ratio_range"] = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--resnet50-conv4", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    import keras

    paths = sorted(str(p) for p in given.photos.rglob("*.jpg"))
    cases = [
        (
            "efficientnet_lite0",
            registry()["efficientnet_lite0"],
            lite_in_keras("efficientnet_lite0"),
        )
    ]
    if given.resnet50_conv4:
        file = given.resnet50_conv4
        base = Base("resnet50_conv4", "file", CAFFE, str(file.resolve()), "see its source")
        body = keras.models.load_model(file, safe_mode=True)
        cases.append(("resnet50_conv4", base, body))
    machine = describe_machine()
    print(f"{machine.cpu}, {machine.cores} cores, {library_versions()}")
    for title, base, model in cases:
        print(json.dumps(measure(title, base, model, paths, given.rounds)))


if __name__ == "__main__":
    main()
