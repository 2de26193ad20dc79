"""Two runs side by side: what changed in photos, labels, code, weights and settings, and scores.

Scores are compared on the photos that both runs tested, under the labels of the second, entry by
entry, with the paired interval of a leaderboard. A run's folder is all that is read.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from footwork.evaluate.intervals import GroupBootstrap, Kind
from footwork.evaluate.tiers import holm, p_of_difference
from footwork.evaluate.words import covers_zero, difference_in_words, two
from footwork.predictions import EntryName, Photos, Predictions
from footwork.records import EntryInfo, Environment, Estimate, Record
from footwork.runs import Run

# Of an entry: what makes it another one. Times and notes do not.
ENTRY_FACTS = ("weights", "weights_sha256", "licence", "side", "view", "vector_size", "runtime",
               "precision")  # fmt: skip
CODE = ("footwork", "python")
MACHINE = ("platform", "cpu", "cores")
PLAN = ("split", "folds", "repeats", "seed")


class Change(Record):
    """Something that differs. kind: 'data', 'code', 'machine', 'settings' or 'weights'."""

    kind: str
    what: str
    was: str
    now: str


class Relabelled(Record):
    image: str
    path: str
    was: str
    now: str


class EntryChange(Record):
    """One entry of both runs on the photos that both tested. difference: now less was.

    p: of no difference, corrected for all entries compared here (Holm). changed: see ENTRY_FACTS.
    """

    title: str
    was: Estimate
    now: Estimate
    difference: Estimate
    p: float
    changed: tuple[Change, ...]


class RunDiff(Record):
    """first, second: names of the runs. added, removed: paths of photos in one run only.

    regrouped: shared photos whose fold group holds other photos now. entries: in both runs.
    why_no_scores: '' where scores are compared.
    """

    first: str
    second: str
    shared: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    relabelled: tuple[Relabelled, ...]
    regrouped: int
    changes: tuple[Change, ...]
    entries: tuple[EntryChange, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    why_no_scores: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Shared:
    """The photos that both runs tested. first, second: (m,) their indices in each run.

    photos: of the second run, grouped by what either run holds together.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    photos: Photos


def diff_runs(first: Run, second: Run) -> RunDiff:
    """Return what changed from `first` to `second`; the runs may be of different projects."""
    a, b = first.predictions, second.predictions
    shared = shared_photos(a.photos, b.photos)
    added = sorted(set(b.photos.image) - set(a.photos.image))
    removed = sorted(set(a.photos.image) - set(b.photos.image))
    relabelled = tuple(
        Relabelled(image=b.photos.image[j], path=b.photos.path[j], was=was, now=now)
        for i, j in zip(shared.first, shared.second, strict=True)
        if (was := a.classes[a.photos.label[i]]) != (now := b.classes[b.photos.label[j]])
    )
    infos_a, infos_b = by_title(first.entries), by_title(second.entries)
    common = [title for title in infos_b if title in infos_a]
    why_not = not_comparable(first, second, shared) if common else "no entry is in both runs"
    entries = () if why_not else compared(first, second, shared, common, infos_a, infos_b)
    found = RunDiff(
        first=first.name,
        second=second.name,
        shared=len(shared.photos),
        added=paths_of(b.photos, added),
        removed=paths_of(a.photos, removed),
        relabelled=relabelled,
        regrouped=regrouped(a.photos, b.photos, shared),
        changes=(
            *changed_facts(first.environment, second.environment),
            *changed_settings(first.config_text, second.config_text),
        ),
        entries=entries,
        only_first=tuple(title for title in infos_a if title not in infos_b),
        only_second=tuple(title for title in infos_b if title not in infos_a),
        why_no_scores=why_not,
        sentences=(),
    )
    return found.model_copy(update={"sentences": tuple(in_words(found))})


def shared_photos(a: Photos, b: Photos) -> Shared:
    place = {image: i for i, image in enumerate(a.image)}
    second = np.array([j for j, image in enumerate(b.image) if image in place], dtype=np.int64)
    first = np.array([place[b.image[j]] for j in second], dtype=np.int64)
    group, names = joined(a.group[first], b.group[second])
    photos = Photos(
        image=tuple(b.image[j] for j in second),
        path=tuple(b.path[j] for j in second),
        label=b.label[second],
        group=group,
        group_name=names,
    )
    return Shared(first, second, photos)


