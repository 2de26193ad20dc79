"""Do the intervals cover, do equal recipes stay equal, does the stated N have its power?

    python bench/coverage_of_intervals.py --out FOLDER [--cells GLOB] [--draws 1000]
    python bench/coverage_tables.py FOLDER      # what the lines say, as docs/statistics.md has it

Each draw of a cell makes new photos (see simulated.py), cross-validates two or more feature sets
on them, and asks `footwork.evaluate.intervals` for intervals and p-values; it also trains each
recipe once more on fresh photos and scores it on 2,000 others, the mean of which over all draws
is the truth. A draw is one line of FOLDER/CELL.jsonl with a seed of its own, so a stopped run
goes on where it was, and alternatives are computed afterwards from the same lines.

Power cells need the lines of the cell that they start from: its median 'about N photos would
show a difference of 0.05' is their number of photos.
"""

import argparse
import fnmatch
import json
import time
import zlib
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.stats import t as student

from footwork.evaluate.intervals import GroupBootstrap, Kind
from footwork.evaluate.measures import class_f1
from footwork.evaluate.tiers import p_of_difference
from footwork.predictions import OK, EntryName, Photos, Predictions
from footwork.scores import confusions, f1, macro_f1, tally
from simulated import (
    CLASSES,
    VARIANCES,
    Design,
    Floats,
    Ints,
    deal,
    lda,
    out_of_fold,
    probe,
    refitted,
    softmax_rows,
    weighted_macro_f1,
)

SEED = 20
EVEN, SKEWED, RARE = (0.35, 0.25, 0.40), (0.70, 0.20, 0.10), (0.75, 0.18, 0.07)
MEDIUM, EASY, CHANCE = 1.2, 2.5, 0.0
TEST_PHOTOS = 2000
RESAMPLES = 1000
REFITS = 200


@dataclass(frozen=True)
class Cell:
    """One set of circumstances. signals: one per recipe; equal signals are equal recipes.

    head: 'lda' or 'probe'. kind: 'recipe' (cross-validation) or 'model' (trained once, tested on
    as many fresh photos). power_of: the cell whose stated N this one has; signals are tuned then.
    """

    name: str
    design: Design
    head: str
    signals: tuple[float, ...] = (MEDIUM, MEDIUM)
    folds: int = 5
    repeats: int = 5
    shrinkage: float = 0.1
    kind: Kind = "recipe"
    power_of: str = ""

    @property
    def variances(self) -> Floats:
        """The penalty is chosen by inner folds up to 300 photos; above, any of them will do."""
        return np.array(VARIANCES if self.design.photos <= 300 else VARIANCES[1:2])


def all_cells() -> dict[str, Cell]:
    cells: list[Cell] = []
    for photos in (60, 300, 1000):
        for head in ("lda", "probe"):
            for shares, balance in ((EVEN, "even"), (SKEWED, "skewed")):
                for largest in (1, 5):
                    name = f"{head}-{photos}-{balance}-{largest}"
                    cells.append(Cell(name, Design(photos, shares, largest, 10), head))
    known = {cell.name: cell for cell in cells}
    for base in ("lda-60-even-1", "lda-60-skewed-1", "lda-300-even-1", "probe-60-skewed-1"):
        for signal, word in ((CHANCE, "chance"), (EASY, "easy")):
            cells.append(replace(known[base], name=f"{base}-{word}", signals=(signal, signal)))
    for base in ("lda-60-even-1", "lda-300-even-1", "lda-300-skewed-1"):
        wide = replace(known[base].design, dimensions=100)
        cells.append(replace(known[base], name=f"{base}-wide", design=wide, shrinkage=0.5))
    for base in ("lda-60-even-1", "lda-300-even-1"):
        cells.append(replace(known[base], name=f"{base}-k10", folds=10))
        cells.append(replace(known[base], name=f"{base}-k2", folds=2))
        cells.append(replace(known[base], name=f"{base}-once", repeats=1))
    for base in ("lda-60-even-1", "lda-300-skewed-1", "lda-300-even-1"):
        five, mixed = (MEDIUM,) * 5, (MEDIUM,) * 3 + (0.8,) * 2
        cells.append(replace(known[base], name=f"{base}-five", signals=five))
        cells.append(replace(known[base], name=f"{base}-mixed", signals=mixed))
    for base, cell in known.items():
        cells.append(replace(cell, name=f"{base}-model", kind="model"))
    rare = Cell("lda-60-rare-1-model", Design(60, RARE, 1, 10), "lda", kind="model")
    cells.append(rare)
    for base in ("lda-60-even-1", "lda-300-even-1", "lda-300-skewed-1", "probe-300-even-1"):
        cells.append(replace(known[base], name=f"{base}-power", power_of=base))
    return {cell.name: cell for cell in cells}


