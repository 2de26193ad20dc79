"""Body geometry of real photos: MediaPipe as its documentation uses it against the base `pose`.

    python bench/pose_speed.py PHOTOS FILE.task [--rounds 5]

PHOTOS is a folder. The peer is one landmarker in this process, photo after photo, one look each.
Ours are the worker processes with up to four looks at a photo. Both decode from bytes in memory
and start warm. Rounds are interleaved; medians and their ratio are printed, and in how many
photos each found somebody. Nothing is closed at the end: MediaPipe would report its use.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from footwork.images import Unreadable, decode
from footwork.machine import cores, describe_machine, library_versions
from footwork.models.features import CHUNK
from footwork.models.pose import FEATURE_NAMES, pose_vectors
from footwork.models.pose_network import PoseNetwork
from footwork.models.pose_weights import CONTRACT
from footwork.models.pose_worker import MIN_CONFIDENCE
from footwork.models.views import square

Round = Callable[[], int]  # how many photos somebody was found in


def readable(folder: Path) -> list[bytes]:
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            decode(path.read_bytes())
        except Unreadable:
            continue
        found.append(path.read_bytes())
    return found


def peer(photos: list[bytes], task: Path) -> Round:
    sys.modules["tensorflow"] = None  # type: ignore[assignment]  # spares the peer its import
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.PoseLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(task)),
        min_pose_detection_confidence=MIN_CONFIDENCE,
    )
    landmarker: Any = vision.PoseLandmarker.create_from_options(options)

    def run() -> int:
        found = 0
        for data in photos:
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=decode(data))
            found += bool(landmarker.detect(image).pose_landmarks)
        return found

    return run


def ours(photos: list[bytes], task: Path) -> Round:
    network = PoseNetwork(task)
    chunks = [photos[i : i + CHUNK] for i in range(0, len(photos), CHUNK)]

    def found_in(chunk: list[bytes]) -> int:
        squares = np.stack([square(data, CONTRACT, CONTRACT.crop) for data in chunk])
        vectors = pose_vectors(network.vectors(CONTRACT.apply(squares)))
        return int(vectors[:, FEATURE_NAMES.index("found")].sum())

    def run() -> int:
        with ThreadPoolExecutor(cores()) as threads:
            return sum(threads.map(found_in, chunks))

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("task", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    photos = readable(arguments.photos)
    rounds = {"mediapipe": peer(photos, arguments.task), "footwork": ours(photos, arguments.task)}
    found = {name: run() for name, run in rounds.items()}  # warm
    spent: dict[str, list[float]] = {name: [] for name in rounds}
    for _ in range(arguments.rounds):
        for name, run in rounds.items():
            started = time.perf_counter()
            run()
            spent[name].append(time.perf_counter() - started)
    machine = describe_machine()
    print(f"{machine.cpu}, {machine.cores} cores; {library_versions(('mediapipe', 'numpy'))}")
    for name, times in spent.items():
        rates = sorted(len(photos) / t for t in times)
        print(
            f"{name:10s} {statistics.median(rates):5.1f} photos/s ({rates[0]:.1f} to "
            f"{rates[-1]:.1f}); somebody found in {found[name]} of {len(photos)}"
        )
    ratio = statistics.median(spent["mediapipe"]) / statistics.median(spent["footwork"])
    print(f"footwork is {ratio:.2f} times as fast")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
