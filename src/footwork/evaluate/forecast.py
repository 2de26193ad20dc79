"""What a learning curve says of more photos: a power law, its interval, and the photos needed.

Intervals come from resampling groups of test photos and repeats, the same in all sizes, and
fitting the law to every resample. The spread is widened by sqrt(1 + k / (k - 1)), since folds share
training photos: about 1.5, a little more than the sqrt(2) of a leaderboard's intervals, which do
more besides (see `intervals`). How far forecasts were off on real data is
counted in docs/results.md, beside the dull forecast that the score stays as it is.
"""

from math import sqrt
from typing import Literal

import numpy as np

from footwork.evaluate.curve import CurveTable
from footwork.evaluate.power_law import PowerLaw, fit_power_law
from footwork.records import Estimate, Record
from footwork.scores import Floats, Tally, confusions, f1, tally

DRAWS = 400
REACH = 4  # times the largest measured size: beyond, a fitted law is a guess
SHOWN = 0.005  # of macro-F1: a gain that is less in the worst case is none
# Mean absolute errors of macro-F1 in back-tests on real photos, for 1.5 to 4 times as many: 0.019
# and 0.017, see `forecast_at`.
FORECAST_OFF, STAYING_OFF = 0.02, 0.02
SURE = 0.9  # share of the resamples that must agree for a sentence
Outcome = Literal["reached", "photos", "never", "unknown"]


class CurvePoint(Record):
    """Scores at one size. photos, groups: trained on, means; f1: per class, in their order."""

    photos: float
    groups: float
    macro_f1: Estimate
    f1: tuple[Estimate, ...]


class Law(Record):
    """score = a - b * photos ** -c, with the 95 % interval of a, the score never exceeded."""

    a: Estimate
    b: float
    c: float


class Need(Record):
    """What it takes to reach `wanted`. what: 'macro-F1' or a class.

    photos: training photos in all, with low and high; None unless outcome is 'photos'. of_class:
    how many of them are of that class ('macro-F1': of each, in the order of the classes).
    """

    what: str
    wanted: float
    outcome: Outcome
    photos: Estimate | None
    of_class: tuple[int, ...]
    sentence: str


class Curve(Record):
    """A learning curve and what follows from it. points: by rising size.

    laws: of macro-F1, then of each class. forecast: macro-F1 with twice the photos of the largest
    size, half-way between the law and no change. gain: what is gained by that.
    """

    title: str
    classes: tuple[str, ...]
    per_class: tuple[int, ...]
    photos: int
    groups: int
    folds: int
    repeats: int
    seed: int
    drawn: bool
    points: tuple[CurvePoint, ...]
    laws: tuple[Law, ...]
    forecast: Estimate
    gain: Estimate
    needs: tuple[Need, ...]
    sentences: tuple[str, ...]


def curve_of(
    table: CurveTable, *, title: str, target: float | None, seed: int, drawn: bool
) -> Curve:
    """Derive everything from the answers. target: the wanted score, in (0, 1); None: no needs."""
    draws = resampled(table, seed)
    value = scores_at(table)
    laws = fit_power_law(table.trained, value.T)
    spread = fit_power_law(table.trained, np.moveaxis(draws, 1, -1))
    points = tuple(
        CurvePoint(
            photos=float(table.trained[i]),
            groups=float(table.trained_groups[i]),
            macro_f1=interval(value[i, 0], draws[:, i, 0]),
            f1=tuple(
                interval(value[i, k], draws[:, i, k]) for k in range(1, len(table.classes) + 1)
            ),
        )
        for i in range(len(table.trained))
    )
    double = 2 * float(table.trained[-1])
    forecast, gain = forecast_at(table, value, draws, double)
    counts = np.bincount(table.photos.label, minlength=len(table.classes))
    needs: tuple[Need, ...] = ()
    if target is not None:
        needs = tuple(
            need(table, counts, i, target, laws, spread, value[-1, i], draws[:, -1, i])
            for i in range(len(table.classes) + 1)
        )
    return Curve(
        title=title,
        classes=table.classes,
        per_class=tuple(counts.tolist()),
        photos=len(table.photos),
        groups=len(np.unique(table.photos.group)),
        folds=table.folds,
        repeats=len(table.fold),
        seed=seed,
        drawn=drawn,
        points=points,
        laws=tuple(
            Law(a=interval(laws.a[i], spread.a[:, i]), b=float(laws.b[i]), c=float(laws.c[i]))
            for i in range(len(laws.a))
        ),
        forecast=forecast,
        gain=gain,
        needs=needs,
        sentences=sentences(points, forecast, gain, double, needs, drawn),
    )


