"""From what was said of images to what counts: one label, one fold group, one split each.

Pure functions of the catalog's rows; the order of rows never matters, except that a person's
later word replaces the same person's earlier one.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

RANKS = ("query", "import", "person")  # the part of `who` before the colon, rising
COPIES = "copies"  # who says that two images are near-copies, among those who say groups
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
    copy_of: Mapping[str, str] = MappingProxyType({}),
) -> tuple[list[Labelled], list[Conflict]]:
    """Return every image with one effective label, and every image with several, by hash.

    labels: in the order in which they were said; splits: (image, split). copy_of: image -> the
    better image that it is a near-copy of. Copies share a fold group. Where copies carry several
    classes, only those that agree with the loudest voice in their group stay, if that is one.
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
    alike = [GroupRow(image, COPIES, best) for image, best in copy_of.items()]
    alike += [GroupRow(best, COPIES, best) for best in set(copy_of.values())]
    alike = [row for row in alike if row.image in said]
    group_of = fold_groups(said, [*groups, *alike])
    against = disagreeing_copies(said, alike)

    labelled, conflicts = [], []
    for image in sorted(said):
        voices = loudest(said[image])
        shown = paths[image]
        classes = {row.label for row in voices}
        if len(classes) > 1 or image in against:
            listed = sorted(
                {
                    (row.label, row.who, paths[row.image].get(row.origin, row.origin))
                    for row in [*voices, *against.get(image, ())]
                }
            )
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


def disagreeing_copies(
    said: Mapping[str, Sequence[LabelRow]], alike: Iterable[GroupRow]
) -> dict[str, list[LabelRow]]:
    """Return the images whose copies say another class as loudly or louder, with all that is said.

    Within a group of copies the best rank decides: if it says one class, the others are against
    it; if it says several, all are.
    """
    members: defaultdict[str, set[str]] = defaultdict(set)
    for row in alike:
        members[row.name].add(row.image)
    against = {}
    for images in members.values():
        voices = {image: loudest(said[image]) for image in images}
        everything = [row for rows in voices.values() for row in rows]
        best = max(rank(row.who) for row in everything)
        right = {row.label for row in everything if rank(row.who) == best}
        for image, rows in voices.items():
            if len(right) > 1 or {row.label for row in rows} != right:
                against[image] = everything
    return against


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
