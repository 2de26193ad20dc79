"""From what was said of images to what counts: one label, one fold group, one split each.

Pure functions of the catalog's rows; the order of rows never matters, except that a person's
later word replaces the same person's earlier one.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

RANKS = ("query", "import", "person")  # the part of `who` before the colon, rising
SPLITS = ("train", "val", "test", "external")  # rising: held out wins, or the test would leak


@dataclass(frozen=True)
class Labelled:
    """A usable image. path: where it came from, as shown to people.

    group: images of one group must stay on one side of a fold; an image without a given group
    is its own. split: as imported. provisional: only a query says so, nobody looked.
    """

    image: str
    path: str
    label: str
    group: str
    split: str | None
    provisional: bool


@dataclass(frozen=True)
class Conflict:
    """An image under two classes. labels: (class, who, origin), sorted."""

    image: str
    labels: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class LabelRow:
    image: str
    label: str
    who: str
    origin: str


@dataclass(frozen=True)
class GroupRow:
    image: str
    who: str
    name: str


@dataclass(frozen=True)
class Place:
    image: str
    kind: str
    origin: str
    source: str

    @property
    def shown(self) -> str:
        """FOLDER/CLASS/FILE for what was imported from FOLDER, else the whole origin."""
        above = os.path.dirname(self.source).rstrip("/") + "/"  # noqa: PTH120  may be a URL
        inside = self.kind == "import" and self.origin.startswith(above)
        return self.origin.removeprefix(above) if inside else self.origin


def judged(
    labels: Iterable[LabelRow],
    groups: Iterable[GroupRow],
    splits: Iterable[tuple[str, str]],
    places: Iterable[Place],
) -> tuple[list[Labelled], list[Conflict]]:
    """Return every image with one effective label, and every image with several, by hash.

    labels: in the order in which they were said; splits: (image, split).
    """
    said: defaultdict[str, list[LabelRow]] = defaultdict(list)
    for row in labels:
        said[row.image].append(row)
    paths: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for place in places:
        paths[place.image][place.origin] = place.shown
    held_out: dict[str, int] = {}
    for image, split in splits:
        held_out[image] = max(held_out.get(image, 0), SPLITS.index(split))
    group_of = fold_groups(said, groups)

    labelled, conflicts = [], []
    for image in sorted(said):
        voices = loudest(said[image])
        shown = paths[image]
        classes = {row.label for row in voices}
        if len(classes) > 1:
            listed = sorted({(r.label, r.who, shown.get(r.origin, r.origin)) for r in voices})
            conflicts.append(Conflict(image, tuple(listed)))
            continue
        at = [shown[row.origin] for row in voices if row.origin in shown]
        labelled.append(
            Labelled(
                image=image,
                path=min(at or shown.values(), default=image),
                label=classes.pop(),
                group=group_of[image],
                split=SPLITS[held_out[image]] if image in held_out else None,
                provisional=rank(voices[0].who) == 0,
            )
        )
    return labelled, conflicts


def rank(who: str) -> int:
    return RANKS.index(who.partition(":")[0])


def loudest(rows: Sequence[LabelRow]) -> list[LabelRow]:
    """Return the rows of the best rank; of each person only the last word."""
    best = max(rank(row.who) for row in rows)
    voices = [row for row in rows if rank(row.who) == best]
    if RANKS[best] == "person":
        return list({row.who: row for row in voices}.values())
    return voices


def fold_groups(images: Iterable[str], given: Iterable[GroupRow]) -> dict[str, str]:
    """Return each image's fold group: all that is connected through given groups is one.

    A name is only the same group within one source: two tables may both count from 1. A group
    is called by its first name, with a hash behind it where another group has that name too.
    """
    parent: dict[tuple[str, ...], tuple[str, ...]] = {}

    def root(node: tuple[str, ...]) -> tuple[str, ...]:
        while (above := parent.setdefault(node, node)) != node:
            parent[node] = parent[above]
            node = above
        return node

    names: defaultdict[str, set[str]] = defaultdict(set)
    for image in images:
        root((image,))
    for row in given:
        parent[root((row.image,))] = root((row.who, row.name))
        names[row.image].add(row.name)
    members: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for node in list(parent):
        if len(node) == 1:
            members[root(node)].append(node[0])
    called = {
        key: min(set().union(*(names[image] for image in group)) or group)
        for key, group in members.items()
    }
    times = Counter(called.values())
    return {
        image: called[key] if times[called[key]] == 1 else f"{called[key]} ({min(group)})"
        for key, group in members.items()
        for image in group
    }
