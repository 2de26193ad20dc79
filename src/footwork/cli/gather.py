"""Verbs that collect photos and answer for them: parse, call, print."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from footwork.cli.app import (
    COLLECTING,
    JsonOption,
    ProjectOption,
    app,
    print_json,
    shown,
    stdout,
)

if TYPE_CHECKING:
    from footwork.collecting.collect import Collected
    from footwork.collecting.plan import Course
    from footwork.collecting.takedown import TakenDown
    from footwork.collecting.yields import Yield, Yields
    from footwork.verbs.origins import Origin

REASONS = 12  # shown; all of them with --json
LimitOption = Annotated[
    int | None, typer.Option(min=1, help="Hits per query and source; 100 if left out.")
]


class Format(StrEnum):
    html = "html"
    md = "md"
    csv = "csv"


@app.command(rich_help_panel=COLLECTING)
def collect(
    project: ProjectOption = Path(),
    class_name: Annotated[
        list[str] | None, typer.Option("--class", help="Only this class; may be repeated.")
    ] = None,
    limit: LimitOption = None,
    source: Annotated[
        list[str] | None, typer.Option(help="Only this source; may be repeated.")
    ] = None,
    language: Annotated[
        list[str] | None, typer.Option(help="Only this language; may be repeated.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be asked.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Search the web in every language of the toml and keep the photos, each with its origin."""
    from footwork import verbs

    asked = {"classes": class_name or (), "languages": language or (), "sources": source or ()}
    if dry_run:
        print_plan(verbs.collection_plan(project=project, limit=limit, **asked), as_json)
        return
    done = verbs.collect(project=project, limit=limit, progress=shown(as_json), **asked)
    if as_json:
        print_json(collected_json(done))
    else:
        print_collected(done)


def print_plan(courses: "list[Course]", as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {
                    "source": c.name,
                    "queries": [vars(query) for query in c.queries],
                    "limit": c.limit,
                    "requests": c.requests,
                    "rate_per_s": c.rate_per_s,
                    "problem": c.problem.reason if c.problem else None,
                }
                for c in courses
            ]
        )
        return
    console = stdout()
    for c in courses:
        if c.problem is not None:
            console.print(f"{c.name}: {c.problem.reason}", style="yellow", markup=False)
            continue
        console.print(f"{c.name}: {in_requests(c)}", style="bold", markup=False)
        for query in c.queries:
            console.print(
                f"  {query.class_name}  {query.language or '-'}  {query.words}", markup=False
            )
    console.print("Nothing was asked. Without --dry-run, photos are fetched on top of that.")


def in_requests(course: "Course") -> str:
    n = len(course.queries)
    queries = f"{n} quer{'y' if n == 1 else 'ies'}"
    if course.requests is None:
        return f"{queries}, at least {n} requests to its API, {course.rate_per_s:g} a second"
    least, most = course.requests
    if not most:
        return f"{queries}, no request to an API"
    span = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    return (
        f"{queries}, {span} requests to its API at {course.rate_per_s:g} a second: up to "
        f"{most / course.rate_per_s / 60:.1f} min"
    )


def collected_json(done: "Collected") -> dict[str, object]:
    return {
        "collection": done.collection,
        "resumed": done.resumed,
        "finished": done.finished,
        "new": done.new,
        "known": done.known,
        "sources": [vars(source) for source in done.sources],
        "left_out": [{"reason": reason, "photos": count} for reason, count in done.left_out],
        "failed": [{"reason": reason, "photos": count} for reason, count in done.failed],
    }


def print_collected(done: "Collected") -> None:
    from rich.table import Table

    console = stdout()
    if done.resumed:
        console.print("Went on with the collection that was broken off.")
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("source")
    for title in ("searches", "hits", "fetched", "new photos", "MB"):
        table.add_column(title, justify="right", no_wrap=True)
    for s in done.sources:
        cells = (s.searches, s.hits, s.fetched, s.new)
        table.add_row(s.name, *(f"{n:,}" for n in cells), f"{s.size / 1e6:,.1f}")
    console.print(table)
    for s in done.sources:
        if s.reason is not None:
            console.print(f"{s.name}: {s.reason}", style="yellow", markup=False)
    print_reasons("Left out, not fetched", done.left_out)
    print_reasons("Could not be had", done.failed)
    known = f", {done.known:,} were here already" if done.known else ""
    console.print(f"[bold]{done.new:,} new photos[/]{known}.")
    if not done.finished:
        console.print("Not finished: the same command goes on with what is missing.")


def print_reasons(title: str, reasons: "tuple[tuple[str, int], ...]") -> None:
    if not reasons:
        return
    console = stdout()
    console.print(f"{title}: {sum(count for _reason, count in reasons):,}", style="bold")
    for reason, count in reasons[:REASONS]:
        console.print(f"  {count:>6,}  {reason}", markup=False)
    if len(reasons) > REASONS:
        rest = sum(count for _reason, count in reasons[REASONS:])
        console.print(f"  {rest:>6,}  for {len(reasons) - REASONS} other reasons: --json")


@app.command(rich_help_panel=COLLECTING)
def run(
    project: ProjectOption = Path(),
    limit: LimitOption = None,
    offline: Annotated[bool, typer.Option("--offline", help="Collect nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Collect, clean, dedupe, compare and report: each only where it is out of date."""
    from footwork import verbs
    from footwork.cli.truth import compared_json, print_compared

    done = verbs.run(project=project, limit=limit, offline=offline, progress=shown(as_json))
    if as_json:
        print_json(
            {
                "steps": [vars(step) for step in done.steps],
                "collected": collected_json(done.collected) if done.collected else None,
                "compared": compared_json(done.compared),
            }
        )
        return
    if done.collected is not None:
        print_collected(done.collected)
    console = stdout()
    for step in done.steps:
        state = "[green]done[/]      " if step.did else "[dim]up to date[/]"
        console.print(f"{step.name:<8} {state}", end=" ")
        console.print(step.says, markup=False)
    print_compared(done.compared, as_json=False)


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
    for image in done.images[:REASONS]:
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
    from rich.table import Table

    from footwork.collecting.yields import in_sentences

    console = stdout()
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("query", "class", "language", "source"):
        table.add_column(title, overflow="fold")
    for title in ("hits", "fetched", "new", "new now", "relevant", "accepted"):
        table.add_column(title, justify="right", no_wrap=True)

    def cells(row: "Yield") -> tuple[str, ...]:
        return (
            *(f"{n:,}" for n in (row.hits, row.fetched, row.new, row.new_last)),
            f"{row.relevant} of {row.judged}" if row.judged else "unknown",
            f"{row.accepted} of {row.reviewed}" if row.reviewed else "-",
        )

    for row in found.rows:
        table.add_row(row.words, row.class_name, row.language, row.source, *cells(row))
    table.add_row("all", "", "", "", *cells(found.total), style="bold")
    console.print(table)
    for sentence in in_sentences(found):
        console.print(sentence, markup=False)
    console.print(f"Chart: {page}", markup=False, soft_wrap=True)
