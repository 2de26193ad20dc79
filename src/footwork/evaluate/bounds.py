"""What can be said of models of which only counts were published: bounds instead of numbers.

Three things are unknown: which of the matrices that fit is the true one, which photos two models
got right together, and whether photos are copies of each other. The first two are bounded, the
third is taken to be no (each photo stands for itself).

The standard error of macro-F1 is that of its linear part, sum of the squared influence of each
photo: with s = answered + support of a class, a photo of class t answered j moves macro-F1 by
(2 [t = j] / s_t - F1_t / s_t - F1_j / s_j) / k (the delta method; the bootstrap of the same
photos agrees, see the tests). For two models on the same photos the influences are subtracted
photo by photo. Which meet is not known, but within a true class the sum of squares is smallest
if both are sorted alike and largest if they are sorted against each other (rearrangement
inequality), so the standard error of the difference lies between these two.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import hypot

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr
from scipy.stats import random_table

from footwork.errors import DataError
from footwork.evaluate.exact import clopper_pearson
from footwork.evaluate.intervals import FEW_GROUPS
from footwork.evaluate.published import Published
from footwork.evaluate.reach import SMALL_CLASS, Reach, class_by_class, of_all
from footwork.evaluate.tiers import exact_mcnemar, holm, pair_table, tiers
from footwork.scores import Floats, accuracy, f1, macro_f1, recall, tally

SHUFFLES = 200_000  # shared by all margins: a p of 0.05 of one margin is then sure to 0.001
FEWEST_SHUFFLES = 20_000  # per margin: sure to 0.003


@dataclass(frozen=True)
class Range:
    """The lowest and the highest value over all that fits."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Floats) -> "Range":
        return cls(float(values.min()), float(values.max()))


@dataclass(frozen=True)
class PublishedScores:
    """One model. interval: from the lowest low to the highest high of the 95 % intervals.

    right: photos answered rightly. p_guessing: one-sided p of so high a macro-F1 if answers had
    nothing to do with the labels, at the most and the least favourable matrix. tier: among the
    models on the same number of photos per class; None where there is no other.
    """

    published: Published
    right: Range
    accuracy: Range
    macro_f1: Range
    interval: Range
    p_guessing: Range
    tier: int | None


@dataclass(frozen=True)
class PublishedPair:
    """Two models on equally many photos per class, taken to be the same photos.

    difference: macro-F1 of a minus that of b. interval, p_unpaired: as if the photos were
    others. p: two-sided, from the most to the least favourable pairing and matrices. mcnemar: the
    same for the exact test of equal accuracy. p_corrected: the least favourable p, corrected for
    all pairs.
    """

    a: str
    b: str
    difference: Range
    interval: Range
    p_unpaired: Range
    p: Range
    mcnemar: Range
    p_corrected: float


@dataclass(frozen=True)
class PublishedBoard:
    """scores: best middle of macro-F1 first; pairs: of those on equally many photos per class."""

    scores: tuple[PublishedScores, ...]
    pairs: tuple[PublishedPair, ...]


def published_board(models: Sequence[Published], *, seed: int = 0) -> PublishedBoard:
    """Bound the scores of published models and the differences between them.

    The same seed gives the same answer, in whatever order models and classes come. Raises
    DataError if two models have one name.
    """
    names = [model.name for model in models]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(f"Two models are called {twice[0]}; rename one of the files.")
    ordered = sorted(models, key=lambda model: (-middle(macro(model)), model.name))
    same: dict[tuple[tuple[str, int], ...], list[Published]] = {}
    for model in ordered:
        same.setdefault(photos_per_class(model), []).append(model)
    pairs: list[PublishedPair] = []
    tier: dict[str, int] = {}
    for group in same.values():
        if len(group) > 1:
            raw = [compared(a, b) for a, b in combinations(group, 2)]
            corrected = holm(np.array([pair.p.high for pair in raw]))
            levels = tiers(pair_table(corrected, len(group)))
            tier |= {model.name: level for model, level in zip(group, levels, strict=True)}
            pairs += [
                replace(pair, p_corrected=float(p)) for pair, p in zip(raw, corrected, strict=True)
            ]
    return PublishedBoard(
        tuple(scored(model, tier.get(model.name), seed) for model in ordered), tuple(pairs)
    )


