"""What `judge` found, laid out once for the terminal, for JSON and for a page of its own.

The page is like a run's report, without what is not known of models that were never seen:
their weights, their speed, the photos.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from footwork.evaluate.bounds import PublishedBoard, Range
from footwork.evaluate.bounds_words import bounds_in_words, p_range, p_text, shown
from footwork.evaluate.judge import Judged
from footwork.evaluate.leaderboard import difference_in_words, floors_of
from footwork.files import write_bytes
from footwork.records import Floors
from footwork.reporting.plots import Axis, Label, Marker, axis_over, placed
from footwork.reporting.sections import interval_sentence

if TYPE_CHECKING:
    from rich.console import Console

LEAD = 3  # sentences that open the page


@dataclass(frozen=True)
class Line:
    """One model. span: macro-F1 with its interval, for the picture; proven: beats guessing."""

    name: str
    cells: tuple[str, ...]
    low: float
    value: float
    high: float
    proven: bool


@dataclass(frozen=True)
class View:
    """columns: of the models' table, after the name; pairs: rows of the table of pairs."""

    subject: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    floors: Floors
    floor_line: str
    sentences: tuple[str, ...]
    notes: tuple[str, ...]
    interval: str
    pair_columns: tuple[str, ...]
    pairs: tuple[tuple[str, ...], ...]


def view_of(found: Judged | PublishedBoard, seed: int) -> View:
    """Lay out a judgement; seed: that of the judgement, for the floors of a published one."""
    return judged_view(found) if isinstance(found, Judged) else published_view(found, seed)


def json_of(found: Judged | PublishedBoard) -> dict[str, object]:
    """Return what `footwork judge --json` prints."""
    return judged_json(found) if isinstance(found, Judged) else published_json(found)


