"""Verbs on photos and labels: parse, call, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from footwork.cli.app import (
    PHOTOS,
    JsonOption,
    ProjectOption,
    app,
    pairs,
    print_json,
    shown,
    stdout,
)
from footwork.errors import UsageError

if TYPE_CHECKING:
    from footwork.importing.ingest import Imported


@app.command(rich_help_panel=PHOTOS)
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


@app.command("import", rich_help_panel=PHOTOS)
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


@app.command(rich_help_panel=PHOTOS)
def clean(project: ProjectOption = Path(), as_json: JsonOption = False) -> None:
    """Make every photo an upright RGB PNG without place or camera, and flag what looks wrong."""
    from footwork import verbs
    from footwork.cleaning.printing import json_of, print_result

    result = verbs.clean(project=project, progress=shown(as_json))
    if as_json:
        print_json(json_of(result))
    else:
        print_result(result, stdout())


@app.command(rich_help_panel=PHOTOS)
def dedupe(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Any folders of photos, read only; the project if left out."),
    ] = None,
    project: ProjectOption = Path(),
    against: Annotated[
        Path | None, typer.Option(help="A folder of older photos: what of PATHS is new?")
    ] = None,
    radius: Annotated[
        int | None, typer.Option(min=0, max=16, help="Bits of 64; calibrated if left out.")
    ] = None,
    mirror: Annotated[
        bool, typer.Option("--mirror", help="Find flipped and turned copies too.")
    ] = False,
    features: Annotated[
        bool,
        typer.Option("--features/--no-features", help="Let a network propose crops and overlays."),
    ] = True,
    again: Annotated[
        bool, typer.Option("--again", help="Group anew what you took apart with `undo`.")
    ] = False,
    csv: Annotated[Path | None, typer.Option(help="Write a row for each file to this CSV.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Keep the best of each group of near-copies, set the others aside; deletes nothing.

    With PATHS: only tells, for any folders, in no project.
    """
    from footwork import verbs
    from footwork.duplicates import printing

    if paths:
        if again:
            raise UsageError("--again is for a project: folders have no groups taken apart.")
        seen = verbs.dedupe_folders(
            paths,
            against=against,
            max_bits=radius,
            mirror=mirror,
            features=features,
            progress=shown(as_json),
        )
        if csv is not None:
            printing.write_folder_csv(seen, csv)
        if as_json:
            print_json(printing.json_of_folder(seen))
        else:
            printing.print_folder(seen, stdout())
        return
    if against is not None:
        raise UsageError("--against needs a folder to compare: footwork dedupe NEW --against OLD.")
    found = verbs.dedupe(
        project=project,
        max_bits=radius,
        mirror=mirror,
        features=features,
        again=again,
        progress=shown(as_json),
    )
    names = verbs.found_at(project) if csv is not None or as_json else {}
    if csv is not None:
        printing.write_project_csv(found, csv, lambda image: names.get(image, image))
    if as_json:
        conflicts = verbs.status(project).conflicts
        print_json(
            printing.json_of_project(found, conflicts, lambda image: names.get(image, image))
        )
    else:
        printing.print_project(found, stdout())


@app.command(rich_help_panel=PHOTOS)
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


@app.command(rich_help_panel=PHOTOS)
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
    for name, count in seen.counts.per_class.items():
        console.print(f"  {count:>6,}  {name}", markup=False)
    for sentence in seen.sentences():
        console.print(f"  {sentence}", markup=False)
    if seen.gone:
        console.print(
            f"{len(seen.gone):,} linked photos are not where they were, for instance "
            f"{seen.gone[0]}. Bring them back, or import them again from where they are now.",
            style="yellow",
            markup=False,
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
