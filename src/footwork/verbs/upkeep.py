"""Verbs that look after a project."""

from pathlib import Path
from typing import TYPE_CHECKING

from footwork.catalog import Catalog
from footwork.decisions import Decision, Undone
from footwork.errors import UsageError
from footwork.project import (
    open_project,
)
from footwork.verbs.photos import HERE, Place

if TYPE_CHECKING:
    from footwork.backups import Backup


def backup(target: Place, *, project: Place = HERE) -> "Backup":
    """Write the whole catalog, its image files and footwork.toml into one file."""
    opened = open_project(project)
    with Catalog.open(opened.folder) as catalog:
        return catalog.backup(Path(target))


def restore(archive: Place, folder: Place) -> Path:
    """Unpack a backup into a new folder; every file's hash is checked."""
    from footwork.backups import restore as unpack

    return unpack(Path(archive), Path(folder))


def undo(number: int | None = None, *, everything: bool = False, project: Place = HERE) -> Undone:
    """Take back the last decision that counts, the one of that number, or everything.

    Decisions are made by people (label, takedown, ...) and by rules (keep, reject). Their rows
    stay; only their effect goes. Raises DataError where there is nothing to take back.
    """
    if everything and number is not None:
        raise UsageError("Give a number or --all, not both.")
    with Catalog.open(open_project(project).folder) as catalog:
        return catalog.undo_all() if everything else catalog.undo(number)


def decisions(project: Place = HERE) -> list[Decision]:
    """Return everything that was decided, taken back or not, in order."""
    with Catalog.open(open_project(project).folder) as catalog:
        return catalog.decisions()
