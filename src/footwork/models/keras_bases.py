"""The base models of keras.applications: a table of facts, without Keras.

All end in global average pooling over the last feature map (`include_top=False`). The tests
hold every row against the installed Keras: parameters, vector size, address and hash of the
weights, and that the contract equals the network's own `preprocess_input`. All but ConvNeXtTiny
run on ONNX Runtime; that one has steps which tf2onnx 1.17 cannot convert, so Keras runs it.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from footwork.models.contract import InputContract

# Means and standard deviations of ImageNet's pixels: BGR in [0, 255] as Caffe used them, and
# RGB in [0, 1] as Torch does. keras.applications.imagenet_utils has the same numbers.
CAFFE_MEAN = (103.939, 116.779, 123.68)
TORCH_MEAN, TORCH_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# Where the weights come from and under which licence: the sections "License" of the Keras
# documentation up to 2.3 (MobileNet to Xception, VGG), and the authors' repositories for what
# came later (google/automl, tensorflow/tpu, facebookresearch/ConvNeXt). Keras itself is
# Apache-2.0. ImageNet's photos have terms of their own.
APACHE = "Apache-2.0"
BSD_DENSENET = "BSD-3-Clause (the DenseNet authors)"
BSD_FACEBOOK = "BSD (Facebook)"
CC_BY_VGG = "CC-BY-4.0 (Oxford VGG)"
MIT_HE = "MIT (Kaiming He)"
MIT_KERAS = "MIT (the Keras authors)"
MIT_META = "MIT (Meta)"

STORE = "https://storage.googleapis.com/tensorflow/keras-applications/"
EFFICIENTNET_STORE = "https://storage.googleapis.com/keras-applications/"


@dataclass(frozen=True)
class KerasBase:
    """One network of keras.applications, with ImageNet weights and without its classes.

    builder: attribute of keras.applications. contract: what it wants to be fed. parameters:
    without the classes, statistics of batch-norm included. vector_size: numbers per photo.
    licence: of the ImageNet weights. preprocess_module: the module of keras.applications whose
    `preprocess_input` the contract equals. weights_url, weights_name: what Keras downloads and
    what it calls the file. weights_hash: the MD5 or SHA-256 that Keras pins, None where it
    pins none (MobileNet 1 and 2).
    """

    name: str
    builder: str
    contract: InputContract
    parameters: int
    vector_size: int
    licence: str
    preprocess_module: str
    weights_url: str
    weights_name: str
    weights_hash: str | None

    @property
    def megabytes(self) -> float:
        """Size of the weights in 10^6 bytes, at 4 bytes each."""
        return round(self.parameters * 4 / 1e6, 1)

    def is_published(self, file: Path) -> bool:
        """Whether `file` is byte for byte the ImageNet file whose hash Keras pins."""
        if self.weights_hash is None:
            return False
        kind = "md5" if len(self.weights_hash) == 32 else "sha256"
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, kind).hexdigest() == self.weights_hash

    def downloaded(self) -> Path | None:
        """Return the ImageNet file that Keras downloaded before, if it is whole; else None."""
        home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
        file = home / "models" / self.weights_name
        if not file.is_file() or (self.weights_hash and not self.is_published(file)):
            return None
        return file


def _raw(
    side: int,
    resize: Literal["bilinear", "bicubic"] = "bilinear",
    crop_fraction: float = 0.875,
) -> InputContract:
    """RGB in [0, 255]: the network carries its own scaling."""
    return InputContract(side=side, resize=resize, crop_fraction=crop_fraction)


def _efficient(side: int, resize: Literal["bilinear", "bicubic"] = "bicubic") -> InputContract:
    """Raw RGB, cropped with a margin of 32 pixels (google/automl, efficientnetv2/preprocessing)."""
    return _raw(side, resize, side / (side + 32))


def _caffe(side: int) -> InputContract:
    """BGR in [0, 255] minus ImageNet's mean, not scaled."""
    return InputContract(side=side, channels="bgr", mean=CAFFE_MEAN)


def _torch(side: int) -> InputContract:
    """RGB in [0, 1], minus the mean, over the standard deviation."""
    return InputContract(side=side, scale=255.0, mean=TORCH_MEAN, std=TORCH_STD)


def _tf(side: int) -> InputContract:
    """RGB in [-1, 1]."""
    return InputContract(side=side, scale=127.5, mean=(1.0, 1.0, 1.0))


def _base(
    name: str,
    module: str,
    contract: InputContract,
    parameters: int,
    vector_size: int,
    licence: str,
    file: str,
    weights_hash: str | None,
    *,
    store: str = STORE,
    saved_as: str | None = None,
) -> KerasBase:
    return KerasBase(
        name=name,
        builder=name,
        contract=contract,
        parameters=parameters,
        vector_size=vector_size,
        licence=licence,
        preprocess_module=module,
        weights_url=store + file,
        weights_name=saved_as or file.rsplit("/", 1)[-1],
        weights_hash=weights_hash,
    )


def _efficientnet(letter: str, side: int, parameters: int, size: int, md5: str) -> KerasBase:
    return _base(
        f"EfficientNet{letter.upper()}",
        "efficientnet",
        _efficient(side),
        parameters,
        size,
        APACHE,
        f"efficientnet{letter}_notop.h5",
        md5,
        store=EFFICIENTNET_STORE,
    )


