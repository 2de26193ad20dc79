"""Small real pictures on disk for tests of the catalog, and what a catalog holds, comparably."""

import io
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

NOT_COMPARED = {"id", "at", "added_at", "found_at", "withdrawn_at", "mtime_ns", "ctime_ns",
                "started_at", "finished_at"}  # fmt: skip


def png(seed: int, side: int = 12) -> bytes:
    """A noisy picture; another seed, other bytes."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def write(root: Path, files: Mapping[str, bytes | str]) -> Path:
    """Write files below `root` by their relative names and return `root`."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def numbered(classes: Mapping[str, int]) -> dict[str, bytes]:
    """CLASS/NN.png for so many pictures per class, all different."""
    names = [f"{name}/{i:03}.png" for name, count in classes.items() for i in range(count)]
    return {name: png(seed) for seed, name in enumerate(names)}


def contents(project: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of a catalog, sorted, without numbers and times; and its stored files."""
    connection = sqlite3.connect(project / ".footwork" / "catalog.sqlite")
    tables = [
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        if not name.startswith("sqlite_")
    ]
    found: dict[str, list[tuple[object, ...]]] = {}
    for table in tables:
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        kept = ", ".join(name for name in columns if name not in NOT_COMPARED)
        rows = connection.execute(f"SELECT {kept} FROM {table}").fetchall()  # noqa: S608
        found[table] = sorted(rows, key=repr)
    connection.close()
    found["files on disk"] = [
        (path.relative_to(project).as_posix(), path.read_bytes())
        for path in sorted((project / "images").glob("*/*"))
    ]
    return found