def forecast_at(
    table: CurveTable, value: Floats, draws: Floats, photos: float
) -> tuple[Estimate, Estimate]:
    """Return macro-F1 with so many training photos, and what is gained over the largest size.

    value, draws: of `scores_at` and `resampled`. The value lies half-way between the law and 'it
    stays as it is'. In 16 back-tests with this head (bench/curve_backtest.py) the law was off by
    0.024 on average, half-way by 0.025, no change by 0.029; in the 10 of them with real photos, by
    0.023, 0.019 and 0.017: the law promises too much where a curve is nearly flat, no change too
    little where it rises. The interval is that of the law.
    """
    law = fit_power_law(table.trained, value[:, 0])
    spread = fit_power_law(table.trained, draws[:, :, 0])
    gained = (float(law.at(photos)) - value[-1, 0]) / 2
    gain = interval(gained, spread.at(photos) - draws[:, -1, 0], low=-1)
    return interval(value[-1, 0] + gained, spread.at(photos)), gain


def scores_at(table: CurveTable) -> Floats:
    """Return (s, 1 + k): macro-F1, then each class's F1; means over the repeats."""
    counts = tally(confusions(table.photos.label, table.answers, table.classes))
    per_class = f1(counts).mean(axis=1)
    return np.column_stack([per_class.mean(axis=1), per_class])


def resampled(table: CurveTable, seed: int, draws: int = DRAWS) -> Floats:
    """Return (draws, s, 1 + k) scores under resamples of groups and of repeats.

    Widened around their mean, and clipped to [0, 1].
    """
    sizes, repeats, _ = table.answers.shape
    k = len(table.classes)
    rng = np.random.default_rng([seed, 3])  # 1 and 2: the leaderboard's resamples and floors
    _, group = np.unique(table.photos.group, return_inverse=True)
    groups = int(group.max()) + 1
    weights = rng.multinomial(groups, np.full(groups, 1 / groups), size=draws).astype(np.float64)
    label = table.photos.label
    support = weights @ counted(group, label, np.ones(len(label), bool), groups, k)
    every = np.empty((draws, sizes, repeats, k))
    for s in range(sizes):
        for r in range(repeats):
            answer = table.answers[s, r]
            hits = weights @ counted(group, label, answer == label, groups, k)
            answered = weights @ counted(group, answer, np.ones(len(label), bool), groups, k)
            every[:, s, r] = f1(Tally(hits, answered, support))
    picked = rng.integers(repeats, size=(draws, repeats))
    mean = np.stack([every[d, :, picked[d]].mean(axis=0) for d in range(draws)])
    whole = np.concatenate([mean.mean(axis=2, keepdims=True), mean], axis=2)
    widening = sqrt(1 + table.folds / (table.folds - 1))
    middle = whole.mean(axis=0)
    wide: Floats = np.clip(middle + widening * (whole - middle), 0, 1)
    return wide


def counted(
    group: np.ndarray, column: np.ndarray, which: np.ndarray, groups: int, k: int
) -> Floats:
    """Count the rows of `which` by group and column: (groups, k) float64."""
    cells = group[which] * k + column[which]
    return np.bincount(cells, minlength=groups * k).reshape(groups, k).astype(np.float64)


def interval(value: float, draws: Floats, low: float = 0.0) -> Estimate:
    """Return value and the central 95 % of the draws, which always holds the value."""
    ends = np.quantile(draws, [0.025, 0.975])
    return Estimate(
        value=float(value),
        low=float(np.clip(min(ends[0], value), low, 1)),
        high=float(np.clip(max(ends[1], value), low, 1)),
    )