def photos_table(label: Ints, group: Ints) -> Photos:
    return Photos(
        image=tuple(f"{i:05}" for i in range(len(label))),
        path=tuple(f"{i:05}" for i in range(len(label))),
        label=label,
        group=group,
        group_name=tuple(f"{i:05}" for i in range(int(group.max()) + 1)),
    )


def predictions(label: Ints, group: Ints, fold: Ints, answers: list[Floats]) -> Predictions:
    """Lay out (repeats, n, k) probabilities per recipe as a table of predictions."""
    repeats, n = fold.shape
    rows = len(answers) * repeats * n
    proba = np.concatenate([one.reshape(-1, CLASSES) for one in answers])
    return Predictions(
        classes=("a", "b", "c"),
        photos=photos_table(label, group),
        entries=tuple(EntryName(f"{j}", f"{j}", "") for j in range(len(answers))),
        entry=np.repeat(np.arange(len(answers)), repeats * n),
        photo=np.tile(np.arange(n), len(answers) * repeats),
        repeat=np.tile(np.repeat(np.arange(repeats), n), len(answers)),
        fold=np.tile(fold.reshape(-1), len(answers)),
        status=np.full(rows, OK, dtype=np.uint8),
        reason=np.full(rows, "", dtype=object),
        predicted=proba.argmax(axis=1),
        proba=proba,
    )


def head_scores(cell: Cell, X: Floats, y: Ints, part: Ints, test: Floats) -> Floats:
    if cell.head == "lda":
        return np.asarray(lda(X, y, np.ones(len(y)), cell.shrinkage, test))
    return np.asarray(probe(X, y, part, cell.variances, test))


def fresh_scores(cell: Cell, rng: np.random.Generator) -> list[float]:
    """Train every recipe on (k - 1)/k of new groups; return its macro-F1 on other photos."""
    label, group = cell.design.labels(rng)
    fold = deal(label, group, cell.folds, rng)
    train = fold > 0 if cell.folds > 2 else fold == 0
    part = deal(label[train], group[train], 4, rng)
    X = cell.design.features(label, group, cell.signals, rng)[:, train]
    counts = np.round(TEST_PHOTOS * np.bincount(label) / len(label)).astype(int)
    truth = np.repeat(np.arange(CLASSES), counts)
    single = replace(cell.design, largest_group=1)
    test = single.features(truth, np.arange(len(truth)), cell.signals, rng)
    one = np.ones(len(truth))
    return [
        float(weighted_macro_f1(truth, head_scores(cell, x, label[train], part, u).argmax(1), one))
        for x, u in zip(X, test, strict=True)
    ]


def model_answers(
    cell: Cell, label: Ints, group: Ints, X: Floats, rng: np.random.Generator
) -> tuple[list[Floats], list[Floats]]:
    """Train once on photos like these, answer these; and the F1 per class of these very models."""
    other, groups = cell.design.labels(rng)
    train = cell.design.features(other, groups, cell.signals, rng)
    part = deal(other, groups, 4, rng)
    counts = 10 * TEST_PHOTOS * np.bincount(label) // len(label)
    truth = np.repeat(np.arange(CLASSES), counts)
    single = replace(cell.design, largest_group=1)
    test = single.features(truth, np.arange(len(truth)), cell.signals, rng)
    answers, scores = [], []
    for x, fitted, large in zip(X, train, test, strict=True):
        answers.append(softmax_rows(head_scores(cell, fitted, other, part, x))[None])
        said = head_scores(cell, fitted, other, part, large).argmax(axis=1)
        scores.append(f1(tally(confusions(truth, said[None], ("a", "b", "c"))))[0])
    return answers, scores


