"""From a folder or a project to what the doctor examines; reads only."""

import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from footwork.catalog import Catalog
from footwork.errors import DataError, EnvironmentProblem
from footwork.evaluate.doctor.patient import File, Patient
from footwork.findings import readable
from footwork.images import Unreadable, decode, fit, inspect, read_bytes
from footwork.machine import cores
from footwork.models.bases import Base, registry
from footwork.models.contract import InputContract
from footwork.models.networks import Prepared, prepare
from footwork.progress import Progress
from footwork.project import Project

DEFAULT_EYES = "efficientnet_lite0"  # comes with the package
SAMPLE = 8  # photos on which a converted network is compared with the original
Read = Callable[[str], bytes]


@dataclass(frozen=True)
class Looks:
    """Files that were read. where: image -> a file that holds it."""

    files: tuple[File, ...]
    unreadable: tuple[tuple[str, str], ...]
    where: dict[str, Path]

    def read(self, image: str) -> bytes:
        return read_bytes(self.where[image])


def of_folder(folder: Path, new: Looks | None, cache: Path, progress: Progress) -> Patient:
    """Look at class folders, split folders or a table of photos; nothing is written there."""
    from footwork.importing.layouts import find_rows

    layout = find_rows(folder)
    found = look_at(
        [
            (row.path, row.label, row.split, row.group or "", below(row.path, row.label))
            for row in layout.rows
        ],
        layout.folder,
        progress,
    )
    bad = (*found.unreadable, *((one.origin, one.reason) for one in layout.rejected))
    return patient_of(
        folder, replace(found, unreadable=bad), found.read, new, cache, progress,
        base=None, known=registry(), lettered=None,
    )  # fmt: skip


def below(path: Path, label: str) -> str:
    """Return the folder between the class and the photo, which often names a source."""
    return "" if path.parent.name == label else readable(path.parent.name)


def of_project(
    project: Project, catalog: Catalog, new: Looks | None, progress: Progress
) -> Patient:
    """Look at the photos that a comparison would use."""
    rows, conflicts = catalog.judged()
    files, bad = [], []
    for row in rows:
        image = catalog.image(row.image)
        places = catalog.provenance(row.image)
        if image is None or row.split == "external":
            continue
        place = places[0] if places else None
        source = urlsplit(place.page_url or "").netloc if place else ""
        files.append(
            File(
                image=row.image, path=row.path, label=row.label, split=row.split, group=row.group,
                source=source or (place.source if place else ""),
                author=(place.author or "") if place else "", format=image.format,
                width=image.width, height=image.height, size=image.size,
            )
        )  # fmt: skip
    bad = [(one.origin, one.reason) for one in catalog.rejections()]
    lettered = None
    if {file.image for file in files} <= {item.image for item in catalog.cleaned()}:
        lettered = frozenset(flag.image for flag in catalog.flags() if flag.name == "large_text")
    found = Looks(tuple(files), tuple(bad), {})
    known = registry(project)
    here = [name for name in project.config.compare.bases if name in known]
    base = next((name for name in here if known[name].weights_here), None)
    made = patient_of(
        project.folder, found, catalog.read, new, project.cache, progress,
        base=base, known=known, lettered=lettered,
    )  # fmt: skip
    made.is_project = True
    made.pretended = partial(pretended, project, catalog, progress)
    made.conflicts = tuple(
        (tuple(sorted({one[2] for one in c.labels})), tuple(sorted({one[0] for one in c.labels})))
        for c in conflicts
    )
    return made


def pretended(project: Project, catalog: Catalog, progress: Progress, eyes: Prepared) -> str | None:
    """Say what ignoring groups of copies would have pretended, if there are any."""
    from footwork.evaluate.leak import leak_in

    leak = leak_in(project, catalog, eyes, progress)
    return None if leak is None else leak.sentence()


def new_photos(folder: Path, progress: Progress) -> Looks:
    """Look at photos of which no label is known."""
    from footwork.importing.layouts import IMAGE_SUFFIXES

    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder of new photos.")
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    return look_at([(path, "", None, "", "") for path in paths], folder, progress)


def look_at(
    rows: Iterable[tuple[Path, str, str | None, str, str]], folder: Path, progress: Progress
) -> Looks:
    """Read and decode files; what is no image is listed with its reason."""
    rows = list(rows)
    files: list[File] = []
    bad: list[tuple[str, str]] = []
    where: dict[str, Path] = {}
    with progress.task("reading photos", len(rows)) as advance:
        for path, label, split, group, source in rows:
            inside = path.is_relative_to(folder)
            name = readable(str(path.relative_to(folder) if inside else path))
            try:
                data = read_bytes(path)
                facts = inspect(data)
            except Unreadable as error:
                bad.append((name, error.reason))
                continue
            finally:
                advance(1)
            image = hashlib.sha256(data).hexdigest()
            where.setdefault(image, path)
            files.append(
                File(
                    image=image, path=name, label=label, split=split, group=group, source=source,
                    author=artist(data), format=facts.format, width=facts.width,
                    height=facts.height, size=len(data),
                )
            )  # fmt: skip
    files.sort(key=lambda file: (file.image, file.path))
    return Looks(tuple(files), tuple(bad), where)


