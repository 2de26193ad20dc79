"""The tables of docs/statistics.md from the lines that coverage_of_intervals.py wrote.

    python bench/coverage_tables.py FOLDER [--into docs/statistics.md]

Coverage, widths, false alarms, power and tiers per cell, in Markdown, each share in percent with
its Monte Carlo error (one standard error, over draws).
"""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coverage_of_intervals import Cell, Lines, all_cells, column, read_lines
from footwork.evaluate.tiers import holm, pair_table, tiers
from simulated import Floats

Z = 1.959964
Ends = tuple[Floats, Floats]


def share(hits: NDArray[np.generic]) -> str:
    """'95.2 ± 0.6': percent, over draws; hits: (draws,) or (draws, m), each in [0, 1]."""
    of_draw = hits.astype(np.float64).reshape(len(hits), -1).mean(axis=1)
    error = np.sqrt(max(of_draw.var(), 0) / len(of_draw))
    return f"{100 * of_draw.mean():.1f} ± {100 * error:.1f}"


def truth_of(cell: Cell, lines: Lines) -> Floats:
    """The expected score of each recipe, (1, m); of models each its own score, (draws, m)."""
    fresh = column(lines, "fresh")
    if cell.kind == "model":
        return fresh
    # Equal recipes have one truth, so all their trainings count for it.
    equal = np.ptp(cell.signals) == 0 and not cell.power_of
    mean = np.full(fresh.shape[1], fresh.mean()) if equal else fresh.mean(axis=0)
    return np.asarray(mean[None])


def plain(lines: Lines, widening: float) -> Ends:
    value, half = column(lines, "value"), Z * widening * column(lines, "se")
    return np.clip(value - half, 0, 1), np.clip(value + half, 0, 1)


METHODS: dict[str, Callable[[Lines], Ends]] = {
    "default": lambda lines: (column(lines, "low"), column(lines, "high")),
    "percentile": lambda lines: (
        column(lines, "percentile")[..., 0],
        column(lines, "percentile")[..., 1],
    ),
    "± 1.96 se": lambda lines: plain(lines, 1.0),
    "× 1.12": lambda lines: plain(lines, np.sqrt(1.25)),
    "× √2": lambda lines: plain(lines, np.sqrt(2)),
    "× 1.5": lambda lines: plain(lines, 1.5),
}


def refitted(lines: Lines) -> Ends:
    value, half = column(lines, "value")[:, :1], Z * column(lines, "refit_se")[:, None]
    return np.clip(value - half, 0, 1), np.clip(value + half, 0, 1)


def covered(ends: Ends, truth: Floats) -> str:
    low, high = ends
    truth = truth[:, : low.shape[1]]
    return f"{share((low <= truth) & (truth <= high))} ({(high - low).mean():.2f})"


def scores(cells: Iterable[tuple[Cell, Lines]]) -> None:
    """Coverage and mean width of macro-F1's interval, by method."""
    row("cell", "draws", "truth", *METHODS, "refitted")
    row(*["---"] * (len(METHODS) + 4))
    for cell, lines in cells:
        truth = truth_of(cell, lines)
        shown = [covered(method(lines), truth) for method in METHODS.values()]
        shown.append(covered(refitted(lines), truth) if "refit_se" in lines[0] else "")
        row(cell.name, f"{len(lines):,}", f"{truth.mean():.2f}", *shown)


def losses(cells: Iterable[tuple[Cell, Lines]]) -> None:
    """Coverage of log loss and Brier score; cross-validation is unbiased for these means."""
    row("cell", "log loss", "Brier score")
    row(*["---"] * 3)
    for cell, lines in cells:
        shown = []
        for name in ("log_loss", "brier"):
            value = column(lines, name)
            half = column(lines, f"{name}_se") * column(lines, "widening")[:, None]
            half *= column(lines, "reach")[:, None]
            ends = np.maximum(value - half, 0), value * np.exp(half / value)  # as in measures.py
            shown.append(covered(ends, np.array([[value.mean()] * value.shape[1]])))
        row(cell.name, *shown)


def class_scores(cells: Iterable[tuple[Cell, Lines]]) -> None:
    """Coverage of the F1 of every class, of fixed models."""
    row("cell", "draws", "largest class", "middle", "smallest")
    row(*["---"] * 5)
    for cell, lines in cells:
        low, high, truth = (column(lines, f"class_{name}") for name in ("low", "high", "fresh"))
        shown = [
            covered((low[..., k], high[..., k]), truth[..., k])
            for k in np.argsort([-share for share in cell.design.shares])
        ]
        row(cell.name, f"{len(lines):,}", *shown)