def draw(cell: Cell, number: int) -> dict[str, object]:
    """Make one draw of a cell: everything that the tables are made of."""
    rng = np.random.default_rng([SEED, zlib.crc32(cell.name.encode()), number])
    label, group = cell.design.labels(rng)
    X = cell.design.features(label, group, cell.signals, rng)
    if cell.kind == "model":
        fold = np.zeros((1, len(label)), dtype=np.int64)
        answers, of_class = model_answers(cell, label, group, X, rng)
        fresh = [float(one.mean()) for one in of_class]
    else:
        fold = np.stack([deal(label, group, cell.folds, rng) for _ in range(cell.repeats)])
        is_lda = cell.head == "lda"
        answers = [out_of_fold(x, label, fold, is_lda, cell.shrinkage, cell.variances) for x in X]
        fresh = fresh_scores(cell, rng)
    table = predictions(label, group, fold, answers)
    bootstrap = GroupBootstrap(table, kind=cell.kind, seed=number, draws=RESAMPLES)
    line: dict[str, object] = {"draw": number, "fresh": fresh, "widening": bootstrap.widening}
    line |= scores_of(bootstrap, [str(j) for j in range(len(answers))])
    line |= losses_of(bootstrap, label, fold, answers)
    if cell.kind == "model":
        line |= class_scores_of(bootstrap, of_class)
    if cell.head == "lda" and cell.kind == "recipe" and cell.design.photos <= 300:
        weights = bootstrap.weights[:REFITS][:, bootstrap.group].astype(np.float64)
        line["refit_se"] = float(refitted(X[0], label, fold, weights, cell.shrinkage).std(ddof=1))
    return line


def class_scores_of(bootstrap: GroupBootstrap, truth: list[Floats]) -> dict[str, object]:
    """Return the default intervals of every class's F1 and its truth, per entry."""
    found = [class_f1(bootstrap, str(j)).values() for j in range(len(truth))]
    return {
        "class_fresh": [one.tolist() for one in truth],
        "class_low": [[one.low for one in ones] for ones in found],
        "class_high": [[one.high for one in ones] for ones in found],
    }


def scores_of(bootstrap: GroupBootstrap, entries: list[str]) -> dict[str, object]:
    """Return value, unwidened standard error and the default interval, per entry and pair."""
    widening = bootstrap.widening
    estimates = [bootstrap.estimate(entry) for entry in entries]
    draws = [bootstrap.entry(entry).draws["macro_f1"] for entry in entries]
    per_repeat = [repeat_scores(bootstrap, entry) for entry in entries]
    pairs = list(combinations(entries, 2))
    gaps = [bootstrap.difference(a, b) for a, b in pairs]
    correct = [bootstrap.difference(a, b, "accuracy") for a, b in pairs]
    return {
        "value": [one.value for one in estimates],
        "low": [one.low for one in estimates],
        "high": [one.high for one in estimates],
        "se": [bootstrap.standard_error(entry) / widening for entry in entries],
        "smoothed_se": [bootstrap.smoothed_error(entry) / widening for entry in entries],
        "reach": bootstrap.reach("accuracy").errors,
        "percentile": [np.quantile(one, [0.025, 0.975]).tolist() for one in draws],
        "between_repeats": [float(s.std(ddof=1)) if len(s) > 1 else 0.0 for s in per_repeat],
        "difference": [gap.value for gap in gaps],
        "difference_se": [bootstrap.standard_error(a, b) / widening for a, b in pairs],
        "difference_reach": [max(gap.high - gap.value, gap.value - gap.low) for gap in gaps],
        "p": [p_of_difference(gap, bootstrap.reach().freedom) for gap in gaps],
        "accuracy_p": [
            p_of_difference(gap, bootstrap.reach("accuracy").freedom) for gap in correct
        ],
        "accuracy": [bootstrap.entry(entry).value("accuracy") for entry in entries],
    }


def repeat_scores(bootstrap: GroupBootstrap, entry: str) -> Floats:
    return macro_f1(tally(bootstrap.entry(entry).confusion))


