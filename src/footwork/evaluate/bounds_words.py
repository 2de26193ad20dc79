"""The bounds on published models in words: what can be told from chance and from each other."""

from footwork.evaluate.bounds import PublishedBoard, PublishedPair, PublishedScores, Range
from footwork.evaluate.tiers import ALPHA

SENTENCES = 6  # about pairs; the table has them all


def bounds_in_words(board: PublishedBoard) -> list[str]:
    """Say of each model whether it guesses, and of the best pairs whether they differ."""
    said = [*summary(board), *(model_in_words(scores) for scores in board.scores)]
    if board.pairs:
        said.append(
            "Models with as many photos in every class are taken to be tested on the same photos. "
            "Which of them each got right is not published, so no paired test (McNemar) can be "
            "made; the p below run from the most to the least favourable pairing."
        )
    said += [pair_in_words(pair) for pair in board.pairs[:SENTENCES]]
    if len(board.pairs) > SENTENCES:
        said.append(f"{len(board.pairs) - SENTENCES:,} more pairs are in --json and --out.")
    said.append(
        "Each photo is counted as one of its own: copies among them, which nobody can see in a "
        "published score, would make all of this less sure."
    )
    return said


def summary(board: PublishedBoard) -> list[str]:
    """Say in three sentences at most what is told from guessing, and what from each other."""
    total = len(board.scores)
    if total == 1:
        return []
    sure = [one.published.name for one in board.scores if one.p_guessing.high < ALPHA]
    found = f"{len(sure)} of the {total} models are better than guessing: {', '.join(sure)}."
    if not sure:
        found = f"None of these {total} models can be told from guessing for sure."
    elif len(sure) == total:
        found = f"All of these {total} models are better than guessing."
    return [found, *([tier_sentence(board)] if board.pairs else []), *other_photos(board)]


def model_in_words(one: PublishedScores) -> str:
    model = one.published
    fits = len(model.matrices)
    origin = "" if fits == 1 else f" (in each of the {fits:,} confusion matrices that fit)"
    p = one.p_guessing
    if p.high < ALPHA:
        verdict = "better than guessing"
    elif p.low >= ALPHA:
        verdict = "which cannot be told from guessing"
    else:
        verdict = "and whether that is better than guessing depends on which of them is true"
    return (
        f"{model.name}: {shown(one.right, 0)} of {model.photos:,} right{origin}, macro-F1 "
        f"{shown(one.macro_f1)} (95 % interval {one.interval.low:.2f} to "
        f"{one.interval.high:.2f}), {verdict}: the same answers dealt out at random do as well "
        f"with p = {p_range(p)}."
    )


def pair_in_words(pair: PublishedPair) -> str:
    if pair.p.high < ALPHA:
        verdict = "are told apart whatever the pairing"
    elif pair.p.low >= ALPHA:
        verdict = "cannot be told apart, whatever the pairing"
    else:
        verdict = "may or may not be told apart: that depends on the pairing"
    return (
        f"{pair.a} and {pair.b} {verdict}: the difference is {shown(pair.difference)} "
        f"({pair.interval.low:+.2f} to {pair.interval.high:+.2f} unpaired, p = "
        f"{p_range(pair.p_unpaired)}; paired p {p_range(pair.p)}, of accuracy by exact McNemar "
        f"{p_range(pair.mcnemar)})."
    )


def tier_sentence(board: PublishedBoard) -> str:
    compared = [one for one in board.scores if one.tier is not None]
    first = [one.published.name for one in compared if one.tier == 1]
    if len(first) == len(compared):
        found = "no model can be shown to be worse than another: all are in tier 1"
    else:
        found = f"tier 1 (not shown to be worse than the best) is {', '.join(first)}"
    return f"At the least favourable pairing, corrected for all pairs compared, {found}."


def other_photos(board: PublishedBoard) -> list[str]:
    """Name the models that were tested on other photos than the rest."""
    alone = [one.published for one in board.scores if one.tier is None]
    return [
        f"{model.name} was tested on {model.photos:,} other photos ("
        + ", ".join(f"{n:,} {name}" for name, n in zip(model.classes, model.support, strict=True))
        + "): its score cannot be compared with the others'."
        for model in alone
    ]


def shown(span: Range, digits: int = 2) -> str:
    """'0.42', or '0.41 to 0.43' where the ends print differently."""
    low, high = f"{span.low:.{digits}f}", f"{span.high:.{digits}f}"
    return low if low == high else f"{low} to {high}"


def p_text(p: float) -> str:
    if p < 0.001:
        return "< 0.001"
    return f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def p_range(span: Range) -> str:
    low, high = p_text(span.low), p_text(span.high)
    return low if low == high else f"{low} to {high}"
