"""Verbs that train through base models: parse, call, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from footwork.cli.app import TRUTH, JsonOption, ProjectOption, app, pairs, print_json, shown, stdout

if TYPE_CHECKING:
    from footwork.ablations import Step
    from footwork.verbs import Compared


@app.command(rich_help_panel=TRUTH)
def ablate(
    project: ProjectOption = Path(),
    base: Annotated[
        str | None, typer.Option("--base", "-b", help="Base model.", show_default="the first")
    ] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Parts per repeat.")] = None,
    repeats: Annotated[int | None, typer.Option(min=1, help="How often the folds are cut.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of folds and heads.")] = None,
    weights: Annotated[
        list[str] | None, typer.Option(help="BASE=FILE (or =imagenet, =random).")
    ] = None,
    draws: Annotated[int, typer.Option(min=1, max=100, help="Draws per photo in the bank.")] = 8,
    check: Annotated[
        int, typer.Option(min=0, help="Epochs of one real fit per position; 0: none.")
    ] = 10,
    photos: Annotated[
        bool, typer.Option("--photos/--no-photos", help="Pictures in the report.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Say what each choice of the original experiment costs on your photos."""
    from footwork import verbs

    done = verbs.ablate(
        project=project,
        base=base,
        folds=folds,
        repeats=repeats,
        seed=seed,
        weights=pairs(weights, "--weights"),
        draws=draws,
        check=check,
        photos=photos,
        progress=shown(as_json),
    )
    found = done.run.ablation
    if as_json:
        print_json(
            {
                "run": done.run.name,
                "report": str(done.report),
                "ablation": found.model_dump(mode="json") if found else None,
            }
        )
        return
    print_ablation(done)


def print_ablation(done: "Compared") -> None:
    from rich.table import Table

    from footwork.reporting.ablation import sentences

    found, console = done.run.ablation, stdout()
    if found is None:
        return
    scores = {one.entry: one.macro_f1 for one in done.board.entries}
    for title, steps in (
        ("From the original to ours, one switch at a time", found.path),
        ("Ours with one mistake put back", found.back),
    ):
        table = Table(
            box=None, header_style="bold", pad_edge=False, title=title, title_justify="left"
        )
        table.add_column("switch", no_wrap=True)
        for name in ("from", "to"):
            table.add_column(name, overflow="fold")
        for name in ("macro-F1", "change", "95 % interval"):
            table.add_column(name, justify="right", no_wrap=True)
        for step in steps:
            add(table, step, scores[step.entry].value)
        console.print(table)
        console.print()
    for sentence in sentences(found):
        console.print(sentence, markup=False)
    console.print()
    console.print(f"Report: {done.report.resolve()}", markup=False, soft_wrap=True)


def add(table: "object", step: "Step", score: float) -> None:
    from rich.table import Table

    if isinstance(table, Table):
        change = step.change
        table.add_row(
            step.switch,
            step.was,
            step.became,
            f"{score:.2f}",
            f"[bold]{change.value:+.2f}[/]",
            f"{change.low:+.2f} to {change.high:+.2f}",
        )
