"""Cached features: what a frozen base model says of each photo, computed once.

A table is one folder of two append-only files, memory-mapped when read:

    vectors.f32   n rows of d float32
    rows.idx      n records of 40 bytes: SHA-256 of the photo, CRC-32 of its vector, 4 spare
    facts.json    what the table was made with, and the time one photo takes alone

A vector is written before its record, so a killed run leaves at most a tail that the next run
cuts off. One process writes at a time; the last record of a photo counts.
"""

import fcntl
import hashlib
import json
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from footwork.errors import EnvironmentProblem
from footwork.files import unwritable, write_text
from footwork.images import DECODER, Unreadable
from footwork.machine import cores
from footwork.models.contract import InputContract
from footwork.models.networks import Prepared
from footwork.models.runtimes import Network
from footwork.models.views import Box, View, square
from footwork.progress import Advance
from footwork.records import Position, Record

RECORD = np.dtype([("image", "V32"), ("crc", "<u4"), ("spare", "<u4")])
CHUNK = 8  # photos that one core decodes and puts through the network at a time
TIMED = 16  # photos that are timed alone, for the milliseconds in the leaderboard

Read = Callable[[str], bytes]  # SHA-256 -> the photo's original bytes; raises Unreadable
Locate = Callable[[str], Box | None]  # SHA-256 -> where the view's region lies in that photo


def nowhere(_image: str) -> None:
    """For views of the whole photo."""


class FeatureKey(Record):
    """All that decides a vector besides the photo's bytes.

    locator: the network that says where the view's region lies; '' for views of the whole photo.
    """

    base: str
    weights_sha256: str
    contract: InputContract
    view: View
    locator: str = ""
    position: Position
    runtime: str
    precision: str
    decoder: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:20]


class Facts(Record):
    key: FeatureKey
    vector_size: int
    milliseconds: float


@dataclass(frozen=True)
class Features:
    """vectors: (n, d) float32, NaN rows for photos that failed; failed: index -> reason.

    bank: (draws, n, d), the same photos slightly changed, to train on; None without them.
    """

    vectors: NDArray[np.float32]
    failed: dict[int, str]
    milliseconds: float
    computed: int  # photos decoded and put through the network now; the rest was cached
    bank: NDArray[np.float32] | None = None

    def good(self) -> NDArray[np.int64]:
        """Return the indices of the photos that have a vector."""
        return np.array([i for i in range(len(self.vectors)) if i not in self.failed], np.int64)

    def of(self, rows: NDArray[np.int64]) -> "Features":
        """Return only `rows`, with the failures renumbered."""
        failed = {new: self.failed[old] for new, old in enumerate(rows) if old in self.failed}
        bank = None if self.bank is None else self.bank[:, rows]
        return replace(self, vectors=self.vectors[rows], failed=failed, bank=bank)


def feature_key(
    prepared: Prepared, view: str | None, position: Position, locator: str = ""
) -> FeatureKey:
    """Return the key of `prepared` under a view; the base's own crop if None."""
    return FeatureKey(
        base=prepared.base.name if prepared.base.kind != "file" else "file",
        weights_sha256=prepared.weights_sha256,
        contract=prepared.base.contract,
        view=view or prepared.base.contract.crop,
        locator=locator,
        position=position,
        runtime=prepared.runtime,
        precision=prepared.precision,
        decoder=DECODER,
    )


def features(
    images: Sequence[str],
    prepared: Prepared,
    key: FeatureKey,
    read: Read,
    cache: Path,
    advance: Advance,
    locate: Locate = nowhere,
) -> Features:
    """Return the vectors of `images` (SHA-256), computing only those not in the cache.

    Raises DataError if the first batch breaks the contract that `key.position` promises.
    A photo that cannot be read or decoded is a NaN row with its reason.
    """
    table = FeatureTable(cache / "features" / key.digest, prepared.said_size)
    missing = table.missing(images)
    failed: dict[str, str] = {}
    if missing:
        with table.writing():
            missing = table.missing(images)  # another process may have just written them
            work = Extraction(prepared, key, read, locate)
            failed = extract(missing, work, table, advance)
    vectors = prepared.vectors(table.rows(images))
    reasons = {i: failed[name] for i, name in enumerate(images) if name in failed}
    return Features(vectors, reasons, table.milliseconds(), computed=len(missing))


