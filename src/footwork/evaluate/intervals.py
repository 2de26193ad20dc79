"""How sure a score is: resampling of whole groups, the same for every entry.

What is estimated
-----------------
kind 'recipe' (cross-validation): the expected score of this recipe on fresh photos of this
kind, when trained on (k - 1) / k of as many groups. A score is the mean over the repeats of
the score of each repeat. Its standard error comes from resampling whole groups, the same
groups in every repeat, and is widened by sqrt(1 + k / (k - 1)): the k folds share training
photos, so their errors go together, which resampling alone cannot see (it covers 80 to 89 %
at 60 photos, simulated). The factor is a working rule in the spirit of Nadeau and Bengio 2003,
doi:10.1023/A:1024068626366; at 300 photos it is more than is needed.

kind 'model' (one given split, or an external test set): the score of these very models on
fresh photos. The plain group bootstrap is right for that; nothing is widened.

Both intervals are value +- 1.96 standard errors, clipped to [0, 1]: unlike percentiles they
contain the value even where the bootstrap is biased, as it is for macro-F1 of few photos.

What is done at the edges
-------------------------
- Few groups. The bootstrap cannot see what it never drew: if no group is answered wrongly, the
  standard error is 0. So where it is 0, or fewer than 6 groups hold a wrong answer, or fewer
  than 6 a right one, the exact (Clopper-Pearson) bounds of the share of right groups are added
  to the 1.96 standard errors, as the root of the sum of squares. For accuracy that share is
  taken over all groups. For means over k classes it is taken per class, and a class's bound
  counts 1 / k; a class of fewer than 6 groups has its bound added always (Zou and Donner 2008,
  doi:10.1002/sim.3095, recover the interval of a sum from the bounds of its parts this way).
  So a perfect score never has the interval [1, 1]. These bounds are not widened: simulated,
  they cover 97 % and more where they are used, 45/11/4 photos a class included. For a
  difference the share is that of the groups that the two entries answer differently, since no
  difference of accuracies can exceed it. (6, because with 5 against 0 even the exact McNemar
  test has p = 0.06: no approximation should find more.)
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
from scipy.special import betaincinv

from footwork.errors import DataError, nearest
from footwork.predictions import NO_ANSWER, Predictions
from footwork.records import Estimate
from footwork.scores import METRICS, Floats, Metric, Tally, confusions, tally

Kind = Literal["recipe", "model"]

DRAWS = 2000  # the standard error then has a Monte Carlo error of 1.6 %: 1 / sqrt(2 * DRAWS)
Z = 1.959964  # two-sided 95 %
FEW_GROUPS = 6  # see "Few groups" above
MANY_CLASSES = 20  # above, skipping the zeros of the counts is faster: 5x at 100 classes
BLOCK = 4_000_000  # numbers per block of work: 32 MB as float64


@dataclass(frozen=True)
class Resampled:
    """One entry's answers, and its scores under every resample.

    answers: (repeats, photos), class indices or NO_ANSWER. confusion: (repeats, k, k + 1)
    counts. draws: per metric (draws,), the mean over repeats under each resample of groups.
    """

    answers: NDArray[np.int32]
    confusion: NDArray[np.int64]
    draws: Mapping[Metric, Floats]

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
        folds = predictions.folds
        self.widening = sqrt(1 + folds / (folds - 1)) if kind == "recipe" else 1.0
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
            self.kept[entry] = Resampled(answers, confusion, self.resample(answers))
        return self.kept[entry]

    def estimate(self, entry: str, metric: Metric = "macro_f1") -> Estimate:
        """Return an entry's score with its 95 % interval, all in [0, 1]."""
        one = self.entry(entry)
        value = one.value(metric)
        if self.groups < 2:
            return Estimate(value=value, low=0.0, high=1.0)
        error = self.standard_error(entry, metric=metric)
        right = one.answers == self.predictions.photos.label
        few = error == 0 or min(self.touched(right), self.touched(~right)) < FEW_GROUPS
        down, up = self.exact(right, metric, everywhere=few)
        return Estimate(
            value=value,
            low=max(value - hypot(Z * error, down), 0.0),
            high=min(value + hypot(Z * error, up), 1.0),
        )

    def difference(self, a: str, b: str, metric: Metric = "macro_f1") -> Estimate:
        """Return the score of a minus that of b with its paired 95 % interval, in [-1, 1]."""
        one, other = self.entry(a), self.entry(b)
        value = one.value(metric) - other.value(metric)
        if self.groups < 2:
            return Estimate(value=value, low=-1.0, high=1.0)
        error = self.standard_error(a, b, metric=metric)
        differ = one.answers != other.answers
        few = error == 0 or self.touched(differ) < FEW_GROUPS
        _, more = self.exact(differ, metric, everywhere=few, from_zero=True)
        half = hypot(Z * error, more)
        return Estimate(value=value, low=max(value - half, -1.0), high=min(value + half, 1.0))

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
        """Return how far down and up the exact bounds reach; see "Few groups" above.

        cells: (repeats, photos), True where right (or different). everywhere: add the bounds
        of all classes, not only of those with few groups. from_zero: reach up from 0 instead
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
            if everywhere or groups < FEW_GROUPS:
                low, high = clopper_pearson(float(share), groups)
                reach[i] = share - low, high if from_zero else high - share
        down, up = np.sqrt((reach**2).sum(axis=0)) / len(parts)
        return float(down), float(up)

    def touched(self, cells: NDArray[np.bool_]) -> int:
        """Count the groups that have a True among their (repeats, photos) cells."""
        return len(np.unique(self.group[cells.any(axis=0)]))

    def resample(self, answers: NDArray[np.int32]) -> dict[Metric, Floats]:
        """Return the mean over repeats of every metric under every resample.

        Counts per group, repeat and class, times the groups' weights, are the counts of a
        resample. They are whole numbers far below 2**24, so float32 products are exact and
        neither blocks nor threads change a digit.
        """
        repeats, k = len(answers), len(self.predictions.classes)
        draws = {metric: np.zeros(len(self.weights)) for metric in METRICS}
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
                of_draw = Tally(
                    hits.reshape(shape), answered.reshape(shape), self.support[part, None, :]
                )
                for metric, score in METRICS.items():
                    draws[metric][part] += score(of_draw).sum(axis=1)
        return {metric: sums / repeats for metric, sums in draws.items()}

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
    equally hard cancels out; the standard error is widened as that of a single score is. The
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


def clopper_pearson(share: float, n: float) -> tuple[float, float]:
    """Return the exact two-sided 95 % interval of a share of n independent trials.

    n and share * n need not be whole: the beta quantiles that bound them are defined anyway.
    Source: Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404.
    """
    right, wrong = share * n, (1 - share) * n
    low = float(betaincinv(right, wrong + 1, 0.025)) if right > 0 else 0.0
    high = float(betaincinv(right + 1, wrong, 0.975)) if wrong > 0 else 1.0
    return low, high
