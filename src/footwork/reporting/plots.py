"""The leaderboard as a picture: its geometry for the page, and a PNG for README and sharing.

Positions are in percent of the plot's width, so that the page's drawing keeps its type size
at any width; what may overlap is kept apart here and not in the template.
"""

import math
import unicodedata
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from footwork.errors import DataError
from footwork.files import written_aside
from footwork.records import EntryInfo, EntryScores, Estimate, Leaderboard

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Anchor = Literal["start", "middle", "end"]
Standing = Literal["fair", "random", "broken"]

NARROWEST_PX = 300.0  # the plot on a 390 px wide screen, less its margins
CHARACTER_PX = 7.2  # mean advance of a 13 px system font, on the safe side
LONGEST_LABEL = 36  # characters that fit NARROWEST_PX with room to spare


@dataclass(frozen=True)
class Label:
    """A text and where it is pinned, in percent of the plot's width."""

    text: str
    x: float
    anchor: Anchor


@dataclass(frozen=True)
class Marker:
    """A score and its interval, in percent of the plot's width."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Axis:
    """A score axis: its ends and its ticks, all in [0, 1]; the ends are ticks."""

    ticks: tuple[float, ...]

    @property
    def low(self) -> float:
        return self.ticks[0]

    @property
    def high(self) -> float:
        return self.ticks[-1]

    def x(self, score: float) -> float:
        """Return where `score` lies, in percent of the plot's width, clipped to the plot."""
        share = (score - self.low) / (self.high - self.low)
        return round(100 * min(max(share, 0.0), 1.0), 2)

    def score(self, x: float) -> float:
        """Return the score at `x` percent of the plot's width."""
        return self.low + x / 100 * (self.high - self.low)

    def marker(self, estimate: Estimate) -> Marker:
        return Marker(self.x(estimate.value), self.x(estimate.low), self.x(estimate.high))

    def tick_labels(self) -> tuple[Label, ...]:
        tenths = all(math.isclose(tick, round(tick, 1)) for tick in self.ticks)
        texts = [f"{tick:.1f}" if tenths else f"{tick:.2f}" for tick in self.ticks]
        return tuple(
            Label(text, self.x(tick), "middle")
            for text, tick in zip(texts, self.ticks, strict=True)
        )


@dataclass(frozen=True)
class Chart:
    """The plot without its rows. band: the range of guessing; largest: the other floor."""

    axis: Axis
    band: Marker
    largest: float
    band_label: Label
    largest_label: Label


def leaderboard_chart(board: Leaderboard) -> Chart:
    """Return the axis that shows every interval and both floors, and the floors' places."""
    floors = board.floors
    guessing, largest = floors.guessing, floors.largest_class_macro_f1
    seen = [largest, guessing.low, guessing.high]
    for scores in board.entries:
        seen += [scores.macro_f1.low, scores.macro_f1.value, scores.macro_f1.high]
    axis = axis_over(seen)
    band = axis.marker(guessing)
    always = f"always “{shortened(floors.largest_class, 16)}”: {largest:.2f}"
    by_chance = f"guessing: {guessing.value:.2f} ({guessing.low:.2f} to {guessing.high:.2f})"
    return Chart(
        axis=axis,
        band=band,
        largest=axis.x(largest),
        band_label=placed(by_chance, (band.low + band.high) / 2),
        largest_label=placed(always, axis.x(largest)),
    )


def axis_over(scores: Sequence[float]) -> Axis:
    """Return an axis within [0, 1] that holds `scores` with some air; it has 3 to 11 ticks."""
    lowest, highest = min(scores), max(scores)
    step = 0.1 if highest - lowest > 0.2 else 0.05
    end = round(1 / step)
    first = max(math.floor((lowest - step / 5) / step), 0)
    last = min(math.ceil((highest + step / 5) / step), end)
    while last - first < 2:
        first, last = max(first - 1, 0), min(last + 1, end)
    return Axis(tuple(round(i * step, 2) for i in range(first, last + 1)))


def placed(text: str, x: float) -> Label:
    """Pin a label to `x` (percent) so that it stays inside even the narrowest plot."""
    text = shortened(text, LONGEST_LABEL)
    half = 50 * width_px(text) / NARROWEST_PX
    if half <= x <= 100 - half:
        return Label(text, x, "middle")
    if x < 50:
        return Label(text, x, "start") if x + 2 * half <= 100 else Label(text, 0, "start")
    return Label(text, x, "end") if x >= 2 * half else Label(text, 100, "end")


def width_px(text: str) -> float:
    """Estimate the width of a 13 px text; East Asian wide characters count twice."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return CHARACTER_PX * (len(text) + wide)


def shortened(text: str, longest: int) -> str:
    """Cut `text` to `longest` narrow characters, with an ellipsis where something is lost."""
    if width_px(text) <= CHARACTER_PX * longest:
        return text
    while text and width_px(text) > CHARACTER_PX * (longest - 1):
        text = text[:-1]
    return text + "…"


def standing(info: EntryInfo) -> Standing:
    """Say whether an entry's score may stand beside others, or what sets it apart."""
    if info.contract != "right":
        return "broken"
    return "random" if info.weights == "random" else "fair"


