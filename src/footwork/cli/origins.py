"""Verbs that answer for collected photos: parse, call, print."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from footwork.cli.app import COLLECTING, JsonOption, ProjectOption, app, print_json, stdout

if TYPE_CHECKING:
    from footwork.collecting.takedown import TakenDown
    from footwork.collecting.yields import Yield, Yields
    from footwork.verbs.origins import Origin

SHOWN = 12  # hashes; all of them with --json


class Format(StrEnum):
    html = "html"
    md = "md"
    csv = "csv"


@app.command(rich_help_panel=COLLECTING)
def provenance(
    image: Annotated[str, typer.Argument(help="Beginning of its SHA-256, its path or address.")],
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Show every place where a photo was found, and who says what of it."""
    from footwork import verbs

    found = verbs.provenance(image, project=project)
    if as_json:
        print_json(found.as_json())
    else:
        print_origin(found)


def print_origin(found: "Origin") -> None:
    console = stdout()
    image = found.image
    console.print(image.sha256, style="bold")
    console.print(f"{image.width} x {image.height}, {image.format}, {image.size:,} bytes")
    for place in found.places:
        console.print(f"{place.kind} from {place.source}", style="bold", markup=False)
        console.print(f"  {place.origin}", markup=False, soft_wrap=True)
        for name in ("page_url", "title", "author", "licence", "licence_url", "query", "language"):
            value = getattr(place, name)
            if value:
                word = name.replace("_url", "")
                console.print(f"  {word:<9} {value}", markup=False, soft_wrap=True)
    for name, who, _origin in found.labels:
        console.print(f"{who} says {name}", markup=False)
    for decision in found.decisions:
        gone = " (taken back)" if decision.undone_at else ""
        console.print(f"{decision.at} {decision.who}: {decision.sentence()}{gone}", markup=False)


@app.command(rich_help_panel=COLLECTING)
def attributions(
    project: ProjectOption = Path(),
    format: Annotated[Format, typer.Option(help="html, md or csv.")] = Format.html,
    out: Annotated[
        Path | None, typer.Option(help="The file to write; attributions.FORMAT if left out.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the credits of all collected photos: title, author, source, licence."""
    from footwork import verbs
    from footwork.collecting.attributions import summary
    from footwork.project import open_project

    target = out or open_project(project).folder / f"attributions.{format.value}"
    _text, credits = verbs.attributions(project=project, format=format.value, out=target)
    if as_json:
        print_json([vars(credit) for credit in credits])
        return
    console = stdout()
    console.print(f"Wrote {target}: {len({c.image for c in credits}):,} photos.", markup=False)
    for licence, count in summary(credits):
        console.print(f"  {count:>6,}  {licence}", markup=False)


@app.command(rich_help_panel=COLLECTING)
def takedown(
    what: Annotated[
        str, typer.Argument(help="Address of the photo or its page, SHA-256, or author:NAME.")
    ],
    project: ProjectOption = Path(),
    who: Annotated[str, typer.Option(help="Who decides.", envvar="USER")] = "somebody",
    why: Annotated[str, typer.Option(help="The reason, kept with the decision.")] = "",
    copies: Annotated[
        bool, typer.Option("--copies", help="Also other files of the same photo.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove photos for good: they come back neither by collect nor by import."""
    from footwork import verbs

    done = verbs.takedown(what, who=who, why=why, with_copies=copies, project=project)
    if as_json:
        print_json(vars(done))
    else:
        print_taken_down(done)


def print_taken_down(done: "TakenDown") -> None:
    console = stdout()
    if done.images:
        console.print(
            f"[bold]{len(done.images):,} photo(s) taken down[/]: bytes and rows are gone."
        )
    else:
        console.print("No photo here comes from there; it is barred from now on.")
    for image in done.images[:SHOWN]:
        console.print(f"  {image}", markup=False)
    if done.barred_by_look:
        console.print(
            f"Copies of {done.barred_by_look:,} of them that look the same are refused, too."
        )
    if done.runs:
        console.print("Runs that used them, whose scores still count them:", style="bold")
        for name in done.runs:
            console.print(f"  {name}", markup=False)
    if done.classifiers:
        console.print("Classifiers that learnt from them; train these anew:", style="bold")
        for name in done.classifiers:
            console.print(f"  {name}", markup=False)
    for name in done.unread:
        console.print(f"Run {name} could not be read; look yourself.", style="yellow", markup=False)
    if done.pages:
        console.print(f"Removed {len(done.pages)} page(s) with small pictures:", markup=False)
        for page in done.pages:
            console.print(f"  {page}", markup=False)
        console.print("Without the photos: footwork report RUN, footwork dedupe.")
    if done.copies:
        console.print(
            f"{len(done.copies):,} other file(s) of the same photo are still here: --copies takes "
            "them, too."
        )
    for path in done.elsewhere:
        console.print(f"Your own file stays where it is: {path}", markup=False)
    console.print("Backups made before still hold them.", style="dim")


@app.command("yield", rich_help_panel=COLLECTING)
def yields(
    project: ProjectOption = Path(),
    out: Annotated[
        Path | None, typer.Option(help="The page to write; reports/yield.html if left out.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what each query, language and source brings, and which still bring something new."""
    from footwork import verbs
    from footwork.project import open_project

    target = out or open_project(project).folder / "reports" / "yield.html"
    found = verbs.yields(project=project, out=target)
    if as_json:
        rows = [vars(row) for row in found.rows]
        print_json({**vars(found), "rows": rows, "total": vars(found.total), "page": str(target)})
    else:
        print_yields(found, target)


def print_yields(found: "Yields", page: Path) -> None:
    from rich.markup import escape
    from rich.table import Table

    from footwork.collecting.yields import in_sentences

    console = stdout()
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("query", overflow="fold", min_width=14)
    for title in ("class", "in", "source"):
        table.add_column(title, no_wrap=True)
    known = [("relevant", found.total.judged > 0), ("accepted", found.total.reviewed > 0)]
    for title in ("hits", "fetched", "new", "now", *(name for name, there in known if there)):
        table.add_column(title, justify="right", no_wrap=True)

    def cells(row: "Yield") -> list[str]:
        shares = ((row.relevant, row.judged), (row.accepted, row.reviewed))
        return [
            *(f"{n:,}" for n in (row.hits, row.fetched, row.new, row.new_last)),
            *(
                f"{part} of {whole}" if whole else "-"
                for (part, whole), (_name, there) in zip(shares, known, strict=True)
                if there
            ),
        ]

    for row in found.rows:
        names = (row.words, row.class_name, row.language, row.source)
        table.add_row(*map(escape, names), *cells(row))
    table.add_row("all together", "", "", "", *cells(found.total), style="bold")
    console.print(table)
    for sentence in in_sentences(found):
        console.print(sentence, markup=False)
    console.print(f"Chart: {page}", markup=False, soft_wrap=True)
