"""A learning curve as a picture that can be read alone."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from footwork.evaluate.forecast import REACH, Curve, Law
from footwork.files import written_aside
from footwork.reporting.plots import GRID

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHADES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
WHOLE = "#222222"
MOST_CLASSES = len(SHADES)  # drawn one by one; the table has all


def curve_png(curve: Curve, path: Path) -> None:
    """Write the curve as a PNG: measured points with intervals, the law on to twice the photos.

    Macro-F1 in black, classes in colours. The same curve gives the same bytes.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(9.6, 5.6), dpi=150, facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        draw(axes, curve)
        with written_aside(path) as partial:
            figure.savefig(partial, format="png", bbox_inches="tight", metadata={"Software": None})


def draw(axes: "Axes", curve: Curve) -> None:
    photos = np.array([point.photos for point in curve.points])
    far = 2 * photos[-1]
    ends = []
    for k, name in enumerate(curve.classes[:MOST_CLASSES]):
        values = np.array([point.f1[k].value for point in curve.points])
        axes.plot(photos, values, "o", ms=4, color=SHADES[k], alpha=0.8)
        law_line(axes, curve.laws[k + 1], photos, SHADES[k], 1.2)
        ends.append((at(curve.laws[k + 1], far), name, SHADES[k]))
    macro = np.array([[p.macro_f1.value, p.macro_f1.low, p.macro_f1.high] for p in curve.points])
    axes.fill_between(photos, macro[:, 1], macro[:, 2], color=WHOLE, alpha=0.12, lw=0)
    axes.plot(photos, macro[:, 0], "o", ms=7, color=WHOLE)
    law_line(axes, curve.laws[0], photos, WHOLE, 2.2)
    forecast = curve.forecast
    axes.plot([far, far], [forecast.low, forecast.high], color=WHOLE, lw=3, alpha=0.5)
    ends.append((at(curve.laws[0], far), "macro-F1", WHOLE))
    targets = sorted({need.wanted for need in curve.needs})
    shown = [float(macro[:, 1].min()), *(one.value for p in curve.points for one in p.f1), *targets]
    bottom = max(0.0, float(np.floor(10 * min(shown))) / 10)
    axes.set_ylim(bottom, 1.0)
    heights = spread([end[0] for end in ends], apart=0.045 * (1 - bottom))
    for y, (_, name, colour) in zip(heights, ends, strict=True):
        axes.annotate(name, (far, y), (8, 0), textcoords="offset points", va="center",
                      color=colour, fontsize=11)  # fmt: skip
    for wanted in targets:
        axes.axhline(wanted, color="#a00", lw=1, ls=(0, (4, 3)))
        axes.annotate(f"wanted: {wanted:.2f}", (photos[0], wanted), (0, 4), fontsize=10,
                      textcoords="offset points", color="#a00")  # fmt: skip
    axes.axvline(photos[-1], color="#999", lw=0.8, ls=(0, (2, 2)))
    axes.set_xscale("log")
    ticks = [*photos, far]
    axes.set_xticks(ticks, [f"{n:.0f}" for n in ticks])
    axes.minorticks_off()
    axes.set_xlabel("training photos (lines beyond the dotted mark: fitted law)", fontsize=11)
    axes.set_ylabel("F1, mean over repeats", fontsize=11)
    axes.grid(axis="y", color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    drawn = "pictures DRAWN BY CODE, no claim; " if curve.drawn else ""
    axes.set_title(
        f"{curve.title}: {drawn}{curve.photos} photos, {curve.groups} groups, "
        f"{len(curve.classes)} classes; band: 95 %",
        loc="left", fontsize=12, pad=12,
    )  # fmt: skip


def at(law: Law, photos: float) -> float:
    return float(np.clip(law.a.value - law.b * photos**-law.c, 0, 1))


def law_line(axes: "Axes", law: Law, photos: np.ndarray, colour: str, width: float) -> None:
    last = photos[-1]
    for x, style in (
        (np.geomspace(photos[0], last, 60), "-"),
        (np.geomspace(last, min(2, REACH) * last, 30), (0, (3, 2))),
    ):
        axes.plot(x, [at(law, n) for n in x], color=colour, lw=width, ls=style)


def spread(heights: list[float], apart: float = 0.045) -> list[float]:
    """Return label heights at least `apart` from each other, below 1, in the order given."""
    order = np.argsort(heights, kind="stable")
    wanted = np.array(heights, dtype=float)[order]
    steps = apart * np.arange(len(order))
    # Up from below and down from above; the middle of both keeps the distances of each.
    up = np.maximum.accumulate(wanted - steps) + steps
    down = np.minimum.accumulate((wanted - steps)[::-1])[::-1] + steps
    placed = (up + down) / 2
    placed -= max(0.0, placed[-1] - (1 - apart / 4))
    found = np.empty(len(order))
    found[order] = placed
    return [float(y) for y in found]
