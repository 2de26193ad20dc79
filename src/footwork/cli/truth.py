"""Verbs on models and what is true of them: parse, call, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from footwork.cli.app import TRUTH, JsonOption, ProjectOption, app, pairs, print_json, shown, stdout
from footwork.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from footwork.records import EntryInfo
    from footwork.verbs import Compared


@app.command(rich_help_panel=TRUTH)
def bases(project: ProjectOption = Path(), as_json: JsonOption = False) -> None:
    """List the base models: side, numbers per photo, size, licence, weights here or not."""
    from footwork import verbs

    known = verbs.bases(project)
    if as_json:
        print_json(
            [
                {
                    "base": base.name,
                    "side": base.contract.side,
                    "parameters": base.parameters,
                    "vector_size": base.vector_size,
                    "megabytes": base.megabytes,
                    "licence": base.licence,
                    "weights": base.weights,
                    "here": base.weights_here,
                    "contract": base.contract.model_dump(mode="json"),
                }
                for base in known
            ]
        )
        return
    from rich.table import Table

    console = stdout()
    wide = console.width >= 110
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("base model", no_wrap=True)
    for title in ("side", "parameters", "vector", "MB"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("weights", no_wrap=True)
    if wide:
        table.add_column("expects", no_wrap=True)
    table.add_column(
        "licence", no_wrap=True, max_width=max(12, console.width - (88 if wide else 60))
    )
    words = {True: "[green]here[/]", False: "[yellow]to fetch[/]", None: "random"}
    for base in known:
        table.add_row(
            base.name,
            str(base.contract.side),
            f"{base.parameters / 1e6:.1f} M" if base.parameters else "?",
            str(base.vector_size or "?"),
            f"{base.megabytes:.0f}" if base.megabytes else "?",
            words[base.weights_here],
            *([base.contract.describe()] if wide else []),
            base.licence,
        )
    console.print(table)


@app.command(rich_help_panel=TRUTH)
def compare(
    project: ProjectOption = Path(),
    base: Annotated[
        list[str] | None, typer.Option("--base", "-b", help="Base model; repeat for several.")
    ] = None,
    recipe: Annotated[
        list[str] | None, typer.Option("--recipe", "-r", help="Recipe; repeat for several.")
    ] = None,
    folds: Annotated[int | None, typer.Option(help="Parts per repeat.")] = None,
    repeats: Annotated[int | None, typer.Option(help="How often the folds are cut.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of folds and heads.")] = None,
    split: Annotated[
        Literal["cv", "given", "seed"] | None,
        typer.Option(help="Folds, the imported split, or the original experiment's."),
    ] = None,
    weights: Annotated[
        list[str] | None, typer.Option(help="BASE=FILE (or =imagenet, =random).")
    ] = None,
    break_contract: Annotated[
        list[str] | None,
        typer.Option(
            help="unit-range or right-then-divided: also feed inputs that are wrong in this way, "
            "in rows of their own, to see the cost."
        ),
    ] = None,
    precision: Annotated[
        Literal["float32", "bfloat16"] | None,
        typer.Option(help="bfloat16 is faster; used only where the scores stay the same."),
    ] = None,
    permutations: Annotated[
        int | None,
        typer.Option(
            help="Refit every recipe so often on permuted labels, to see whether anything was "
            "learnt: 0, or 19 and more; each costs a cross-validation."
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="All recipes but seed and finetune; pose, where it can run."),
    ] = False,
    open_lock: Annotated[
        bool, typer.Option("--open-lock", help="Score on the lock-box, too; this is counted.")
    ] = False,
    photos: Annotated[
        bool, typer.Option("--photos/--no-photos", help="Pictures in the report.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Compare base models on your photos, honestly, and write a report."""
    from footwork import verbs

    compared = verbs.compare(
        project=project,
        bases=base or (),
        recipes=recipe or (),
        folds=folds,
        repeats=repeats,
        seed=seed,
        split=split,
        weights=pairs(weights, "--weights"),
        break_contract=break_contract or (),
        precision=precision,
        permutations=permutations,
        everything=everything,
        open_lock=open_lock,
        photos=photos,
        progress=shown(as_json),
    )
    print_compared(compared, as_json)


@app.command(rich_help_panel=TRUTH)
def lock(
    share: Annotated[str, typer.Argument(help="How much, 5% to 50%: 20%, say.")],
    who: Annotated[str, typer.Option(help="Who decides.", envvar="USER")] = "somebody",
    project: ProjectOption = Path(),
) -> None:
    """Lock photos away for one last honest score; only `compare --open-lock` looks at them."""
    from footwork import verbs

    try:
        part = float(share.removesuffix("%")) / (100 if share.endswith("%") else 1)
    except ValueError:
        raise UsageError(
            f"The share to lock away is a number like 20%; this is {share!r}."
        ) from None
    count = verbs.lock(part, project=project, who=who)
    typer.echo(
        f"{count:,} photos are locked away. When all is chosen: footwork compare --open-lock"
    )