def extract(
    images: Sequence[str], work: "Extraction", table: "FeatureTable", advance: Advance
) -> dict[str, str]:
    """Work through `images` chunk by chunk on all cores, append in order, return the failures.

    Each core takes a chunk from its bytes to its vectors by itself, with one thread inside the
    network: twice as fast on two cores as decoding beside a network that shares them.
    """
    chunks = [images[i : i + CHUNK] for i in range(0, len(images), CHUNK)]
    failed: dict[str, str] = {}
    with ThreadPoolExecutor(cores()) as threads:
        for names, vectors, reasons in ahead(threads, work.vectors, chunks, 2 * cores()):
            table.append(names, vectors)
            failed |= reasons
            advance(len(names) + len(reasons))
    if len(failed) < len(images) and not table.timed():
        timed = [image for image in images if image not in failed][:TIMED]
        table.write_facts(work.key, work.time_alone(timed))
    return failed


Seen = tuple[list[str], NDArray[np.float32], dict[str, str]]  # images, vectors, image -> reason


class Extraction:
    """Chunks of photos to vectors; `vectors` may be called from many threads at once.

    check: hold the first batch against the contract, as for a whole data set; one lone photo may
    be as flat as it likes.
    """

    def __init__(
        self,
        prepared: Prepared,
        key: FeatureKey,
        read: Read,
        locate: Locate = nowhere,
        *,
        check: bool = True,
    ) -> None:
        self.prepared, self.key, self.read, self.locate = prepared, key, read, locate
        self.check = check and key.position == "right"
        self.network: Network | None = None
        self.opening = threading.Lock()

    def vectors(self, chunk: Sequence[str]) -> Seen:
        contract, failed = self.key.contract, {}
        names, squares = [], []
        for image in chunk:
            try:
                squares.append(self.square(image, self.read(image)))
                names.append(image)
            except Unreadable as error:
                failed[image] = error.reason
        if not names:
            return [], np.zeros((0, self.prepared.said_size), np.float32), failed
        inputs = contract.apply(np.stack(squares), self.key.position)
        vectors = self.opened(inputs).vectors(inputs)
        finite = np.flatnonzero(np.isfinite(vectors).all(axis=1))
        for i, name in enumerate(names):
            if i not in finite:
                failed[name] = f"{self.prepared.base.name} answered with what is not a number"
        return [name for name in names if name not in failed], vectors[finite], failed

    def square(self, image: str, data: bytes) -> NDArray[np.uint8]:
        return square(data, self.key.contract, self.key.view, self.locate(image))

    def time_alone(self, images: Sequence[str]) -> float:
        """Return the median milliseconds from one photo's bytes to its vector, one at a time."""
        network, spent = self.prepared.open(cores()), []
        for image in images:
            data = self.read(image)
            started = time.perf_counter()
            pixels = self.square(image, data)
            network.vectors(self.key.contract.apply(pixels[None], self.key.position))
            spent.append(1e3 * (time.perf_counter() - started))
        return median(spent) if spent else float("nan")

    def opened(self, inputs: NDArray[np.float32]) -> Network:
        """Return the network, loaded after the first batch was checked against the contract."""
        with self.opening:
            if self.network is None:
                if self.check:
                    self.key.contract.check(inputs, self.prepared.base.name)
                self.network = self.prepared.open(1)
            return self.network


def ahead(
    threads: ThreadPoolExecutor,
    work: Callable[[Sequence[str]], Seen],
    items: Sequence[Sequence[str]],
    depth: int,
) -> Iterator[Seen]:
    """Yield work(item) in order, with at most `depth` results waiting in memory."""
    pending = iter(items)
    queue = deque(threads.submit(work, item) for item in islice(pending, depth))
    while queue:
        result = queue.popleft().result()
        queue.extend(threads.submit(work, item) for item in islice(pending, 1))
        yield result


