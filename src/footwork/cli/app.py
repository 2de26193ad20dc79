"""What every verb shares: errors to exit codes, options, consoles, progress."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from footwork import __version__
from footwork.errors import EnvironmentProblem, FootworkError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

PHOTOS, TRUTH, USE = "Photos and labels", "Models and truth", "Use"
UPKEEP, COLLECTING = "Upkeep", "Collecting"
INTERRUPTED = 130


class Verbs(TyperGroup):
    """Makes every FootworkError one message on stderr and its kind's exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except FootworkError as error:
            complain(str(error))
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            complain("Stopped. What was finished is kept: run the same command to go on.")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            raise typer.Exit(0) from None
        except OSError as error:
            from footwork.files import unwritable

            place = Path(str(error.filename)) if error.filename else Path.cwd()
            complain(str(unwritable(place, error)))
            raise typer.Exit(EnvironmentProblem.exit_code) from None


def complain(message: str) -> None:
    from rich.console import Console

    console = Console(stderr=True, soft_wrap=True)
    console.print("[bold red]Error:[/]", end=" ")
    console.print(message, markup=False, highlight=False)


app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="From labelled photos to an honest comparison of image classifiers.",
)

ProjectOption = Annotated[
    Path, typer.Option("--project", "-C", help="The project's folder.", show_default="here")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def version(value: bool) -> None:
    if value:
        typer.echo(f"footwork {__version__}")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def stdout() -> "Console":
    from rich.console import Console

    return Console(highlight=False)


def shown(as_json: bool) -> Any:
    """Return the progress to show: bars on stderr, nothing where JSON is asked for."""
    from rich.console import Console

    from footwork.progress import Bars, Progress

    return Progress() if as_json else Bars(Console(stderr=True))


def print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))


def pairs(written: list[str] | None, option: str) -> dict[str, str]:
    found = {}
    for text in written or ():
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise UsageError(f"{option} takes NAME=VALUE; this is {text!r}.")
        found[key] = value
    return found


def main() -> None:
    sys.exit(app())