def pairs(cells: Iterable[tuple[Cell, Lines]]) -> None:
    """How often equal recipes are called different, by test; of models, the coverage instead."""
    row("cell", "draws", "macro-F1, default", "accuracy, default", "accuracy, Nadeau-Bengio",
        "log loss, Nadeau-Bengio")  # fmt: skip
    row(*["---"] * 6)
    for cell, lines in cells:
        if cell.kind == "model":
            true = -np.diff(column(lines, "fresh"))
            gap, reach = column(lines, "difference"), column(lines, "difference_reach")
            row(cell.name, len(lines), f"covers {share(np.abs(gap - true) <= reach)}", "", "", "")
            continue
        by_folds = [column(lines, f"nadeau_bengio_{name}") for name in ("accuracy", "log_loss")]
        found = [column(lines, "p"), column(lines, "accuracy_p"), *by_folds]
        row(cell.name, f"{len(lines):,}", *(share(p < 0.05) for p in found))


def power(cells: Iterable[tuple[Cell, Lines]]) -> None:
    """How often a true difference of 0.05 is found at the stated number of photos."""
    row("from", "stated photos", "draws", "true difference", "found")
    row(*["---"] * 5)
    for cell, lines in cells:
        fresh = column(lines, "fresh")
        difference = (fresh[:, 1] - fresh[:, 0]).mean()
        found = (column(lines, "p") < 0.05) & (column(lines, "difference") < 0)
        photos = round(float(column(lines, "photos")[0]))
        row(cell.power_of, f"{photos:,}", f"{len(lines):,}", f"{difference:.3f}", share(found))


def of_tiers(cells: Iterable[tuple[Cell, Lines]]) -> None:
    """How often any equal entries are told apart, and any of the best is not in tier 1."""
    row("cell", "draws", "any equal pair told apart", "same, uncorrected", "any best not in tier 1",
        "worse ones in a lower tier")  # fmt: skip
    row(*["---"] * 6)
    for cell, lines in cells:
        signals = np.array(cell.signals)
        a, b = np.triu_indices(len(signals), 1)
        equal = signals[a] == signals[b]
        best = signals == signals.max()
        raw, told, lost, lower = [], [], [], []
        for line in lines:
            p = np.array(line["p"])
            order = np.argsort(-np.array(line["value"]), kind="stable")
            table = pair_table(holm(p), len(signals))
            tier = np.empty(len(signals))
            tier[order] = tiers(table[np.ix_(order, order)])
            raw.append((p[equal] < 0.05).any())
            told.append((holm(p)[equal] < 0.05).any())
            lost.append((tier[best] > 1).any())
            lower.append((tier[~best] > 1).mean() if not best.all() else np.nan)
        worse = "" if best.all() else share(np.array(lower))
        row(cell.name, f"{len(lines):,}", share(np.array(told)), share(np.array(raw)),
            share(np.array(lost)), worse)  # fmt: skip


PRINTED: list[str] = []
BEGIN, END = "<!-- made by bench/coverage_tables.py -->", "<!-- end -->"


def row(*cells: object) -> None:
    PRINTED.append("| " + " | ".join(str(cell) for cell in cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--into", type=Path, help="a document, between its two marks")
    asked = parser.parse_args()
    folder = asked.folder
    known = [(cell, read_lines(folder / f"{name}.jsonl")) for name, cell in all_cells().items()]
    known = [(cell, lines) for cell, lines in known if len(lines) > 1]
    many = [(cell, lines) for cell, lines in known if len(cell.signals) > 2]
    powered = [(cell, lines) for cell, lines in known if cell.power_of]
    plain_ones = [one for one in known if one not in many and one not in powered]
    recipes = [(cell, lines) for cell, lines in plain_ones if cell.kind == "recipe"]
    models = [(cell, lines) for cell, lines in plain_ones if cell.kind == "model"]
    for title, show, of in (
        ("Macro-F1", scores, plain_ones),
        ("F1 of each class, fixed models", class_scores, models),
        ("Log loss and Brier score", losses, recipes),
        ("Equal recipes called different", pairs, plain_ones),
        ("Power", power, powered),
        ("Tiers", of_tiers, many),
    ):
        PRINTED.extend(["", f"### {title}", ""])
        show(of)
    text = "\n".join(PRINTED)
    print(text)
    if asked.into:
        before, _, rest = asked.into.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        asked.into.write_text(f"{before}{BEGIN}\n{text}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
