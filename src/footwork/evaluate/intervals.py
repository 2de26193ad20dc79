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
  as Student's t with G - k degrees of freedom asks for. For fixed models, where nothing else is
  widened, both are counted class by class (see `reach`), since a mean over classes is no surer
  than its smallest class.
- Of all rules tried this was the narrowest that covered at least 93 % wherever it was simulated;
  `docs/statistics.md` has the figures, `bench/coverage_of_intervals.py` makes them. The widening
  is a working rule in the spirit of Nadeau and Bengio 2003, doi:10.1023/A:1024068626366: for a
  head that has settled (1,000 photos, ten features) it is more than is needed.

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

from math import hypot, sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from footwork.errors import DataError
from footwork.evaluate.exact import clopper_pearson
from footwork.evaluate.reach import SMALL_CLASS, Reach, class_by_class, of_all
from footwork.evaluate.resampling import Resamples
from footwork.predictions import Predictions
from footwork.records import Estimate
from footwork.scores import Metric

Kind = Literal["recipe", "model"]

DRAWS = 2000  # the standard error then has a Monte Carlo error of 1.6 %: 1 / sqrt(2 * DRAWS)
Z = 1.959964  # two-sided 95 %
WIDENING = sqrt(2)  # of a recipe's standard error, see above
FEW_GROUPS = 6  # see "Hardly a mistake" above


class GroupBootstrap(Resamples):
    """Scores and differences of the entries of one table with their intervals.

    Raises DataError for an empty table, for a class without photos, and for kind 'recipe' with
    fewer than two folds.
    """

    def __init__(
        self, predictions: Predictions, *, kind: Kind, seed: int, draws: int = DRAWS
    ) -> None:
        if kind == "recipe" and len(predictions) and predictions.folds < 2:
            raise DataError(
                "These predictions come from a single fold: they can say how good these models "
                "are, not how good their recipe is (kind 'model')."
            )
        super().__init__(predictions, seed=seed, draws=draws)
        self.kind = kind
        self.widening = WIDENING if kind == "recipe" else 1.0

    def reach(self, metric: Metric | int = "macro_f1") -> Reach:
        """How far intervals of a metric reach; an index of a class stands for that class's F1."""
        everything = of_all(self.groups, len(self.predictions.classes))
        if self.kind == "recipe" or metric == "accuracy":
            return everything
        mine = slice(metric, metric + 1) if isinstance(metric, int) else slice(None)
        return class_by_class(self.groups_per_class[mine], everything)

    def estimate(self, entry: str, metric: Metric = "macro_f1") -> Estimate:
        """Return an entry's score with its 95 % interval, all in [0, 1]."""
        value = self.entry(entry).value(metric)
        if self.groups < 2:
            return Estimate(value=value, low=0.0, high=1.0)
        half = self.reach(metric).errors * self.smoothed_error(entry, metric)
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
        half = self.reach(metric).errors * self.standard_error(a, b, metric=metric)
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