def _efficientnet_v2(letter: str, side: int, parameters: int, size: int, md5: str) -> KerasBase:
    # Above 320 pixels the original looks at the whole photo, squashed, instead of cropping.
    squashed = InputContract(side=side, crop="squash", crop_fraction=1.0)
    return _base(
        f"EfficientNetV2{letter.upper()}",
        "efficientnet_v2",
        _efficient(side, "bilinear") if side < 320 else squashed,
        parameters,
        size,
        APACHE,
        f"efficientnet_v2/efficientnetv2-{letter}_notop.h5",
        md5,
    )


def _classic(
    name: str, module: str, contract: InputContract, parameters: int, size: int, licence: str,
    folder: str, md5: str,
) -> KerasBase:  # fmt: skip
    """A network whose file is called NAME_weights_tf_dim_ordering_tf_kernels_notop.h5."""
    stem = "inception_v3" if name == "InceptionV3" else name.lower()
    file = f"{folder}/{stem}_weights_tf_dim_ordering_tf_kernels_notop.h5"
    return _base(name, module, contract, parameters, size, licence, file, md5)


# fmt: off
KERAS_BASES: dict[str, KerasBase] = {
    base.name: base
    for base in (
        _base("MobileNet", "mobilenet", _tf(224), 3_228_864, 1024, APACHE,
              "mobilenet/mobilenet_1_0_224_tf_no_top.h5", None),
        _base("MobileNetV2", "mobilenet_v2", _tf(224), 2_257_984, 1280, APACHE,
              "mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
              None),
        _base("MobileNetV3Small", "mobilenet_v3", _raw(224), 939_120, 576, APACHE,
              "mobilenet_v3/weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
              "d3e8ec802a04aa4fc771ee12a9a9b836"),
        _base("MobileNetV3Large", "mobilenet_v3", _raw(224), 2_996_352, 960, APACHE,
              "mobilenet_v3/weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
              "07fb09a5933dd0c8eaafa16978110389"),
        _base("NASNetMobile", "nasnet", _tf(224), 4_269_716, 1056, APACHE,
              "nasnet/NASNet-mobile-no-top.h5", "1ed92395b5b598bdda52abe5c0dbfd63",
              saved_as="nasnet_mobile_no_top.h5"),
        _efficientnet("b0", 224, 4_049_571, 1280, "50bc09e76180e00e4465e1a485ddc09d"),
        _efficientnet("b1", 240, 6_575_239, 1280, "74c4e6b3e1f6a1eea24c589628592432"),
        _efficientnet("b2", 260, 7_768_569, 1408, "111f8e2ac8aa800a7a99e3239f7bfb39"),
        _efficientnet("b3", 300, 10_783_535, 1536, "af6d107764bb5b1abb91932881670226"),
        _efficientnet("b4", 380, 17_673_823, 1792, "ebc24e6d6c33eaebbd558eafbeedf1ba"),
        _efficientnet_v2("b0", 224, 5_919_312, 1280, "893217f2bb855e2983157299931e43ff"),
        _efficientnet_v2("b1", 240, 6_931_124, 1280, "0e80663031ca32d657f9caa404b6ec37"),
        _efficientnet_v2("b2", 260, 8_769_374, 1408, "1dfe2e7a5d45b6632553a8961ea609eb"),
        _efficientnet_v2("b3", 300, 12_930_622, 1536, "f6abf7b5849ac99a89b50dd3fd532856"),
        _efficientnet_v2("s", 384, 20_331_360, 1280, "af0682fb74e8c54910f2d4393339c070"),
        _classic("DenseNet121", "densenet", _torch(224), 7_037_504, 1024, BSD_DENSENET,
                 "densenet", "30ee3e1110167f948a6b9946edeeb738"),
        _classic("DenseNet169", "densenet", _torch(224), 12_642_880, 1664, BSD_DENSENET,
                 "densenet", "b8c4d4c20dd625c148057b9ff1c1176b"),
        _classic("DenseNet201", "densenet", _torch(224), 18_321_984, 1920, BSD_DENSENET,
                 "densenet", "c13680b51ded0fb44dff2d8f86ac8bb1"),
        _classic("ResNet50", "resnet", _caffe(224), 23_587_712, 2048, MIT_HE,
                 "resnet", "4d473c1dd8becc155b73f8504c6f6626"),
        _classic("ResNet101", "resnet", _caffe(224), 42_658_176, 2048, MIT_HE,
                 "resnet", "88cf7a10940856eca736dc7b7e228a21"),
        _classic("ResNet50V2", "resnet_v2", _tf(224), 23_564_800, 2048, BSD_FACEBOOK,
                 "resnet", "fac2f116257151a9d068a22e544a4917"),
        _classic("InceptionV3", "inception_v3", _tf(299), 21_802_784, 2048, APACHE,
                 "inception_v3", "bcbd6486424b2319ff4ef7d526e38f63"),
        _classic("Xception", "xception", _tf(299), 20_861_480, 2048, MIT_KERAS,
                 "xception", "b0042744bf5b25fce3cb969f33bebb97"),
        _base("ConvNeXtTiny", "convnext", _raw(224, "bicubic"), 27_820_128, 768, MIT_META,
              "convnext/convnext_tiny_notop.h5",
              "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1"),
        _classic("VGG16", "vgg16", _caffe(224), 14_714_688, 512, CC_BY_VGG,
                 "vgg16", "6d6bbae143d832006294945121d1f1fc"),
        _classic("VGG19", "vgg19", _caffe(224), 20_024_384, 512, CC_BY_VGG,
                 "vgg19", "253f8cb515780f3b799900260a226db6"),
    )
}
# fmt: on