def artist(data: bytes) -> str:
    """Return the photographer that the camera wrote down (EXIF Artist), or ''."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            said = image.getexif().get(0x013B, "")
    except Exception:  # hostile metadata of a picture that decodes is no news
        return ""
    return readable(str(said)).strip()[:100]


def patient_of(
    folder: Path,
    found: Looks,
    read: Read,
    new: Looks | None,
    cache: Path,
    progress: Progress,
    *,
    base: str | None,
    known: dict[str, Base],
    lettered: frozenset[str] | None,
) -> Patient:
    files = tuple(sorted(found.files, key=lambda file: (file.image, file.path)))
    images = sorted({file.image for file in files})
    fresh = new.where if new is not None else {}

    def read_any(image: str) -> bytes:
        return read_bytes(fresh[image]) if image in only_new else read(image)

    only_new = set(fresh) - set(images)
    eyes, why = opened(known[base or DEFAULT_EYES], images, read_any)
    return Patient(
        subject=str(folder),
        files=files,
        pairs=near_pairs(images, read_any),
        conflicts=(),
        unreadable=found.unreadable,
        new=new.files if new is not None else (),
        lettered=lettered if lettered is not None else lettering(images, read_any, progress),
        read=read_any,
        cache=cache,
        eyes=eyes,
        no_eyes=why,
        progress=progress,
    )


def with_eyes(patient: Patient, base: Base) -> None:
    """Let another base look, if its weights are here."""
    if base.weights_here:
        images = sorted({file.image for file in patient.files})
        eyes, _ = opened(base, images, patient.read)
        patient.eyes = eyes or patient.eyes


def opened(base: Base, images: Sequence[str], read: Read) -> tuple[Prepared | None, str]:
    """Make a base ready, or say why it cannot be."""
    try:
        return prepare(base, lambda: sample(base.contract, images, read)), ""
    except EnvironmentProblem as error:
        return None, str(error)


def sample(contract: InputContract, images: Sequence[str], read: Read) -> NDArray[np.float32]:
    pictures = []
    for image in images[:SAMPLE]:
        pixels = decode(read(image))
        pictures.append(
            fit(pixels, contract.side, contract.crop, contract.crop_fraction, contract.resize)
        )
    return contract.apply(np.stack(pictures))


def near_pairs(images: Sequence[str], read: Read) -> tuple[tuple[str, str], ...]:
    """Return the near-copies that `footwork dedupe` would find by perceptual hash."""
    from footwork.duplicates.dedupe import KIND, SAFE_RADIUS
    from footwork.duplicates.hashes import LEAST_FIRM, hash_images
    from footwork.duplicates.index import collected, distinct, pairs_within

    hashes = hash_images(list(images), read, KIND)
    rows = np.flatnonzero(hashes.readable & (hashes.firm_bits >= LEAST_FIRM[KIND]))
    if not len(rows):
        return ()
    codes = distinct(hashes.codes[rows, 0, 0])
    members = [[images[rows[i]] for i in codes.members_of(c)] for c in range(len(codes.codes))]
    pairs = [(some[0], other) for some in members for other in some[1:]]
    found = collected(pairs_within(codes, SAFE_RADIUS))
    pairs += [
        (members[a][0], members[b][0])
        for a, b in zip(found.first.tolist(), found.second.tolist(), strict=True)
    ]
    return tuple(pairs)


def lettering(images: Sequence[str], read: Read, progress: Progress) -> frozenset[str]:
    """Return the images with a line of three letters or more.

    `footwork clean` asks for more before it flags a single photo; here whole classes are held
    against each other, and one of 396 ants and bees without lettering has such a line.
    """
    from footwork.cleaning.overlays import glyphs
    from footwork.cleaning.quality import THRESHOLDS, reduced

    (threshold,) = [one for one in THRESHOLDS if one.flag == "large_text"]

    def has_lettering(image: str) -> bool:
        try:
            letters = glyphs(reduced(decode(read(image))))
        except Unreadable:
            return False
        return threshold.score(letters) > 0

    found = set()
    with (
        progress.task("looking for lettering", len(images)) as advance,
        ThreadPoolExecutor(cores()) as threads,
    ):
        for image, has in zip(images, threads.map(has_lettering, images), strict=True):
            if has:
                found.add(image)
            advance(1)
    return frozenset(found)