def matched(
    board: Leaderboard, infos: Sequence[EntryInfo]
) -> tuple[tuple[EntryInfo, EntryScores], ...]:
    """Pair each line of the board with its entry: fair and random ones first, broken ones last.

    Raises DataError if the board names an entry that `infos` does not have.
    """
    known: Mapping[str, EntryInfo] = {info.entry: info for info in infos}
    missing = [scores.entry for scores in board.entries if scores.entry not in known]
    if missing:
        raise DataError(
            f"The scores name entries that entries.json lacks: {', '.join(missing)}. The files of "
            "this run do not belong together; run `footwork compare` again."
        )
    pairs = [(known[scores.entry], scores) for scores in board.entries]
    return tuple(sorted(pairs, key=lambda pair: standing(pair[0]) == "broken"))


COLOURS: Mapping[Standing, str] = {"fair": "#1f5fa8", "random": "#b3261e", "broken": "#5f646c"}
BAND, FLOOR, GRID = "#efe6d2", "#7a5200", "#dfe2e6"


def leaderboard_png(
    board: Leaderboard, infos: Sequence[EntryInfo], path: Path, *, drawn: bool = False
) -> None:
    """Draw the leaderboard with its intervals and floors into the PNG file `path`.

    drawn: the pictures were drawn by code, which the heading then says. Same board, same bytes.
    Raises DataError if the board names an entry that `infos` does not have.
    """
    import matplotlib

    # parse_math: a base named a$b$ is a name, not a formula.
    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = leaderboard_figure(leaderboard_chart(board), matched(board, infos))
        figure.axes[0].set_title(png_heading(board, drawn=drawn), loc="left", fontsize=12, pad=26)
        with written_aside(path) as partial:
            figure.savefig(partial, format="png", bbox_inches="tight", metadata={"Software": None})


def leaderboard_figure(chart: Chart, pairs: Sequence[tuple[EntryInfo, EntryScores]]) -> "Figure":
    """Draw `pairs` top down as dots with intervals over the floors of `chart`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 1.9 + 0.6 * len(pairs)), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    tiered = any(scores.tier > 1 for _, scores in pairs)
    for row, (info, scores) in enumerate(pairs):
        kind, score, colour = standing(info), scores.macro_f1, COLOURS[standing(info)]
        axes.plot([score.low, score.high], [row, row], color=colour, lw=3,
                  ls="-" if kind == "fair" else (0, (1.5, 1.5)))  # fmt: skip
        axes.plot([score.value], [row], "o", ms=9, mew=2, color=colour,
                  mfc=colour if kind == "fair" else "white")  # fmt: skip
        tier = f"  tier {scores.tier}" if tiered and scores.tier else ""
        axes.annotate(f"{score.value:.2f}{tier}", (score.value, row), (0, 8), ha="center",
                      textcoords="offset points", fontsize=11, color=colour)  # fmt: skip
    axes.set(xlim=(chart.axis.low, chart.axis.high), ylim=(len(pairs), -0.8))
    axes.set_yticks(range(len(pairs)), [png_title(info) for info, _ in pairs], fontsize=11)
    for text, (info, _) in zip(axes.get_yticklabels(), pairs, strict=True):
        text.set_color(COLOURS["random"] if info.weights == "random" else "black")
    axes.set_xticks(chart.axis.ticks, [label.text for label in chart.axis.tick_labels()])
    axes.set_xlabel("macro-F1, mean over repeats, with 95 % interval", fontsize=11)
    axes.tick_params(length=0)
    axes.grid(axis="x", color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "left", "right"]].set_visible(False)
    axis = chart.axis
    axes.axvspan(
        axis.score(chart.band.low), axis.score(chart.band.high), color=BAND, lw=0, zorder=0
    )
    axes.axvline(axis.score(chart.band.value), color=FLOOR, lw=0.8, alpha=0.7)
    axes.axvline(axis.score(chart.largest), color=FLOOR, lw=1.5, ls=(0, (4, 3)))
    above, below = chart.band_label, chart.largest_label
    axes.annotate(above.text, (axis.score(above.x), -0.8), (0, 4), color=FLOOR, va="bottom",
                  ha={"start": "left", "middle": "center", "end": "right"}[above.anchor],
                  textcoords="offset points", fontsize=10)  # fmt: skip
    # Beside its own line, on the side with more room.
    left = chart.largest > 55
    axes.annotate(below.text, (axis.score(chart.largest), len(pairs) - 0.25),
                  (-6 if left else 6, 0), ha="right" if left else "left", va="center",
                  textcoords="offset points", fontsize=10, color=FLOOR,
                  bbox={"fc": "white", "ec": "none", "pad": 1.5})  # fmt: skip
    return figure


def png_title(info: EntryInfo) -> str:
    lines = [info.title, "RANDOM WEIGHTS"] if info.weights == "random" else [info.title]
    return "\n".join(shortened(line, 48) for line in lines)


def png_heading(board: Leaderboard, *, drawn: bool) -> str:
    photos = "pictures DRAWN BY CODE, no claim" if drawn else "photos"
    return f"{board.photos} {photos}, {board.groups} groups, {len(board.classes)} classes"
