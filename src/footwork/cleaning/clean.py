"""Every image of the catalog as an upright RGB PNG, measured and flagged; each only once.

The PNG of an image lies at clean/ab/<sha256 of the original bytes>.png; the original bytes stay
untouched. A PNG is on disk, whole, before a row speaks of it: a kill leaves files that the next
run writes again, equal.
"""

import contextlib
import fcntl
import os
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from footwork.catalog import Catalog, Image
from footwork.cleaned import Cleaned, Flag
from footwork.cleaning.png import PNG, encode_png
from footwork.cleaning.quality import FLAGS, QUALITY, flags_of, measure
from footwork.errors import EnvironmentProblem
from footwork.files import PARTIAL, unwritable, write_bytes
from footwork.images import Unreadable, decode
from footwork.progress import Progress
from footwork.truth import Place

FOLDER = "clean"
VERSION = f"{PNG} {QUALITY}"
BATCH = 64  # images per transaction: what a kill can cost
WORKERS = os.cpu_count() or 1
# Decoding takes about 12 bytes a pixel for a moment: of larger ones, only one at a time.
LARGE = 24_000_000  # pixels


@dataclass(frozen=True)
class CleanResult:
    """What one run did.

    converted: images written now; already_there: images that needed nothing; failed: (hash,
    where it was found, reason). flags: per flag, how many images carry it, and the one with the
    highest score as (path as shown to people, score). rejected, taken_back: decisions of this
    run by the setting [clean] reject. folder: where the PNGs lie; bytes: of all of them.
    """

    folder: Path
    converted: int
    already_there: int
    failed: tuple[tuple[str, str, str], ...]
    flags: Mapping[str, tuple[int, str, float]]
    flagged: int
    rejected: int
    taken_back: int
    bytes: int


def png_path(project_folder: Path, sha256: str) -> Path:
    """Where the PNG of an image lies, whether or not it has been written."""
    return project_folder / FOLDER / sha256[:2] / f"{sha256}.png"


def clean(
    catalog: Catalog, *, reject: Collection[str] = (), progress: Progress | None = None
) -> CleanResult:
    """Make the PNG, the facts and the flags of every image that lacks them.

    reject: flags whose images are set aside, each by a decision that can be undone.
    An image that cannot be read becomes a row with its reason, and is tried again next time;
    a PNG or facts that it had stay. Raises EnvironmentProblem if another `clean` is at work on
    this project, or disk or catalog cannot be written.
    """
    with alone(catalog.folder):
        images = catalog.images()
        waiting = unfinished(catalog, images)
        with (
            (progress or Progress()).task("cleaning", len(waiting)) as advance,
            ThreadPoolExecutor(WORKERS) as pool,
        ):
            one_large = threading.Lock()
            for start in range(0, len(waiting), BATCH):
                batch = waiting[start : start + BATCH]
                done = []
                for item in pool.map(lambda image: made(catalog, image, one_large), batch):
                    done.append(item)
                    advance(1)
                catalog.add_cleaned(done)
        rejected, taken_back = catalog.reject_flagged(reject)
        return summary(catalog, images, waiting, rejected, taken_back)


def unfinished(catalog: Catalog, images: Sequence[Image]) -> list[Image]:
    """Return the images whose PNG is not there, not whole, or of another version."""
    known = {item.image: item for item in catalog.cleaned()}
    return [
        image
        for image in images
        if (item := known.get(image.sha256)) is None
        or item.version != VERSION
        or item.size is None
        or size_of(png_path(catalog.folder, image.sha256)) != item.size
    ]


def size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def made(catalog: Catalog, image: Image, one_large: threading.Lock) -> Cleaned:
    """Decode, write and measure one image; runs in a thread."""
    large = image.width * image.height > LARGE
    with one_large if large else contextlib.nullcontext():
        try:
            pixels = decode(catalog.read(image.sha256))
        except Unreadable as error:
            return Cleaned(image.sha256, VERSION, reason=error.reason)
        data = encode_png(pixels)
        write_bytes(png_path(catalog.folder, image.sha256), data)
        quality = measure(pixels)
    flags = tuple(Flag(image.sha256, name, score) for name, score in flags_of(quality).items())
    return Cleaned(image.sha256, VERSION, size=len(data), quality=quality, flags=flags)


def summary(
    catalog: Catalog,
    images: Sequence[Image],
    waiting: Sequence[Image],
    rejected: int,
    taken_back: int,
) -> CleanResult:
    items = catalog.cleaned()
    flags = catalog.flags()
    counts = Counter(flag.name for flag in flags)
    examples: dict[str, Flag] = {}
    for flag in flags:  # highest score first
        examples.setdefault(flag.name, flag)
    failed = [(item.image, item.reason) for item in items if item.reason is not None]
    return CleanResult(
        folder=catalog.folder / FOLDER,
        converted=len(waiting) - len(failed),
        already_there=len(images) - len(waiting),
        failed=tuple((sha256, found_at(catalog, sha256), reason) for sha256, reason in failed),
        flags={
            name: (counts[name], shown(catalog, examples[name].image), examples[name].score)
            for name in FLAGS
            if name in counts
        },
        flagged=len({flag.image for flag in flags}),
        rejected=rejected,
        taken_back=taken_back,
        bytes=sum(item.size or 0 for item in items),
    )


def found_at(catalog: Catalog, sha256: str) -> str:
    places = catalog.provenance(sha256)
    return min((place.origin for place in places), default=sha256)


def shown(catalog: Catalog, sha256: str) -> str:
    places = (Place(sha256, p.kind, p.origin, p.source) for p in catalog.provenance(sha256))
    return min((place.shown for place in places), default=sha256)


@contextlib.contextmanager
def alone(project_folder: Path) -> Iterator[None]:
    """Hold the project's PNGs for one process, and remove what a killed one left half-written.

    The kernel drops the lock of a killed process. On a file system without locks nothing is
    removed, and two runs at once only do the work twice.
    """
    path = project_folder / ".footwork" / "cleaning.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("a+")
    except OSError as error:
        raise unwritable(path, error) from error
    with lock:
        try:
            fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise EnvironmentProblem(
                f"Another `footwork clean` (process {lock.read().strip() or 'unknown'}) is at "
                f"work on {project_folder}. Wait until it has finished, then run it again if "
                "photos came in meanwhile."
            ) from None
        except OSError:
            yield
            return
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        for partial in (project_folder / FOLDER).glob(f"??/{PARTIAL}*"):
            partial.unlink(missing_ok=True)
        yield
