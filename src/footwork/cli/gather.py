"""Verbs that collect photos and go on to a report: parse, call, print."""

import math
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

REASONS = 12  # shown; all of them with --json
LimitOption = Annotated[
    int | None, typer.Option(min=1, help="Hits per query and source; 100 if left out.")
]


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
        f"{max(1, math.ceil(most / course.rate_per_s)):,} s"
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