def losses_of(
    bootstrap: GroupBootstrap, label: Ints, fold: Ints, answers: list[Floats]
) -> dict[str, object]:
    """Log loss and Brier score with unwidened standard errors; Nadeau-Bengio p of two recipes."""
    truth = np.eye(CLASSES)[label]
    n = len(label)
    losses = [-np.log(np.maximum((p * truth).sum(axis=2), 1e-15)) for p in answers]
    briers = [((p - truth) ** 2).sum(axis=2) for p in answers]
    right = [(p.argmax(axis=2) == label).astype(float) for p in answers]
    weights = bootstrap.weights.astype(np.float64)

    def error(per_photo: Floats) -> float:
        sums = np.bincount(bootstrap.group, weights=per_photo, minlength=bootstrap.groups)
        sizes = np.bincount(bootstrap.group, minlength=bootstrap.groups)
        return float(((weights @ sums) / (weights @ sizes)).std(ddof=1))

    found: dict[str, object] = {
        "log_loss": [float(one.mean()) for one in losses],
        "log_loss_se": [error(one.mean(axis=0)) for one in losses],
        "brier": [float(one.mean()) for one in briers],
        "brier_se": [error(one.mean(axis=0)) for one in briers],
        "log_loss_difference_se": error((losses[0] - losses[1]).mean(axis=0)),
    }
    if bootstrap.kind == "recipe":
        for name, cells in (("accuracy", right), ("log_loss", losses)):
            gap, folds = cells[0] - cells[1], int(fold.max()) + 1
            per_fold = [gap[r, fold[r] == f].mean() for r in range(len(fold)) for f in range(folds)]
            found[f"nadeau_bengio_{name}"] = nadeau_bengio(np.array(per_fold), folds)
    return found | {"photos": n, "groups": bootstrap.groups}


def nadeau_bengio(per_fold: Floats, folds: int) -> float:
    """The p of the corrected resampled t test, doi:10.1023/A:1024068626366."""
    count = len(per_fold)
    variance = (1 / count + 1 / (folds - 1)) * per_fold.var(ddof=1)
    if variance == 0:
        return 1.0 if per_fold.mean() == 0 else 0.0
    return float(2 * student.sf(abs(per_fold.mean()) / np.sqrt(variance), count - 1))


Lines = list[dict[str, object]]


def read_lines(path: Path) -> Lines:
    """Read what is there; a last line that was cut off is left out and will be made again."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return lines


def column(lines: Lines, name: str) -> Floats:
    return np.array([line[name] for line in lines], dtype=np.float64)


def stated_photos(lines: Lines) -> Floats:
    """Return 'about N photos would show a difference of 0.05 with 80 % power' per draw."""
    photos = float(column(lines, "photos")[0])
    error = column(lines, "difference_se")[:, 0] * column(lines, "widening")
    spread = 0.841621 / np.sqrt(column(lines, "widening"))  # as in evaluate/board_words.py
    return np.asarray(photos * ((1.959964 + spread) * error / 0.05) ** 2)


def with_power(cell: Cell, folder: Path) -> Cell | None:
    """Give a power cell the stated N, and the second recipe a score that is 0.05 higher."""
    base = read_lines(folder / f"{cell.power_of}.jsonl")
    if len(base) < 100:
        return None
    kept = folder / f"{cell.name}.json"
    if kept.exists():
        photos, signal = json.loads(kept.read_text())
    else:
        photos = int(np.median(stated_photos(base)))
        signal = tuned(replace(cell, design=replace(cell.design, photos=photos)))
        kept.write_text(json.dumps([photos, signal]))
    return replace(
        cell, design=replace(cell.design, photos=photos), signals=(cell.signals[0], signal)
    )


def tuned(cell: Cell) -> float:
    """Return the signal whose expected macro-F1 is 0.05 above that of the first recipe."""
    low, high = cell.signals[0], cell.signals[0] + 1.0
    for _ in range(12):
        middle = (low + high) / 2
        tried = replace(cell, signals=(cell.signals[0], middle))
        scores = np.array(
            [fresh_scores(tried, np.random.default_rng([SEED, i])) for i in range(300)]
        )
        if (scores[:, 1] - scores[:, 0]).mean() < 0.05:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def run(folder: Path, wanted: str, draws: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, cell in all_cells().items():
        if not fnmatch.fnmatch(name, wanted):
            continue
        ready = with_power(cell, folder) if cell.power_of else cell
        if ready is None:
            print(f"{name}: run {cell.power_of} first")
            continue
        path = folder / f"{name}.jsonl"
        done = read_lines(path)
        path.write_text("".join(json.dumps(line) + "\n" for line in done))
        started = time.perf_counter()
        with path.open("a") as lines:
            for number in range(len(done), draws):
                lines.write(json.dumps(draw(ready, number)) + "\n")
                lines.flush()
        if len(done) < draws:
            per = (time.perf_counter() - started) / (draws - len(done))
            print(f"{name}: {draws - len(done)} draws, {1000 * per:.0f} ms each", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the lines")
    parser.add_argument("--cells", default="*", help="names of cells, with * and ?")
    parser.add_argument("--draws", type=int, default=1000)
    asked = parser.parse_args()
    run(asked.out, asked.cells, asked.draws)


if __name__ == "__main__":
    main()
