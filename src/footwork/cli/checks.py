"""Verbs that check: parse, call, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from footwork.cli.app import TRUTH, JsonOption, ProjectOption, app, print_json, shown, stdout

if TYPE_CHECKING:
    from rich.console import Console

    from footwork.evaluate.diff import RunDiff
    from footwork.evaluate.doctor.findings import Diagnosis
    from footwork.evaluate.forecast import Curve
    from footwork.records import Estimate

FOUND = 1  # exit code of `doctor` with findings
PATHS_SHOWN = 6
WIDTH = 100  # of the text in a terminal, at most


@app.command(rich_help_panel=TRUTH)
def curve(
    again: Annotated[
        str | None,
        typer.Argument(help="Draw an earlier curve anew: the beginning of its name."),
    ] = None,
    project: ProjectOption = Path(),
    base: Annotated[
        str | None, typer.Option("--base", "-b", help="Base model.", show_default="the first")
    ] = None,
    target: Annotated[
        float | None, typer.Option(help="The wanted F1: how many photos does it take?")
    ] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Parts per repeat.")] = None,
    repeats: Annotated[int | None, typer.Option(min=1, help="How often the folds are cut.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of folds and heads.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what more photos would do: the score against their number, and a forecast."""
    from footwork import verbs

    found = verbs.curve(
        again,
        project=project,
        base=base,
        target=target,
        folds=folds,
        repeats=repeats,
        seed=seed,
        progress=shown(as_json),
    )
    if as_json:
        print_json({"folder": str(found.folder.resolve()), **found.curve.model_dump(mode="json")})
        return
    console = stdout()
    print_curve(found.curve, console)
    console.print(f"Picture: {found.picture.resolve()}", markup=False, soft_wrap=True)


def print_curve(curve: "Curve", console: "Console") -> None:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("trained on", "groups", "macro-F1", *curve.classes):
        table.add_column(title, justify="right", no_wrap=True)
    for point in curve.points:
        table.add_row(
            f"{point.photos:.0f}",
            f"{point.groups:.0f}",
            with_interval(point.macro_f1),
            *(f"{one.value:.2f}" for one in point.f1),
        )
    console.print(table)
    console.print()
    for sentence in curve.sentences:
        console.print(sentence, markup=False, width=min(console.width, WIDTH))


