"""Verbs on photos and labels."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from footwork.catalog import Catalog, Conflict, Counts, Rejection
from footwork.errors import FootworkError, UsageError, nearest
from footwork.progress import Progress
from footwork.project import (
    FILE,
    Project,
    find_project,
    init_project,
    open_project,
)
from footwork.runs import run_names

if TYPE_CHECKING:
    from footwork.bodies import Bodies
    from footwork.cleaning.clean import CleanResult
    from footwork.duplicates.dedupe import Deduped
    from footwork.duplicates.folder import FolderCopies
    from footwork.importing.ingest import Imported
Place = Path | str
HERE = Path()
THUMBNAIL = 220  # longest side of the pictures in a report, in pixels


def init(folder: Place, *, name: str = "", template: str | None = None) -> Project:
    """Write a commented footwork.toml into `folder`."""
    folder = Path(folder)
    return init_project(folder, name=name or folder.resolve().name, template=template)


def import_images(
    source: Place,
    *,
    project: Place = HERE,
    mode: Literal["copy", "link"] = "copy",
    external: bool = False,
    columns: Mapping[str, str] | None = None,
    where: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> "Imported":
    """Bring labelled photos into the catalog; makes a project in `project` if there is none.

    source: class folders, a CSV/TSV/Parquet/JSONL table of path and label, or a Hugging Face
    image folder. mode: copy the bytes, or only remember where they lie. external: these
    photos are a test set that is scored once, apart. columns: which column of the table is
    'path', 'label', 'split' or 'group'. where: only rows with these values.
    """
    from footwork.duplicates.looks import looks
    from footwork.importing.ingest import import_images as ingest

    source, project = Path(source), Path(project)
    if (source / FILE).is_file():
        raise UsageError(
            f"{source} is a footwork project, not a folder of photos. Import the photos that it "
            "was made from, or restore a backup of it."
        )
    found = find_project(project)
    opened = open_project(found) if found else init_project(project, name=default_name(source))
    nothing_came_in = False
    try:
        with Catalog.open(opened.folder) as catalog:
            try:
                return ingest(
                    catalog,
                    source,
                    classes=opened.config.classes,
                    mode=mode,
                    external=external,
                    columns=columns,
                    where=where,
                    looks=looks,
                    progress=progress,
                )
            except FootworkError:
                # A disk that filled up half-way leaves photos, which the next import builds on.
                nothing_came_in = found is None and not catalog.images()
                raise
    finally:
        if nothing_came_in:  # leave no empty project behind
            (opened.folder / FILE).unlink(missing_ok=True)
            shutil.rmtree(opened.folder / ".footwork", ignore_errors=True)


def default_name(source: Path) -> str:
    resolved = source.resolve()
    return resolved.parent.name if resolved.is_file() else resolved.name


def clean(*, project: Place = HERE, progress: Progress | None = None) -> "CleanResult":
    """Make every photo an upright RGB PNG, measure it and flag what a person should look at.

    Only what [clean] reject in footwork.toml names is set aside. A second run does nothing.
    """
    from footwork.cleaning.clean import clean as make_clean

    opened = open_project(project)
    with Catalog.open(opened.folder) as catalog:
        return make_clean(catalog, reject=opened.config.clean.reject, progress=progress)


def dedupe(
    *,
    project: Place = HERE,
    max_bits: int | None = None,
    mirror: bool = False,
    features: bool = True,
    again: bool = False,
    progress: Progress | None = None,
) -> "Deduped":
    """Keep the best of each group of near-copies and set the others aside; nothing is deleted.

    max_bits: the radius of 64-bit perceptual hashes, 0 to 16; calibrated if None. mirror: flipped
    and turned copies too. features: let a network propose crops and overlays, too.
    again: group anew what a person took apart. Writes reports/duplicates.html.
    """
    from footwork.duplicates.dedupe import dedupe as find_copies
    from footwork.reporting.duplicates import write_duplicates

    opened = open_project(project)
    with Catalog.open(opened.folder) as catalog:
        found = find_copies(
            catalog,
            max_bits=max_bits,
            mirror=mirror,
            features=features,
            again=again,
            progress=progress,
        )
        page = opened.folder / "reports" / "duplicates.html"
        write_duplicates(
            catalog,
            page,
            partial(thumbnail, catalog),
            name=opened.config.name,
            calibration=found.calibration,
            notes=found.notes,
        )
        return replace(found, page=page)


def dedupe_folders(
    folders: Sequence[Place],
    *,
    against: Place | None = None,
    max_bits: int | None = None,
    mirror: bool = False,
    features: bool = True,
    progress: Progress | None = None,
) -> "FolderCopies":
    """Find near-copies in any folders, without a project; nothing is written there.

    against: a folder of older photos, to find what is new. The others as for `dedupe`.
    """
    from footwork.duplicates.folder import folder_copies
    from footwork.duplicates.search import Search

    return folder_copies(
        [Path(folder) for folder in folders],
        Search(max_bits, mirror, features),
        against=None if against is None else Path(against),
        progress=progress,
    )


def found_at(project: Place = HERE) -> dict[str, str]:
    """Return where each image was first found, by hash."""
    with Catalog.open(open_project(project).folder) as catalog:
        return {
            image.sha256: places[0].origin
            for image in catalog.images()
            if (places := catalog.provenance(image.sha256))
        }


def thumbnail(catalog: Catalog, image: str, bodies: "Bodies | None" = None) -> bytes | None:
    """Return a small JPEG of an image, or None if it cannot be read any more.

    bodies: draw the climber's skeleton where one was found.
    """
    from footwork.images import Unreadable, decode, encode_jpeg
    from footwork.reporting.skeleton import with_skeleton

    try:
        pixels = decode(catalog.read(image), at_least=THUMBNAIL)
        marks = (bodies or {}).get(image)
        if marks is not None:
            pixels = with_skeleton(pixels, marks)
        return encode_jpeg(pixels, THUMBNAIL)
    except Unreadable:
        return None


@dataclass(frozen=True)
class Status:
    """What a project holds. gone: paths of linked photos that are not there any more."""

    project: Project
    counts: Counts
    conflicts: list[Conflict]
    rejections: list[Rejection]
    gone: list[str]
    runs: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        counts = self.counts
        return {
            "name": self.project.config.name,
            "folder": str(self.project.folder),
            "photos": counts.labelled,
            "groups": counts.groups,
            "per_class": counts.per_class,
            "images": counts.images,
            "largest_group": counts.largest_group,
            "external": counts.external,
            "provisional": counts.provisional,
            "unlabelled": counts.unlabelled,
            "copies": counts.copies,
            "locked": counts.locked,
            "set_aside": counts.set_aside,
            "linked": counts.linked,
            "gone": self.gone,
            "conflicts": [
                {"image": c.image, "classes": [name for name, _who, _origin in c.labels]}
                for c in self.conflicts
            ],
            "rejected": [{"path": r.origin, "reason": r.reason} for r in self.rejections],
            "runs": list(self.runs),
        }

    def sentences(self) -> list[str]:
        """Say what there is, and what needs looking at, a line each."""
        c = self.counts
        said = [
            f"{c.labelled:,} labelled photos in {c.groups:,} groups; {len(self.conflicts):,} "
            f"conflict(s), {c.rejected:,} rejected file(s), {len(self.runs):,} run(s)"
        ]
        if c.largest_group > 1:
            share = 100 * c.largest_group / c.labelled
            said.append(f"the largest group holds {c.largest_group:,} of them ({share:.0f} %)")
        for count, what in (
            (c.provisional, "of them labelled by a search alone: nobody looked"),
            (c.external, "in the external test set"),
            (c.copies, "set aside as copies of better ones"),
            (c.locked, "in the lock-box"),
            (c.set_aside, "set aside by a decision"),
            (c.unlabelled, "without a label"),
            (c.linked, "linked: their files lie elsewhere"),
        ):
            if count:
                said.append(f"{count:,} {what}")
        return said


def status(project: Place = HERE) -> Status:
    """Return what the project holds."""
    opened = open_project(project)
    with Catalog.open(opened.folder) as catalog:
        return Status(
            project=opened,
            counts=catalog.counts(),
            conflicts=catalog.conflicts(),
            rejections=catalog.rejections(),
            gone=catalog.gone(),
            runs=tuple(run_names(opened.runs)),
        )


def label(image: str, class_name: str, *, who: str, why: str = "", project: Place = HERE) -> str:
    """Decide the class of a photo; returns its SHA-256. image: beginning of it, or its path.

    Raises UsageError for a class that the toml does not name, DataError for no single photo.
    """
    opened = open_project(project)
    with Catalog.open(opened.folder) as catalog:
        rows, conflicts = catalog.judged()
        said = {name for conflict in conflicts for name, _who, _origin in conflict.labels}
        classes = opened.config.classes or sorted({row.label for row in rows} | said)
        if classes and class_name not in classes:
            raise UsageError(
                f"There is no class {class_name!r}; {nearest(class_name, classes)} A new class "
                "begins with its name in `classes` of footwork.toml."
            )
        return catalog.decide_label(image, class_name, f"person:{who}", why)
