"""duplicates.html: groups of copies, the kept photo first, and conflicts in red.

Everything that comes from data (class names, paths) is hostile: Jinja escapes all of it, and a
content security policy forbids scripts and every request.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from footwork.catalog import Catalog, Conflict
from footwork.copies import KEEP
from footwork.decisions import Decision
from footwork.files import write_bytes
from footwork.records import Disputed
from footwork.reporting.curves import Curve, drawn
from footwork.reporting.disputes import DISPUTES_SHOWN, Member, disputed
from footwork.reporting.pictures import Album, Thumbnail

if TYPE_CHECKING:
    from footwork.duplicates.calibrate import Calibration

GROUPS_SHOWN, COPIES_SHOWN = 150, 11
ROOM = 9_000_000  # bytes of base64 text for all pictures of the page


@dataclass(frozen=True)
class Group:
    """number: of the decision that `footwork undo` takes back; hidden: copies not shown."""

    number: int
    members: tuple[Member, ...]
    copies: int
    hidden: int
    disputed: bool


class Faces:
    """What is shown of any photo: thumbnail, size, label, name."""

    def __init__(self, catalog: Catalog, conflicts: Sequence[Conflict], album: Album) -> None:
        self._album = album
        self._images = {image.sha256: image for image in catalog.images()}
        labels: defaultdict[str, set[str]] = defaultdict(set)
        self._paths: dict[str, str] = {}
        for row in catalog.judged(copies=True)[0]:
            labels[row.image].add(row.label)
            self._paths[row.image] = row.path
        for conflict in conflicts:
            for image, label in conflict.images:
                labels[image].add(label)
        self._labels: Mapping[str, set[str]] = labels
        self._catalog = catalog

    def member(self, image: str, role: str, details: Sequence[str]) -> Member:
        known = self._images.get(image)
        size = ""
        if known:
            size = f"{known.width}x{known.height}, {known.size:,} bytes, {known.format}"
        path = self._paths.get(image) or next(
            (place.origin for place in self._catalog.provenance(image)), image
        )
        return Member(
            css=self._album.css_class(image),
            role=role,
            label=" / ".join(sorted(self._labels.get(image, ()))),
            details=tuple(line for line in (size, *details) if line),
            name=PurePath(path).name or path,
            path=path,
        )


def write_duplicates(
    catalog: Catalog,
    target: Path,
    thumbnail: Thumbnail | None,
    *,
    name: str,
    calibration: "Calibration | None" = None,
    notes: Sequence[str] = (),
) -> Path:
    """Write the page to `target`, whole or not at all, and return its path.

    thumbnail: JPEG bytes of an image by its SHA-256, or None if it cannot be read. name: of the
    project. calibration: how the thresholds were chosen. notes: sentences to open the page with.
    Shows GROUPS_SHOWN groups, those with conflicts first, then the largest; says how many more.
    """
    html = render(catalog, thumbnail, name=name, calibration=calibration, notes=notes)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(target, html.encode("utf-8", "backslashreplace"))
    return target


def render(
    catalog: Catalog,
    thumbnail: Thumbnail | None,
    *,
    name: str,
    calibration: "Calibration | None",
    notes: Sequence[str],
) -> str:
    from footwork.reporting.gathered import page

    counts, conflicts = catalog.counts(), catalog.conflicts()
    copies = catalog.copies()
    effective = {copy.best for copy in copies}  # not those of photos that were taken down
    standing = [
        d
        for d in catalog.decisions()
        if d.verb == KEEP and d.undone_at is None and d.sha256 in effective
    ]
    album = Album(thumbnail, ROOM)
    faces = Faces(catalog, conflicts, album)
    quarrels = {c.image for c in conflicts}
    # Before the groups: if the album runs full, these pictures matter most.
    disputes = [
        disputed(Disputed(images=c.images, labels=c.labels), album)
        for c in conflicts[:DISPUTES_SHOWN]
    ]
    ordered = sorted(
        standing,
        key=lambda d: (d.sha256 not in quarrels, -len(json.loads(d.detail)["copies"]), d.number),
    )
    groups = [group_view(d, faces, d.sha256 in quarrels) for d in ordered[:GROUPS_SHOWN]]
    evidence = Counter(" and ".join(copy.evidence) for copy in copies)
    return page(
        "duplicates.html.j2",
        name=name,
        album=album,
        pictures=thumbnail is not None,
        counts=counts,
        pairs=len(catalog.pairs()),
        parted=len(catalog.parted()),
        groups=groups,
        total=len(standing),
        disputes=disputes,
        disputed=len(conflicts),
        evidence=sorted(evidence.items(), key=lambda item: (-item[1], item[0])),
        charts=[drawn(curve) for curve in curves_of(calibration)] if calibration else [],
        calibrated=calibration.sentence if calibration else "",
        notes=list(notes),
    )


def curves_of(calibration: "Calibration") -> list[Curve]:
    """Return what each threshold would have found and joined, one curve per kind of evidence."""
    words = {
        "calibrated": "chosen from these photos",
        "safe": "a safe value from other photos: these cannot support a choice",
        "chosen": "your own choice",
    }
    found = []
    for name, points, chosen, because in (
        (
            "Bits that two perceptual hashes may differ in, of 64.",
            calibration.radii,
            float(calibration.radius),
            calibration.radius_because,
        ),
        (
            "Agreement of the details of two photos laid over each other, at least.",
            calibration.agreements,
            calibration.agreement,
            calibration.agreement_because,
        ),
    ):
        shares = tuple((p.threshold, p.recall, p.false_pairs / max(p.tried, 1)) for p in points)
        if shares:
            tried = points[0].tried
            sentence = f"In use: {chosen:g}, {words[because]}. {tried:,} pairs of different photos."
            found.append(Curve(name, shares, chosen, sentence))
    return found


def group_view(decision: Decision, faces: Faces, disputed: bool) -> Group:
    detail = json.loads(decision.detail)
    kept = faces.member(detail["kept"], "kept", ())
    copies = [
        faces.member(copy["image"], "copy", (joined_by(copy), f"Not kept: {copy['reason']}."))
        for copy in detail["copies"][:COPIES_SHOWN]
    ]
    total = len(detail["copies"])
    return Group(decision.number, (kept, *copies), total, total - len(copies), disputed)


def joined_by(copy: Mapping[str, object]) -> str:
    """Say how near a copy is and what says so: '4 bits apart, cosine 0.97 (hash, features)'."""
    parts = []
    if copy["distance"] is not None:
        parts.append(f"{copy['distance']} of 64 bits apart")
    if isinstance(copy["cosine"], float):
        parts.append(f"cosine {copy['cosine']:.3f}")
    said = copy["evidence"]
    words = ", ".join(str(word) for word in said) if isinstance(said, list) else ""
    return f"{', '.join(parts)} ({words})" if parts else words