def photos_per_class(model: Published) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(zip(model.classes, model.support.tolist(), strict=True)))


def macro(model: Published) -> Floats:
    """(g,) macro-F1 of every matrix that fits."""
    return macro_f1(tally(model.matrices))


def middle(values: Floats) -> float:
    return float((values.min() + values.max()) / 2)


def scored(model: Published, tier: int | None, seed: int) -> PublishedScores:
    counts = tally(model.matrices)
    value, error = macro_f1(counts), np.sqrt((influences(model) ** 2).sum(axis=1))
    far = reach_of(model).errors
    low, high = np.clip(
        np.array(
            [
                ends(v, far * e, matrix)
                for v, e, matrix in zip(value, error, model.matrices, strict=True)
            ]
        ).T,
        0,
        1,
    )
    return PublishedScores(
        published=model,
        right=Range.of(counts.hits.sum(axis=1)),
        accuracy=Range.of(accuracy(counts)),
        macro_f1=Range.of(value),
        interval=Range(float(low.min()), float(high.max())),
        p_guessing=Range.of(p_guessing(model, seed)),
        tier=tier,
    )


def reach_of(model: Published) -> Reach:
    """How far intervals reach, as for fixed models in evaluate.intervals."""
    return class_by_class(model.support, of_all(model.photos, len(model.classes)))


def influences(model: Published) -> Floats:
    """Return how much each photo moves macro-F1, sorted within its true class: (g, photos).

    The classes come in the order of their names, so that two models can be laid side by side.
    """
    order = np.argsort(np.array(model.classes, dtype=object), kind="stable")
    matrices = model.matrices[:, order][:, :, [*order, len(order)]]
    counts, k = tally(matrices), len(order)
    size = counts.answered + counts.support
    lost = f1(counts) / size  # (g, k): what one more photo or answer of the class costs
    lost_by_answer = np.concatenate([lost, np.zeros((len(matrices), 1))], axis=1)
    moved = -(lost[:, :, None] + lost_by_answer[:, None, :])
    moved[:, np.arange(k), np.arange(k)] += 2 / size
    moved /= k
    laid = np.empty((len(matrices), model.photos))
    for g, matrix in enumerate(matrices):
        rows = [np.sort(np.repeat(moved[g, t], matrix[t])) for t in range(k)]
        laid[g] = np.concatenate(rows)
    return laid


def ends(value: float, half: float, matrix: NDArray[np.int64]) -> tuple[float, float]:
    """Return the interval of one matrix: `half` to either side, and what is done at the edges in
    evaluate.intervals.
    """
    counts = tally(matrix)
    right, total = int(counts.hits.sum()), int(counts.support.sum())
    few = min(right, total - right) < FEW_GROUPS
    every = exact_reach(matrix, total + 1) if few else (0.0, 0.0)
    down, up = (
        max(hypot(half, small), least)
        for small, least in zip(exact_reach(matrix, SMALL_CLASS), every, strict=True)
    )
    return value - down, value + up


def exact_reach(matrix: NDArray[np.int64], fewer_than: int) -> tuple[float, float]:
    """Return how far down and up the exact bounds of classes of fewer photos reach."""
    counts = tally(matrix)
    reach = np.zeros((len(counts.support), 2))
    for k, (share, photos) in enumerate(zip(recall(counts), counts.support, strict=True)):
        if photos < fewer_than:
            low, high = clopper_pearson(float(share), float(photos))
            reach[k] = share - low, high - share
    down, up = np.sqrt((reach**2).sum(axis=0)) / len(reach)
    return float(down), float(up)


