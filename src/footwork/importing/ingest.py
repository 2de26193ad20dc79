"""Labelled photos into the catalog: read once, verified, stored, then written down in batches.

A kill at any moment leaves whole batches, and files without a row at worst; the next import of
the same source goes on from there. Importing an unchanged source again reads no image.
"""

import hashlib
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from footwork.catalog import Catalog
from footwork.findings import Found, Image, Known, Provenance, Rejection, Said, Stamp, readable
from footwork.images import Unreadable, inspect, read_bytes
from footwork.importing.layouts import Layout, find_rows
from footwork.importing.listing import Row
from footwork.progress import Advance, Progress
from footwork.tombstones import Looks

BATCH = 200  # images per transaction, so per flush of the database
# Decoding is nearly all of the work and runs outside Python's lock. Each may hold a picture of
# images.MAX_PIXELS, so not more on machines with many cores.
WORKERS = min(4, os.cpu_count() or 1)
# A file that was changed this shortly before it was read may change again within the same tick
# of the file system's clock (10 ms at most on Linux), unseen: it is read again next time.
TICK_NS = 20_000_000


@dataclass(frozen=True)
class Imported:
    """What one import did.

    files: looked at; new: images that the catalog had not; already_known: files whose bytes it
    had; relabelled: files of which this source says something else than last time; rejected:
    (origin, reason); left_out: files not meant as images; per_class: images that this source
    puts into one class; conflicts: images that carry two classes since this import.
    """

    source: Path
    files: int
    new: int
    already_known: int
    relabelled: int
    rejected: tuple[tuple[str, str], ...]
    left_out: int
    per_class: Mapping[str, int]
    conflicts: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class File:
    """One file of the source with everything that the source says of it."""

    path: Path
    origin: str
    said: Said


