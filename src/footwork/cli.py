"""The command line: parse, call, print. One verb per stage; the work is in footwork.verbs."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from footwork import __version__
from footwork.errors import EnvironmentProblem, FootworkError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from footwork.importing.ingest import Imported
    from footwork.verbs import Compared

DATA, TRUTH, UPKEEP = "Photos and labels", "Models and truth", "Upkeep"
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


@app.command(rich_help_panel=DATA)
def init(
    name: Annotated[str, typer.Argument(help="Name of the project and of its new folder.")],
    template: Annotated[
        str | None, typer.Option(help="Start from a template: climbing.", show_default=False)
    ] = None,
) -> None:
    """Make a project: a folder with a commented footwork.toml."""
    from footwork import verbs

    if not name.strip():
        raise UsageError("Give the project a name: footwork init my-project.")
    folder = Path(name)
    made = verbs.init(folder, name=folder.name, template=template)
    typer.echo(f"Wrote {folder / 'footwork.toml'} ({len(made.config.classes)} classes).")
    typer.echo(f"Next: cd {folder} && footwork import FOLDER_OF_CLASS_FOLDERS")


@app.command("import", rich_help_panel=DATA)
def import_images(
    source: Annotated[
        Path, typer.Argument(help="Class folders, a CSV/Parquet of path and label, or HF folder.")
    ],
    project: ProjectOption = Path(),
    link: Annotated[
        bool, typer.Option("--link/--copy", help="Only remember where the files lie.")
    ] = False,
    external: Annotated[
        bool, typer.Option("--external", help="A test set that is scored once, apart.")
    ] = False,
    column: Annotated[
        list[str] | None,
        typer.Option(help="ROLE=NAME: which column is path, label, split or group."),
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="COLUMN=VALUE: only these rows of a table.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Bring labelled photos into the catalog; the same photo twice is one photo."""
    from footwork import verbs

    imported = verbs.import_images(
        source,
        project=project,
        mode="link" if link else "copy",
        external=external,
        columns=pairs(column, "--column"),
        where=pairs(where, "--where"),
        progress=shown(as_json),
    )
    if as_json:
        print_json(imported_json(imported))
    else:
        print_imported(imported)


def pairs(written: list[str] | None, option: str) -> dict[str, str]:
    found = {}
    for text in written or ():
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise UsageError(f"{option} takes NAME=VALUE; this is {text!r}.")
        found[key] = value
    return found


def imported_json(imported: "Imported") -> dict[str, object]:
    return {
        "new": imported.new,
        "known": imported.already_known,
        "per_class": dict(imported.per_class),
        "conflicts": imported.conflicts,
        "rejected": [{"path": path, "reason": reason} for path, reason in imported.rejected],
        "notes": list(imported.notes),
    }


def print_imported(imported: "Imported") -> None:
    console = stdout()
    if imported.new == 0 and imported.already_known:
        console.print(f"Nothing new: all {imported.already_known:,} photos were in the catalog.")
    else:
        known = f", {imported.already_known:,} known already" if imported.already_known else ""
        console.print(f"[bold]{imported.new:,} new photos[/]{known}.")
    for name, count in imported.per_class.items():
        console.print(f"  {count:>6,}  {name}", markup=False)
    if imported.conflicts:
        console.print(
            f"[yellow]{imported.conflicts} photo(s) lie under two classes and stay out until "
            "decided:[/] footwork status --conflicts, then footwork label"
        )
    if imported.rejected:
        console.print(f"[yellow]{len(imported.rejected)} file(s) rejected:[/]")
        for path, reason in imported.rejected[:10]:
            console.print(f"  {path}: {reason}", markup=False)
        if len(imported.rejected) > 10:
            console.print(f"  and {len(imported.rejected) - 10} more: footwork status --rejected")
    for note in imported.notes:
        console.print(note, markup=False)


@app.command(rich_help_panel=DATA)
def clean(project: ProjectOption = Path(), as_json: JsonOption = False) -> None:
    """Make every photo an upright RGB PNG without place or camera, and flag what looks wrong."""
    from footwork import verbs
    from footwork.cleaning.printing import json_of, print_result

    result = verbs.clean(project=project, progress=shown(as_json))
    if as_json:
        print_json(json_of(result))
    else:
        print_result(result, stdout())


