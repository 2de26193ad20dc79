"""How sure a score is: resampling of whole groups, the same for every entry.

What is estimated
-----------------
kind 'recipe' (cross-validation): the expected score of this recipe on fresh photos of this
kind, when trained on (k - 1) / k of as many groups. A score is the mean over the repeats of
the score of each repeat. Its standard error comes from resampling whole groups, the same
groups in every repeat, and is widened by sqrt(2): the variance that the test photos bring is
taken twice, once more for the training photos, which the folds share and which resampling of
finished answers cannot see (alone it covers 75 to 92 % at 60 photos, simulated).

kind 'model' (one given split, or an external test set): the score of these very models on
fresh photos. The group bootstrap is right for that; nothing is widened.

What is done because there are few photos
-----------------------------------------
- The standard error of a score is taken with one pretended group of each class that is
  answered rightly and one that is answered wrongly, of the mean size, resampled among
  themselves and added to every resample (after Agresti and Caffo 2000, doi:10.2307/2685779,
  who add one success and one failure to each sample). They keep a score that is low by bad
  luck, a class never hit, from looking certain. The value itself is without them, and so is
  the standard error of a difference.
- The G groups are all there is: the error is multiplied by sqrt((G + 2 k) / G), which takes
  back what the 2 k pretended ones seem to add, and the interval reaches as many standard errors
  as Student's t with G - k degrees of freedom asks for.
- Of all rules tried this was the narrowest that covered at least 93 % of recipes wherever it was
  simulated (of fixed models 92 %); `docs/statistics.md` has the figures,
  `bench/coverage_of_intervals.py` makes them. The widening is a working rule in the spirit of
  Nadeau and Bengio 2003,
  doi:10.1023/A:1024068626366: for a head that has settled (1,000 photos, ten features) it is
  more than is needed.

Both intervals are value +- standard errors, clipped to [0, 1]: unlike percentiles they contain
the value even where the bootstrap is biased, as it is for macro-F1 of few photos.

What is done at the edges
-------------------------
- Hardly a mistake. If fewer than 6 groups hold a wrong answer, or fewer than 6 a right one, or
  all resamples score the same, the interval reaches at least as far as the exact
  (Clopper-Pearson) bounds of the share of right groups, so a perfect score never has the
  interval [1, 1]. For accuracy the share is taken over all groups. For means over k classes it
  is taken per class, a class's bound counts 1 / k, and they are added as the root of the sum of
  squares (Zou and Donner 2008, doi:10.1002/sim.3095, recover the interval of a sum from the
  bounds of its parts this way). These bounds are not widened.
- A class of fewer than 5 groups has its exact bound added always, in the same way.
- Hardly a difference. Where fewer than 6 groups are answered differently, the exact bound of
  that share is added to the interval of the difference, since no difference of accuracies can
  exceed it. (6, because with 5 against 0 even the exact McNemar test has p = 0.06: no
  approximation should find more.)
- A class that vanishes from a resample counts 0 in that resample, as in scikit-learn. This
  happens often to a class of a few groups only, about which little is known, and it widens
  the interval. Resampling within classes instead would give such a class (n - 1) / n of its
  variance, and treat the proportions of the classes as given.
- A single group says nothing about other groups: the interval is [0, 1] ([-1, 1]).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import hypot, sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import betaincinv, stdtrit

from footwork.errors import DataError, nearest
from footwork.predictions import NO_ANSWER, Predictions
from footwork.records import Estimate
from footwork.scores import METRICS, Floats, Metric, Tally, confusions, tally

Kind = Literal["recipe", "model"]

DRAWS = 2000  # the standard error then has a Monte Carlo error of 1.6 %: 1 / sqrt(2 * DRAWS)
Z = 1.959964  # two-sided 95 %
WIDENING = sqrt(2)  # of a recipe's standard error, see above
FEW_GROUPS, SMALL_CLASS = 6, 5  # see "Hardly a mistake" above
MANY_CLASSES = 20  # above, skipping the zeros of the counts is faster: 5x at 100 classes
BLOCK = 4_000_000  # numbers per block of work: 32 MB as float64


@dataclass(frozen=True)
class Resampled:
    """One entry's answers, and its scores under every resample.

    answers: (repeats, photos), class indices or NO_ANSWER. confusion: (repeats, k, k + 1)
    counts. draws: per metric (draws,), the mean over repeats under each resample of groups;
    smoothed: the same with the pretended groups of the module's docstring.
    """

    answers: NDArray[np.int32]
    confusion: NDArray[np.int64]
    draws: Mapping[Metric, Floats]
    smoothed: Mapping[Metric, Floats]

    def value(self, metric: Metric) -> float:
        """The mean over repeats of the score of each repeat."""
        return float(METRICS[metric](tally(self.confusion)).mean())


class GroupBootstrap:
    """Scores and differences of the entries of one table, all under the same group resamples.

    The resamples depend on the seed and on the names of the groups only: not on the order of
    rows or photos, and not on which other entries there are. An entry's resamples are computed
    when it is first asked for, and kept.

    Raises DataError for an empty table, for a class without photos, and for kind 'recipe' with
    fewer than two folds.
    """

    def __init__(
        self, predictions: Predictions, *, kind: Kind, seed: int, draws: int = DRAWS
    ) -> None:
        if not len(predictions):
            raise DataError("The table of predictions is empty: there is nothing to score.")
        if kind == "recipe" and predictions.folds < 2:
            raise DataError(
                "These predictions come from a single fold: they can say how good these models "
                "are, not how good their recipe is (kind 'model')."
            )
        photos, k = predictions.photos, len(predictions.classes)
        self.predictions = predictions
        self.kind = kind
        self.seed = seed
        self.widening = WIDENING if kind == "recipe" else 1.0
        codes, group = np.unique(photos.group, return_inverse=True)
        # Groups in the order of their names, so that the order of photos does not matter.
        names = np.array([photos.group_name[code] for code in codes], dtype=object)
        self.group = np.argsort(np.argsort(names, kind="stable"))[group]
        self.groups = len(codes)
        truth = np.zeros((self.groups, k))
        np.add.at(truth, (self.group, photos.label), 1)
        self.weights = np.empty((draws, self.groups), dtype=np.uint16)
        self.support = np.empty((draws, k))
        for part, weights in group_weights(self.groups, seed, draws):
            self.weights[part] = weights
            self.support[part] = weights @ truth
        self.groups_per_class = (truth > 0).sum(axis=0)
        self.pretended = pretended_groups(predictions, seed, draws) * len(photos) / self.groups
        self.index = {name.entry: i for i, name in enumerate(predictions.entries)}
        self.kept: dict[str, Resampled] = {}

    def entry(self, entry: str) -> Resampled:
        """Return the scores of the entry with this hash under every resample."""
        if entry not in self.kept:
            if entry not in self.index:
                raise DataError(
                    f"There is no entry {entry} among these predictions; "
                    f"{nearest(entry, self.index)}"
                )
            answers = self.predictions.answers(self.index[entry]).astype(np.int32)
            confusion = confusions(self.predictions.photos.label, answers, self.predictions.classes)
            self.kept[entry] = Resampled(answers, confusion, *self.resample(answers))
        return self.kept[entry]

    @property
    def freedom(self) -> int:
        """Degrees of freedom of a standard error."""
        return max(self.groups - len(self.predictions.classes), 1)

    @property
    def reach(self) -> float:
        """How many standard errors a 95 % interval reaches to either side; near 2."""
        inflation = sqrt(1 + 2 * len(self.predictions.classes) / self.groups)
        return inflation * float(stdtrit(self.freedom, 0.975))

    def estimate(self, entry: str, metric: Metric = "macro_f1") -> Estimate:
        """Return an entry's score with its 95 % interval, all in [0, 1]."""
        value = self.entry(entry).value(metric)
        if self.groups < 2:
            return Estimate(value=value, low=0.0, high=1.0)
        half = self.reach * self.smoothed_error(entry, metric)
        small, least = self.added(entry, metric)
        return Estimate(
            value=value,
            low=max(value - max(hypot(half, small[0]), least[0]), 0.0),
            high=min(value + max(hypot(half, small[1]), least[1]), 1.0),
        )

    def difference(self, a: str, b: str, metric: Metric = "macro_f1") -> Estimate:
        """Return the score of a minus that of b with its paired 95 % interval, in [-1, 1]."""
        value = self.entry(a).value(metric) - self.entry(b).value(metric)
        if self.groups < 2:
            return Estimate(value=value, low=-1.0, high=1.0)
        half = self.reach * self.standard_error(a, b, metric=metric)
        half = hypot(half, self.added_between(a, b, metric))
        return Estimate(value=value, low=max(value - half, -1.0), high=min(value + half, 1.0))

    def added(
        self, entry: str, metric: Metric = "macro_f1"
    ) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return how far down and up exact bounds reach: of small classes, and at least of all.

        The second pair is 0, 0 unless there is hardly a mistake (or hardly a right answer).
        """
        right = self.entry(entry).answers == self.predictions.photos.label
        few = min(self.touched(right), self.touched(~right)) < FEW_GROUPS
        few = few or self.standard_error(entry, metric=metric) == 0
        small = self.exact(right, metric, everywhere=False)
        return small, self.exact(right, metric, everywhere=True) if few else (0.0, 0.0)

    def added_between(self, a: str, b: str, metric: Metric = "macro_f1") -> float:
        """Return how far an exact bound reaches that is added to the difference of a and b."""
        differ = self.entry(a).answers != self.entry(b).answers
        few = self.touched(differ) < FEW_GROUPS or self.standard_error(a, b, metric=metric) == 0
        return self.exact(differ, metric, everywhere=few, from_zero=True)[1]

    def smoothed_error(self, entry: str, metric: Metric = "macro_f1") -> float:
        """Return the widened standard error of a score, with the pretended groups."""
        return self.widening * float(self.entry(entry).smoothed[metric].std(ddof=1))

    def standard_error(self, a: str, b: str | None = None, metric: Metric = "macro_f1") -> float:
        """Return the widened standard error of a's score, or of a's minus b's."""
        draws = self.entry(a).draws[metric]
        if b is not None:
            draws = draws - self.entry(b).draws[metric]
        # Equal draws must give exactly 0; their mean may be off by a rounding.
        return self.widening * float(draws.std(ddof=1)) if np.ptp(draws) > 1e-12 else 0.0

    def exact(
        self,
        cells: NDArray[np.bool_],
        metric: Metric,
        *,
        everywhere: bool,
        from_zero: bool = False,
    ) -> tuple[float, float]:
        """Return how far down and up the exact bounds reach; see "What is done at the edges".

        cells: (repeats, photos), True where right (or different). everywhere: add the bounds
        of all classes, not only of small ones. from_zero: reach up from 0 instead
        of from the share.
        """
        label, k = self.predictions.photos.label, len(self.predictions.classes)
        # Whole numbers until the last division: the order of photos must not move a digit.
        per_photo = cells.sum(axis=0)
        if metric == "accuracy":
            parts = [(per_photo.sum() / cells.size, self.groups)]
        else:
            counts = np.bincount(label, minlength=k) * len(cells)
            shares = np.bincount(label, per_photo, minlength=k) / counts
            parts = list(zip(shares, self.groups_per_class, strict=True))
        reach = np.zeros((len(parts), 2))
        for i, (share, groups) in enumerate(parts):
            if everywhere or groups < SMALL_CLASS:
                low, high = clopper_pearson(float(share), groups)
                reach[i] = share - low, high if from_zero else high - share
        down, up = np.sqrt((reach**2).sum(axis=0)) / len(parts)
        return float(down), float(up)

    def touched(self, cells: NDArray[np.bool_]) -> int:
        """Count the groups that have a True among their (repeats, photos) cells."""
        return len(np.unique(self.group[cells.any(axis=0)]))

    def resample(
        self, answers: NDArray[np.int32]
    ) -> tuple[dict[Metric, Floats], dict[Metric, Floats]]:
        """Return the mean over repeats of every metric under every resample; plain and smoothed."""
        plain = {metric: np.zeros(len(self.weights)) for metric in METRICS}
        smoothed = {metric: np.zeros(len(self.weights)) for metric in METRICS}
        for part, of_draw in self.tallies(answers):
            more = self.with_pretended(of_draw, part)
            for metric, score in METRICS.items():
                plain[metric][part] += score(of_draw).sum(axis=1)
                smoothed[metric][part] += score(more).sum(axis=1)
        repeats = len(answers)
        return (
            {metric: sums / repeats for metric, sums in plain.items()},
            {metric: sums / repeats for metric, sums in smoothed.items()},
        )

    def tallies(self, answers: NDArray[np.int32]) -> Iterator[tuple[slice, Tally]]:
        """Yield the counts of (repeats, photos) answers under some resamples, repeats in blocks.

        Counts per group, repeat and class, times the groups' weights, are the counts of a
        resample. They are whole numbers far below 2**24, so float32 products are exact and
        neither blocks nor threads change a digit. Each is the slice of the resamples and a
        Tally of (resamples, repeats of the block, k).
        """
        repeats, k = len(answers), len(self.predictions.classes)
        at_once = max(1, BLOCK // (2 * k * self.groups))
        for start in range(0, repeats, at_once):
            block = answers[start : start + at_once]
            right = np.where(block == self.predictions.photos.label, block, NO_ANSWER)
            counts = np.concatenate([self.counts(block), self.counts(right)], axis=1)
            rows = max(1, BLOCK // max(counts.shape))
            if k > MANY_CLASSES:
                counts = csr_array(counts)
            for first in range(0, len(self.weights), rows):
                part = slice(first, first + rows)
                sums = self.weights[part].astype(np.float32) @ counts
                answered, hits = np.split(sums.astype(np.float64), 2, axis=1)
                shape = (len(sums), len(block), k)
                support = self.support[part, None, :]
                yield part, Tally(hits.reshape(shape), answered.reshape(shape), support)

    def with_pretended(self, counted: Tally, part: slice) -> Tally:
        """Add the pretended groups to the (draws, repeats, k) counts of some resamples."""
        right, wrong = self.pretended[0, part, None, :], self.pretended[1, part, None, :]
        k = right.shape[-1]
        spread = (wrong.sum(axis=-1, keepdims=True) - wrong) / (k - 1)  # over the other classes
        return Tally(
            counted.hits + right,
            counted.answered + right + spread,
            counted.support + right + wrong,
        )

    def counts(self, answers: NDArray[np.int32]) -> NDArray[np.float32]:
        """Count a group's answers per repeat and class: (groups, repeats * k)."""
        repeats, k = len(answers), len(self.predictions.classes)
        cell = (self.group * repeats + np.arange(repeats)[:, None]) * k + answers
        size = self.groups * repeats * k
        counted = np.bincount(cell[answers != NO_ANSWER], minlength=size)
        return counted.reshape(self.groups, repeats * k).astype(np.float32)


def paired_difference(
    predictions: Predictions,
    a: str,
    b: str,
    *,
    kind: Kind,
    seed: int,
    metric: Metric = "macro_f1",
) -> Estimate:
    """Return the score of entry a minus that of entry b with its paired 95 % interval.

    a, b: entry hashes. Both are scored under the same resamples of groups, so what they find
    equally hard cancels out; the standard error is widened by sqrt(2) as that of a score is. The
    interval is for one comparison that was chosen beforehand: nothing is corrected here.
    """
    return GroupBootstrap(predictions, kind=kind, seed=seed).difference(a, b, metric)


def group_weights(groups: int, seed: int, draws: int) -> Iterator[tuple[slice, NDArray[np.int64]]]:
    """Yield blocks of rows of a (draws, groups) table: how often each draw takes each group.

    Each draw takes `groups` groups with replacement.
    """
    rng = np.random.default_rng([seed, 1])  # 1: the floors draw from the same seed as 2
    rows = max(1, BLOCK // groups)
    for start in range(0, draws, rows):
        count = min(rows, draws - start)
        drawn = rng.integers(groups, size=(count, groups))
        drawn += np.arange(count)[:, None] * groups
        weights = np.bincount(drawn.ravel(), minlength=count * groups)
        yield slice(start, start + count), weights.reshape(count, groups)


def pretended_groups(predictions: Predictions, seed: int, draws: int) -> Floats:
    """Return how often each draw takes the pretended groups, (2, draws, k): right ones, wrong ones.

    2 k of the 2 k are drawn. The classes take their turns by name, so that their order in the
    table does not matter.
    """
    k = len(predictions.classes)
    rng = np.random.default_rng([seed, 3])  # 1: the resamples of groups, 2: the floors
    drawn = rng.multinomial(2 * k, np.full(2 * k, 1 / (2 * k)), size=draws).reshape(draws, 2, k)
    by_name = np.argsort(np.argsort(np.array(predictions.classes, dtype=object)))
    return drawn[:, :, by_name].transpose(1, 0, 2).astype(np.float64)


def clopper_pearson(share: float, n: float) -> tuple[float, float]:
    """Return the exact two-sided 95 % interval of a share of n independent trials.

    n and share * n need not be whole: the beta quantiles that bound them are defined anyway.
    Source: Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404.
    """
    right, wrong = share * n, (1 - share) * n
    low = float(betaincinv(right, wrong + 1, 0.025)) if right > 0 else 0.0
    high = float(betaincinv(right + 1, wrong, 0.975)) if wrong > 0 else 1.0
    return low, high
