"""The findings of a leaderboard in words: what is best, how sure, what to do next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from footwork.evaluate.intervals import FEW_GROUPS, GroupBootstrap, Z
from footwork.evaluate.tiers import ALPHA
from footwork.evaluate.words import (
    BROKEN,
    broken,
    covers_zero,
    difference_in_words,
    listed,
    reference,
    two,
    two_digits,
)
from footwork.predictions import Predictions
from footwork.records import EntryScores, Floors, PairScores

WANTED = 0.05  # the difference that the sentences plan for
POWER_Z = 0.841621  # the normal quantile of 80 %
HALF = 0.5  # of the photos in one group


@dataclass(frozen=True)
class Findings:
    """entries: best first. contenders: hashes of those in tiers, best first, with their pairs.
    titles: per entry hash.
    """

    bootstrap: GroupBootstrap
    entries: Sequence[EntryScores]
    contenders: Sequence[str]
    pairs: Sequence[PairScores]
    titles: Mapping[str, str]
    floors: Floors

    def sentences(self, drawn: bool) -> tuple[str, ...]:
        """Say what is best, how sure, what to do next; then what else there is to say."""
        said = [self.best(), *self.rivals(), *self.single_group(), *self.next_step()]
        said += [*self.nothing(), *self.broken_contracts()]
        said += cautions(self.bootstrap.predictions) if self.bootstrap.groups > 1 else []
        if drawn:
            said.append("These pictures are drawn by code: the scores claim nothing about photos.")
        return tuple(said)

    def best(self) -> str:
        first, *others = self.contenders
        score = next(one for one in self.entries if one.entry == first)
        floor = reference(self.floors)
        nothing = (
            "guessing"
            if floor == self.floors.guessing.value
            else f"always answering {self.floors.largest_class}"
        )
        verdict = f"which cannot be told from {nothing}"
        if score.beats_guessing:
            verdict = f"better than {nothing}"
        elif score.macro_f1.high < floor:
            verdict = f"worse than {nothing}"
        name, f1 = self.titles[first], score.macro_f1
        subject = f"{name} scores"
        if others:
            most = "higher" if len(others) == 1 else "highest"
            subject = f"Of {len(others) + 1} compared, {name} scores {most}:"
        return (
            f"{subject} a macro-F1 of {two(f1.value)} (95 % interval {two(f1.low)} to "
            f"{two(f1.high)}), {verdict} ({two(floor)}) on these {self.photos()}."
        )

    def single_group(self) -> list[str]:
        if self.bootstrap.groups > 1:
            return []
        return ["All photos belong to one group, so nothing can be said about other photos."]

    def rivals(self) -> list[str]:
        """Say who cannot be told from the best, after correction for all comparisons made."""
        first, *others = self.contenders
        if not others:
            return []
        with_best = {pair.b: pair for pair in self.pairs if pair.a == first}
        a, b = self.titles[first], self.titles[others[0]]
        gap = difference_in_words(with_best[others[0]].difference)
        alike = [self.titles[other] for other in others if with_best[other].p >= ALPHA]
        if len(others) == 1:
            if alike:
                return [f"{a} and {b} cannot be told apart: the difference is {gap}."]
            return [f"{a} is better than {b}: the difference is {gap}."]
        runner_up = f"the difference to the runner-up, {b}, is {gap}"
        total = len(others)
        counted = f"corrected for the {len(self.pairs):,} comparisons made"
        if not alike:
            return [f"It is better than each of the {total} others, {counted}; {runner_up}."]
        if len(alike) == total:
            none = "Neither" if total == 2 else "None"
            return [
                f"{none} of the {total} others can be told apart from it, {counted}; {runner_up}."
            ]
        return [
            f"{len(alike)} of the {total} others cannot be told apart from it ({listed(alike)}), "
            f"{counted}; {runner_up}."
        ]

    def broken_contracts(self) -> list[str]:
        """Say what each broken contract costs against the right one, where that was run too.

        Where it was not, as for a recipe that has wrong inputs by its own choice: how far it is
        from the best.
        """
        said = []
        for title, entry in sorted((self.titles[one.entry], one.entry) for one in self.entries):
            ending = broken(title)
            right = [e for e, name in self.titles.items() if name == title.removesuffix(ending)]
            if not ending:
                continue
            if len(right) != 1:
                if not broken(self.titles[self.contenders[0]]):
                    said.append(self.unranked(title, entry))
                continue
            cost = self.bootstrap.difference(right[0], entry)
            fed = f"Feeding {self.titles[right[0]]} {BROKEN[ending]}"
            gap = difference_in_words(cost)
            if covers_zero(cost):
                said.append(f"{fed} changes nothing that can be shown here: the cost is {gap}.")
            elif cost.value > 0:
                said.append(f"{fed} costs {gap}.")
            else:
                gain = difference_in_words(self.bootstrap.difference(entry, right[0]))
                said.append(f"{fed} gains {gain}, which it should not: check its contract.")
        return said

    def unranked(self, title: str, entry: str) -> str:
        best = self.contenders[0]
        gap = self.bootstrap.difference(best, entry)
        told = "cannot be told apart from" if covers_zero(gap) else "differs from"
        return (
            f"{title} has inputs other than its base model was trained on, so it is not ranked. On "
            f"the same folds it {told} {self.titles[best]}, whose score less its own is "
            f"{difference_in_words(gap)}."
        )

    def error(self) -> float:
        """The standard error of the difference between the best two, 0 where there is none."""
        if len(self.contenders) < 2:
            return 0.0
        return self.bootstrap.standard_error(self.contenders[0], self.contenders[1])

    def smallest_seen(self) -> float | None:
        """The difference between the best two that as many photos show with 80 % power, if any.

        From the width of its interval alone: the difference just seen plays no part, since a
        power computed from it only repeats the verdict (Hoenig and Heisey 2001,
        doi:10.1198/000313001300339897).
        """
        error = self.error()
        seen = (self.bootstrap.reach().errors + self.spread()) * error
        return seen if 0 < seen < 1 else None

    def photos_needed(self) -> int | None:
        """How many photos like these would show a difference of WANTED with 80 % power.

        The standard error shrinks with the root of the number of photos.
        """
        error, photos = self.error(), len(self.bootstrap.predictions.photos)
        needed = photos * ((Z + self.spread()) * error / WANTED) ** 2
        return two_digits(needed) if error else None

    def spread(self) -> float:
        """How many standard errors beyond the threshold the difference must lie for 80 % power.

        The threshold is as wide as the error says, widening and all; how much the difference
        really varies lies between that and the error without widening, so in the middle is taken:
        the power is then 76 to 84 % at the ends (88 % with the whole error, where nothing needs
        the widening). See docs/statistics.md.
        """
        return POWER_Z / sqrt(self.bootstrap.widening)

    def next_step(self) -> list[str]:
        """Say what could be seen now, and how many photos would settle it."""
        photos = len(self.bootstrap.predictions.photos)
        seen, needed = self.smallest_seen(), self.photos_needed()
        if needed is not None:
            now = "No difference, however large, could be counted on to be seen now"
            if seen is not None:
                least = two(max(seen, 0.01))
                now = f"The smallest difference that could be seen now is about {least}"
            if seen is not None and (seen <= WANTED or needed <= photos):
                return [f"{now}, with 80 % power: these {self.photos()} are enough."]
            return [
                f"{now}; about {needed:,} photos like these {photos:,} would show a difference of "
                f"{two(WANTED)} with 80 % power."
            ]
        first = self.contenders[0]
        if len(self.contenders) > 1 or self.bootstrap.standard_error(first) == 0:
            return []  # what the bounds of such an interval do with more photos is another law
        score = self.bootstrap.estimate(first)
        reach = max(score.high - score.value, score.value - score.low)
        wider = photos * (reach / WANTED) ** 2
        aim = f"make the interval no wider than {two(WANTED)} on either side"
        if wider <= photos:
            return [f"These {self.photos()} are enough to {aim}."]
        return [f"About {two_digits(wider):,} photos like these {photos:,} would {aim}."]

    def nothing(self) -> list[str]:
        """Say how the best does against the same recipes on permuted labels."""
        floor = self.floors.permuted
        if floor is None:
            return []
        first = self.contenders[0]
        best = next(one for one in self.entries if one.entry == first)
        if best.p_nothing is None:
            return []
        which = "the best of them" if len(self.contenders) > 1 else "it"
        return [
            f"Refitted on labels permuted by group {floor.permutations} times, {which} scores "
            f"{two(floor.mean)} on average and at most {two(floor.highest)}: "
            f"{self.titles[first]} is "
            f"{'better' if best.p_nothing <= ALPHA else 'not shown to be better'} than nothing "
            f"(p = {best.p_nothing:.2g})."
        ]

    def photos(self) -> str:
        count = len(self.bootstrap.predictions.photos)
        return f"{count:,} photos"


def cautions(predictions: Predictions) -> list[str]:
    """Say what makes the intervals lean on few photos."""
    photos, said = predictions.photos, []
    sizes = np.bincount(photos.group)
    total = len(photos)
    largest = min(range(len(sizes)), key=lambda code: (-sizes[code], photos.group_name[code]))
    if HALF * total <= sizes[largest] < total:
        said.append(
            f"One group holds {sizes[largest] / total:.0%} of the photos "
            f"({photos.group_name[largest]}: {sizes[largest]:,} of {total:,}): every interval "
            "leans on how well that one group is answered, so take them as rough."
        )
    for k, name in enumerate(predictions.classes):
        of_class = photos.label == k
        groups = len(np.unique(photos.group[of_class]))
        if groups < FEW_GROUPS:
            count = int(of_class.sum())
            noun = "photo" if count == 1 else "photos"
            grouped = "" if groups == count else f" in {groups} group{'s' if groups > 1 else ''}"
            said.append(
                f"{name} has only {count:,} {noun}{grouped}: every interval is wide for it, "
                "and little can be said of it."
            )
    return said