def import_images(
    catalog: Catalog,
    source: Path,
    *,
    classes: Sequence[str],
    mode: Literal["copy", "link"] = "copy",
    external: bool = False,
    columns: Mapping[str, str] | None = None,
    where: Mapping[str, str] | None = None,
    looks: Looks | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Bring the labelled photos of `source` into the catalog.

    classes: the only ones allowed; none means any. mode: 'copy' the bytes into the project, or
    'link': remember where they lie. external: they are a test set that is scored once, apart,
    whatever split the source gives. columns, where: for tables (see importing.listing).
    looks: refuses copies that look like a photo that was taken down, beside the very file.

    What this source said before of a file is replaced; of a file that moved within the source,
    too. A file that cannot be used becomes a rejection with its reason. Raises what
    `layouts.find_rows` raises, and EnvironmentProblem if disk or catalog cannot be written.
    """
    layout = find_rows(source, classes=classes, columns=columns, where=where)
    files = merged(layout.rows, external=external)
    labelled, conflicts = catalog.judged()
    importer = Importer(catalog, layout, files, mode, looks)
    with catalog.filling(), (progress or Progress()).task("importing", len(files)) as advance:
        importer.run(advance)
    trained_on = {item.image for item in labelled if item.split != "external"}
    leaving = len(trained_on & importer.labels.keys()) if external else 0
    single = Counter(next(iter(some)) for some in importer.labels.values() if len(some) == 1)
    return Imported(
        source=layout.source,
        files=len(files),
        new=len(importer.new),
        already_known=len(files) - importer.unusable - len(importer.new),
        relabelled=importer.relabelled,
        rejected=tuple((item.origin, item.reason) for item in importer.rejected),
        left_out=sum(layout.left_out.values()),
        per_class=dict(sorted(single.items())),
        conflicts=len({c.image for c in catalog.conflicts()} - {c.image for c in conflicts}),
        notes=(*layout.notes, *notes_on(importer, leaving)),
    )


def notes_on(importer: "Importer", leaving: int) -> list[str]:
    """Say what a reader would otherwise wonder about. leaving: images no longer trained on."""
    notes = []
    left_out = importer.layout.left_out
    if left_out:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(left_out.items()))
        notes.append(f"Left out what is not meant as an image: {kinds}.")
    if importer.relabelled:
        notes.append(
            f"{importer.relabelled:,} files have another label, group or split than when this "
            "was imported last; the new one counts."
        )
    if leaving:
        notes.append(
            f"{leaving:,} of these images were there for training already; from now on they only "
            "count as external test images."
        )
    twice = sum(len(some) > 1 for some in importer.splits.values())
    if twice:
        notes.append(
            f"{twice:,} images lie in two splits; each only counts for the one that is held out "
            "more (test before val before train), so that nothing is tested on what it learnt."
        )
    return notes


def merged(rows: Iterable[Row], *, external: bool) -> list[File]:
    """Return one File per path, sorted: a table may name one file several times."""
    by_path: defaultdict[Path, list[Row]] = defaultdict(list)
    for row in rows:
        by_path[row.path].append(row)
    return [
        File(
            path,
            readable(str(path)),
            Said(
                labels=frozenset(row.label for row in said),
                groups=frozenset(row.group for row in said if row.group),
                splits=frozenset({"external"})
                if external
                else frozenset(row.split for row in said if row.split),
            ),
        )
        for path, said in sorted(by_path.items(), key=lambda item: str(item[0]))
    ]


class Importer:
    """One import under way."""

    def __init__(
        self,
        catalog: Catalog,
        layout: Layout,
        files: Sequence[File],
        mode: Literal["copy", "link"],
        looks: Looks | None = None,
    ) -> None:
        self.catalog = catalog
        self.tombstones = catalog.tombstones()
        self.looks = looks
        self.layout = layout
        self.files = files
        self.mode = mode
        self.who = f"import:{readable(str(layout.source))}"
        self.folder = readable(str(layout.folder))
        self.before = catalog.said_by(self.who)
        self.origins = {file.origin for file in files}
        self.origins_before: defaultdict[str, list[str]] = defaultdict(list)
        for sha256, origin in sorted(self.before):
            self.origins_before[sha256].append(origin)
        self.new: set[str] = set()
        self.relabelled = 0
        self.unusable = 0
        self.rejected: list[Rejection] = list(layout.rejected)
        self.labels: defaultdict[str, set[str]] = defaultdict(set)
        self.splits: defaultdict[str, set[str]] = defaultdict(set)

    def run(self, advance: Advance) -> None:
        self.catalog.add([], self.rejected)
        with ThreadPoolExecutor(WORKERS) as pool:
            for start in range(0, len(self.files), BATCH):
                batch = self.files[start : start + BATCH]
                known = self.unchanged(batch)
                unread = [file for file in batch if file.path not in known]
                looked = dict(zip(unread, pool.map(self.look_at, unread), strict=True))
                found, rejected = [], []
                for file in batch:
                    seen = known.get(file.path) or looked[file]
                    if isinstance(seen, Rejection):
                        rejected.append(seen)
                    elif item := self.news(file, seen, read=file.path not in known):
                        found.append(item)
                if found or rejected:
                    self.new |= self.catalog.add(found, rejected)
                self.unusable += len(rejected)
                self.rejected += rejected
                advance(len(batch))
        self.catalog.add([], forget=self.mended())

    def unchanged(self, batch: Sequence[File]) -> dict[Path, Known]:
        """Return those files whose bytes need not be read: as they were, and safely kept."""
        paths = {str(file.path): file.path for file in batch if is_text(file.path)}
        kept = {}
        for path, known in self.catalog.known_files(list(paths)).items():
            try:
                stamp = Stamp.of(path, os.stat(path))  # noqa: PTH116  20,000 of them
            except (OSError, ValueError):
                continue
            image = known.image
            if known.stored:
                safe = self.catalog.store.has(image.sha256, image.format, image.size)
            else:
                safe = self.mode == "link"
            if safe and stamp == known.stamp:
                kept[paths[path]] = known
        return kept

    def look_at(self, file: File) -> Known | Rejection:
        """Read, verify and store one file; runs in a thread."""
        sha256 = None
        try:
            started_ns = time.time_ns()
            try:
                stamp = Stamp.of(str(file.path), file.path.stat())
            except (OSError, ValueError):
                stamp = Stamp("", 0, 0, 0)  # read_bytes says why
            data = read_bytes(file.path)
            sha256 = hashlib.sha256(data).hexdigest()
            image = self.catalog.image(sha256)
            if image is None:
                facts = inspect(data)
                barred = self.tombstones.refuses(data, sha256, self.looks)
                if barred:
                    raise Unreadable(barred)
                image = Image(sha256, len(data), facts.width, facts.height, facts.format)
            if self.mode == "copy":
                self.catalog.store.put(data, sha256, image.format)
            elif not is_text(file.path):
                raise Unreadable("its name is not UTF-8, so it cannot be linked; import by --copy")
        except Unreadable as error:
            return Rejection(file.origin, error.reason, sha256)
        if started_ns - max(stamp.mtime_ns, stamp.ctime_ns) < TICK_NS:
            stamp = replace(stamp, mtime_ns=0)
        return Known(image, self.mode == "copy", stamp)

    def news(self, file: File, seen: Known, *, read: bool) -> Found | None:
        """Return what the catalog does not know yet of this file, or None."""
        sha256 = seen.image.sha256
        self.labels[sha256] |= file.said.labels
        self.splits[sha256] |= file.said.splits
        moved_from = tuple(
            origin
            for origin in self.origins_before[sha256]
            if origin not in self.origins and not os.path.lexists(origin)
        )
        told = (self.before.get((sha256, origin)) for origin in (file.origin, *moved_from))
        said_before = next((said for said in told if said is not None), None)
        same = said_before is not None and says_the_same(said_before, file.said)
        if said_before is not None and not same:
            self.relabelled += 1
        if same and not read and not moved_from:
            return None
        return Found(
            image=seen.image,
            stored=seen.stored,
            provenance=Provenance("import", file.origin, self.folder),
            who=self.who,
            said=file.said,
            stamp=seen.stamp if is_text(file.path) else None,
            moved_from=moved_from,
        )

    def mended(self) -> list[str]:
        """Return rejections of this source that this import found gone or no longer true."""
        still = {item.origin for item in self.rejected}
        inside, row = f"{self.folder}/", f" of {readable(str(self.layout.source))}"
        return [
            origin
            for origin in (item.origin for item in self.catalog.rejections())
            if origin not in still
            and (
                origin.endswith(row) or (origin.startswith(inside) and not os.path.lexists(origin))
            )
        ]


def says_the_same(before: Said, now: Said) -> bool:
    """Without groups nothing is said about groups (see findings.say)."""
    return before == (now if now.groups else replace(now, groups=before.groups))


def is_text(path: Path) -> bool:
    """Whether the database can hold this path exactly."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
