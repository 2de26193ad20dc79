"""What the page shows of one leaderboard: rows, confusion matrices and grids, ready to print.

The template only lays these out; everything that is decided is decided here.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from footwork.evaluate.bounds_words import p_text
from footwork.evaluate.noise import Suspect, label_noise, mean_probabilities
from footwork.evaluate.words import difference_in_words
from footwork.predictions import ABSTAINED, FAILED, Predictions
from footwork.records import EntryInfo, EntryScores, Leaderboard
from footwork.reporting.pictures import (
    MISSED_SHOWN,
    MISTAKES_SHOWN,
    RIGHT_SHOWN,
    SUSPECTS_SHOWN,
    Album,
    Verdict,
    missed_by_all,
    mistakes,
    right_ones,
    verdicts,
)
from footwork.reporting.plots import (
    Chart,
    Marker,
    Standing,
    leaderboard_chart,
    matched,
    standing,
)
from footwork.runs import Run

REASONS_SHOWN = 5
ABSOLUTE_PATH = re.compile(r"(?<![\w/\\<])(?:~|[A-Za-z]:)?[\\/][^\s'\",;]+")


@dataclass(frozen=True)
class Row:
    """One entry on the leaderboard. anchor: where the page tells more about it.

    against_guessing: its macro-F1 against the better floor, in words.
    """

    anchor: str
    info: EntryInfo
    scores: EntryScores
    marker: Marker
    standing: Standing
    against_guessing: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Tile:
    """One photo in a grid. css: the class that shows its thumbnail, None where there is none."""

    css: str | None
    right: bool
    label: str
    answer: str
    name: str
    path: str
    details: tuple[str, ...]

    @property
    def alt(self) -> str:
        return f"Photo labelled {self.label}, answered {self.answer or 'nothing'}"


@dataclass(frozen=True)
class Grid:
    tiles: tuple[Tile, ...]
    total: int


@dataclass(frozen=True)
class Cell:
    """A cell of a confusion matrix. percent: of its row, 0 to 100; count: mean over repeats."""

    percent: float
    count: float
    right: bool


@dataclass(frozen=True)
class EntryView:
    row: Row
    answers: tuple[str, ...]
    confusion: tuple[tuple[str, tuple[Cell, ...]], ...]
    failures: tuple[str, ...]
    mistakes: Grid
    right: Grid


@dataclass(frozen=True)
class Section:
    """A leaderboard and what lies behind it. missed_among: the entries that `missed` is about.

    suspects: photos whose label is likely wrong, as the entry `suspects_by` sees it; '' where no
    entry knows enough to say.
    """

    board: Leaderboard
    sentences: tuple[str, ...]
    chart: Chart
    rows: tuple[Row, ...]
    interval: str
    pairs: tuple[tuple[str, ...], ...]
    entries: tuple[EntryView, ...]
    missed: Grid
    missed_among: int
    suspects: Grid
    suspects_by: str


class Anonymous:
    """Takes the photos' paths, which may carry names, out of everything that is shown."""

    def __init__(self, run: Run) -> None:
        tables = [run.predictions] if run.external is None else [run.predictions, run.external]
        known = {
            path: image[:10]
            for table in tables
            for path, image in zip(table.photos.path, table.photos.image, strict=True)
        }
        known |= {PurePath(path).name: image for path, image in known.items()}
        # Longest first, so that no path is broken up by a shorter one inside it.
        self._known = sorted(known.items(), key=lambda item: (-len(item[0]), item[0]))

    def text(self, text: str) -> str:
        for path, image in self._known:
            if path:
                text = text.replace(path, image)
        return ABSOLUTE_PATH.sub("[path left out]", text)


