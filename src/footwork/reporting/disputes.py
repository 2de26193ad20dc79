"""A photo under several labels, side by side: what a report and the page of copies show of it."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import PurePath

from footwork.records import Disputed
from footwork.reporting.pictures import Album

DISPUTES_SHOWN = 36
VOICES_SHOWN = 3


@dataclass(frozen=True)
class Member:
    """One photo of a group. css: the class that shows its thumbnail, None where there is none.

    role: 'kept', 'copy' or 'disputed'; label: its classes, '' if unlabelled.
    """

    css: str | None
    role: str
    label: str
    details: tuple[str, ...]
    name: str
    path: str

    @property
    def alt(self) -> str:
        return f"Photo labelled {self.label}" if self.label else "Photo without a label"


@dataclass(frozen=True)
class Dispute:
    """members: the images that say so; classes: what they say, sorted."""

    members: tuple[Member, ...]
    classes: tuple[str, ...]


def disputed(one: Disputed, album: Album, *, named: bool = True) -> Dispute:
    """Lay out a conflict. named: False leaves out all that may name a person: files, who."""
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for image, label in one.images:
        labels[image].add(label)
    voices: defaultdict[str, list[str]] = defaultdict(list)
    for label, who, origin in one.labels:
        voices[label].append(f"{PurePath(origin).name or who}")
    members = [
        Member(
            css=album.css_class(image),
            role="disputed",
            label=" / ".join(sorted(said)),
            details=tuple(said_by(label, voices[label]) for label in sorted(said) if named),
            name=image[:10],
            path=image,
        )
        for image, said in labels.items()
    ]
    return Dispute(tuple(members), tuple(sorted(voices)))


def said_by(label: str, voices: list[str]) -> str:
    more = f" and {len(voices) - VOICES_SHOWN} more" if len(voices) > VOICES_SHOWN else ""
    return f"{label}: {', '.join(voices[:VOICES_SHOWN])}{more}"