def p_guessing(model: Published, seed: int) -> Floats:
    """(g,) p of the macro-F1 of every matrix against answers dealt out at random.

    The answers keep their counts and lose their photos: a permutation test, exact but for
    the number of draws, since the model never saw the labels of these photos.
    """
    order = np.argsort(np.array(model.classes, dtype=object), kind="stable")
    matrices = model.matrices[:, order][:, :, [*order, len(order)]]
    value = macro_f1(tally(matrices))
    margins, which = np.unique(matrices.sum(axis=1), axis=0, return_inverse=True)
    draws = max(FEWEST_SHUFFLES, SHUFFLES // len(margins))
    p = np.empty(len(value))
    for i, margin in enumerate(margins):
        drawn = random_table(matrices[0].sum(axis=1), margin, seed=np.random.default_rng(seed))
        dealt = macro_f1(tally(drawn.rvs(draws).astype(np.int64)))
        for g in np.flatnonzero(which == i):
            p[g] = (1 + int((dealt >= value[g] - 1e-12).sum())) / (1 + draws)
    return p


def compared(a: Published, b: Published) -> PublishedPair:
    """Bound the difference of two models over all matrices that fit and all pairings."""
    first, second = influences(a), influences(b)
    against = second[:, against_order(b)]
    gap = np.subtract.outer(macro(a), macro(b))
    apart = np.add.outer((first**2).sum(axis=1), (second**2).sum(axis=1))
    alike = apart - 2 * first @ second.T
    unlike = apart - 2 * first @ against.T
    reach = reach_of(a)
    p_unpaired = two_sided(gap, apart, reach)
    # Swapping the answers of the d photos on which two models differ gives 2^d equally likely
    # boards, so no paired test of d photos has a p below 2 / 2^d.
    p_best = np.maximum(two_sided(gap, alike, reach), 2.0 ** (1 - fewest_differing(a, b)))
    half = reach.errors * np.sqrt(apart)
    return PublishedPair(
        a=a.name,
        b=b.name,
        difference=Range.of(gap),
        interval=Range(float((gap - half).min()), float((gap + half).max())),
        p_unpaired=Range.of(p_unpaired),
        p=Range(float(np.minimum(p_best, 1).min()), float(two_sided(gap, unlike, reach).max())),
        mcnemar=mcnemar_bounds(a, b),
        p_corrected=1.0,
    )


def against_order(model: Published) -> NDArray[np.int64]:
    """(photos,) the order of `influences` turned round within each class."""
    _, sizes = zip(*photos_per_class(model), strict=True)
    ends = np.cumsum(sizes)
    return np.concatenate(
        [np.arange(end - 1, end - n - 1, -1) for end, n in zip(ends, sizes, strict=True)]
    )


def two_sided(gap: Floats, variance: Floats, reach: Reach) -> Floats:
    error = reach.inflation * np.sqrt(np.maximum(variance, 0))
    z = np.divide(np.abs(gap), error, out=np.full(gap.shape, np.inf), where=error > 1e-12)
    z[np.abs(gap) < 1e-12] = 0
    return np.asarray(2 * stdtr(reach.freedom, -z))


def fewest_differing(a: Published, b: Published) -> Floats:
    """(g_a, g_b) the photos that two matrices cannot but answer differently."""
    where = [a.classes.index(name) for name in b.classes]
    mine = a.matrices[:, where][:, :, [*where, len(a.classes)]].reshape(len(a.matrices), -1)
    theirs = b.matrices.reshape(len(b.matrices), -1)
    alike = np.empty((len(mine), len(theirs)))
    for i, cells in enumerate(mine):
        alike[i] = np.minimum(cells, theirs).sum(axis=1)
    return a.photos - alike


def mcnemar_bounds(a: Published, b: Published) -> Range:
    """Bound the exact McNemar p over all hits that fit and all pairings within classes."""
    where = [a.classes.index(name) for name in b.classes]
    mine = np.unique(tally(a.matrices).hits[:, where], axis=0)
    theirs = np.unique(tally(b.matrices).hits, axis=0)
    seen: set[tuple[int, int]] = set()
    for hits in mine:
        gap = hits - theirs  # (h, k)
        only_a, only_b = np.maximum(gap, 0).sum(axis=1), np.maximum(-gap, 0).sum(axis=1)
        shared = np.minimum(hits, theirs)
        # As unlike as can be: photos that both get right are traded for photos that both miss.
        traded = np.minimum(shared, b.support - np.maximum(hits, theirs)).sum(axis=1)
        seen |= set(zip(only_a.tolist(), only_b.tolist(), strict=True))
        seen |= set(zip((only_a + traded).tolist(), (only_b + traded).tolist(), strict=True))
    p = np.array([exact_mcnemar(one, other) for one, other in sorted(seen)])
    return Range.of(p)
