"""The base model `pose` end to end: file, worker processes, landmarks, numbers, comparison."""

import csv
import hashlib
import importlib.util
import io
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from footwork import verbs
from footwork.errors import DataError, EnvironmentProblem, MissingExtra, MissingWeights, UsageError
from footwork.models import pose_network, pose_weights, pose_worker
from footwork.models.bases import Base, registry, with_weights
from footwork.models.features import feature_key
from footwork.models.pose import FEATURE_NAMES, LANDMARKS, PARTS, pose_vector, pose_vectors
from footwork.models.pose_network import PoseNetwork, Worker, how_many_found, prepare_pose
from footwork.models.pose_weights import CONTRACT, INSIDE, check_bundle, published_bundle
from footwork.models.pose_worker import COUNT, FAILED, HEADER, LOOKS, READY, find_people, serve
from footwork.models.views import square
from footwork.project import init_project

FOUND = FEATURE_NAMES.index("found")

needs_mediapipe = pytest.mark.skipif(
    importlib.util.find_spec("mediapipe") is None,
    reason="the extra footwork[pose] is not installed",
)


@pytest.fixture(scope="module")
def task(shared: Path) -> Path:
    return shared / "weights" / "pose_landmarker_full.task"


@pytest.fixture(scope="module")
def network(task: Path) -> PoseNetwork:
    return PoseNetwork(task, workers=2)


@pytest.fixture(scope="module")
def climbers(shared: Path) -> NDArray[np.float32]:
    """Twelve real photos under the contract."""
    tiles = shared / "data" / "climbing_tiles"
    with (tiles / "manifest.csv").open(encoding="utf-8") as table:
        files = [row["file"] for row in csv.DictReader(table) if row["best"] == "1"][:12]
    return CONTRACT.apply(
        np.stack([square((tiles / f).read_bytes(), CONTRACT, "letterbox") for f in files])
    )


