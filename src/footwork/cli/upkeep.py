"""Verbs that look after a project: parse, call, print."""

from pathlib import Path
from typing import Annotated

import typer

from footwork.cli.app import UPKEEP, ProjectOption, app


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
