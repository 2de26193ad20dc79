"""Whole groups of photos drawn with replacement, and what each entry scores under every draw.

What the draws are made for, and the pretended groups, is told in `intervals`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from footwork.errors import DataError, nearest
from footwork.predictions import NO_ANSWER, Predictions
from footwork.scores import METRICS, Floats, Metric, Tally, confusions, tally

MANY_CLASSES = 20  # above, skipping the zeros of the counts is faster: 5x at 100 classes
BLOCK = 4_000_000  # numbers per block of work: 32 MB as float64


@dataclass(frozen=True)
class Resampled:
    """One entry's answers, and its scores under every resample.

    answers: (repeats, photos), class indices or NO_ANSWER. confusion: (repeats, k, k + 1)
    counts. draws: per metric (draws,), the mean over repeats under each resample of groups;
    smoothed: the same with the pretended groups.
    """

    answers: NDArray[np.int32]
    confusion: NDArray[np.int64]
    draws: Mapping[Metric, Floats]
    smoothed: Mapping[Metric, Floats]

    def value(self, metric: Metric) -> float:
        """The mean over repeats of the score of each repeat."""
        return float(METRICS[metric](tally(self.confusion)).mean())


class Resamples:
    """Scores of the entries of one table, all under the same resamples of whole groups.

    The resamples depend on the seed and on the names of the groups only: not on the order of
    rows or photos, and not on which other entries there are. An entry's resamples are computed
    when it is first asked for, and kept.

    Raises DataError for an empty table and for a class without photos.
    """

    def __init__(self, predictions: Predictions, *, seed: int, draws: int) -> None:
        if not len(predictions):
            raise DataError("The table of predictions is empty: there is nothing to score.")
        photos, k = predictions.photos, len(predictions.classes)
        self.predictions = predictions
        self.seed = seed
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