class FeatureTable:
    """The two files of one key; see the top of this module."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self.size = size
        self.load()

    def load(self) -> None:
        index, vectors = self.folder / "rows.idx", self.folder / "vectors.f32"
        records = np.zeros(0, dtype=RECORD)
        stored = 0
        if index.exists() and vectors.exists():
            data = index.read_bytes()
            records = np.frombuffer(data[: len(data) // RECORD.itemsize * RECORD.itemsize], RECORD)
            stored = vectors.stat().st_size // (4 * self.size)
        self.records = records[: min(len(records), stored)]
        names = np.ascontiguousarray(self.records["image"]).view(">u8").reshape(-1, 4)
        # The first 64 bits of a SHA-256 find the row; `row_of` compares all 256.
        self.sorted = np.argsort(names[:, 0], kind="stable")
        self.heads = names[self.sorted, 0]

    def row_of(self, images: Sequence[str]) -> NDArray[np.int64]:
        """Return the row of each image, or -1."""
        if not len(self.records):
            return np.full(len(images), -1, dtype=np.int64)
        wanted = np.frombuffer(bytes.fromhex("".join(images)), dtype=">u8").reshape(-1, 4)
        # The last record of a photo counts: search from the right.
        at = np.searchsorted(self.heads, wanted[:, 0], side="right") - 1
        row = self.sorted[np.maximum(at, 0)]
        found = np.ascontiguousarray(self.records["image"][row]).view(">u8").reshape(-1, 4)
        return np.where((at >= 0) & (found == wanted).all(axis=1), row, -1)

    def map(self) -> NDArray[np.float32]:
        return np.memmap(
            self.folder / "vectors.f32",
            dtype=np.float32,
            mode="r",
            shape=(len(self.records), self.size),
        )

    def missing(self, images: Sequence[str]) -> list[str]:
        """Return those of `images` without an intact row, in their order, each once."""
        rows = self.row_of(images)
        if len(self.records):
            vectors, crc = self.map(), self.records["crc"]
            for i, row in enumerate(rows):
                if row >= 0 and zlib.crc32(vectors[row].tobytes()) != crc[row]:
                    rows[i] = -1
        return list(
            dict.fromkeys(image for image, row in zip(images, rows, strict=True) if row < 0)
        )

    def rows(self, images: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, d) float32 vectors; NaN rows for images that have none."""
        rows = self.row_of(images)
        result = np.full((len(images), self.size), np.nan, dtype=np.float32)
        if len(self.records):
            result[rows >= 0] = self.map()[rows[rows >= 0]]
        return result

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the table's lock, cut off a tail that a killed run left, reload at the end."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self.load()
                with (
                    (self.folder / "vectors.f32").open("ab") as self.vectors_file,
                    (self.folder / "rows.idx").open("ab") as self.index_file,
                ):
                    self.vectors_file.truncate(4 * self.size * len(self.records))
                    self.index_file.truncate(RECORD.itemsize * len(self.records))
                    yield
        except OSError as error:
            raise unwritable(self.folder, error) from error
        finally:
            self.load()

    def append(self, images: Sequence[str], vectors: NDArray[np.float32]) -> None:
        if vectors.shape != (len(images), self.size):
            raise EnvironmentProblem(
                f"The network answered {vectors.shape} for {len(images)} photos of "
                f"{self.size} numbers; its file may have changed, run again."
            )
        records = np.zeros(len(images), dtype=RECORD)
        for i, image in enumerate(images):
            records[i] = (bytes.fromhex(image), zlib.crc32(vectors[i].tobytes()), 0)
        self.vectors_file.write(np.ascontiguousarray(vectors, dtype=np.float32).tobytes())
        self.vectors_file.flush()
        self.index_file.write(records.tobytes())
        self.index_file.flush()

    def timed(self) -> bool:
        return (self.folder / "facts.json").exists()

    def write_facts(self, key: FeatureKey, milliseconds: float) -> None:
        facts = Facts(key=key, vector_size=self.size, milliseconds=milliseconds)
        write_text(self.folder / "facts.json", facts.model_dump_json(indent=1))

    def milliseconds(self) -> float:
        try:
            return float(json.loads((self.folder / "facts.json").read_text())["milliseconds"])
        except FileNotFoundError:
            return float("nan")


def forget_vectors(cache: Path, images: Collection[str]) -> int:
    """Overwrite all that any table holds of `images` with zeros, in place; returns how many rows.

    The rows stay, nameless: no image has a SHA-256 of zeros. Raises EnvironmentProblem.
    """
    wanted = {bytes.fromhex(image) for image in images}
    wiped = 0
    for index in sorted((cache / "features").glob("*/rows.idx")):
        try:
            with (index.parent / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                wiped += wipe(index.parent, wanted)
        except OSError as error:
            raise unwritable(index, error) from error
    return wiped


def wipe(table: Path, wanted: Collection[bytes]) -> int:
    index, vectors, facts = table / "rows.idx", table / "vectors.f32", table / "facts.json"
    data, step = index.read_bytes(), RECORD.itemsize
    rows = [at for at in range(0, len(data) - step + 1, step) if data[at : at + 32] in wanted]
    if rows and not facts.exists():  # killed while it was first filled: its row size is unknown
        index.unlink()
        vectors.unlink()
    elif rows:
        size = 4 * Facts.model_validate_json(facts.read_bytes()).vector_size
        with vectors.open("r+b") as vectors_file, index.open("r+b") as index_file:
            for at in rows:
                vectors_file.seek(at // step * size)
                vectors_file.write(bytes(size))
                index_file.seek(at)
                index_file.write(bytes(step))
    return len(rows)
