"""A line of points over a threshold, as an SVG whose text keeps its size at any width."""

from collections.abc import Sequence
from dataclasses import dataclass

TICKS = 5


@dataclass(frozen=True)
class Curve:
    """How a threshold was chosen.

    name: what the threshold is of; points: (threshold, share of true pairs found, share of false
    pairs joined), shares in [0, 1]; chosen: the threshold in use, sentence: why that one.
    """

    name: str
    points: tuple[tuple[float, float, float], ...]
    chosen: float
    sentence: str


@dataclass(frozen=True)
class Drawn:
    """A curve ready to print: coordinates in percent of the chart, y downwards."""

    name: str
    sentence: str
    found: str
    joined: str
    chosen: float
    chosen_label: str
    anchor: str
    ticks: tuple[tuple[float, str], ...]
    rows: tuple[tuple[str, str, str], ...]


def drawn(curve: Curve) -> Drawn:
    """Lay a curve out. A curve of one point is drawn in the middle."""
    values = [point[0] for point in curve.points]
    low, high = min(values), max(values)
    span = (high - low) or 1.0

    def x(value: float) -> float:
        return round(100 * (min(max(value, low), high) - low) / span, 2) if high > low else 50.0

    def line(column: int) -> str:
        return " ".join(
            f"{x(p[0])},{round(100 * (1 - min(max(p[column], 0), 1)), 2)}" for p in curve.points
        )

    at = x(curve.chosen)
    steps = sorted({round(i * (len(values) - 1) / (TICKS - 1)) for i in range(TICKS)})
    return Drawn(
        name=curve.name,
        sentence=curve.sentence,
        found=line(1),
        joined=line(2),
        chosen=at,
        chosen_label=f"in use: {curve.chosen:g}",
        anchor="start" if at < 50 else "end",
        ticks=tuple((x(values[i]), f"{values[i]:g}") for i in steps),
        rows=tuple((f"{t:g}", percent(f), percent(j)) for t, f, j in thinned(curve.points)),
    )


def thinned(points: Sequence[tuple[float, float, float]]) -> Sequence[tuple[float, float, float]]:
    step = max(1, len(points) // 17)
    return points[::step]


def percent(share: float) -> str:
    return f"{100 * share:.3g} %"