@app.command(rich_help_panel=TRUTH)
def doctor(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="Class folders, train and test folders, a table, or a project.",
            show_default="the project here",
        ),
    ] = None,
    project: ProjectOption = Path(),
    new: Annotated[
        Path | None, typer.Option(help="Photos from where it will be used: are they alike?")
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="Of a script: its base model.", rich_help_panel="A script")
    ] = None,
    rescale: Annotated[
        Literal["none", "1/255", "1/127.5-1"] | None,
        typer.Option(help="Its Rescaling layer.", rich_help_panel="A script"),
    ] = None,
    preprocess: Annotated[
        Literal["yes", "no"] | None,
        typer.Option(help="Whether it calls preprocess_input.", rich_help_panel="A script"),
    ] = None,
    resize: Annotated[
        Literal["squash", "crop", "pad"] | None,
        typer.Option(
            help="How it makes photos square; Keras squashes.", rich_help_panel="A script"
        ),
    ] = None,
    flip: Annotated[
        Literal["none", "horizontal", "vertical", "both"] | None,
        typer.Option(help="Its RandomFlip.", rich_help_panel="A script"),
    ] = None,
    rotation: Annotated[
        float | None,
        typer.Option(help="Its RandomRotation, in full turns.", rich_help_panel="A script"),
    ] = None,
    stratify: Annotated[
        Literal["yes", "no"] | None,
        typer.Option(help="Whether its split is by class.", rich_help_panel="A script"),
    ] = None,
    test_size: Annotated[
        float | None,
        typer.Option(help="Test photos, or their share.", rich_help_panel="A script"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Look for what spoils a comparison, in a project, any folder of photos, or a script.

    Reads only. Exit code 0: nothing found; 1: findings; 2 and more: it could not be looked at.
    """
    from footwork import verbs

    described = {
        "base": base,
        "rescale": rescale,
        "preprocess": None if preprocess is None else preprocess == "yes",
        "resize": resize,
        "flip": flip,
        "rotation": rotation,
        "stratify": None if stratify is None else stratify == "yes",
        "test_size": test_size,
    }
    found = verbs.doctor(
        folder, project=project, new=new, script=described, progress=shown(as_json)
    )
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        print_diagnosis(found, stdout())
    if found.findings:
        raise typer.Exit(FOUND)


def print_diagnosis(found: "Diagnosis", console: "Console") -> None:
    from rich.padding import Padding
    from rich.text import Text

    width = min(console.width, WIDTH)

    def say(text: str, indent: int = 3, style: str = "") -> None:
        console.print(Padding(Text(text, style=style), (0, 0, 0, indent)), width=width)

    for number, one in enumerate(found.findings, start=1):
        say(f"{number}. {one.title}", 0, "bold")
        for line in one.evidence:
            say(line)
        say(f"Cost: {one.cost_words}.", style="red" if one.cost else "yellow")
        for path in one.photos[:PATHS_SHOWN]:
            say(path, 5, "dim")
        hidden = len(one.photos) - PATHS_SHOWN + one.more
        if hidden > 0:
            say(f"and {hidden:,} more", 5, "dim")
        say(f"Mend: {one.mend}", style="green")
        console.print()
    if found.unreadable:
        path, reason = found.unreadable[0]
        say(f"{len(found.unreadable):,} files could not be read ({path}: {reason}).", 0, "yellow")
    for looked in found.looked:
        mark, style = ("fine", "green") if looked.state == "fine" else ("not checked", "dim")
        say(f"{looked.check}: {mark}: {looked.said}", 0, style)
    console.print()
    classes = ", ".join(f"{name} {count:,}" for name, count in found.per_class.items())
    looked_at = f"{found.photos:,} photos ({classes})" if found.photos else found.subject
    say(f"{len(found.findings)} finding(s) in {looked_at}.", 0, "bold")


@app.command(rich_help_panel=TRUTH)
def diff(
    first: Annotated[Path, typer.Argument(help="A run: beginning of its name, or its folder.")],
    second: Annotated[Path, typer.Argument(help="The later run, likewise.")],
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Compare two runs: what changed in photos, code, weights, settings and scores."""
    from footwork import verbs

    found = verbs.diff(first, second, project=project)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    print_diff(found, stdout())


def print_diff(found: "RunDiff", console: "Console") -> None:
    from rich.table import Table

    console.print(f"{found.first} → {found.second}", markup=False, style="bold", soft_wrap=True)
    if found.entries:
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("entry", no_wrap=True)
        for title in ("before", "now", "difference", "p"):
            table.add_column(title, justify="right", no_wrap=True)
        for row in found.entries:
            table.add_row(
                row.title,
                f"{row.was.value:.2f}",
                f"{row.now.value:.2f}",
                with_interval(row.difference, sign=True),
                f"{row.p:.3f}",
            )
        console.print(table)
        console.print()
    changes = [*found.changes, *(change for row in found.entries for change in row.changed)]
    if changes:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for title in ("changed", "what", "before", "now"):
            table.add_column(title, overflow="fold")
        for change in changes:
            table.add_row(change.kind, change.what, change.was, change.now)
        console.print(table)
        console.print()
    for title, names in (("only before", found.only_first), ("only now", found.only_second)):
        if names:
            console.print(f"{title}: {', '.join(names)}", markup=False)
    for title, paths in (("added", found.added), ("removed", found.removed)):
        for path in paths[:PATHS_SHOWN]:
            console.print(f"{title}: {path}", markup=False, style="dim", soft_wrap=True)
        if len(paths) > PATHS_SHOWN:
            console.print(f"and {len(paths) - PATHS_SHOWN:,} more {title}", style="dim")
    for one in found.relabelled[:PATHS_SHOWN]:
        console.print(f"relabelled: {one.path}: {one.was} → {one.now}", markup=False, style="dim")
    for sentence in found.sentences:
        console.print(sentence, markup=False, width=min(console.width, WIDTH))


def with_interval(one: "Estimate", sign: bool = False) -> str:
    if sign:
        return f"{one.value:+.2f} ({one.low:+.2f} to {one.high:+.2f})"
    return f"{one.value:.2f} ({one.low:.2f} to {one.high:.2f})"
