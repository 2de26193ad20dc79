"""A leaderboard for models that were never seen: from a table of predictions to tiers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from footwork.evaluate.foreign import read_foreign
from footwork.evaluate.intervals import FEW_GROUPS, GroupBootstrap, Kind
from footwork.evaluate.leaderboard import leaderboard
from footwork.evaluate.tiers import exact_mcnemar, holm, p_of_difference, pair_table, tiers
from footwork.predictions import Predictions
from footwork.records import EntryScores, Estimate, Leaderboard

HALF = 0.5  # of the photos in one group


@dataclass(frozen=True)
class Pair:
    """Two models, the better one first.

    difference: macro-F1 of a minus that of b, paired. p_alone: two-sided, for this comparison
    by itself; p: corrected for all pairs. mcnemar: exact p of equal accuracy, not corrected,
    where every photo is answered once and alone in its group; else None.
    """

    a: str
    b: str
    difference: Estimate
    p: float
    p_alone: float
    mcnemar: float | None


@dataclass(frozen=True)
class Judged:
    """The board, best first, with tier per entry and all pairs, by the names of the models."""

    predictions: Predictions
    board: Leaderboard
    titles: Mapping[str, str]
    tier: Mapping[str, int]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]

    def rows(self) -> list[tuple[str, int, EntryScores]]:
        """Return (model, tier, scores) per entry, best macro-F1 first."""
        return [(self.titles[e.entry], self.tier[e.entry], e) for e in self.board.entries]

    def sentences(self) -> list[str]:
        """Return the board's sentences, and what is left of them after correction."""
        said = list(self.board.sentences)
        m, first = len(self.tier), [name for name, tier, _ in self.rows() if tier == 1]
        if m > 2:
            counted = f"Corrected for the {len(self.pairs):,} comparisons between them"
            if len(first) == 1:
                said.append(f"{counted}, {first[0]} is still better than all others (tier 1).")
            elif len(first) == m:
                said.append(f"{counted}, no model is worse than the best: all are in tier 1.")
            else:
                said.append(
                    f"{counted}, {len(first)} of the {m} models are not worse than the best "
                    f"(tier 1): {listed(first)}."
                )
        return said


def judge(path: Path, *, common: bool = False, seed: int = 0) -> Judged:
    """Score the models of a table of predictions (see `footwork.evaluate.foreign`).

    With two or more folds the intervals are about the recipes (cross-validation), else about
    these very models. common: judge on the photos that all models predict. The same seed gives
    the same answer, in whatever order rows and models come. Raises DataError.
    """
    foreign = read_foreign(path, common=common)
    predictions = foreign.predictions
    kind: Kind = "recipe" if predictions.folds > 1 else "model"
    bootstrap = GroupBootstrap(predictions, kind=kind, seed=seed)
    board = leaderboard(
        predictions,
        kind=kind,
        seed=seed,
        titles=foreign.titles,
        drawn=False,
        bootstrap=bootstrap,
    )
    pairs = compared_pairs(bootstrap, board, foreign.titles)
    m = len(board.entries)
    levels = tiers(pair_table(np.array([pair.p for pair in pairs]), m))
    return Judged(
        predictions=predictions,
        board=board,
        titles=foreign.titles,
        tier={e.entry: tier for e, tier in zip(board.entries, levels, strict=True)},
        pairs=pairs,
        notes=(*foreign.notes, *warnings(predictions)),
    )


def compared_pairs(
    bootstrap: GroupBootstrap, board: Leaderboard, titles: Mapping[str, str]
) -> tuple[Pair, ...]:
    """Compare all entries of a board with each other, in the order of the board."""
    label = bootstrap.predictions.photos.label
    hashes = [e.entry for e in board.entries]
    found = [(a, b, bootstrap.difference(a, b)) for a, b in combinations(hashes, 2)]
    alone = np.array([p_of_difference(difference) for _, _, difference in found])
    single = board.repeats == 1 and board.kind == "model" and board.groups == board.photos
    right = {
        entry: bootstrap.entry(entry).answers[0] == label for entry in (hashes if single else ())
    }
    return tuple(
        Pair(
            a=titles[a],
            b=titles[b],
            difference=difference,
            p=float(p),
            p_alone=float(by_itself),
            mcnemar=exact_mcnemar(
                int((right[a] & ~right[b]).sum()), int((right[b] & ~right[a]).sum())
            )
            if single
            else None,
        )
        for (a, b, difference), p, by_itself in zip(found, holm(alone), alone, strict=True)
    )


def listed(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def warnings(predictions: Predictions) -> list[str]:
    """Say what makes the intervals lean on few photos."""
    photos, said = predictions.photos, []
    sizes = np.bincount(photos.group)
    largest, total = int(sizes.argmax()), len(photos)
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
                f"{name} has only {count:,} {noun}{grouped}: its exact bounds are added to every "
                "interval, and little can be said of it."
            )
    return said
