"""Verbs that look after a project: parse, call, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from footwork.cli.app import UPKEEP, JsonOption, ProjectOption, app, print_json, stdout

if TYPE_CHECKING:
    from footwork.decisions import Decision

UNDONE_SHOWN, LISTED = 10, 40


@app.command(rich_help_panel=UPKEEP)
def backup(
    target: Annotated[Path, typer.Argument(help="The .zip to write.")],
    project: ProjectOption = Path(),
) -> None:
    """Write catalog, photos and settings into one file that `restore` reads."""
    from footwork import verbs

    made = verbs.backup(target, project=project)
    typer.echo(f"Wrote {target}: {made.images:,} photos, {made.size / 1e6:,.1f} MB.")
    if made.linked:
        typer.echo(f"{made.linked:,} linked photos are not in it: their files lie elsewhere.")
    if made.damaged:
        typer.echo(f"{len(made.damaged):,} stored photos were damaged and are not in it.")


@app.command(rich_help_panel=UPKEEP)
def restore(
    archive: Annotated[Path, typer.Argument(help="A file that `backup` wrote.")],
    folder: Annotated[Path, typer.Argument(help="A new folder for the project.")],
) -> None:
    """Unpack a backup into a new folder, checking every file's hash."""
    from footwork import verbs

    typer.echo(f"Restored into {verbs.restore(archive, folder)}")


@app.command(rich_help_panel=UPKEEP)
def undo(
    number: Annotated[
        int | None, typer.Argument(min=1, help="Of the decision; the last one if left out.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Take back every decision.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Only list the decisions.")] = False,
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Take back a decision: a label, a photo set aside, a group of copies. Nothing is deleted."""
    from footwork import verbs
    from footwork.errors import UsageError

    if listed:
        if everything or number is not None:
            raise UsageError("--list only lists; leave out the number and --all.")
        print_decisions(verbs.decisions(project), as_json)
        return
    undone = verbs.undo(number, everything=everything, project=project)
    if as_json:
        print_json(
            {
                "taken_back": [vars(decision) for decision in undone.taken_back],
                "counts_again": [vars(decision) for decision in undone.counts_again],
            }
        )
        return
    console = stdout()
    if everything and not undone.taken_back:
        console.print("There was nothing to take back.")
    for decision in undone.taken_back[:UNDONE_SHOWN]:
        console.print(f"Took back {decision.number}: {decision.sentence()}", markup=False)
    if (more := len(undone.taken_back) - UNDONE_SHOWN) > 0:
        console.print(f"and {more:,} more.")
    for decision in undone.counts_again:
        console.print(f"{decision.number} counts again: {decision.sentence()}", markup=False)


def print_decisions(decisions: "list[Decision]", as_json: bool) -> None:
    if as_json:
        print_json([vars(decision) for decision in decisions])
        return
    console = stdout()
    if not decisions:
        console.print("Nothing was decided yet.")
    if more := max(0, len(decisions) - LISTED):
        console.print(f"{more:,} earlier ones: footwork undo --list --json", style="dim")
    for decision in decisions[-LISTED:]:
        gone = f" [taken back {decision.undone_at}]" if decision.undone_at else ""
        console.print(
            f"{decision.number:>5}  {decision.at}  {decision.who}: {decision.sentence()}{gone}",
            markup=False,
            style="dim" if gone else "",
        )