def section(
    infos: Sequence[EntryInfo],
    board: Leaderboard,
    predictions: Predictions | None,
    album: Album,
    anonymous: Anonymous | None,
    prefix: str,
) -> Section:
    """Prepare all that the page shows of one board. prefix: of the anchors, unique per page."""
    clean = anonymous.text if anonymous else str
    chart = leaderboard_chart(board)
    rows = tuple(
        Row(
            anchor=f"{prefix}{i}",
            info=info,
            scores=scores,
            marker=chart.axis.marker(scores.macro_f1),
            standing=standing(info),
            against_guessing=against_guessing(board, scores),
            notes=tuple(clean(note) for note in info.notes),
        )
        for i, (info, scores) in enumerate(matched(board, infos))
    )
    index = {} if predictions is None else {e.entry: i for i, e in enumerate(predictions.entries)}
    found: dict[str, tuple[Verdict, ...]] = {
        row.info.entry: verdicts(predictions, index[row.info.entry])
        for row in rows
        if predictions is not None and row.info.entry in index
    }
    fair = [found[r.info.entry] for r in rows if r.standing == "fair" and r.info.entry in found]
    tiles = Tiles(predictions, album, anonymous)
    # Before the entries: if the page runs full, these pictures matter most.
    missed = tiles.missed(missed_by_all(fair)) if len(fair) > 1 else Grid((), 0)
    knowing = [row for row in rows if row.standing == "fair" and row.scores.beats_guessing]
    suspects, by = Grid((), 0), ""
    if predictions is not None and knowing and knowing[0].info.entry in index:
        entry = index[knowing[0].info.entry]
        doubted = label_noise(predictions.photos.label, mean_probabilities(predictions, entry))
        suspects, by = tiles.suspects(doubted.suspects), knowing[0].info.title
    return Section(
        board=board,
        sentences=tuple(clean(sentence) for sentence in board.sentences),
        chart=chart,
        rows=rows,
        interval=interval_sentence(board),
        pairs=pair_rows(board, infos),
        entries=tuple(
            EntryView(
                row=row,
                answers=answer_names(board, row.scores),
                confusion=heat(board, row.scores),
                failures=failures(predictions, index.get(row.info.entry, -1), clean),
                mistakes=tiles.of_entry(mistakes(found.get(row.info.entry, ())), MISTAKES_SHOWN),
                right=tiles.of_entry(right_ones(found.get(row.info.entry, ())), RIGHT_SHOWN),
            )
            for row in rows
        ),
        missed=missed,
        missed_among=len(fair),
        suspects=suspects,
        suspects_by=by,
    )


def against_guessing(board: Leaderboard, scores: EntryScores) -> str:
    floors = board.floors
    if scores.beats_guessing:
        return "beats guessing"
    if scores.macro_f1.high < max(floors.guessing.value, floors.largest_class_macro_f1):
        return "worse than guessing"
    return "cannot be told from guessing"


def pair_rows(board: Leaderboard, infos: Sequence[EntryInfo]) -> tuple[tuple[str, ...], ...]:
    """Return a row per pair of entries: both titles, the difference, and every p."""
    titles = {info.entry: info.title for info in infos}
    return tuple(
        (
            titles[pair.a],
            titles[pair.b],
            difference_in_words(pair.difference),
            p_text(pair.p_alone),
            p_text(pair.p),
            *("–" if p is None else p_text(p) for p in (pair.accuracy_p, pair.log_loss_p)),
            "–" if pair.mcnemar is None else p_text(pair.mcnemar),
        )
        for pair in board.pairs
    )


