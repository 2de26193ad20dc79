"""Which photos are trained on and which are tested: repeated, stratified, group-aware folds.

Groups are cut, never photos: two looks at one scene on both sides of a fold would inflate every
score. Own code, because scikit-learn 1.9's `StratifiedGroupKFold` places groups by the spread of
their class counts: a large group with equally many photos of each class has none, comes last and
unbalances its fold, and nothing is mended afterwards. Over 100 random tables (120 photos of three
classes in mixed groups of 1 to 12, five folds) the sum that `assign_folds` makes small was 2.9
times as high with it, and fold sizes differed by 6.6 photos instead of 2.7; with groups of one
photo both are as even as can be. Here groups are dealt largest first, then moved and swapped
until no move or swap makes the folds more even: on 502 of 507 tables that were small enough to
try every cut, the best cut there is.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from footwork.errors import DataError

MAX_KINDS = 60  # of groups that are tried in swaps, smallest first; bounds the time


@dataclass(frozen=True)
class Fold:
    """One cut. train, test: sorted int64 indices of photos, without a group in common."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]


def cross_validation(
    label: NDArray[np.int64],
    group: NDArray[np.int64],
    *,
    image: Sequence[str],
    folds: int,
    repeats: int,
    seed: int,
    classes: Sequence[str] = (),
) -> list[list[Fold]]:
    """Cut the photos into `folds` test sides, `repeats` times; returns [repeat][fold].

    label, group: (n,) int64 codes; image: n different ids (SHA-256); classes: the names behind
    the labels, for messages, and each of them must occur. seed: at least 0.

    In every repeat each photo is tested exactly once, no group is on both sides, every training
    side holds every class, and class shares are as even as moves and swaps of groups can make
    them. The cut depends on the seed, the ids, which photos share a class and which share a
    group; not on the order of the photos, nor on how classes and groups are numbered. Repeat r
    is the same however many repeats follow.

    Raises DataError, with what to do, where the photos do not allow it.
    """
    image = list(image)
    check_cut(label, group, image, folds, classes)
    order = np.array(sorted(range(len(image)), key=image.__getitem__), dtype=np.int64)
    y, g = numbered(label[order]), numbered(group[order])
    cuts = []
    for repeat in range(repeats):
        number = np.empty(len(order), dtype=np.int64)
        number[order] = assign_folds(y, g, folds, np.random.default_rng([seed, repeat]))
        cut = as_folds(number, folds)
        for fold in cut:
            lost = np.setdiff1d(label, label[fold.train])
            if len(lost):
                raise DataError(
                    f"{named(lost[0], classes)} shares its groups with other classes in such a "
                    f"way that no {folds} folds were found whose training sides all hold it. "
                    "Add photos of it from other scenes, or use more folds."
                )
        cuts.append(cut)
    return cuts


def given_split(
    split: Sequence[str | None],
    label: NDArray[np.int64],
    group: NDArray[np.int64],
    *,
    names: Sequence[str],
    classes: Sequence[str] = (),
) -> Fold:
    """Return the split that came with the data: 'train' and 'val' train, 'test' tests.

    label, group: (n,) int64 codes; names: what a photo is called in messages (its path);
    classes: as in `cross_validation`.

    Raises DataError for a photo without a split or with an unknown one, for a group on both
    sides, for an empty test side, and for a class that one of the sides lacks: what was not
    trained on cannot be answered, what is not tested has no score.
    """
    unknown = [i for i, side in enumerate(split) if side not in ("train", "val", "test")]
    if unknown:
        raise DataError(
            f"{len(unknown)} of {len(split)} photos are in none of train, val and test "
            f"({listed([names[i] for i in unknown])}). Give them a split, or compare with "
            "--split cv."
        )
    is_test = np.array([side == "test" for side in split], dtype=np.bool_)
    if not is_test.any():
        raise DataError(
            "The given split has no test photo. Import a test/ folder or a `split` column that "
            "holds 'test', or compare with --split cv."
        )
    fold = Fold(np.flatnonzero(~is_test), np.flatnonzero(is_test))
    shared = np.intersect1d(group[fold.train], group[fold.test])
    if len(shared):
        both = listed([names[i] for i in range(len(names)) if group[i] == shared[0]])
        raise DataError(
            f"{len(shared)} group(s) of photos that belong together are on both sides of the given "
            f"split, which would inflate every score; for instance {both}. Move each group to one "
            "side, or compare with --split cv."
        )
    known = range(len(classes)) if classes else np.unique(label)
    for side, rows in (("train or val", fold.train), ("test", fold.test)):
        lost = np.setdiff1d(known, label[rows])
        if len(lost):
            raise DataError(
                f"{named(lost[0], classes)} has no {side} photo in the given split. Add some, or "
                "compare with --split cv."
            )
    return fold


