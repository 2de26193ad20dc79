"""The base model `pose`: MediaPipe's pose landmarker, run by worker processes.

A network like any other for the rest of the code: batches under its contract in, vectors out.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import threading
import weakref
from collections import deque
from importlib.metadata import version
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from footwork.apart import let_end
from footwork.errors import DataError, EnvironmentProblem, MissingExtra
from footwork.files import sha256_of
from footwork.machine import cores
from footwork.models.bases import MEDIAPIPE, Base
from footwork.models.networks import Prepared
from footwork.models.pose import (
    ANSWER,
    FEATURE_NAMES,
    GEOMETRY,
    LANDMARKS,
    LOOKING,
    PARTS,
    packed,
    pose_vectors,
)
from footwork.models.pose_weights import PUBLISHED, check_bundle, published_bundle
from footwork.models.pose_worker import COUNT, FAILED, HEADER, READY

WORKERS = 4  # at most; each takes 0.3 GB
# A port on which nothing listens ("discard", RFC 863). MediaPipe's statistics go through the
# proxy that these name; photos never do.
NOWHERE = "http://127.0.0.1:9"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")

Vectors = NDArray[np.float32]


def prepare_pose(base: Base) -> Prepared:
    """Find and check the landmarker's file; MediaPipe itself is not started before it is needed.

    Raises MissingExtra, MissingWeights, or DataError for a file that is no pose landmarker.
    """
    if importlib.util.find_spec("mediapipe") is None:
        raise MissingExtra("pose", "The base model pose")
    file = published_bundle() if base.weights == MEDIAPIPE else Path(base.weights)
    check_bundle(file)
    digest = sha256_of(file)
    running: weakref.WeakValueDictionary[str, PoseNetwork] = weakref.WeakValueDictionary()

    def opened(_threads: int) -> PoseNetwork:
        network = running.get(digest) or PoseNetwork(file)
        running[digest] = network  # starting a worker takes a second: shared while it is in use
        return network

    return Prepared(
        base=base,
        weights="verified" if digest in PUBLISHED else "unverified",
        weights_sha256=digest,
        vector_size=len(FEATURE_NAMES),
        megabytes=file.stat().st_size / 1e6,
        runtime=f"mediapipe-{version('mediapipe')}/{LOOKING}",
        notes=(),
        open=opened,
        form="task",
        model=lambda: file,
        answer_size=ANSWER,
        finish=pose_vectors,
        numbers=GEOMETRY,
        remarks=how_many_found,
    )


def how_many_found(vectors: Vectors) -> tuple[str, ...]:
    """Say in how many photos there was a body: the rest is judged by that alone. (n, 39)."""
    found, photos = int(vectors[:, FEATURE_NAMES.index("found")].sum()), len(vectors)
    if found == 0:
        return (
            f"pose found no body in any of the {photos} photos, so this row knows nothing about "
            "them. It is for photos of people.",
        )
    return (f"pose found a body in {found} of {photos} photos.",)


class PoseNetwork:
    """The landmarker of a `.task` file.

    As many workers as calls at once, but no more than `workers`; started when first needed.
    """

    def __init__(self, task: Path, workers: int | None = None) -> None:
        self.task = task
        self.allowed = threading.Semaphore(workers or min(WORKERS, cores()))
        self.idle: deque[Worker] = deque()

    def vectors(self, inputs: NDArray[np.float32]) -> Vectors:
        """Turn (n, side, side, 3) RGB in [0, 255] into (n, ANSWER), see `pose.packed`; a row of
        NaN where it failed.

        Raises DataError if MediaPipe does not take the file, EnvironmentProblem if it crashed.
        """
        with self.allowed:
            try:
                worker = self.idle.pop()
            except IndexError:
                worker = Worker(self.task)
            pixels = np.clip(np.rint(inputs), 0, 255).astype(np.uint8)
            vectors = np.stack([worker.vector(picture) for picture in pixels])
            self.idle.append(worker)  # one that raised is not used again
        return vectors


class Worker:
    """One process of `footwork.models.pose_worker`; it ends when this object does.

    Raises DataError if MediaPipe does not take the file.
    """

    def __init__(self, task: Path) -> None:
        self.task = task
        self.said = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        environment = {name: os.environ[name] for name in os.environ if name.lower() != "no_proxy"}
        self.process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", "footwork.models.pose_worker", str(task.resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.said,
            env=environment | dict.fromkeys(PROXIES, NOWHERE),
        )
        weakref.finalize(self, stop, self.process, self.said)
        if self.read(1) != READY:
            reason = self.answers.read().decode(errors="replace") or "it gives no reason"
            raise DataError(
                f"MediaPipe does not take {self.task} as a pose landmarker: {reason}. Give the "
                "base pose another file: --weights pose=FILE."
            )

    @property
    def answers(self) -> IO[bytes]:
        if self.process.stdout is None:
            raise EnvironmentProblem("The pose landmarker's process was started without a pipe.")
        return self.process.stdout

    def vector(self, picture: NDArray[np.uint8]) -> Vectors:
        """Return what is kept of (side, side, 3), (ANSWER,); NaN if MediaPipe failed on it."""
        height, width = picture.shape[:2]
        if self.process.stdin is not None:
            try:
                self.process.stdin.write(HEADER.pack(height, width) + picture.tobytes())
                self.process.stdin.flush()
            except BrokenPipeError:
                raise self.ended() from None
        (count,) = COUNT.unpack(self.read(COUNT.size))
        if count == FAILED:
            return np.full(ANSWER, np.nan, dtype=np.float32)
        data = self.read(count * LANDMARKS * PARTS * 4)
        return packed(list(np.frombuffer(data, np.float32).reshape(count, LANDMARKS, PARTS)))

    def read(self, size: int) -> bytes:
        data = self.answers.read(size)
        if len(data) < size:
            raise self.ended()
        return data

    def ended(self) -> EnvironmentProblem:
        code = self.process.wait()
        self.said.seek(0)
        lines = self.said.read()[-4000:].decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
        return EnvironmentProblem(
            f"MediaPipe's process ended with code {code}; the last it said: {last}. What was "
            "finished is kept: run the same command to go on."
        )


def stop(process: "subprocess.Popen[bytes]", said: IO[bytes]) -> None:
    """End a worker: it stops at the end of its input."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    let_end(process)
    said.close()
