"""Verbs that make and use a classifier: parse, call, print."""

import csv
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from footwork.cli.app import USE, JsonOption, ProjectOption, app, print_json, shown, stdout

if TYPE_CHECKING:
    from footwork.classifier import Answers

SOME_FAILED = 1


@app.command(rich_help_panel=USE)
def train(
    base: Annotated[
        str | None, typer.Option("--base", "-b", help="Base model; the best of the newest run.")
    ] = None,
    recipe: Annotated[str | None, typer.Option("--recipe", "-r", help="Recipe; likewise.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the classifier's folder.")] = None,
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Fit the best recipe on all photos and keep it as a classifier, with what it promises."""
    from footwork import verbs

    made = verbs.train(
        project=project, base=base, recipe=recipe, name=name, progress=shown(as_json)
    )
    facts = made.facts
    if as_json:
        print_json({"folder": str(made.folder.resolve()), **facts.model_dump(mode="json")})
        return
    console = stdout()
    f1 = facts.promise.scores.macro_f1
    names = "+".join(base.name for base in facts.bases)
    fitted = f"{names} · {facts.recipe}, fitted on {facts.data.photos:,} photos"
    console.print(f"{fitted}: {', '.join(facts.classes)}", markup=False)
    console.print(
        f"It promises a macro-F1 of [bold]{f1.value:.2f}[/] ({f1.low:.2f} to {f1.high:.2f}) on "
        "fresh photos of the same kind: its out-of-fold score, not its fit to its own photos."
    )
    if not facts.promise.scores.beats_guessing:
        console.print("[yellow]That cannot be told from guessing.[/]")
    console.print(f"Classifier: {made.folder.resolve()}", markup=False, soft_wrap=True)
    console.print("Use it: footwork predict PHOTO…", markup=False)


@app.command(rich_help_panel=USE)
def predict(
    photos: Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.")],
    classifier: Annotated[
        Path | None,
        typer.Option("--classifier", "-c", help="Its folder or name.", show_default="the newest"),
    ] = None,
    project: ProjectOption = Path(),
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Name the class of photos, with probabilities. Ends with 1 if some could not be read."""
    from footwork import verbs

    answers = verbs.predict(
        photos, classifier=classifier, project=project, progress=shown(as_json or as_csv)
    )
    if as_json:
        print_json(answers_json(answers))
    elif as_csv:
        sys.stdout.write(answers_csv(answers))
    else:
        print_answers(answers)
    if answers.failed:
        raise typer.Exit(SOME_FAILED)


def answers_json(answers: "Answers") -> list[dict[str, object]]:
    return [
        {"photo": name, "label": None, "reason": answers.reasons[i]}
        if answers.reasons[i]
        else {
            "photo": name,
            "label": answers.label(i),
            "probabilities": dict(zip(answers.classes, answers.proba[i].tolist(), strict=True)),
        }
        for i, name in enumerate(answers.names)
    ]


def answers_csv(answers: "Answers") -> str:
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["photo", "label", *(f"p_{name}" for name in answers.classes), "reason"])
    for i, name in enumerate(answers.names):
        failed = bool(answers.reasons[i])
        values = [""] * len(answers.classes) if failed else [f"{p:.6g}" for p in answers.proba[i]]
        rows.writerow([name, answers.label(i) or "", *values, answers.reasons[i]])
    return out.getvalue()


def print_answers(answers: "Answers") -> None:
    from rich.markup import escape
    from rich.table import Table

    console = stdout()
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("photo", overflow="fold")
    table.add_column("class", no_wrap=True)
    for name in answers.classes:
        table.add_column(escape(name), justify="right", no_wrap=True)
    for i, name in enumerate(answers.names):
        if answers.reasons[i]:
            table.add_row(escape(name), f"[yellow]{escape(answers.reasons[i])}[/]")
        else:
            label = f"[bold]{escape(answers.label(i) or '')}[/]"
            table.add_row(escape(name), label, *(f"{p:.2f}" for p in answers.proba[i]))
    console.print(table)
    if answers.failed:
        console.print(f"[yellow]{answers.failed:,} of {len(answers.names):,} could not be read.[/]")