def assign_folds(
    label: NDArray[np.int64], group: NDArray[np.int64], folds: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the number of the fold, (n,) int64 in [0, folds), that tests each photo.

    Made small: the sum over folds and classes of (photos of the class in the fold)^2 / (photos
    of the class), plus the same for all photos together; so a rare class is spread as carefully
    as a common one. Above that: no fold holds all photos of a class that has two groups, and
    no fold is empty, if there are that many groups. With groups of one photo, class counts of
    two folds differ by at most 1. Costs about 10 ms for 400 photos.
    """
    y, g = numbered(label), numbered(group)
    table = np.zeros((g.max() + 1, y.max() + 1), dtype=np.int64)
    np.add.at(table, (g, y), 1)
    shuffled = rng.permutation(len(table))
    dealt = deal(table[shuffled], folds, rng)
    even_out(table[shuffled], dealt, folds)
    fold = np.empty(len(table), dtype=np.int64)
    fold[shuffled] = dealt
    return fold[g]


def as_folds(number: NDArray[np.int64], folds: int) -> list[Fold]:
    """Turn the number of the fold that tests each photo, (n,), into the folds."""
    return [Fold(np.flatnonzero(number != f), np.flatnonzero(number == f)) for f in range(folds)]


def deal(table: NDArray[np.int64], folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Deal groups, largest first, each to the fold that it makes the least uneven."""
    weighted = weigh(table)
    held = np.zeros((folds, weighted.shape[1]))
    fold = np.empty(len(table), dtype=np.int64)
    for i in np.argsort(-table.sum(axis=1), kind="stable"):
        rise = held @ weighted[i]
        equal = np.flatnonzero(rise <= rise.min() + 1e-9)
        fold[i] = equal[rng.integers(len(equal))]
        held[fold[i]] += weighted[i]
    return fold


def even_out(table: NDArray[np.int64], fold: NDArray[np.int64], folds: int) -> None:
    """Move and swap groups between folds, best first, until nothing gets better. In place."""
    kinds = Kinds(table)
    steps: dict[tuple[int, int], tuple[float, int, int]] = {}  # the best one of each two folds
    while True:
        for a, b in itertools.combinations(range(folds), 2):
            if (a, b) not in steps:
                steps[a, b] = kinds.best_step(fold == a, fold == b)
        a, b = min(steps, key=lambda pair: steps[pair][0])
        change, out, back = steps[a, b]
        if change > -1e-9:
            return
        leaving = np.flatnonzero((fold == a) & (kinds.of == out))[:1]
        coming = np.flatnonzero((fold == b) & (kinds.of == back))[:1]
        fold[leaving], fold[coming] = b, a
        steps = {pair: step for pair, step in steps.items() if not {a, b} & set(pair)}


class Kinds:
    """Groups with the same class counts are one kind; kind 0 is 'no group', so that a move is a
    swap with it. Only the MAX_KINDS smallest are tried.
    """

    def __init__(self, table: NDArray[np.int64]) -> None:
        counts, kind = np.unique(table, axis=0, return_inverse=True)
        by_size = np.argsort(counts.sum(axis=1), kind="stable")
        self.of = np.argsort(by_size)[kind.reshape(-1)] + 1  # (groups,) the kind of each
        self.counts = np.vstack([np.zeros_like(counts[:1]), counts[by_size]])[:MAX_KINDS]
        self.table, self.weighted, self.total = table, weigh(table), table.sum(axis=0)
        # What fold a loses to fold b when it gives kind u for kind v: (u, v, classes).
        self.given = self.counts[:, None] - self.counts[None]
        flat = weigh(self.given.reshape(-1, len(self.total)), self.total)
        self.weighted_given = flat.reshape(*self.given.shape[:2], -1)
        self.square = 2 * (self.weighted_given**2).sum(axis=2)
        self.forbidden = 10.0 * table.sum()  # more than any evenness can weigh

    def best_step(self, in_a: NDArray[np.bool_], in_b: NDArray[np.bool_]) -> tuple[float, int, int]:
        """Return (change of the sum, kind that leaves a, kind that leaves b) of the best step.

        in_a, in_b: (groups,) which groups the folds hold.
        """
        pull = self.weighted[in_b].sum(axis=0) - self.weighted[in_a].sum(axis=0)
        change = self.square + 2 * self.weighted_given @ pull
        a, b = self.table[in_a].sum(axis=0), self.table[in_b].sum(axis=0)
        before = (a == self.total).sum() + (b == self.total).sum()
        after = (a - self.given == self.total).sum(axis=2)
        after += (b + self.given == self.total).sum(axis=2)
        change += self.forbidden * (after - before)
        change[~self.held(in_a), :] = np.inf
        change[:, ~self.held(in_b)] = np.inf
        out, back = divmod(int(change.argmin()), len(self.counts))
        return float(change[out, back]), out, back

    def held(self, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
        has = np.bincount(self.of[inside], minlength=len(self.counts))[: len(self.counts)] > 0
        has[0] = True
        return has


def weigh(counts: NDArray[np.int64], total: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """Append the sum over classes, and scale so that squares are shares of a class's photos."""
    total = counts.sum(axis=0) if total is None else total
    whole = np.append(total, total.sum())
    scaled: NDArray[np.float64] = np.column_stack([counts, counts.sum(axis=1)]) / np.sqrt(whole)
    return scaled


def numbered(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number codes anew by first appearance, so that their values do not matter."""
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    renumbered: NDArray[np.int64] = np.argsort(np.argsort(first))[inverse.reshape(-1)]
    return renumbered


def check_cut(
    label: NDArray[np.int64],
    group: NDArray[np.int64],
    image: list[str],
    folds: int,
    classes: Sequence[str],
) -> None:
    """Raise DataError, in one sentence and with the way out, if these folds cannot be cut."""
    if folds < 2:
        raise DataError(f"Cross-validation needs at least 2 folds, not {folds}: use --folds 2.")
    codes = list(range(len(classes))) if classes else [int(c) for c in np.unique(label)]
    photos = {code: int((label == code).sum()) for code in codes}
    groups = {code: len(np.unique(group[label == code])) for code in codes}
    if len(codes) < 2:
        raise DataError(
            "All photos are of one class; a comparison needs at least two. Import photos of "
            "another class."
        )
    if len(set(image)) < len(image):
        twice = next(a for a, b in itertools.pairwise(sorted(image)) if a == b)
        raise DataError(f"Image {twice} is listed twice; list every image once.")
    rarest = min(codes, key=lambda code: (groups[code], photos[code], code))
    name = named(rarest, classes)
    if photos[rarest] < 2:
        raise DataError(
            f"{name} has {photos[rarest]} photo(s), and one photo cannot be both trained on and "
            f"tested. Import at least {folds} photos of it, or leave the class out."
        )
    if groups[rarest] < 2:
        raise DataError(
            f"All {photos[rarest]} photos of {name.lower()} are one group (copies, or one scene), "
            f"which cannot be both trained on and tested. Import at least {folds} photos of other "
            "scenes, or leave the class out."
        )
    if len(image) < folds:
        raise DataError(
            f"{len(image)} photos cannot be cut into {folds} folds: use --folds {groups[rarest]}."
        )
    if groups[rarest] < folds:
        raise DataError(
            f"{name} has {photos[rarest]} photos in {groups[rarest]} groups, fewer groups than the "
            f"{folds} folds: use --folds {groups[rarest]}, or import more photos of it."
        )


def named(code: int, classes: Sequence[str]) -> str:
    return f"Class {classes[code]!r}" if classes else f"Class {code}"


def listed(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