@app.command(rich_help_panel=TRUTH)
def report(
    run: Annotated[str | None, typer.Argument(help="Beginning of a run's name.")] = None,
    project: ProjectOption = Path(),
    photos: Annotated[
        bool, typer.Option("--photos/--no-photos", help="Pictures in the report.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Make the report of a run again from its predictions; the newest run by default."""
    from footwork import verbs

    print_compared(verbs.report(run, project=project, photos=photos), as_json)


@app.command(rich_help_panel=TRUTH)
def judge(
    table: Annotated[
        Path | None,
        typer.Argument(
            help="CSV, TSV, Parquet or JSON lines with image, label, model, then p_CLASS per "
            "class or prediction; perhaps group, fold, repeat."
        ),
    ] = None,
    confusion: Annotated[
        list[Path] | None, typer.Option(help="A published confusion matrix instead; repeatable.")
    ] = None,
    report: Annotated[
        list[Path] | None,
        typer.Option(help="A published classification report instead; repeatable."),
    ] = None,
    common: Annotated[
        bool, typer.Option("--common", help="Judge on the photos that all models predict.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the resamples.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write a page, too: FILE.html.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge models that footwork never saw, by their predictions or by published scores."""
    from footwork import verbs
    from footwork.reporting.judged import json_of, print_view, view_of

    found = verbs.judge(
        table,
        confusion=confusion or (),
        report=report or (),
        common=common,
        seed=seed,
        out=out,
    )
    if as_json:
        print_json(json_of(found))
        return
    print_view(view_of(found, seed), stdout())
    if out is not None:
        stdout().print(f"Page: {out.resolve()}", markup=False, soft_wrap=True)


@app.command(rich_help_panel=TRUTH)
def demo(
    folder: Annotated[Path, typer.Argument(help="Where to put it.")] = Path("footwork-demo"),
    photos: Annotated[int, typer.Option(min=30, max=306, help="How many climbers.")] = 306,
    as_json: JsonOption = False,
) -> None:
    """Draw 306 climbers in code and compare three base models on them: a first look, no claim."""
    from footwork import verbs

    print_compared(verbs.demo(folder, photos=photos, progress=shown(as_json)), as_json)


def compared_json(compared: "Compared") -> dict[str, object]:
    titles = {info.entry: info.title for info, _ in compared.rows()}
    return {
        "run": compared.run.name,
        "report": str(compared.report),
        "photos": compared.board.photos,
        "sentences": list(compared.board.sentences),
        "notes": list(compared.run.environment.data.notes),
        "copies": compared.run.environment.data.copies,
        "conflicts": compared.run.environment.data.conflicts,
        "leak": compared.leak.model_dump() if compared.leak else None,
        "floors": compared.board.floors.model_dump(mode="json"),
        "warning": compared.unreadable(),
        "decoded": compared.run.environment.decoded,
        "seconds": compared.run.environment.seconds,
        "smallest_seen": compared.board.smallest_seen,
        "photos_needed": compared.board.photos_needed,
        "pairs": [
            {"a": titles[pair.a], "b": titles[pair.b], **pair.model_dump(exclude={"a", "b"})}
            for pair in compared.board.pairs
        ],
        "entries": [
            {
                "entry": info.entry,
                "tier": scores.tier,
                "base": info.base,
                "recipe": info.recipe,
                "contract": info.contract,
                "macro_f1": scores.macro_f1.model_dump(),
                "beats_guessing": scores.beats_guessing,
                "p_nothing": scores.p_nothing,
                "failed": scores.failed,
                "milliseconds": info.milliseconds,
                "megabytes": info.megabytes,
                "weights": info.weights,
            }
            for info, scores in compared.rows()
        ],
    }


def print_compared(compared: "Compared", as_json: bool) -> None:
    if as_json:
        print_json(compared_json(compared))
        return
    from rich.table import Table

    console = stdout()
    table = Table(box=None, header_style="bold", pad_edge=False)
    several = len({info.recipe for info in compared.run.entries}) > 1
    tiered = any(scores.tier > 1 for _, scores in compared.rows())
    if tiered:
        table.add_column("tier", justify="right", no_wrap=True)
    table.add_column("base model" + (" · recipe" if several else ""), overflow="fold")
    for title, width in (("macro-F1", 8), ("95 % interval", 13), ("ms", 3), ("MB", 3)):
        table.add_column(title, justify="right", no_wrap=True, min_width=width)
    table.add_column("than guessing", no_wrap=True, min_width=13)
    for info, scores in sorted(compared.rows(), key=lambda row: row[0].contract != "right"):
        f1 = scores.macro_f1
        name = info.title if several else info.title.replace(f" · {info.recipe}", "")
        weights = "" if info.weights == "verified" else f" [yellow]({info.weights} weights)[/]"
        table.add_row(
            *([str(scores.tier or "–")] if tiered else []),
            name.replace("[", "\\[") + weights,
            f"[bold]{f1.value:.2f}[/]",
            f"{f1.low:.2f} to {f1.high:.2f}",
            f"{info.milliseconds:.0f}",
            f"{info.megabytes:.0f}",
            "[green]better[/]" if scores.beats_guessing else "[yellow]can't tell[/]",
        )
    console.print(table)
    floors = compared.board.floors
    console.print(
        f"floors: always {floors.largest_class!r} {floors.largest_class_macro_f1:.2f}; "
        f"guessing {floors.guessing.value:.2f} ({floors.guessing.low:.2f} to "
        f"{floors.guessing.high:.2f})",
        style="dim",
        markup=False,
    )
    unread = compared.unreadable()
    if unread:
        console.print(f"Warning: {unread}", style="bold yellow", markup=False)
    console.print()
    notes = notes_in_words(compared.run.entries)
    for sentence in (*compared.board.sentences, *compared.run.environment.data.notes, *notes):
        console.print(sentence, markup=False)
    if left_out := compared.left_out():
        console.print(left_out, markup=False)
    if compared.leak is not None:
        console.print(compared.leak.sentence(), markup=False)
    console.print()
    console.print(f"Report: {compared.report.resolve()}", markup=False, soft_wrap=True)


def notes_in_words(entries: "Sequence[EntryInfo]") -> list[str]:
    """Return each note once, before it the entries that it is about."""
    about: dict[str, list[str]] = {}
    for info in entries:
        for note in info.notes:
            about.setdefault(note, []).append(info.title)
    return [
        f"{titles[0]}{f' and {len(titles) - 1} more' if titles[1:] else ''}: {note}"
        for note, titles in about.items()
    ]
