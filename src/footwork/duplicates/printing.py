"""What `dedupe` found, for people, for machines and for spreadsheets."""

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from footwork.copies import Pair
from footwork.duplicates.dedupe import Deduped
from footwork.duplicates.folder import FolderCopies
from footwork.files import write_text

if TYPE_CHECKING:
    from rich.console import Console

    from footwork.catalog import Conflict

SHOWN = 20  # groups and files in a printed list
COLUMNS = ("path", "status", "kept", "distance", "cosine", "evidence", "reason")


def json_of_folder(found: FolderCopies) -> dict[str, object]:
    """Return {"pairs", "groups", "conflicts", "rejected"}, with the names of files."""
    return {
        "pairs": [json_of_pair(a, b, pair) for a, b, pair in found.pairs],
        "groups": [
            {
                "keep": group.keep.name,
                "copies": [file.name for file, _why, _pair in group.copies],
                "reason": group.reason,
            }
            for group in found.groups
        ],
        "conflicts": [{"classes": group.labels} for group in found.conflicts],
        "rejected": [{"path": name, "reason": reason} for name, reason in found.rejected],
    }


def json_of_project(
    found: Deduped, conflicts: Iterable["Conflict"], name_of: Callable[[str], str]
) -> dict[str, object]:
    """The same of a project. name_of: the path of an image, by its SHA-256."""
    groups: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for copy in found.copies:
        groups[copy.best].append((copy.image, copy.why))
    listed: list[dict[str, object]] = []
    for conflict in conflicts:
        said: defaultdict[str, list[str]] = defaultdict(list)
        for label, _who, origin in conflict.labels:
            said[label].append(origin)
        listed.append({"path": name_of(conflict.image), "classes": dict(said)})
    return {
        "pairs": [json_of_pair(name_of(p.first), name_of(p.second), p) for p in found.pairs],
        "groups": [
            {
                "keep": name_of(best),
                "copies": [name_of(image) for image, _why in copies],
                "reason": "; ".join(dict.fromkeys(why for _image, why in copies)),
            }
            for best, copies in sorted(groups.items())
        ],
        "conflicts": listed,
        "rejected": [{"path": name_of(image), "reason": why} for image, why in found.failed],
    }


def json_of_pair(a: str, b: str, pair: Pair) -> dict[str, object]:
    return {
        "a": a,
        "b": b,
        "distance": pair.bits,
        "cosine": pair.cosine,
        "evidence": list(pair.evidence),
    }


def write_folder_csv(found: FolderCopies, path: Path) -> None:
    """Write a row for each file: its status is kept, copy, single, rejected, or old.

    Of a copy: the file that is kept, and how far it is from that.
    """
    rows: dict[str, Sequence[object]] = {}
    for file in found.files:
        rows[file.name] = (file.name, "old" if file.old else "single", "", "", "", "", "")
    for group in found.groups:
        if not group.keep.old:
            rows[group.keep.name] = (group.keep.name, "kept", "", "", "", "", "")
        for file, why, pair in group.copies:
            words = ", ".join(pair.evidence)
            rows[file.name] = (
                file.name, "copy", group.keep.name, none(pair.bits), none(pair.cosine), words, why
            )  # fmt: skip
    for name, reason in found.rejected:
        rows[name] = (name, "rejected", "", "", "", "", reason)
    write_csv(path, (rows[name] for name in sorted(rows)))


def write_project_csv(found: Deduped, path: Path, name_of: Callable[[str], str]) -> None:
    """Write a row for each image that is a copy or could not be read."""
    rows: list[Sequence[object]] = [
        (
            name_of(c.image), "copy", name_of(c.best), none(c.bits), none(c.cosine),
            ", ".join(c.evidence), c.why,
        )
        for c in found.copies
    ]  # fmt: skip
    rows += [(name_of(image), "rejected", "", "", "", "", why) for image, why in found.failed]
    write_csv(path, rows)


def none(value: float | None) -> object:
    return "" if value is None else value


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def print_folder(found: FolderCopies, console: "Console") -> None:
    from rich.table import Table

    copies = sum(len(group.copies) for group in found.groups)
    new = [file for file in found.files if not file.old]
    console.print(
        f"[bold]{copies:,} copies[/] in {len(found.groups):,} groups among {len(new):,} files."
    )
    if found.against:
        console.print(
            f"[bold]{len(found.new):,} of {len(new):,} files are new[/], the others are copies."
        )
        for file in found.new[:SHOWN]:
            console.print(f"  {file.name}", markup=False)
        if len(found.new) > SHOWN:
            console.print(f"  and {len(found.new) - SHOWN:,} more: --csv FILE lists them all")
    if found.groups:
        table = Table(box=None, pad_edge=False)
        for column in ("kept", "copy", "bits", "cosine", "evidence", "reason"):
            table.add_column(column, overflow="fold")
        lines = [(group.keep, *copy) for group in found.groups for copy in group.copies]
        for keep, file, why, pair in lines[:SHOWN]:
            cosine = "" if pair.cosine is None else f"{pair.cosine:.2f}"
            cells = (keep.name, file.name, str(none(pair.bits)), cosine)
            table.add_row(*map(escaped, (*cells, ", ".join(pair.evidence), why)))
        console.print(table)
        if len(lines) > SHOWN:
            console.print(f"and {len(lines) - SHOWN:,} more copies: --csv FILE lists them all")
    for group in found.conflicts[:SHOWN]:
        said = "; ".join(f"{label}: {', '.join(names)}" for label, names in group.labels.items())
        console.print(f"Two classes for one photo: {said}", style="yellow", markup=False)
    if found.rejected:
        console.print(f"[yellow]{len(found.rejected):,} file(s) could not be read:[/]")
        for name, reason in found.rejected[:10]:
            console.print(f"  {name}: {reason}", markup=False)
    if found.weak:
        console.print(
            f"{found.weak:,} pictures hold too little (blank, one slope, grain) to be judged."
        )
    for note in (*found.notes, found.calibration.sentence):
        console.print(note, markup=False)


def escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def print_project(found: Deduped, console: "Console") -> None:
    console.print(
        f"[bold]{len(found.copies):,} near-copies[/] in {found.groups:,} groups among "
        f"{found.images:,} photos. The best of each group is trained on, the others are set "
        "aside; nothing was deleted."
    )
    console.print(found.calibration.sentence, markup=False)
    if found.parted:
        console.print(
            f"{found.parted:,} groups that you took apart stay so; --again groups them anew."
        )
    if found.weak:
        console.print(f"{found.weak:,} photos are too blank to be judged.")
    for note in found.notes:
        console.print(note, markup=False)
    if found.failed:
        console.print(f"[yellow]{len(found.failed):,} photos could not be read.[/]")
    if found.conflicts:
        console.print(
            f"[yellow]{found.conflicts} photo(s) carry two labels, themselves or through a copy, "
            "and stay out until decided:[/] footwork status --conflicts, then footwork label"
        )
    if found.page is not None:
        console.print(f"Look at them: {found.page}", markup=False, soft_wrap=True)