def joined(a: NDArray[np.int64], b: NDArray[np.int64]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the groups of photos that either grouping connects, and a name for each."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(a):
        return a, ()
    _, one = np.unique(a, return_inverse=True)
    _, other = np.unique(b, return_inverse=True)
    size = int(one.max()) + int(other.max()) + 2
    links = coo_array((np.ones(len(a)), (one, other + one.max() + 1)), shape=(size, size))
    _, component = connected_components(links, directed=False)
    _, group = np.unique(component[one], return_inverse=True)
    names = tuple(f"g{number:06}" for number in range(int(group.max()) + 1))
    return group.astype(np.int64), names


def regrouped(a: Photos, b: Photos, shared: Shared) -> int:
    """Count the shared photos that share their group with other shared photos than before."""
    before, after = a.group[shared.first], b.group[shared.second]
    both = np.unique(np.stack([before, after]), axis=1, return_inverse=True)[1].reshape(-1)
    size = [np.unique(codes, return_inverse=True, return_counts=True) for codes in (before, after)]
    sizes = [counts[inverse.reshape(-1)] for _, inverse, counts in size]
    together = np.bincount(both)[both] if len(both) else both
    return int(((together != sizes[0]) | (together != sizes[1])).sum())


def not_comparable(first: Run, second: Run, shared: Shared) -> str:
    """Return why the scores of two runs are not held against each other, or ''."""
    a, b = first.predictions, second.predictions
    if not len(shared.photos):
        return "no photo was tested in both runs"
    if sorted(a.classes) != sorted(b.classes):
        return (
            f"the classes differ ({', '.join(a.classes)} before, {', '.join(b.classes)} now), so "
            "the scores answer different questions"
        )
    lost = set(range(len(b.classes))) - set(shared.photos.label.tolist())
    if lost:
        return f"no photo of class {b.classes[min(lost)]} was tested in both runs"
    if first.environment.split != second.environment.split:
        return (
            f"one run is cross-validated and the other on a given split ({first.name}: "
            f"{first.environment.split}, {second.name}: {second.environment.split})"
        )
    return ""


def compared(
    first: Run,
    second: Run,
    shared: Shared,
    common: Sequence[str],
    infos_a: Mapping[str, EntryInfo],
    infos_b: Mapping[str, EntryInfo],
) -> tuple[EntryChange, ...]:
    kind: Kind = "recipe" if second.environment.split == "cv" else "model"
    estimates = []
    for title in common:
        table = paired_table(first, second, shared, infos_a[title].entry, infos_b[title].entry)
        bootstrap = GroupBootstrap(table, kind=kind, seed=second.environment.seed)
        estimates.append(
            (bootstrap.estimate("first"), bootstrap.estimate("second"),
             bootstrap.difference("second", "first"), bootstrap.reach().freedom)
        )  # fmt: skip
    p = holm(np.array([p_of_difference(gap, freedom) for _, _, gap, freedom in estimates]))
    rows = [
        EntryChange(
            title=title,
            was=was,
            now=now,
            difference=difference,
            p=float(p[i]),
            changed=changed_entry(infos_a[title], infos_b[title]),
        )
        for i, (title, (was, now, difference, _)) in enumerate(zip(common, estimates, strict=True))
    ]
    return tuple(sorted(rows, key=lambda row: (-row.now.value, row.title)))


def paired_table(
    first: Run, second: Run, shared: Shared, entry_a: str, entry_b: str
) -> Predictions:
    """Return one table of both runs' answers on the shared photos, entries 'first' and 'second'.

    Of a run with more repeats only as many count as the other has: more repeats are steadier, and
    no reason for a difference.
    """
    target = second.predictions
    repeats = min(first.predictions.repeats, target.repeats)
    parts = []
    for name, run, entry, photos in (
        ("first", first, entry_a, shared.first),
        ("second", second, entry_b, shared.second),
    ):
        table = run.predictions
        index = [one.entry for one in table.entries].index(entry)
        place = np.full(len(table.photos), -1, dtype=np.int64)
        place[photos] = np.arange(len(photos))
        mine = table.where(
            (table.entry == index) & (table.repeat < repeats) & (place[table.photo] >= 0)
        )
        number = np.array([target.classes.index(c) for c in table.classes] + [-1])
        order = np.array([table.classes.index(c) for c in target.classes])
        parts.append((name, mine, place[mine.photo], number[mine.predicted], mine.proba[:, order]))
    return Predictions(
        classes=target.classes,
        photos=shared.photos,
        entries=tuple(EntryName(name, name, name) for name, *_ in parts),
        entry=np.repeat([0, 1], [len(mine) for _, mine, *_ in parts]),
        photo=np.concatenate([photo for _, _, photo, _, _ in parts]),
        repeat=np.concatenate([mine.repeat for _, mine, *_ in parts]),
        fold=np.concatenate([mine.fold for _, mine, *_ in parts]),
        status=np.concatenate([mine.status for _, mine, *_ in parts]),
        reason=np.concatenate([mine.reason for _, mine, *_ in parts]),
        predicted=np.concatenate([predicted for *_, predicted, _ in parts]),
        proba=np.concatenate([proba for *_, proba in parts]),
    )


def by_title(infos: Sequence[EntryInfo]) -> dict[str, EntryInfo]:
    return {info.title: info for info in infos}


def paths_of(photos: Photos, images: Sequence[str]) -> tuple[str, ...]:
    wanted = set(images)
    pairs = zip(photos.image, photos.path, strict=True)
    return tuple(sorted(path for image, path in pairs if image in wanted))


def changed_entry(a: EntryInfo, b: EntryInfo) -> tuple[Change, ...]:
    return tuple(
        Change(kind="weights", what=fact, was=short(was), now=short(now))
        for fact in ENTRY_FACTS
        if (was := getattr(a, fact)) != (now := getattr(b, fact))
    )


def changed_facts(a: Environment, b: Environment) -> list[Change]:
    facts = [("code", fact) for fact in CODE] + [("machine", fact) for fact in MACHINE]
    facts += [("settings", fact) for fact in PLAN]
    found = [
        Change(kind=kind, what=fact, was=str(was), now=str(now))
        for kind, fact in facts
        if (was := getattr(a, fact)) != (now := getattr(b, fact))
    ]
    for name in sorted(a.versions.keys() | b.versions.keys()):
        was, now = a.versions.get(name, "absent"), b.versions.get(name, "absent")
        if was != now:
            found.append(Change(kind="code", what=name, was=was, now=now))
    for fact in ("rejected", "conflicts", "provisional", "drawn"):
        was, now = getattr(a.data, fact), getattr(b.data, fact)
        if was != now:
            found.append(Change(kind="data", what=fact, was=str(was), now=str(now)))
    return found


def changed_settings(a: str, b: str) -> list[Change]:
    """Return the settings that differ between two config.toml, by dotted key."""
    before, after = flat(tomllib.loads(a)), flat(tomllib.loads(b))
    skipped = {f"compare.{fact}" for fact in PLAN}  # told already, as it was used
    return [
        Change(kind="settings", what=key, was=before.get(key, "unset"), now=after.get(key, "unset"))
        for key in sorted((before.keys() | after.keys()) - skipped)
        if before.get(key) != after.get(key)
    ]


def flat(table: Mapping[str, object], above: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            found |= flat(value, f"{above}{key}.")
        else:
            found[f"{above}{key}"] = str(value)
    return found


def short(value: object) -> str:
    """A hash by its first 12 digits; anything else as it prints."""
    text = str(value)
    return f"{text[:12]}…" if len(text) == 64 else text


def in_words(found: RunDiff) -> list[str]:
    """Say the differences: the data, the rest, then each entry's score."""
    data = [
        f"{len(found.added):,} photos were added" if found.added else "",
        f"{len(found.removed):,} removed" if found.removed else "",
        f"{len(found.relabelled):,} relabelled" if found.relabelled else "",
        f"{found.regrouped:,} regrouped" if found.regrouped else "",
    ]
    told = ", ".join(part for part in data if part)
    said = [f"{found.shared:,} photos were tested in both runs; {told or 'they are the same'}."]
    for kind in ("code", "machine", "settings", "data"):
        names = [change.what for change in found.changes if change.kind == kind]
        if names:
            said.append(f"{kind.capitalize()} changed: {', '.join(names)}.")
    if found.why_no_scores:
        said.append(f"Scores are not compared: {found.why_no_scores}.")
    for row in found.entries:
        verdict = "cannot be told from no change"
        if not covers_zero(row.difference) and row.p < 0.05:
            verdict = "better now" if row.difference.value > 0 else "worse now"
        weights = "; other weights" if any(c.what == "weights_sha256" for c in row.changed) else ""
        said.append(
            f"{row.title}: macro-F1 {two(row.was.value)} before, {two(row.now.value)} now, on the "
            f"{found.shared:,} shared photos; the difference is "
            f"{difference_in_words(row.difference)}, {verdict}{weights}."
        )
    return said