def noise(count: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(1)
    return CONTRACT.apply(rng.integers(0, 256, (count, 640, 640, 3), dtype=np.uint8))


def base_of(weights: Path | str) -> Base:
    known = registry()["pose"]
    return Base("pose", "pose", known.contract, str(weights), known.licence)


@pytest.mark.shared
@needs_mediapipe
def test_most_climbers_are_found_and_order_and_worker_do_not_matter(
    network: PoseNetwork, climbers: NDArray[np.float32]
) -> None:
    whole = pose_vectors(network.vectors(climbers))
    assert whole.shape == (12, 39)
    assert np.isfinite(whole).all()
    assert whole[:, FOUND].sum() >= 9
    assert np.unique(whole[whole[:, FOUND] == 1], axis=0).shape[0] >= 9, "not one answer for all"
    with ThreadPoolExecutor(2) as threads:
        said = list(threads.map(lambda i: network.vectors(climbers[i : i + 1]), range(11, -1, -1)))
    alone = [pose_vectors(one) for one in said]
    np.testing.assert_array_equal(np.concatenate(alone[::-1]), whole)


@pytest.mark.shared
@needs_mediapipe
def test_in_a_picture_of_nobody_nobody_is_found(network: PoseNetwork) -> None:
    np.testing.assert_array_equal(
        pose_vectors(network.vectors(noise(1)))[0], pose_vector(None, 1.0)
    )


@pytest.mark.shared
@needs_mediapipe
def test_a_worker_that_dies_is_reported_and_replaced(
    task: Path, climbers: NDArray[np.float32]
) -> None:
    network = PoseNetwork(task, workers=1)
    before = network.vectors(climbers[:1])
    network.idle[0].process.kill()
    with pytest.raises(EnvironmentProblem, match="ended with code -9"):
        network.vectors(climbers[:1])
    np.testing.assert_array_equal(network.vectors(climbers[:1]), before)


@pytest.mark.shared
@needs_mediapipe
def test_nothing_is_sent_anywhere(
    task: Path, climbers: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    """MediaPipe reports its use when a landmarker is closed, through the proxy that is named.

    Here a proxy listens, and nobody comes. (A landmarker that is closed does call there.)
    """
    monkeypatch.setenv("NO_PROXY", "*")
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(2)
        monkeypatch.setattr(pose_network, "NOWHERE", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        worker = Worker(task)
        worker.vector(climbers[0].astype(np.uint8))
        process = worker.process
        del worker
        assert process.wait(timeout=10) == 0, "the worker ends with the object"
        with pytest.raises(TimeoutError):
            proxy.accept()


def test_whoever_is_not_found_is_looked_for_in_other_ways() -> None:
    """The fake sees somebody only in the mirrored picture, whose bright side is on the right."""
    shapes = []
    person = np.full((1, LANDMARKS, PARTS), 0.25, dtype=np.float32)

    def detect(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        shapes.append(pixels.shape[:2])
        mirrored = pixels[0, -1, 0] > pixels[0, 0, 0]
        return person if mirrored else person[:0]

    pixels = np.zeros((40, 60, 3), dtype=np.uint8)
    pixels[:, :30] = 255
    found = find_people(detect, pixels)
    np.testing.assert_allclose(found[0, :, 0], 0.75, err_msg="turned back")
    np.testing.assert_allclose(found[0, :, 1], 0.25)
    assert shapes == [(40, 60), (40, 60)]

    shapes.clear()
    assert find_people(detect, np.zeros((40, 60, 3), np.uint8)).shape == (0, LANDMARKS, PARTS)
    assert shapes == [(40, 60), (40, 60), (20, 30), (20, 30)]
    assert len(LOOKS) == 4


def test_a_picture_that_mediapipe_cannot_take_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def detect(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        if pixels.shape == (2, 2, 3):
            raise ValueError("too small")
        return np.ones((1, LANDMARKS, PARTS), dtype=np.float32)

    monkeypatch.setattr(pose_worker, "detector", lambda _task: detect)
    asked = b"".join(HEADER.pack(n, n) + bytes(3 * n * n) for n in (2, 4))
    answers = io.BytesIO()
    serve("a.task", io.BytesIO(asked), answers)
    said = answers.getvalue()
    assert said[:1] == READY
    assert COUNT.unpack_from(said, 1) == (FAILED,)
    assert COUNT.unpack_from(said, 1 + COUNT.size) == (1,)
    assert len(said) == 1 + 2 * COUNT.size + LANDMARKS * PARTS * 4


def bundle(folder: Path, names: Iterator[str] | set[str], method: int = zipfile.ZIP_STORED) -> Path:
    path = folder / "some.task"
    with zipfile.ZipFile(path, "w", method) as made:
        for name in names:
            made.writestr(name, b"no network at all" * 100)
    return path


def test_a_file_that_is_no_landmarker_is_refused_before_native_code_sees_it(
    tmp_path: Path,
) -> None:
    text = tmp_path / "notes.task"
    text.write_text("not a bundle")
    with pytest.raises(DataError, match=r"notes\.task is not a pose landmarker.*no bundle"):
        check_bundle(text)
    with pytest.raises(DataError, match="there is no such file"):
        check_bundle(tmp_path / "absent.task")
    with pytest.raises(DataError, match=r"no pose_detector\.tflite and no pose_landmarks"):
        check_bundle(bundle(tmp_path, {"hand_detector.tflite"}))
    with pytest.raises(DataError, match="compressed"):
        check_bundle(bundle(tmp_path, INSIDE, zipfile.ZIP_DEFLATED))
    damaged = bundle(tmp_path, INSIDE)
    check_bundle(damaged)
    damaged.write_bytes(damaged.read_bytes().replace(b"at all", b"at ALL", 1))
    with pytest.raises(DataError, match="damaged"):
        check_bundle(damaged)


@needs_mediapipe
def test_networks_that_mediapipe_does_not_take_are_refused_with_its_reason(tmp_path: Path) -> None:
    network = PoseNetwork(bundle(tmp_path, INSIDE), workers=1)
    with pytest.raises(DataError, match=r"does not take .*some\.task as a pose landmarker: \w"):
        network.vectors(noise(1))


def test_without_the_extra_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'footwork\[pose\]'"):
        prepare_pose(base_of("whatever.task"))


@needs_mediapipe
def test_the_key_of_features_holds_file_geometry_and_mediapipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = bundle(tmp_path, INSIDE)
    prepared = prepare_pose(base_of(file))
    key = feature_key(prepared, None, "right")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert (prepared.weights, key.weights_sha256) == ("unverified", digest)
    assert key.runtime == f"mediapipe-{version('mediapipe')}/looking-1"
    assert prepared.numbers == "geometry-1"
    assert (key.view, key.precision, key.contract) == ("letterbox", "float32", CONTRACT)
    monkeypatch.setattr(pose_network, "PUBLISHED", {digest})
    assert prepare_pose(base_of(file)).weights == "verified"


def test_pose_takes_a_file_but_no_weights_of_keras(tmp_path: Path) -> None:
    project = init_project(tmp_path, name="p")
    known = registry()
    (tmp_path / "x.task").write_bytes(b"x")
    assert with_weights(known, "pose", "x.task", project).weights == str(tmp_path / "x.task")
    assert with_weights(known, "pose", "mediapipe", project) == known["pose"]
    with pytest.raises(UsageError, match="pose are not there"):
        with_weights(known, "pose", "random", project)


@pytest.fixture
def server() -> Iterator[tuple[str, bytes, list[str]]]:
    """Gives the address, what is served there, and a list of the requests."""
    data, asked = b"a bundle of networks", []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if self.path == "/full.task" else 404)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}", data, asked
        http.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FOOTWORK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_published_file_is_fetched_once(
    cache: Path, server: tuple[str, bytes, list[str]]
) -> None:
    url, data, asked = server
    assert registry()["pose"].weights_here is False
    for _ in range(2):
        file = published_bundle(f"{url}/full.task", hashlib.sha256(data).hexdigest())
        assert file.read_bytes() == data
    assert asked == ["/full.task"]
    assert file.is_relative_to(cache)
    assert registry()["pose"].weights_here is True


def test_another_file_or_none_leaves_nothing_and_says_where_to_get_it(
    cache: Path, server: tuple[str, bytes, list[str]]
) -> None:
    url, _, _ = server
    for address, problem in (
        (f"{url}/full.task", "not the file that is known"),
        (f"{url}/absent.task", "Not Found"),
        ("http://127.0.0.1:9/full.task", "could not be fetched"),
    ):
        with pytest.raises(MissingWeights, match=problem) as raised:
            published_bundle(address, pose_weights.FULL)
        lines = str(raised.value).splitlines()
        assert len(lines) == 3
        assert address in lines[1]
        assert "--weights pose=FILE" in lines[2]
    assert not list(cache.rglob("*.task*"))


def test_how_many_were_found_is_said() -> None:
    vectors = np.stack([pose_vector(None, 1.0)] * 3)
    (none,) = how_many_found(vectors)
    assert "no body in any of the 3 photos" in none
    vectors[0, FOUND] = 1
    assert how_many_found(vectors) == ("pose found a body in 1 of 3 photos.",)


def test_who_does_not_use_pose_does_not_load_it() -> None:
    code = (
        "import sys, footwork.verbs, footwork.models.networks, footwork.models.pose_network;"
        "print({'mediapipe', 'cv2', 'tensorflow', 'urllib.request'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.shared
@needs_mediapipe
def test_photos_of_nobody_are_compared_and_the_row_says_that_it_knows_nothing(
    task: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(5)
    for label in ("moss", "stone"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(3):
            pixels = rng.integers(0, 256, (90, 70, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{i}.png")
    project = tmp_path / "project"
    verbs.import_images(tmp_path / "photos", project=project)

    def compared() -> verbs.Compared:
        return verbs.compare(
            project=project, bases=["pose"], weights={"pose": str(task)}, folds=2, repeats=1
        )

    first = compared()
    (info,) = first.run.entries
    assert "no body in any of the 6 photos" in info.notes[0]
    assert (info.weights, info.vector_size) == ("unverified", 39)
    (scores,) = first.board.entries
    assert scores.failed == 0
    assert not scores.beats_guessing
    assert compared().run.environment.decoded == 0, "features of pose are cached like any other"
