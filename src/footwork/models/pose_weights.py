"""The pose landmarker's file, a `.task` bundle: where it comes from, and whether it is one."""

import hashlib
import os
import zipfile
from pathlib import Path

import platformdirs

from footwork.errors import DataError, MissingWeights
from footwork.files import write_bytes
from footwork.models.contract import InputContract

LICENCE = "Apache-2.0 (MediaPipe)"
# The whole photo, so that no foot is cut off; the landmarker finds the person by itself. It
# looks for people at 224 px and at their joints at 256 px: 640 px are enough for somebody who
# takes up a third of the height.
CONTRACT = InputContract(side=640, crop="letterbox")

URL = (
    "https://storage.googleapis.com/mediapipe-models/pose_landmarker/"
    "pose_landmarker_full/float16/1/pose_landmarker_full.task"
)
FULL = "5134a3aad27a58b93da0088d431f366da362b44e3ccfbe3462b3827a839011b1"
# SHA-256 of version 1 of MediaPipe's three bundles (full, lite, heavy), as projects that ship
# them state; MediaPipe itself publishes none.
PUBLISHED = {
    FULL,
    "59929e1d1ee95287735ddd833b19cf4ac46d29bc7afddbbf6753c459690d574a",
    "64437af838a65d18e5ba7a0d39b465540069bc8aae8308de3e318aad31fcbc7b",
}
MEGABYTES = 9.4  # of the full bundle
MAX_BYTES = 100_000_000  # the heavy bundle has 31 MB
TIMEOUT_S = 60
INSIDE = {"pose_detector.tflite", "pose_landmarks_detector.tflite"}


def downloaded() -> Path:
    """Return where MediaPipe's own file lies once it was fetched, for all projects of a user."""
    chosen = os.environ.get("FOOTWORK_CACHE")
    cache = Path(chosen) if chosen else platformdirs.user_cache_path("footwork")
    return cache / "weights" / "pose_landmarker_full.task"


def published_bundle(url: str = URL, sha256: str = FULL) -> Path:
    """Return MediaPipe's own bundle, fetched now if it never was.

    Raises MissingWeights if it cannot be fetched, or if what came is another file.
    """
    # Here, since listing the base models must not load an HTTP client.
    from http.client import HTTPException
    from urllib.request import urlopen

    target = downloaded()
    if target.is_file():
        return target
    try:
        with urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - the address is ours
            data = answer.read(MAX_BYTES)
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise MissingWeights(how_to_get(f"could not be fetched ({reason})", url)) from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise MissingWeights(
            how_to_get(f"is not the file that is known (SHA-256 {found[:12]}…)", url)
        )
    write_bytes(target, data)
    return target


def how_to_get(problem: str, url: str) -> str:
    return (
        f"The base model pose needs MediaPipe's pose landmarker, which {problem}.\n"
        f"Download it: {url}\n"
        'Then: footwork compare --weights pose=FILE, or weights = "FILE" under [bases.pose].'
    )


def check_bundle(file: Path) -> None:
    """Refuse a file that is no pose landmarker, before any native code reads it.

    A `.task` bundle is a zip archive with the networks stored in it as they are.
    """
    wrong = f"{file} is not a pose landmarker: "
    right = f" Take MediaPipe's pose_landmarker_full.task: {URL}"
    if not file.is_file():
        raise DataError(f"{wrong}there is no such file.{right}")
    if file.stat().st_size > MAX_BYTES:
        raise DataError(f"{wrong}it has more than {MAX_BYTES / 1e6:.0f} MB.{right}")
    try:
        with zipfile.ZipFile(file) as bundle:
            missing = INSIDE - set(bundle.namelist())
            packed = [item for item in bundle.infolist() if item.compress_type]
            damaged = None if packed else bundle.testzip()
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
        raise DataError(f"{wrong}it is no bundle of networks ({error}).{right}") from error
    if missing:
        raise DataError(f"{wrong}it holds no {' and no '.join(sorted(missing))}.{right}")
    if packed or damaged:
        problem = f"{damaged} in it is damaged" if damaged else "its networks are compressed"
        raise DataError(f"{wrong}{problem}.{right}")
