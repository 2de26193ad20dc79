"""From predictions to the leaderboard: scores, floors, and the findings in words."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from footwork.evaluate.board_words import Findings
from footwork.evaluate.intervals import GroupBootstrap, Kind
from footwork.evaluate.pairs import compared_pairs, tiers_of
from footwork.evaluate.tiers import ALPHA
from footwork.evaluate.words import broken, covers_zero, difference_in_words, reference, two
from footwork.predictions import NO_ANSWER, Predictions
from footwork.records import ClassScores, EntryScores, Estimate, Floors, Leaderboard, Permuted
from footwork.scores import (
    Floats,
    Tally,
    confusions,
    f1,
    log_loss,
    macro_f1,
    precision,
    recall,
    tally,
)

__all__ = ["covers_zero", "difference_in_words", "floors_of", "leaderboard", "reference", "two"]


def leaderboard(
    predictions: Predictions,
    *,
    kind: Kind,
    seed: int,
    titles: Mapping[str, str],
    drawn: bool,
    bootstrap: GroupBootstrap | None = None,
    permuted: Mapping[str, Floats] | None = None,
) -> Leaderboard:
    """Score every entry of `predictions`, with intervals, floors, tiers, pairs and sentences.

    kind: what the intervals are about, 'recipe' or 'model' (see footwork.evaluate.intervals).
    titles: readable name per entry hash (EntryInfo.title); 'base · recipe' where it is absent.
    drawn: the pictures are drawn by code, which the sentences then say. bootstrap: one of these
    predictions, kind and seed, if there is one already: its resamples are used again. permuted:
    per entry hash (permutations,) macro-F1 on permuted labels, the same for all entries (see
    footwork.evaluate.permuted). The same seed gives the same leaderboard, in whatever order rows
    and photos come.

    Raises DataError for an empty table, for a class without photos, and for kind 'recipe' with
    fewer than two folds.
    """
    bootstrap = bootstrap or GroupBootstrap(predictions, kind=kind, seed=seed)
    nothing = highest_of(permuted or {}, set(bootstrap.index))
    floors = floors_of(predictions.photos.label, predictions.classes, seed)
    if nothing is not None:
        floors = floors.model_copy(update={"permuted": summary(nothing)})
    # An entry of which no row is left (see Predictions.where) is not in the table.
    present = np.unique(predictions.entry).tolist()
    scored = [entry_scores(bootstrap, index, reference(floors)) for index in present]
    ordered = sorted(scored, key=lambda one: (-one.macro_f1.value, one.entry))
    names = {e.entry: titles.get(e.entry, f"{e.base} · {e.recipe}") for e in predictions.entries}
    # No contract broken on purpose: only these may be called best.
    fair = [one.entry for one in ordered if not broken(names[one.entry])]
    contenders = fair or [one.entry for one in ordered]
    pairs = compared_pairs(bootstrap, contenders)
    tier = tiers_of(pairs, contenders)
    entries = tuple(
        placed(one, tier.get(one.entry, 0), nothing if one.entry in (permuted or {}) else None)
        for one in ordered
    )
    findings = Findings(bootstrap, entries, contenders, pairs, names, floors)
    return Leaderboard(
        kind=kind,
        classes=predictions.classes,
        photos=len(predictions.photos),
        groups=bootstrap.groups,
        folds=predictions.folds,
        repeats=predictions.repeats,
        floors=floors,
        entries=entries,
        sentences=findings.sentences(drawn),
        pairs=pairs,
        smallest_seen=findings.smallest_seen(),
        photos_needed=findings.photos_needed(),
    )


def highest_of(permuted: Mapping[str, Floats], entries: set[str]) -> Floats | None:
    """Return the best macro-F1 of any entry in each permutation, None where there is none.

    Every entry is held against these: so that the best of many is not called better than nothing
    because it was chosen (Westfall and Young 1993, the maximum over the tests).
    """
    draws = [permuted[entry] for entry in sorted(entries & set(permuted))]
    return np.max(draws, axis=0) if draws and len(draws[0]) else None


def summary(highest: Floats) -> Permuted:
    return Permuted(
        permutations=len(highest), mean=float(highest.mean()), highest=float(highest.max())
    )


def placed(scores: EntryScores, tier: int, nothing: Floats | None) -> EntryScores:
    """Give an entry its tier, and what the permutations say of it."""
    if nothing is None:
        return scores.model_copy(update={"tier": tier})
    # The labels as they are count as one of the permutations (Phipson and Smyth 2010).
    as_high = int((nothing >= scores.macro_f1.value).sum())
    p = (1 + as_high) / (1 + len(nothing))
    beats = {"beats_guessing": p <= ALPHA, "p_nothing": p}
    return scores.model_copy(update={"tier": tier, **beats})


def entry_scores(bootstrap: GroupBootstrap, index: int, floor: float) -> EntryScores:
    """Score the entry at `index`. floor: the macro-F1 that counts as guessing."""
    predictions = bootstrap.predictions
    entry = predictions.entries[index].entry
    resampled = bootstrap.entry(entry)
    counts = tally(resampled.confusion)
    rows = zip(
        predictions.classes,
        precision(counts).mean(axis=0),
        recall(counts).mean(axis=0),
        f1(counts).mean(axis=0),
        counts.support[0],
        strict=True,
    )
    score = bootstrap.estimate(entry)
    return EntryScores(
        entry=entry,
        macro_f1=score,
        accuracy=bootstrap.estimate(entry, "accuracy"),
        balanced_accuracy=bootstrap.estimate(entry, "balanced_accuracy"),
        log_loss=log_loss(predictions.photos.label, predictions.probabilities(index)),
        classes=tuple(
            ClassScores(
                name=name, precision=float(p), recall=float(r), f1=float(f), support=int(support)
            )
            for name, p, r, f, support in rows
        ),
        confusion=tuple(tuple(map(float, row)) for row in resampled.confusion.mean(axis=0)),
        beats_guessing=score.low > floor,
        failed=int((resampled.answers == NO_ANSWER).sum()),
    )


def floors_of(label: NDArray[np.int64], classes: Sequence[str], seed: int) -> Floors:
    """Return what is had for nothing on these labels; (n,) int64 in [0, k).

    guessing: mean and central 95 % range of the macro-F1 of one pass of uniform guesses over
    the photos, not of a mean over repeats: it is what a single published number is up against.
    """
    sizes = np.bincount(label, minlength=len(classes))
    largest = min((name for name, n in zip(classes, sizes, strict=True) if n == sizes.max()))
    constant = confusions(label, np.full(len(label), classes.index(largest)), classes)
    # The order of the classes must not matter, and macro-F1 does not know it.
    support = np.sort(sizes)
    k = len(support)
    # With 10,000 passes the ends are sure to 0.002; many classes narrow the range by themselves.
    passes = max(2_000, min(10_000, 1_000_000 // k**2))
    rng = np.random.default_rng([seed, 2])  # 1: the resamples of groups
    hits = np.empty((passes, k), dtype=np.int64)
    answered = np.zeros((passes, k), dtype=np.int64)
    for true, photos in enumerate(support):
        guesses = rng.multinomial(photos, np.full(k, 1 / k), size=passes)
        hits[:, true] = guesses[:, true]
        answered += guesses
    guessed = macro_f1(Tally(hits, answered, support))
    low, high = np.quantile(guessed, [0.025, 0.975])
    return Floors(
        largest_class=largest,
        largest_class_macro_f1=float(macro_f1(tally(constant))),
        guessing=Estimate(value=float(guessed.mean()), low=float(low), high=float(high)),
    )
