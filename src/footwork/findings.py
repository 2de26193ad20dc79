"""What the catalog is told of images that were found, and how that becomes rows."""

import json
import os
import sqlite3
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter

IMAGE = "sha256, size, width, height, format"
PROVENANCE = "kind, origin, source, page_url, query, language, title, author, licence, licence_url"
IMAGE_VALUES = attrgetter(*IMAGE.split(", "))
PROVENANCE_VALUES = attrgetter(*PROVENANCE.split(", "))
DROP_GROUPS = "DELETE FROM fold_group WHERE sha256 = ? AND who = ? AND origin = ?"
DROP_SPLITS = "DELETE FROM given_split WHERE sha256 = ? AND who = ? AND origin = ?"


@dataclass(frozen=True)
class Image:
    """format: as sniffed from the bytes; width, height: upright, in pixels."""

    sha256: str
    size: int
    width: int
    height: int
    format: str


@dataclass(frozen=True)
class Stamp:
    """A file as it was when it was read; another size or time means: read it again."""

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, path: str, stat: os.stat_result) -> "Stamp":
        wrap = 2**63 - 1  # a file may claim to be of the year 2400, SQLite counts to 2262
        return cls(path, stat.st_size, stat.st_mtime_ns & wrap, stat.st_ctime_ns & wrap)


@dataclass(frozen=True)
class Known:
    """What the catalog remembers of a file that it has read."""

    image: Image
    stored: bool
    stamp: Stamp


@dataclass(frozen=True)
class Provenance:
    """One place where an image was found. origin: a path or the image's URL.

    source: the imported folder, or the name of the place that was searched.
    """

    kind: str
    origin: str
    source: str
    page_url: str | None = None
    query: str | None = None
    language: str | None = None
    title: str | None = None
    author: str | None = None
    licence: str | None = None
    licence_url: str | None = None


@dataclass(frozen=True)
class Said:
    """What one source says of one file. More than one label is a conflict, never an error."""

    labels: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    splits: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Found:
    """An image at one place. stored: its bytes are in the image store already.

    who: in whose name `said` is said. moved_from: origins that the same source knew it by and
    that are gone; what was said there no longer counts.
    """

    image: Image
    stored: bool
    provenance: Provenance
    who: str
    said: Said
    stamp: Stamp | None = None
    moved_from: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rejection:
    """A file that did not become an image. sha256: None if its bytes could not be had."""

    origin: str
    reason: str
    sha256: str | None = None


def add_image(connection: sqlite3.Connection, item: Found, now: str) -> bool:
    """Add image, provenance and file rows; return whether the image is new."""
    image, place, stamp = item.image, item.provenance, item.stamp
    new = connection.execute(
        f"INSERT INTO image ({IMAGE}, stored, added_at) VALUES (?, ?, ?, ?, ?, ?, ?) "  # noqa: S608
        "ON CONFLICT DO NOTHING",
        (*IMAGE_VALUES(image), item.stored, now),
    ).rowcount
    if not new and item.stored:
        connection.execute("UPDATE image SET stored = 1 WHERE sha256 = ?", (image.sha256,))
    connection.execute(
        f"INSERT INTO provenance (sha256, found_at, {PROVENANCE}) "  # noqa: S608
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (image.sha256, now, *PROVENANCE_VALUES(place)),
    )
    if stamp is not None:
        connection.execute(
            "INSERT INTO file VALUES (?, ?, ?, ?, ?) ON CONFLICT (path) DO UPDATE SET "
            "sha256 = excluded.sha256, size = excluded.size, mtime_ns = excluded.mtime_ns, "
            "ctime_ns = excluded.ctime_ns",
            (stamp.path, image.sha256, stamp.size, stamp.mtime_ns, stamp.ctime_ns),
        )
    return bool(new)


def say(connection: sqlite3.Connection, item: Found, now: str) -> None:
    """Make the rows of (image, who, origin) say what `item` says, and no more."""
    key = (item.image.sha256, item.who, item.provenance.origin)
    said = item.said
    for origin in item.moved_from:
        take_back(connection, (*key[:2], origin), now)
    before = connection.execute(
        "SELECT class, id FROM label WHERE sha256 = ? AND who = ? AND origin = ? "
        "AND withdrawn_at IS NULL AND decision IS NULL",
        key,
    ).fetchall()
    if before:
        connection.executemany(
            "UPDATE label SET withdrawn_at = ? WHERE id = ?",
            [(now, row_id) for name, row_id in before if name not in said.labels],
        )
    connection.executemany(
        "INSERT INTO label (sha256, who, origin, class, why, at) VALUES (?, ?, ?, ?, '', ?)",
        [(*key, name, now) for name in sorted(said.labels.difference(name for name, _ in before))],
    )
    # A source that no longer speaks of groups does not take them back: losing one would leak.
    if said.groups:
        connection.execute(DROP_GROUPS, key)
        connection.executemany(
            "INSERT INTO fold_group VALUES (?, ?, ?, ?)", [(*key, name) for name in said.groups]
        )
    connection.execute(DROP_SPLITS, key)
    if said.splits:
        connection.executemany(
            "INSERT INTO given_split VALUES (?, ?, ?, ?)", [(*key, split) for split in said.splits]
        )


def take_back(connection: sqlite3.Connection, key: tuple[str, str, str], now: str) -> None:
    """Let what was said of (image, who, origin) no longer count."""
    connection.execute(
        "UPDATE label SET withdrawn_at = ? WHERE sha256 = ? AND who = ? AND origin = ? "
        "AND withdrawn_at IS NULL",
        (now, *key),
    )
    connection.execute(DROP_GROUPS, key)
    connection.execute(DROP_SPLITS, key)


def decided(
    connection: sqlite3.Connection,
    now: str,
    who: str,
    verb: str,
    detail: Mapping[str, object],
    image: str | None = None,
) -> int:
    """Write a decision down; returns its number. See `decisions`."""
    made = connection.execute(
        "INSERT INTO decision (at, who, verb, sha256, detail) VALUES (?, ?, ?, ?, ?)",
        (now, who, verb, image, json.dumps(detail, ensure_ascii=False)),
    )
    return made.lastrowid or 0  # SQLite counts from 1


def timestamp() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def readable(path: str) -> str:
    """Return a path as text for rows, pages and terminals: odd bytes and controls escaped."""
    shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if shown.isprintable():
        return shown
    return "".join(
        c if c.isprintable() or unicodedata.category(c) == "Zs" else ascii(c)[1:-1] for c in shown
    )
