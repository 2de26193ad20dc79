"""From predictions to the leaderboard: scores, floors, and the findings in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from footwork.evaluate.intervals import GroupBootstrap, Kind, Z
from footwork.predictions import NO_ANSWER, Predictions
from footwork.records import ClassScores, EntryScores, Estimate, Floors, Leaderboard
from footwork.scores import Tally, confusions, f1, log_loss, macro_f1, precision, recall, tally

WANTED = 0.05  # the difference that the sentences plan for
POWER_Z = 0.841621  # the normal quantile of 80 %
# How a title ends where the contract was broken on purpose, and what was fed then.
BROKEN = {
    " [unit-range]": "pixels in [0, 1] instead of its own range",
    " [right-then-divided]": "its own inputs divided by 255",
}


def leaderboard(
    predictions: Predictions,
    *,
    kind: Kind,
    seed: int,
    titles: Mapping[str, str],
    drawn: bool,
    bootstrap: GroupBootstrap | None = None,
) -> Leaderboard:
    """Score every entry of `predictions`, with intervals, floors and sentences.

    kind: what the intervals are about, 'recipe' or 'model' (see footwork.evaluate.intervals).
    titles: readable name per entry hash (EntryInfo.title); 'base · recipe' where it is absent.
    drawn: the pictures are drawn by code, which the sentences then say. bootstrap: one of these
    predictions, kind and seed, if there is one already: its resamples are used again.
    The same seed gives the same leaderboard, in whatever order rows and photos come.

    Raises DataError for an empty table, for a class without photos, and for kind 'recipe' with
    fewer than two folds.
    """
    bootstrap = bootstrap or GroupBootstrap(predictions, kind=kind, seed=seed)
    floors = floors_of(predictions.photos.label, predictions.classes, seed)
    # An entry of which no row is left (see Predictions.where) is not in the table.
    present = np.unique(predictions.entry).tolist()
    scored = [entry_scores(bootstrap, index, reference(floors)) for index in present]
    entries = tuple(sorted(scored, key=lambda one: (-one.macro_f1.value, one.entry)))
    names = {e.entry: titles.get(e.entry, f"{e.base} · {e.recipe}") for e in predictions.entries}
    return Leaderboard(
        kind=kind,
        classes=predictions.classes,
        photos=len(predictions.photos),
        groups=bootstrap.groups,
        folds=predictions.folds,
        repeats=predictions.repeats,
        floors=floors,
        entries=entries,
        sentences=Sentences(bootstrap, entries, names, floors).all(drawn),
    )


def entry_scores(bootstrap: GroupBootstrap, index: int, floor: float) -> EntryScores:
    """Score the entry at `index`. floor: the macro-F1 that counts as guessing."""
    predictions = bootstrap.predictions
    entry = predictions.entries[index].entry
    resampled = bootstrap.entry(entry)
    counts = tally(resampled.confusion)
    rows = zip(
        predictions.classes,
        precision(counts).mean(axis=0),
        recall(counts).mean(axis=0),
        f1(counts).mean(axis=0),
        counts.support[0],
        strict=True,
    )
    score = bootstrap.estimate(entry)
    return EntryScores(
        entry=entry,
        macro_f1=score,
        accuracy=bootstrap.estimate(entry, "accuracy"),
        balanced_accuracy=bootstrap.estimate(entry, "balanced_accuracy"),
        log_loss=log_loss(predictions.photos.label, predictions.probabilities(index)),
        classes=tuple(
            ClassScores(
                name=name, precision=float(p), recall=float(r), f1=float(f), support=int(support)
            )
            for name, p, r, f, support in rows
        ),
        confusion=tuple(tuple(map(float, row)) for row in resampled.confusion.mean(axis=0)),
        beats_guessing=score.low > floor,
        failed=int((resampled.answers == NO_ANSWER).sum()),
    )


def floors_of(label: NDArray[np.int64], classes: Sequence[str], seed: int) -> Floors:
    """Return what is had for nothing on these labels; (n,) int64 in [0, k).

    guessing: mean and central 95 % range of the macro-F1 of one pass of uniform guesses over
    the photos, not of a mean over repeats: it is what a single published number is up against.
    """
    sizes = np.bincount(label, minlength=len(classes))
    largest = min((name for name, n in zip(classes, sizes, strict=True) if n == sizes.max()))
    constant = confusions(label, np.full(len(label), classes.index(largest)), classes)
    # The order of the classes must not matter, and macro-F1 does not know it.
    support = np.sort(sizes)
    k = len(support)
    # With 10,000 passes the ends are sure to 0.002; many classes narrow the range by themselves.
    passes = max(2_000, min(10_000, 1_000_000 // k**2))
    rng = np.random.default_rng([seed, 2])  # 1: the resamples of groups
    hits = np.empty((passes, k), dtype=np.int64)
    answered = np.zeros((passes, k), dtype=np.int64)
    for true, photos in enumerate(support):
        guesses = rng.multinomial(photos, np.full(k, 1 / k), size=passes)
        hits[:, true] = guesses[:, true]
        answered += guesses
    guessed = macro_f1(Tally(hits, answered, support))
    low, high = np.quantile(guessed, [0.025, 0.975])
    return Floors(
        largest_class=largest,
        largest_class_macro_f1=float(macro_f1(tally(constant))),
        guessing=Estimate(value=float(guessed.mean()), low=float(low), high=float(high)),
    )


def reference(floors: Floors) -> float:
    """Return the macro-F1 that an entry's interval must lie above to beat guessing.

    It is the expected score of the better floor: an interval is about the expected score of an
    entry and already carries the luck of these photos, so the upper end of the range of
    guessing would count that luck twice.
    """
    return max(floors.largest_class_macro_f1, floors.guessing.value)


@dataclass(frozen=True)
class Sentences:
    """The findings of a leaderboard in words. entries: best first. titles: per entry hash."""

    bootstrap: GroupBootstrap
    entries: Sequence[EntryScores]
    titles: Mapping[str, str]
    floors: Floors

    def all(self, drawn: bool) -> tuple[str, ...]:
        """Say what is best, how sure, what to do next; then what else there is to say."""
        said = [self.best(), *self.rivals(), *self.single_group(), *self.next_step()]
        said += self.broken_contracts()
        if drawn:
            said.append("These pictures are drawn by code: the scores claim nothing about photos.")
        return tuple(said)

    @property
    def contenders(self) -> list[str]:
        """Hashes of the entries that may be called best: no contract broken on purpose."""
        hashes = [one.entry for one in self.entries]
        return [entry for entry in hashes if not self.broken(entry)] or hashes

    def broken(self, entry: str) -> str:
        """Return the ending of a title whose contract was broken on purpose, or ''."""
        return next((end for end in BROKEN if self.titles[entry].endswith(end)), "")

    def best(self) -> str:
        first, *others = self.contenders
        score = next(one for one in self.entries if one.entry == first).macro_f1
        floor = reference(self.floors)
        nothing = (
            "guessing"
            if floor == self.floors.guessing.value
            else f"always answering {self.floors.largest_class}"
        )
        verdict = f"which cannot be told from {nothing}"
        if score.low > floor:
            verdict = f"better than {nothing}"
        elif score.high < floor:
            verdict = f"worse than {nothing}"
        name = self.titles[first]
        subject = f"{name} scores"
        if others:
            most = "higher" if len(others) == 1 else "highest"
            subject = f"Of {len(others) + 1} compared, {name} scores {most}:"
        return (
            f"{subject} a macro-F1 of {two(score.value)} (95 % interval {two(score.low)} to "
            f"{two(score.high)}), {verdict} ({two(floor)}) on these {self.photos()}."
        )

    def single_group(self) -> list[str]:
        if self.bootstrap.groups > 1:
            return []
        return ["All photos belong to one group, so nothing can be said about other photos."]

    def rivals(self) -> list[str]:
        """Say whether the runner-up, and how many others, can be told from the best."""
        first, *others = self.contenders
        if not others:
            return []
        differences = [self.bootstrap.difference(first, other) for other in others]
        alike = sum(covers_zero(one) for one in differences)
        a, b = self.titles[first], self.titles[others[0]]
        gap = difference_in_words(differences[0])
        if len(others) == 1:
            if alike:
                return [f"{a} and {b} cannot be told apart: the difference is {gap}."]
            return [f"{a} is better than {b}: the difference is {gap}."]
        runner_up = f"the difference to the runner-up, {b}, is {gap}"
        total = len(others)
        if not alike:
            return [f"It is better than each of the {total} others; {runner_up}."]
        if alike == total:
            none = "Neither" if total == 2 else "None"
            return [f"{none} of the {total} others can be told apart from it; {runner_up}."]
        return [f"{alike} of the {total} others cannot be told apart from it; {runner_up}."]

    def broken_contracts(self) -> list[str]:
        """Say what each broken contract costs against the right one, where that was run too."""
        said = []
        for title, entry in sorted((self.titles[one.entry], one.entry) for one in self.entries):
            ending = self.broken(entry)
            right = [e for e, name in self.titles.items() if name == title.removesuffix(ending)]
            if not ending or len(right) != 1:
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

    def next_step(self) -> list[str]:
        """Say how many photos would settle it, from the width of the interval alone.

        It shrinks with the root of the number of photos. The difference just seen plays no
        part: a power computed from it only repeats the verdict.
        """
        first, *others = self.contenders
        photos = len(self.bootstrap.predictions.photos)
        if self.bootstrap.standard_error(first, others[0] if others else None) == 0:
            return []  # what the bounds of such an interval do with more photos is another law
        if others:
            gap = self.bootstrap.difference(first, others[0])
            needed = photos * ((Z + POWER_Z) / Z * (gap.high - gap.low) / 2 / WANTED) ** 2
            aim = f"show a difference of {two(WANTED)} between the best two in 4 of 5 tries"
        else:
            score = self.bootstrap.estimate(first)
            reach = max(score.high - score.value, score.value - score.low)
            needed = photos * (reach / WANTED) ** 2
            aim = f"make the interval no wider than {two(WANTED)} on either side"
        if needed <= photos:
            return [f"These {self.photos()} are enough to {aim}."]
        return [f"About {two_digits(needed):,} photos like these {photos:,} would {aim}."]

    def photos(self) -> str:
        count = len(self.bootstrap.predictions.photos)
        return f"{count:,} photos"


def covers_zero(difference: Estimate) -> bool:
    return difference.low <= 0 <= difference.high


def difference_in_words(difference: Estimate) -> str:
    """'0.03 (-0.05 to +0.11)'."""
    low, high = two(difference.low, sign=True), two(difference.high, sign=True)
    return f"{two(difference.value)} ({low} to {high})"


def two(value: float, sign: bool = False) -> str:
    """Two decimals; with `sign` a plus before what is above 0; never '-0.00'."""
    rounded = round(value, 2) + 0.0
    return f"{rounded:+.2f}" if sign and rounded else f"{rounded:.2f}"


def two_digits(value: float) -> int:
    """Round a positive number to two significant digits."""
    return round(float(f"{value:.2g}"))