def print_view(view: View, console: "Console") -> None:
    """Print a judgement; it fits 80 columns, long names are folded."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("model", overflow="fold")
    for title in view.columns:
        table.add_column(title, justify="right", no_wrap=True)
    for line in view.lines:
        style = "" if line.proven else "yellow"
        *cells, last = line.cells
        table.add_row(escape(line.name), *cells, f"[{style}]{last}[/]" if style else last)
    console.print(table)
    console.print(view.floor_line, style="dim", markup=False)
    console.print()
    for sentence in (*view.sentences, *view.notes):
        console.print(sentence, markup=False)
    console.print(view.interval, style="dim", markup=False)


def judged_view(judged: Judged) -> View:
    board = judged.board
    grouped = "" if board.groups == board.photos else f", in {board.groups:,} groups"
    models = f"{len(board.entries):,} model{'s' if len(board.entries) > 1 else ''}"
    return View(
        subject=(f"{models} on {board.photos:,} photos of {len(board.classes)} classes{grouped}"),
        columns=("tier", "macro-F1", "95 % interval", "accuracy", "than guessing"),
        lines=tuple(
            Line(
                name=name,
                cells=(
                    str(tier),
                    f"{e.macro_f1.value:.2f}",
                    f"{e.macro_f1.low:.2f} to {e.macro_f1.high:.2f}",
                    f"{e.accuracy.value:.2f}",
                    "better" if e.beats_guessing else "can't tell",
                ),
                low=e.macro_f1.low,
                value=e.macro_f1.value,
                high=e.macro_f1.high,
                proven=e.beats_guessing,
            )
            for name, tier, e in judged.rows()
        ),
        floors=board.floors,
        floor_line=floor_line(board.floors, board.photos),
        sentences=tuple(judged.sentences()),
        notes=judged.notes,
        interval=interval_sentence(board),
        pair_columns=("difference in macro-F1", "p", "p, corrected", "McNemar"),
        pairs=tuple(
            (
                pair.a,
                pair.b,
                difference_in_words(pair.difference),
                p_text(pair.p_alone),
                p_text(pair.p),
                "–" if pair.mcnemar is None else p_text(pair.mcnemar),
            )
            for pair in judged.pairs
        ),
    )


def published_view(board: PublishedBoard, seed: int) -> View:
    first = board.scores[0].published
    label = np.repeat(np.arange(len(first.classes)), first.support)
    floors = floors_of(label, first.classes, seed)
    return View(
        subject="Published scores: what they can tell",
        columns=("tier", "right", "macro-F1", "95 % interval", "p guessing"),
        lines=tuple(
            Line(
                name=one.published.name,
                cells=(
                    "–" if one.tier is None else str(one.tier),
                    f"{shown(one.right, 0)} of {one.published.photos}",
                    shown(one.macro_f1),
                    f"{one.interval.low:.2f} to {one.interval.high:.2f}",
                    p_range(one.p_guessing),
                ),
                low=one.interval.low,
                value=(one.macro_f1.low + one.macro_f1.high) / 2,
                high=one.interval.high,
                proven=one.p_guessing.high < 0.05,
            )
            for one in board.scores
        ),
        floors=floors,
        floor_line=floor_line(floors, first.photos),
        sentences=tuple(bounds_in_words(board)),
        notes=(),
        interval=(
            "The 95 % interval is about these very models on fresh photos of this kind, from the "
            "lowest to the highest end over all confusion matrices that fit."
        ),
        pair_columns=(
            "difference in macro-F1", "unpaired 95 %", "p unpaired", "p paired",
            "p paired, corrected", "McNemar",
        ),
        pairs=tuple(
            (
                pair.a,
                pair.b,
                shown(pair.difference),
                f"{pair.interval.low:+.2f} to {pair.interval.high:+.2f}",
                p_range(pair.p_unpaired),
                p_range(pair.p),
                f"at most {p_text(pair.p_corrected)}",
                p_range(pair.mcnemar),
            )
            for pair in board.pairs
        ),
    )  # fmt: skip


def floor_line(floors: Floors, photos: int) -> str:
    guessing = floors.guessing
    return (
        f"floors on {photos:,} photos: always {floors.largest_class!r} "
        f"{floors.largest_class_macro_f1:.2f}; guessing {guessing.value:.2f} "
        f"({guessing.low:.2f} to {guessing.high:.2f})"
    )


def judged_json(judged: Judged) -> dict[str, object]:
    board = judged.board
    return {
        "kind": board.kind,
        "photos": board.photos,
        "groups": board.groups,
        "classes": list(board.classes),
        "entries": [
            {"model": name, "tier": tier, **scores.model_dump(mode="json", exclude={"entry"})}
            for name, tier, scores in judged.rows()
        ],
        "pairs": [
            {
                "a": pair.a,
                "b": pair.b,
                "difference": pair.difference.model_dump(),
                "p": pair.p,
                "p_alone": pair.p_alone,
                "mcnemar": pair.mcnemar,
            }
            for pair in judged.pairs
        ],
        "floors": board.floors.model_dump(mode="json"),
        "sentences": judged.sentences(),
        "notes": list(judged.notes),
    }


def published_json(board: PublishedBoard) -> dict[str, object]:
    """The same shape; `value` is the middle of what fits, low and high hold for all of it."""

    def ends(span: Range) -> dict[str, float]:
        return {"low": span.low, "high": span.high}

    def middle(span: Range) -> float:
        return (span.low + span.high) / 2

    return {
        "kind": "published",
        "entries": [
            {
                "model": one.published.name,
                "tier": one.tier,
                "photos": one.published.photos,
                "matrices": len(one.published.matrices),
                "macro_f1": {"value": middle(one.macro_f1), **ends(one.interval)},
                "macro_f1_bounds": ends(one.macro_f1),
                "accuracy_bounds": ends(one.accuracy),
                "right": ends(one.right),
                "p_guessing": ends(one.p_guessing),
            }
            for one in board.scores
        ],
        "pairs": [
            {
                "a": pair.a,
                "b": pair.b,
                "difference": {"value": middle(pair.difference), **ends(pair.interval)},
                "difference_bounds": ends(pair.difference),
                "p": pair.p_corrected,
                "p_bounds": ends(pair.p),
                "p_unpaired": ends(pair.p_unpaired),
                "mcnemar_bounds": ends(pair.mcnemar),
            }
            for pair in board.pairs
        ],
        "sentences": bounds_in_words(board),
        "notes": [],
    }


@dataclass(frozen=True)
class Picture:
    axis: Axis
    band: Marker
    band_label: Label
    markers: tuple[Marker, ...]


def picture(lines: Sequence[Line], floors: Floors) -> Picture:
    guessing = floors.guessing
    axis = axis_over(
        [guessing.low, guessing.high, *(end for line in lines for end in (line.low, line.high))]
    )
    band = axis.marker(guessing)
    text = f"guessing: {guessing.value:.2f} ({guessing.low:.2f} to {guessing.high:.2f})"
    return Picture(
        axis=axis,
        band=band,
        band_label=placed(text, (band.low + band.high) / 2),
        markers=tuple(
            Marker(axis.x(line.value), axis.x(line.low), axis.x(line.high)) for line in lines
        ),
    )


def write_page(view: View, target: Path, sources: Sequence[str]) -> None:
    """Write the page, one file without scripts or requests, whole or not at all.

    sources: names of the files that were judged. Everything in `view` is hostile and escaped.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    loader = PackageLoader("footwork.reporting")
    templates = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    css, _, _ = loader.get_source(templates, "report.css")
    html = templates.get_template("judged.html.j2").render(
        css=Markup(css),  # noqa: S704  a file of ours
        view=view,
        picture=picture(view.lines, view.floors),
        sources=sources,
        lead=LEAD,
    )
    write_bytes(target, html.encode("utf-8", "backslashreplace"))