class Tiles:
    """Makes the tiles of the picture grids."""

    def __init__(
        self, predictions: Predictions | None, album: Album, anonymous: Anonymous | None
    ) -> None:
        self._predictions = predictions
        self._album = album
        self._anonymous = anonymous

    def of_entry(self, found: Sequence[Verdict], shown: int) -> Grid:
        """Return the first `shown` of one entry's verdicts as tiles."""
        tiles = []
        for verdict in found[:shown]:
            tiles.append(self._tile(verdict, verdict.answer, self._details(verdict)))
        return Grid(tuple(tiles), len(found))

    def missed(self, found: Sequence[tuple[Verdict, ...]]) -> Grid:
        """Return tiles of the photos that every entry gets wrong, with all their answers."""
        tiles = []
        for per_entry in found[:MISSED_SHOWN]:
            answers = Counter(verdict.answer or "no answer" for verdict in per_entry)
            ordered = sorted(answers.items(), key=lambda item: (-item[1], item[0]))
            details = [", ".join(f"{answer} × {n}" for answer, n in ordered)]
            if len(ordered) == 1:
                details = ["by all entries"]
            tiles.append(self._tile(per_entry[0], ordered[0][0], details))
        return Grid(tuple(tiles), len(found))

    def suspects(self, found: Sequence[Suspect]) -> Grid:
        """Return tiles of the photos whose label is likely wrong, the likeliest first."""
        if self._predictions is None:
            return Grid((), 0)
        classes = self._predictions.classes
        tiles = [
            self._picture(
                one.photo,
                label=classes[one.label],
                answer=classes[one.likely],
                right=False,
                details=(f"{100 * one.margin:.0f} % more likely",),
            )
            for one in found[:SUSPECTS_SHOWN]
        ]
        return Grid(tuple(tiles), len(found))

    def _details(self, verdict: Verdict) -> list[str]:
        """Say how sure it was and how often it was wrong, then why an answer is missing."""
        parts = []
        if verdict.confidence is not None:
            parts.append(f"{100 * verdict.confidence:.0f} % sure")
        if verdict.repeats > 1:
            parts.append(f"wrong in {verdict.wrong} of {verdict.repeats} repeats")
        lines = [", ".join(parts)] if parts else []
        return [*lines, self._clean(verdict.reason)] if verdict.reason else lines

    def _tile(self, verdict: Verdict, answer: str, details: Sequence[str]) -> Tile:
        return self._picture(
            verdict.photo,
            label=verdict.label,
            answer=answer,
            right=verdict.right,
            details=tuple(details),
        )

    def _picture(
        self, photo: int, *, label: str, answer: str, right: bool, details: tuple[str, ...]
    ) -> Tile:
        if self._predictions is None:
            raise ValueError("a tile without predictions")
        image = self._predictions.photos.image[photo]
        path = self._predictions.photos.path[photo]
        if self._anonymous:
            path = image[:10]
        return Tile(
            css=self._album.css_class(image),
            right=right,
            label=label,
            answer=answer,
            name=PurePath(path).name or path,
            path=path,
            details=details,
        )

    def _clean(self, text: str) -> str:
        return self._anonymous.text(text) if self._anonymous else text


def answer_names(board: Leaderboard, scores: EntryScores) -> tuple[str, ...]:
    """Return the columns of the confusion matrix; 'no answer' only where there is one."""
    return (*board.classes, "no answer") if has_no_answers(board, scores) else board.classes


def has_no_answers(board: Leaderboard, scores: EntryScores) -> bool:
    k = len(board.classes)
    return any(sum(row[k:]) > 0 for row in scores.confusion)


def heat(board: Leaderboard, scores: EntryScores) -> tuple[tuple[str, tuple[Cell, ...]], ...]:
    """Return the confusion matrix as one (true class, cells) per row."""
    columns = len(answer_names(board, scores))
    rows = []
    for k, (name, counts) in enumerate(zip(board.classes, scores.confusion, strict=True)):
        total = sum(counts) or 1.0
        cells = tuple(
            Cell(percent=100 * n / total, count=n, right=j == k)
            for j, n in enumerate(counts[:columns])
        )
        rows.append((name, cells))
    return tuple(rows)


def failures(
    predictions: Predictions | None, entry: int, clean: Callable[[str], str]
) -> tuple[str, ...]:
    """Return why answers are missing, the commonest reason first: '3 x truncated file'."""
    if predictions is None:
        return ()
    rows = predictions.entry == entry
    reasons = Counter(
        clean(str(reason)) or "no reason given"
        for reason in predictions.reason[rows & (predictions.status == FAILED)]
    )
    if abstained := int((rows & (predictions.status == ABSTAINED)).sum()):
        reasons["abstained"] = abstained
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    lines = [f"{n} × {reason}" for reason, n in ordered[:REASONS_SHOWN]]
    if rest := ordered[REASONS_SHOWN:]:
        lines.append(f"{sum(n for _, n in rest)} × other reasons")
    return tuple(lines)


def interval_sentence(board: Leaderboard) -> str:
    """Say what the intervals estimate, and how they were made."""
    if board.kind == "model":
        return (
            "The 95 % interval is about these very models on fresh photos of this kind: a "
            "bootstrap over groups of photos, smoothed where there are few."
        )
    k = board.folds
    return (
        "The 95 % interval is about the expected score of this recipe on fresh photos of this "
        f"kind, when trained on {k - 1}/{k} of as many groups: a bootstrap over groups of "
        f"photos, smoothed where there are few, and widened by √2 because folds share training "
        "photos."
    )
