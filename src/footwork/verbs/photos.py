"""Verbs on photos and labels."""

import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from footwork.catalog import Catalog, Conflict, Rejection
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
    from footwork.cleaning.clean import CleanResult
    from footwork.duplicates.dedupe import Deduped
    from footwork.importing.ingest import Imported
Place = Path | str
HERE = Path()


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
    *, project: Place = HERE, max_bits: int | None = None, progress: Progress | None = None
) -> "Deduped":
    """Group near-copies, so that no copy is on the other side of a fold; nothing is deleted.

    max_bits: the radius of 64-bit perceptual hashes, 0 to 16; a stated safe one if None.
    """
    from footwork.duplicates.dedupe import dedupe as find_copies

    with Catalog.open(open_project(project).folder) as catalog:
        return find_copies(catalog, max_bits=max_bits, progress=progress)


@dataclass(frozen=True)
class Status:
    project: Project
    photos: int
    groups: int
    per_class: dict[str, int]
    conflicts: list[Conflict]
    rejections: list[Rejection]
    runs: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.project.config.name,
            "folder": str(self.project.folder),
            "photos": self.photos,
            "groups": self.groups,
            "per_class": self.per_class,
            "conflicts": [
                {"image": c.image, "classes": [name for name, _who, _origin in c.labels]}
                for c in self.conflicts
            ],
            "rejected": [{"path": r.origin, "reason": r.reason} for r in self.rejections],
            "runs": list(self.runs),
        }


def status(project: Place = HERE) -> Status:
    """Return what the project holds."""
    opened = open_project(project)
    with Catalog.open(opened.folder) as catalog:
        rows, conflicts = catalog.judged()
        return Status(
            project=opened,
            photos=len(rows),
            groups=len({row.group for row in rows}),
            per_class=dict(sorted(Counter(row.label for row in rows).items())),
            conflicts=conflicts,
            rejections=catalog.rejections(),
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
