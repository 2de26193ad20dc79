"""Verbs that look after a project."""

from pathlib import Path
from typing import TYPE_CHECKING

from footwork.catalog import Catalog
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
