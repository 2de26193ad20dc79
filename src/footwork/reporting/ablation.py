"""The ablation as pictures and sentences: what each of the original's choices costs here."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from footwork.ablations import Ablation, Check, Step
from footwork.files import written_aside
from footwork.records import Leaderboard
from footwork.runs import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN, UNSURE = "#1f5fa8", "#5f646c"


@dataclass(frozen=True)
class Line:
    """One step as the page's tables show it."""

    switch: str
    was: str
    became: str
    score: float | None
    change: float
    low: float
    high: float
    verdict: str


@dataclass(frozen=True)
class AblationView:
    path: tuple[Line, ...]
    back: tuple[Line, ...]
    sentences: tuple[str, ...]
    chart: str
    checks: str
    base: str
    draws: int


def shown(step: Step) -> bool:
    """Whether the interval of the change leaves out 0."""
    return step.change.low > 0 or step.change.high < 0


def sentences(found: Ablation) -> tuple[str, ...]:
    """Say which changes can be shown, how near the bank is to real fits, what one split says."""
    said = [finding("On the way from the original to ours", found.path, "raised", "lowered")]
    said.append(finding("Put back into ours alone", found.back, "raised", "cost"))
    said.append(
        f"Each interval is for one comparison; of {len(found.path) + len(found.back)} such "
        "intervals about one in twenty misses by chance."
    )
    if found.checks:
        apart = [gap(check) for check in found.checks]
        epochs = min(len(check.real) for check in found.checks)
        said.append(
            f"The bank ({found.draws} draws a photo) against real fits of {epochs} or more epochs "
            f"on the same fold: validation loss differs by {np.median(apart):.3f} in the median "
            f"position, by {max(apart):.3f} in the worst (mean over epochs)."
        )
    for split in found.splits:
        low, high = min(split.others), max(split.others)
        said.append(
            f"Judged as the original was, on one plain split of {split.test_photos} test photos, "
            f"{found.titles.get(split.entry, split.entry)!r} scores {split.original:.2f}; on "
            f"{len(split.others)} other splits of that kind {low:.2f} to {high:.2f}."
        )
    return tuple(said)


def finding(start: str, steps: Sequence[Step], up: str, down: str) -> str:
    sure = [step for step in steps if shown(step)]
    if not sure:
        return f"{start}, no single change can be told from nothing on these photos."
    parts = [
        f"{step.switch} ({step.was} to {step.became}) {up if step.change.value > 0 else down} "
        f"macro-F1 by {abs(step.change.value):.2f} "
        f"({step.change.low:+.2f} to {step.change.high:+.2f})"
        for step in sure
    ]
    rest = len(steps) - len(sure)
    more = f"; the other {rest} cannot be told from nothing" if rest else ""
    return f"{start}, {'; '.join(parts)}{more}."


def gap(check: Check) -> float:
    """Return the mean distance of the two validation losses over the epochs."""
    real, bank = np.array(check.real), np.array(check.bank)
    return float(np.abs(real[:, 2] - bank[:, 2]).mean())


def ablation_view(run: Run, board: Leaderboard) -> AblationView | None:
    """Draw plots/ablation.png and plots/bank.png and return what the page shows, if any."""
    found = run.ablation
    if found is None:
        return None
    scores = {one.entry: one.macro_f1.value for one in board.entries}
    chart = run.folder / "plots" / "ablation.png"
    draw_chart(found, chart)
    checks = ""
    if found.checks:
        draw_checks(found, run.folder / "plots" / "bank.png")
        checks = source(run.folder / "plots" / "bank.png")
    return AblationView(
        path=tuple(line(step, scores) for step in found.path),
        back=tuple(line(step, scores) for step in found.back),
        sentences=sentences(found),
        chart=source(chart),
        checks=checks,
        base=found.base,
        draws=found.draws,
    )


def line(step: Step, scores: dict[str, float]) -> Line:
    change = step.change
    return Line(
        switch=step.switch,
        was=step.was,
        became=step.became,
        score=scores.get(step.entry),
        change=change.value,
        low=change.low,
        high=change.high,
        verdict="shown" if shown(step) else "cannot be told from nothing",
    )


def source(picture: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}"


def draw_chart(found: Ablation, path: Path) -> None:
    """Draw both lists of changes with their intervals around 0."""
    figure = canvas((10.4, 1.7 + 0.42 * max(len(found.path), len(found.back))))
    for number, (title, steps) in enumerate(
        (
            ("from the original to ours, one by one", found.path),
            ("ours, one mistake put back", found.back),
        ),
        1,
    ):
        changes(figure.add_subplot(1, 2, number), title, steps)
    figure.suptitle(f"What each choice does to macro-F1, {found.base}", x=0.01, ha="left")
    saved(figure, path)


def changes(axes: "Axes", title: str, steps: Sequence[Step]) -> None:
    for row, step in enumerate(steps):
        colour, change = SHOWN if shown(step) else UNSURE, step.change
        axes.plot([change.low, change.high], [row, row], color=colour, lw=2.5)
        axes.plot([change.value], [row], "o", color=colour, ms=7)
        axes.annotate(f"{change.value:+.2f}", (change.value, row), (0, 6), ha="center",
                      textcoords="offset points", fontsize=9, color=colour)  # fmt: skip
    axes.axvline(0, color="#7a5200", lw=1)
    axes.set_yticks(
        range(len(steps)),
        [f"{step.switch}\n{step.was} → {step.became}" for step in steps],
        fontsize=8,
    )
    axes.set_ylim(len(steps) - 0.5, -0.7)
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel("change of macro-F1, 95 % interval", fontsize=9)
    axes.grid(axis="x", color="#e4e6e9", lw=0.7)
    axes.tick_params(length=0)
    axes.spines[["top", "left", "right"]].set_visible(False)


def draw_checks(found: Ablation, path: Path) -> None:
    """Draw validation and training loss of the real fit and of the bank, one panel per position."""
    from matplotlib.ticker import MaxNLocator

    columns = 4
    rows = -(-len(found.checks) // columns)
    figure = canvas((10.4, 2.4 * rows + 0.4))
    for number, check in enumerate(found.checks, 1):
        axes = figure.add_subplot(rows, columns, number)
        epochs = range(1, len(check.real) + 1)
        for curves, style, name in ((check.real, "-", "fit"), (check.bank, (0, (3, 2)), "bank")):
            table = np.array(curves)
            axes.plot(
                epochs, table[:, 0], color="#1f5fa8", ls=style, lw=1.6, label=f"{name}, training"
            )
            axes.plot(
                epochs, table[:, 2], color="#c4541a", ls=style, lw=1.6, label=f"{name}, validation"
            )
        axes.set_title(found.titles.get(check.entry, ""), fontsize=8, loc="left")
        axes.tick_params(labelsize=7)
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        axes.grid(color="#e4e6e9", lw=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        if number == 1:
            axes.legend(fontsize=6, frameon=False)
    figure.suptitle(
        "Loss per epoch: real fit (solid) and bank (dashed)", x=0.01, ha="left", fontsize=10
    )
    saved(figure, path)


def canvas(size: tuple[float, float]) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=110, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def saved(figure: "Figure", path: Path) -> None:
    import matplotlib as mpl

    with mpl.rc_context({"text.parse_math": False}), written_aside(path) as partial:
        figure.savefig(partial, format="png", metadata={"Software": None})