@app.command(rich_help_panel=DATA)
def dedupe(
    project: ProjectOption = Path(),
    radius: Annotated[
        int | None, typer.Option(min=0, max=16, help="Bits of 64; a stated safe one if left out.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Group near-copies, so that no copy is on the other side of a fold; deletes nothing."""
    from footwork import verbs

    found = verbs.dedupe(project=project, max_bits=radius, progress=shown(as_json))
    if as_json:
        print_json(
            {
                "radius": found.radius,
                "images": found.images,
                "hashed": found.hashed,
                "weak": found.weak,
                "failed": [{"image": image, "reason": reason} for image, reason in found.failed],
                "groups": found.groups,
                "conflicts": found.conflicts,
                "copies": [vars(copy) for copy in found.copies],
            }
        )
        return
    console = stdout()
    console.print(
        f"[bold]{len(found.copies):,} near-copies[/] in {found.groups:,} groups among "
        f"{found.images:,} photos (pHash within {found.radius} of 64 bits). Each group stays on "
        "one side of every fold; nothing was deleted."
    )
    if found.weak:
        console.print(f"{found.weak:,} photos are too blank to be judged by their hash.")
    if found.failed:
        console.print(f"[yellow]{len(found.failed):,} photos could not be read.[/]")
    if found.conflicts:
        console.print(
            f"[yellow]{found.conflicts} photo(s) carry two labels, themselves or through a copy, "
            "and stay out until decided:[/] footwork status --conflicts, then footwork label"
        )


@app.command(rich_help_panel=DATA)
def label(
    image: Annotated[str, typer.Argument(help="Beginning of the photo's SHA-256, or its path.")],
    class_name: Annotated[str, typer.Argument(metavar="CLASS")],
    who: Annotated[str, typer.Option(help="Who decides.", envvar="USER")] = "somebody",
    why: Annotated[str, typer.Option(help="The reason, kept with the decision.")] = "",
    project: ProjectOption = Path(),
) -> None:
    """Decide the class of one photo; a person's decision outranks every other label."""
    from footwork import verbs

    decided = verbs.label(image, class_name, who=who, why=why, project=project)
    typer.echo(f"{decided[:12]} is {class_name}, says {who}.")


@app.command(rich_help_panel=DATA)
def status(
    project: ProjectOption = Path(),
    conflicts: Annotated[bool, typer.Option("--conflicts", help="List label conflicts.")] = False,
    rejected: Annotated[bool, typer.Option("--rejected", help="List rejected files.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what the project holds: photos per class, conflicts, rejected files, runs."""
    from footwork import verbs

    seen = verbs.status(project)
    if as_json:
        print_json(seen.as_json())
        return
    console = stdout()
    console.print(
        f"{seen.project.config.name} in {seen.project.folder}", style="bold", markup=False
    )
    for name, count in seen.per_class.items():
        console.print(f"  {count:>6,}  {name}", markup=False)
    console.print(
        f"  {seen.photos:,} labelled photos in {seen.groups:,} groups; {len(seen.conflicts)} "
        f"conflict(s), {len(seen.rejections)} rejected file(s), {len(seen.runs)} run(s)"
    )
    if conflicts:
        for conflict in seen.conflicts:
            said = "; ".join(f"{name} ({origin})" for name, _who, origin in conflict.labels)
            console.print(f"{conflict.image[:12]}: {said}", markup=False)
        if seen.conflicts:
            console.print("Decide one with: footwork label IMAGE CLASS")
    if rejected:
        for rejection in seen.rejections:
            console.print(f"{rejection.origin}: {rejection.reason}", markup=False)


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
        Literal["cv", "given"] | None, typer.Option(help="Folds, or the imported split.")
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
        photos=photos,
        progress=shown(as_json),
    )
    print_compared(compared, as_json)


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


def compared_json(compared: "Compared") -> dict[str, object]:
    return {
        "run": compared.run.name,
        "report": str(compared.report),
        "photos": compared.board.photos,
        "sentences": list(compared.board.sentences),
        "notes": list(compared.run.environment.data.notes),
        "floors": compared.board.floors.model_dump(mode="json"),
        "warning": compared.unreadable(),
        "decoded": compared.run.environment.decoded,
        "seconds": compared.run.environment.seconds,
        "entries": [
            {
                "entry": info.entry,
                "base": info.base,
                "recipe": info.recipe,
                "contract": info.contract,
                "macro_f1": scores.macro_f1.model_dump(),
                "beats_guessing": scores.beats_guessing,
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
    table.add_column("base model" + (" · recipe" if several else ""), overflow="fold")
    for title, width in (("macro-F1", 8), ("95 % interval", 13), ("ms", 3), ("MB", 3)):
        table.add_column(title, justify="right", no_wrap=True, min_width=width)
    table.add_column("than guessing", no_wrap=True, min_width=13)
    for info, scores in sorted(compared.rows(), key=lambda row: row[0].contract != "right"):
        f1 = scores.macro_f1
        name = info.title if several else info.title.replace(f" · {info.recipe}", "")
        weights = "" if info.weights == "verified" else f" [yellow]({info.weights} weights)[/]"
        table.add_row(
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
    notes = [f"{info.title}: {note}" for info in compared.run.entries for note in info.notes]
    for sentence in (*compared.board.sentences, *compared.run.environment.data.notes, *notes):
        console.print(sentence, markup=False)
    console.print()
    console.print(f"Report: {compared.report.resolve()}", markup=False, soft_wrap=True)


def main() -> None:
    sys.exit(app())


if __name__ == "__main__":
    main()
