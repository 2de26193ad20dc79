"""A leaderboard for models that were never seen: from a table of predictions to tiers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from footwork.evaluate.foreign import read_foreign
from footwork.evaluate.intervals import GroupBootstrap, Kind
from footwork.evaluate.leaderboard import leaderboard
from footwork.predictions import Predictions
from footwork.records import EntryScores, Estimate, Leaderboard, PairScores


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
        """Return the board's sentences."""
        return list(self.board.sentences)


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
    return Judged(
        predictions=predictions,
        board=board,
        titles=foreign.titles,
        tier={e.entry: e.tier for e in board.entries},
        pairs=tuple(named(pair, foreign.titles) for pair in board.pairs),
        notes=foreign.notes,
    )


def named(pair: PairScores, titles: Mapping[str, str]) -> Pair:
    """Return a pair of the board by the names of its models."""
    return Pair(
        a=titles[pair.a],
        b=titles[pair.b],
        difference=pair.difference,
        p=pair.p,
        p_alone=pair.p_alone,
        mcnemar=pair.mcnemar,
    )
