"""Verbs on what is searched for, and where: parse, call, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from footwork.cli.app import (
    COLLECTING,
    JsonOption,
    ProjectOption,
    Verbs,
    app,
    print_json,
    stdout,
)
from footwork.errors import EnvironmentProblem

if TYPE_CHECKING:
    from rich.console import Console

    from footwork.collecting.queries import Planned, Proposal

queries_app = typer.Typer(cls=Verbs, help="Show, add and remove search words.")
sources_app = typer.Typer(cls=Verbs, help="Show the sources, and whether they work.")
app.add_typer(queries_app, name="queries", rich_help_panel=COLLECTING)
app.add_typer(sources_app, name="sources", rich_help_panel=COLLECTING)

ClassArgument = Annotated[str, typer.Argument(metavar="CLASS", help="A class of the project.")]
LanguageArgument = Annotated[str, typer.Argument(metavar="LANGUAGE", help="en, ja, zh, ...")]
WordsArgument = Annotated[str, typer.Argument(metavar="WORDS", help="Quoted: what to search for.")]


@queries_app.callback(invoke_without_command=True)
def queries(
    context: typer.Context,
    project: ProjectOption = Path(),
    propose: Annotated[
        bool, typer.Option("--propose", help="Ask Wikidata for languages that have no words.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what is searched for: class, language, words, and where each query is from."""
    from footwork.verbs import searching as verbs

    if context.invoked_subcommand is not None:
        return
    planned = verbs.queries(project=project)
    proposed = verbs.propose_queries(project=project) if propose else []
    if as_json:
        print_json(
            {
                "queries": [{**vars(p.query), "origin": p.origin} for p in planned],
                "proposals": [{**vars(p), "words": list(p.words)} for p in proposed],
            }
        )
        return
    console = stdout()
    print_planned(console, planned)
    if propose:
        print_proposals(console, proposed)


@queries_app.command("add")
def add(
    class_name: ClassArgument,
    language: LanguageArgument,
    words: WordsArgument,
    project: ProjectOption = Path(),
) -> None:
    """Write search words into footwork.toml."""
    from footwork.verbs import searching as verbs

    new = verbs.add_query(class_name, language, words, project=project)
    typer.echo(f"{class_name} [{language}] {words}: {'added' if new else 'stood there already'}.")


@queries_app.command("remove")
def remove(
    class_name: ClassArgument,
    language: LanguageArgument,
    words: WordsArgument,
    project: ProjectOption = Path(),
) -> None:
    """Take search words out of footwork.toml."""
    from footwork.verbs import searching as verbs

    verbs.remove_query(class_name, language, words, project=project)
    typer.echo(f"{class_name} [{language}] {words}: removed.")


@sources_app.callback(invoke_without_command=True)
def sources(
    context: typer.Context, project: ProjectOption = Path(), as_json: JsonOption = False
) -> None:
    """Show every source: what it needs and lacks, its limits, licences and terms."""
    from footwork.verbs import searching as verbs

    if context.invoked_subcommand is not None:
        return
    listed = verbs.sources(project=project)
    if as_json:
        print_json([{**vars(s.about), "used": s.used, "lacking": s.lacking} for s in listed])
        return
    from rich.markup import escape

    console = stdout()
    for item in listed:
        about = item.about
        console.print(f"[bold]{about.name}[/]{', used' if item.used else ''}: {escape(about.what)}")
        facts = {
            "needs": about.needs,
            "limits": about.limits,
            "licences": about.licences,
            "terms": about.terms_url,
            "forbids": about.forbidden and f'"{about.forbidden}"',
        }
        for heading, said in facts.items():
            if said:
                console.print(f"  {heading:<9}{said}", markup=False, soft_wrap=True)
        if item.lacking:
            console.print(f"  [yellow]lacking[/]  {escape(item.lacking)}", soft_wrap=True)


@sources_app.command("check")
def check(
    names: Annotated[list[str] | None, typer.Argument(help="Default: those in use.")] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Ask each source for one photo, politely.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Every source, used or not.")] = False,
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Say of each source: works, changed, key missing, unreachable. Exit code 4 if one fails."""
    from footwork.collecting.check import GOOD
    from footwork.verbs import searching as verbs

    checked = verbs.check_sources(*(names or ()), project=project, live=live, every=every)
    if as_json:
        print_json([vars(one) for one in checked])
    else:
        console = stdout()
        for one in checked:
            colour = "green" if one.state in GOOD else "yellow"
            took = f" ({one.seconds:.1f} s)" if one.state == "works" else ""
            console.print(f"[bold]{one.name:<12}[/] [{colour}]{SAID[one.state]}[/]{took}", end="")
            console.print(f"  {one.reason}", markup=False, soft_wrap=True)
        asked = [one for one in checked if one.state not in ("key", "terms")]
        if live and asked and all(one.state == "unreachable" for one in asked):
            console.print("No source could be reached: is there a network?")
    if any(one.state not in GOOD for one in checked):
        raise typer.Exit(EnvironmentProblem.exit_code)


SAID = {
    "works": "works",
    "ready": "ready",
    "nothing found": "nothing found",
    "changed": "changed",
    "key": "not set up",
    "refused": "refused",
    "limited": "limited",
    "unreachable": "unreachable",
    "terms": "terms forbid it",
}


def print_planned(console: "Console", planned: "list[Planned]") -> None:
    from rich.markup import escape
    from rich.table import Table

    if not planned:
        console.print('No queries yet: footwork queries add CLASS en "WORDS"', markup=False)
        return
    table = Table("class", "language", "words", "from", box=None, pad_edge=False)
    for item in planned:
        query, origin = item.query, item.origin
        cells = (query.class_name, query.language, query.words, origin)
        table.add_row(*map(escape, cells))
    console.print(table)
    console.print(f"{len(planned)} queries to each source that is searched by words.")


def print_proposals(console: "Console", proposed: "list[Proposal]") -> None:
    if not proposed:
        console.print(
            "Nothing to propose: every class has words in every language, or Wikidata has none."
        )
        return
    console.print("\nWikidata's words for languages without any; check what each item means:")
    for item in proposed:
        meaning = f"{item.item}, {item.meaning}"
        console.print(
            f"  {item.class_name} [{item.language}] {' | '.join(item.words)}  ({meaning})",
            markup=False,
            soft_wrap=True,
        )
    console.print('Take one with: footwork queries add CLASS LANGUAGE "WORDS"')
