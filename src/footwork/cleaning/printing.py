"""What `footwork clean` prints: a table for people, JSON for machines."""

from typing import TYPE_CHECKING

from footwork.cleaning.clean import CleanResult

if TYPE_CHECKING:
    from rich.console import Console

SHOWN = 10  # failures in the table; --json has all


def json_of(result: CleanResult) -> dict[str, object]:
    return {
        "folder": str(result.folder),
        "converted": result.converted,
        "already_there": result.already_there,
        "bytes": result.bytes,
        "failed": [
            {"image": image, "path": path, "reason": reason}
            for image, path, reason in result.failed
        ],
        "flagged": result.flagged,
        "flags": {
            name: {"count": count, "example": example, "score": score}
            for name, (count, example, score) in result.flags.items()
        },
        "rejected": result.rejected,
        "taken_back": result.taken_back,
    }


def print_result(result: CleanResult, console: "Console") -> None:
    if result.converted == 0 and not result.failed:
        console.print(f"Nothing to do: all {result.already_there:,} photos were clean already.")
    else:
        console.print(
            f"[bold]{result.converted:,} photos cleaned[/], {result.already_there:,} there "
            f"already, {len(result.failed):,} failed."
        )
    if result.bytes:
        where = f"PNGs: {result.folder} ({result.bytes / 1e6:,.1f} MB in all)"
        console.print(where, markup=False, soft_wrap=True)
    for _image, path, reason in result.failed[:SHOWN]:
        console.print(f"  {path}: {reason}", markup=False, style="yellow", soft_wrap=True)
    if len(result.failed) > SHOWN:
        console.print(f"  and {len(result.failed) - SHOWN:,} more: footwork clean --json")
    if result.flags:
        print_flags(result, console)
    if result.rejected:
        console.print(
            f"[yellow]{result.rejected:,} photos set aside[/] by \\[clean] reject in "
            "footwork.toml; each is a decision that can be undone."
        )
    if result.taken_back:
        console.print(
            f"{result.taken_back:,} photos are back: the setting names their flag no more."
        )


def print_flags(result: CleanResult, console: "Console") -> None:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("flag", no_wrap=True)
    table.add_column("photos", justify="right", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("for instance", overflow="fold")
    for name, (count, example, score) in result.flags.items():
        shown = example.replace("[", "\\[")
        table.add_row(name.replace("_", " "), f"{count:,}", f"{score:.2f}", shown)
    console.print()
    console.print(table)
    console.print(f"{result.flagged:,} photos are flagged for you to look at; none was deleted.")
