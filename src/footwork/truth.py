"""From what was said of images to what counts: one label, one fold group, one split each.

Pure functions of the catalog's rows; the order of rows never matters, except that a person's
later word replaces the same person's earlier one.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from footwork.tombstones import comparable_name

RANKS = ("query", "import", "person")  # the part of `who` before the colon, rising
# What stands where an author's name is not known: such photos are not of one person.
NOBODY = frozenset(
    ["", "-", "?", "n/a", "none", "null", "anonymous", "various", "various authors", "author"]
).union(
    ["unknown", "unknown author", "author unknown", "unknown photographer", "not provided"],
)
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
    """A photo under several classes. labels: (class, who, origin), sorted.

    image: the kept one where there are copies; images: all that say so, (image, class), sorted.
    """

    image: str
    labels: tuple[tuple[str, str, str], ...]
    images: tuple[tuple[str, str], ...]


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
    page: str | None = None
    author: str | None = None

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
    pairs: Iterable[tuple[str, str]] = (),
) -> tuple[list[Labelled], list[Conflict]]:
    """Return every photo with one effective label, and every photo with several, by hash.

    labels: in the order in which they were said; splits: (image, split). copy_of: image -> the
    better image that is kept in its place; what is said of a copy counts for the kept one.
    pairs: two images that show the same photo, kept both or not.
    """
    places = list(places)
    said: defaultdict[str, list[LabelRow]] = defaultdict(list)
    for row in labels:
        said[row.image].append(row)
    members: defaultdict[str, list[str]] = defaultdict(list)
    for image in sorted(said):
        members[copy_of.get(image, image)].append(image)
    paths: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for place in places:
        paths[place.image][place.origin] = place.shown
    held_out: dict[str, int] = {}
    for image, split in splits:
        kept = copy_of.get(image, image)
        held_out[kept] = max(held_out.get(kept, 0), SPLITS.index(split))
    group_of = fold_groups(members, groups, [*copy_of.items(), *pairs], ties(places))

    labelled, conflicts = [], []
    for image in sorted(members):
        voices = loudest([row for member in members[image] for row in last_words(said[member])])
        classes = {row.label for row in voices}
        if len(classes) > 1:
            labels_said = {
                (row.label, row.who, paths[row.image].get(row.origin, row.origin)) for row in voices
            }
            images = {(row.image, row.label) for row in voices}
            conflicts.append(Conflict(image, tuple(sorted(labels_said)), tuple(sorted(images))))
            continue
        shown = paths[image]
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


def last_words(rows: Iterable[LabelRow]) -> list[LabelRow]:
    """Return what is said of one image, of each person only the last word."""
    rows = list(rows)
    words = {row.who: row for row in rows if rank(row.who) == RANKS.index("person")}
    return [row for row in rows if words.get(row.who, row) is row]


def loudest(rows: Sequence[LabelRow]) -> list[LabelRow]:
    """Return the rows of the best rank."""
    best = max(rank(row.who) for row in rows)
    return [row for row in rows if rank(row.who) == best]


def ties(places: Iterable[Place]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield (image, what it shares with others): its page and its author.

    An author counts wherever the photo was found, however the name is spaced and cased, but not
    where the name says that it is not known.
    """
    for place in places:
        if place.page:
            yield place.image, ("page", place.page.partition("#")[0].rstrip("/"))
        author = comparable_name(place.author or "")
        if author not in NOBODY:
            yield place.image, ("author", author)


def fold_groups(
    images: Iterable[str],
    given: Iterable[GroupRow],
    pairs: Iterable[tuple[str, str]] = (),
    shared: Iterable[tuple[str, tuple[str, str]]] = (),
) -> dict[str, str]:
    """Return the fold group of all images that occur: what is connected in any way is one.

    given: a name is only the same group within one source: two tables may both count from 1.
    pairs: two images of one photo. shared: (image, what it has in common with others). A group
    is called by its first given name, else by its first hash; with a hash behind it where
    another group has that name too.
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
    for first, second in pairs:
        parent[root((first,))] = root((second,))
    for image, common in shared:
        parent[root((image,))] = root(("shared", *common))
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
