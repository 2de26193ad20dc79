"""Cached features: computed once, kept whole, mended when damaged.

The network here is arithmetic on the batch, so that every vector is known in advance.
"""

import hashlib
import io
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from footwork.errors import DataError
from footwork.images import Unreadable
from footwork.models.bases import Base
from footwork.models.contract import InputContract
from footwork.models.features import FeatureTable, feature_key, features
from footwork.models.networks import Prepared

SIZE = 6


def picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


@dataclass
class Arithmetic:
    """Channel means and deviations: a network whose answers can be computed by hand."""

    seen: int = 0
    batches: list[int] = field(default_factory=list)

    def vectors(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        self.seen += len(inputs)
        self.batches.append(len(inputs))
        return np.concatenate(
            [inputs.mean(axis=(1, 2)), inputs.std(axis=(1, 2))], axis=1, dtype=np.float32
        )


@dataclass
class World:
    """Photos by hash, a network that counts, and how often a photo was read."""

    photos: dict[str, bytes]
    network: Arithmetic
    contract: InputContract = field(default_factory=lambda: InputContract(side=32))
    reads: int = 0

    def read(self, image: str) -> bytes:
        self.reads += 1
        data = self.photos[image]
        if not data:
            raise Unreadable("the file is empty")
        return data

    @property
    def prepared(self) -> Prepared:
        return Prepared(
            base=Base("arithmetic", "lite", self.contract, "package", "none"),
            weights="verified",
            weights_sha256="0" * 64,
            vector_size=SIZE,
            megabytes=0.1,
            runtime="test",
            notes=(),
            open=lambda _threads: self.network,
            form="onnx",
            model=lambda: b"",
        )


@pytest.fixture
def world() -> World:
    data = [picture(seed) for seed in range(70)]
    return World({hashlib.sha256(d).hexdigest(): d for d in data}, Arithmetic())


Extract = Callable[..., NDArray[np.float32]]


@pytest.fixture
def extract(world: World, tmp_path: Path) -> Extract:
    def run(images: list[str] | None = None) -> NDArray[np.float32]:
        prepared = world.prepared
        key = feature_key(prepared, None, "right")
        names = sorted(world.photos) if images is None else images
        return features(names, prepared, key, world.read, tmp_path, lambda _n: None).vectors

    return run


def test_a_second_call_reads_and_infers_nothing(world: World, extract: Extract) -> None:
    first = extract()
    seen, reads = world.network.seen, world.reads
    second = extract()

    assert (world.network.seen, world.reads) == (seen, reads)
    np.testing.assert_array_equal(first, second)
    assert np.isfinite(first).all()


def test_only_what_is_missing_is_computed(world: World, extract: Extract) -> None:
    names = sorted(world.photos)
    extract(names[:50])
    world.network.batches.clear()
    whole = extract(names)

    assert sum(world.network.batches) == 20, "the table is timed already, so nothing else ran"
    np.testing.assert_array_equal(extract(names[::-1]), whole[::-1])


def test_a_photo_that_fails_is_a_row_with_its_reason(world: World, tmp_path: Path) -> None:
    names = sorted(world.photos)
    world.photos[names[3]] = b""
    world.photos[names[40]] = b"not a picture"
    key = feature_key(world.prepared, None, "right")

    found = features(names, world.prepared, key, world.read, tmp_path, lambda _n: None)

    assert set(found.failed) == {3, 40}
    assert found.failed[3] == "the file is empty"
    assert np.isnan(found.vectors[[3, 40]]).all()
    assert found.good().tolist() == [i for i in range(70) if i not in (3, 40)]
    assert found.of(np.array([40, 5])).failed == {0: found.failed[40]}


def test_an_answer_of_nan_is_a_failure_not_a_vector(world: World, tmp_path: Path) -> None:
    class Broken(Arithmetic):
        def vectors(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
            answer = super().vectors(inputs)
            answer[0] = np.nan
            return answer

    world.network = Broken()
    key = feature_key(world.prepared, None, "right")
    names = sorted(world.photos)
    found = features(names, world.prepared, key, world.read, tmp_path, lambda _n: None)
    assert found.failed == dict.fromkeys(range(0, 70, 8), found.failed[0])
    assert "not a number" in found.failed[0]


def test_a_contract_broken_by_accident_is_refused(world: World, tmp_path: Path) -> None:
    """A base whose declared range is not what its inputs are made of."""
    dark = {}
    for seed in range(4):
        buffer = io.BytesIO()
        Image.fromarray(np.full((40, 40, 3), seed % 2, np.uint8)).save(buffer, "png")
        dark[hashlib.sha256(buffer.getvalue()).hexdigest()] = buffer.getvalue()
    world.photos = dark
    key = feature_key(world.prepared, None, "right")
    with pytest.raises(DataError, match=r"arithmetic wants inputs in \[0, 255\]"):
        features(sorted(dark), world.prepared, key, world.read, tmp_path, lambda _n: None)


def test_positions_and_views_have_tables_of_their_own(world: World) -> None:
    keys = [
        feature_key(world.prepared, view, position).digest
        for view in (None, "squash", "letterbox")
        for position in ("right", "unit-range", "right-then-divided")
    ]
    assert len(set(keys)) == 9
    assert feature_key(world.prepared, "centre", "right").digest == keys[0], "centre is its own"


def test_a_torn_tail_is_cut_off(world: World, extract: Extract, tmp_path: Path) -> None:
    whole = extract()
    (folder,) = (tmp_path / "features").iterdir()
    with (folder / "vectors.f32").open("r+b") as file:
        file.truncate(4 * SIZE * 60 + 7)  # killed while the 61st vector was written
    world.network.batches.clear()

    np.testing.assert_array_equal(extract(), whole)
    assert sum(world.network.batches) == 10
    assert (folder / "vectors.f32").stat().st_size == 4 * SIZE * 70


def test_a_damaged_vector_is_made_again(world: World, extract: Extract, tmp_path: Path) -> None:
    whole = extract()
    (folder,) = (tmp_path / "features").iterdir()
    with (folder / "vectors.f32").open("r+b") as file:
        file.seek(4 * SIZE * 5)
        file.write(b"\x00\x00\x80\x3f")
    world.network.batches.clear()

    np.testing.assert_array_equal(extract(), whole)
    assert sum(world.network.batches) == 1


def test_the_time_of_one_photo_alone_is_kept(
    world: World, extract: Extract, tmp_path: Path
) -> None:
    extract()
    (folder,) = (tmp_path / "features").iterdir()
    assert 0 < FeatureTable(folder, SIZE).milliseconds() < 1000


KILLED = """
    import hashlib, os, signal, sys
    from pathlib import Path
    import numpy as np
    from footwork.models.features import FeatureTable
    table = FeatureTable(Path(sys.argv[1]), 6)
    with table.writing():
        for i in range(1000):
            name = hashlib.sha256(str(i).encode()).hexdigest()
            table.append([name], np.full((1, 6), i, np.float32))
            if i == int(sys.argv[2]):
                os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("at", [0, 7, 400])
def test_a_killed_writer_leaves_a_table_that_works(tmp_path: Path, at: int) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "t"), str(at)],
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert killed.returncode == -signal.SIGKILL
    table = FeatureTable(tmp_path / "t", SIZE)
    names = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(at + 1)]

    assert table.missing([*names, "f" * 64]) == ["f" * 64]
    np.testing.assert_array_equal(table.rows(names)[:, 0], np.arange(at + 1))
    with table.writing():
        table.append(["f" * 64], np.ones((1, SIZE), np.float32))
    assert table.missing(["f" * 64]) == []
