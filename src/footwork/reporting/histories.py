"""Training curves like the original's plots: loss and accuracy per base, folds and their mean."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from footwork.files import written_aside
from footwork.histories import History, best_epoch, mean_curves, verdict
from footwork.records import EntryInfo
from footwork.runs import Run

TRAINING, VALIDATION, BEST = "#1f5fa8", "#c4541a", "#5f646c"
PANELS = (("loss", 0, 2), ("accuracy", 1, 3))


@dataclass(frozen=True)
class Curves:
    """One entry's picture and what it shows. source: the PNG as a data: address for the page."""

    title: str
    sentence: str
    folds: str
    picture: Path
    source: str


def draw_histories(run: Run) -> tuple[Curves, ...]:
    """Draw plots/history-ENTRY.png for every entry that was trained; needs no training.

    The same histories give the same bytes.
    """
    found = []
    for info in run.entries:
        fits = [fit for fit in run.histories if fit.entry == info.entry and len(fit.curves)]
        if not fits:
            continue
        picture = run.folder / "plots" / f"history-{info.entry}.png"
        draw(fits, info, picture)
        data = base64.b64encode(picture.read_bytes()).decode()
        found.append(
            Curves(
                title=info.title,
                sentence=verdict(mean_curves(fits)),
                folds=described(fits),
                picture=picture,
                source=f"data:image/png;base64,{data}",
            )
        )
    return tuple(found)


def described(fits: Sequence[History]) -> str:
    """Say how many fits there are, how long they went on and which epoch answers."""
    epochs = sorted(len(fit.curves) for fit in fits)
    kept = sorted(fit.kept for fit in fits)
    spent = sum(fit.seconds for fit in fits)
    time = f", {spent:,.0f} s of training" if spent else ""
    return (
        f"{len(fits)} {'fit' if len(fits) == 1 else 'fits'} of {between(epochs)} epochs, batches "
        f"of {between(sorted(fit.batch for fit in fits))}{time}; the weights of epoch "
        f"{between(kept)} answer."
    )


def between(ordered: Sequence[int]) -> str:
    first, last = ordered[0], ordered[-1]
    return str(first) if first == last else f"{first} to {last}"


def draw(fits: Sequence[History], info: EntryInfo, path: Path) -> None:
    """Draw thin lines per fold, their mean bold as far as all go, and the best epoch."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    mean = mean_curves(fits)
    b = best_epoch(mean)
    with mpl.rc_context({"text.parse_math": False, "font.size": 10}):
        figure = Figure(figsize=(9.6, 3.6), dpi=110, facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)
        for number, (name, train, held) in enumerate(PANELS, 1):
            axes = figure.add_subplot(1, 2, number)
            for column, colour, label in (
                (train, TRAINING, "training"),
                (held, VALIDATION, "validation"),
            ):
                if len(fits) > 1:
                    for fit in fits:
                        axes.plot(range(1, len(fit.curves) + 1), fit.curves[:, column],
                                  color=colour, lw=0.8, alpha=0.35)  # fmt: skip
                axes.plot(range(1, len(mean) + 1), mean[:, column], color=colour, lw=2.2,
                          label=label, marker="o" if len(mean) == 1 else None)  # fmt: skip
            axes.axvline(b, color=BEST, lw=1, ls=(0, (4, 3)))
            axes.annotate(f"best epoch {b}", (b, 1), (4 if b < 0.7 * len(mean) else -4, -4),
                          xycoords=("data", "axes fraction"), textcoords="offset points",
                          ha="left" if b < 0.7 * len(mean) else "right", va="top",
                          fontsize=9, color=BEST)  # fmt: skip
            axes.set_title(name, loc="left", fontsize=11)
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
            if name == "accuracy":
                axes.set_ylim(0, 1)
            axes.grid(color="#e4e6e9", lw=0.7)
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(frameon=False, fontsize=9, loc="best")
        figure.suptitle(info.title, x=0.01, ha="left", fontsize=12)
        with written_aside(path) as partial:
            figure.savefig(partial, format="png", metadata={"Software": None})