def need(
    table: CurveTable,
    counts: np.ndarray,
    which: int,
    target: float,
    laws: PowerLaw,
    spread: PowerLaw,
    now: float,
    draws_now: Floats,
) -> Need:
    """Say what it takes for macro-F1 (`which` 0) or a class's F1 to reach `target`.

    'never' and 'photos' need SURE of the resamples to agree, and 'photos' looks no further than
    REACH times the largest size; between them it cannot be said.
    """
    what = "macro-F1" if which == 0 else table.classes[which - 1]
    largest = float(table.trained[-1])
    far = REACH * largest
    needed = spread.photos_for(target)[:, which]
    middle = float(laws.photos_for(target)[which])
    outcome: Outcome = "unknown"
    photos = None
    parts: tuple[int, ...] = ()
    if now >= target and (draws_now >= target).mean() >= SURE:
        outcome = "reached"
    elif (spread.a[:, which] < target).mean() >= SURE:
        outcome = "never"
    elif (needed <= far).mean() >= SURE and middle <= far:
        outcome = "photos"
        low, high = np.quantile(needed, [0.05, SURE])
        photos = Estimate(value=middle, low=float(min(low, middle)), high=float(max(high, middle)))
        share = counts / counts.sum() * middle
        wanted = share if which == 0 else share[which - 1 : which]
        parts = tuple(int(np.ceil(n)) for n in wanted)
    sentence = in_words(table.classes, what, target, outcome, photos, parts, now)
    return Need(
        what=what, wanted=target, outcome=outcome, photos=photos, of_class=parts, sentence=sentence
    )


def in_words(
    classes: tuple[str, ...],
    what: str,
    target: float,
    outcome: Outcome,
    photos: Estimate | None,
    parts: tuple[int, ...],
    now: float,
) -> str:
    wanted = f"{'A macro-F1' if what == 'macro-F1' else f'An F1 for {what}'} of {target:.2f}"
    if outcome == "reached":
        return f"{wanted} is reached: it is {now:.2f} with the photos there are."
    if outcome == "never":
        return (
            f"{wanted}: more photos of this kind will not do it; the curve flattens below. Better "
            "labels, another base model or other views may."
        )
    if outcome == "unknown" or photos is None:
        return f"{wanted}: how many photos it takes cannot be said from this curve."
    if what == "macro-F1":
        each = ", ".join(f"{n:,} {name}" for n, name in zip(parts, classes, strict=True))
    else:
        each = f"{parts[0]:,} of {what}, the others in proportion"
    return (
        f"{wanted} takes about {rounded(photos.value)} training photos "
        f"({rounded(photos.low)} to {rounded(photos.high)}): {each}."
    )


def rounded(photos: float) -> str:
    return f"{round(float(f'{photos:.2g}')):,}"


def sentences(
    points: tuple[CurvePoint, ...],
    forecast: Estimate,
    gain: Estimate,
    double: float,
    needs: tuple[Need, ...],
    drawn: bool,
) -> tuple[str, ...]:
    last = points[-1]
    said = [
        f"Trained on {last.photos:.0f} photos the recipe scores a macro-F1 of "
        f"{last.macro_f1.value:.2f} ({last.macro_f1.low:.2f} to {last.macro_f1.high:.2f})."
    ]
    move = f"{gain.value:+.2f} ({gain.low:+.2f} to {gain.high:+.2f})"
    if gain.low > SHOWN:
        said.append(
            f"Twice as many photos of the same kind would move that by {move}, to about "
            f"{forecast.value:.2f}."
        )
    elif gain.high < 0.02:
        said.append(f"Twice as many photos of the same kind would hardly move that: {move}.")
    else:
        said.append(
            "Whether twice as many photos of the same kind would help cannot be said: they would "
            f"move it by {move}."
        )
    said.append(
        f"Tried on photos that were held back, forecasts of this kind were off by "
        f"{FORECAST_OFF:.2f} on average; to say that it stays as it is was off by "
        f"{STAYING_OFF:.2f}."
    )
    said += [one.sentence for one in needs]
    if drawn:
        said.append("These pictures are drawn by code: the scores claim nothing about photos.")
    return tuple(said)
