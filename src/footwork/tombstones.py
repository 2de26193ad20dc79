"""What was taken down, so that it never comes back: by its bytes, address, author or look.

    tombstone   kind 'hash': the SHA-256 of an image; 'url': where it or its page lay; 'author':
                whose photos are not wanted; 'look': the 64-bit pHash of an image, as hex, so that
                a copy that was resized or saved anew is refused too

Each belongs to a decision of verb 'takedown' and counts until that is undone.
"""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from footwork.database import Database

TAKEDOWN = "takedown"
Kind = Literal["hash", "url", "author", "look"]
# Bits of 64 within which two pHashes are of one photo. 396 photos of insects: the nearest two are
# 14 apart; 108 tiles of 67 climbing photos: every repeat within 8, no two photos within 14.
ALIKE = 8

# The bytes of a photo to its 64-bit pHash, upright, mirrored and turned; () if it is too blank to
# be known by it, or cannot be read. Given by the caller: the catalog decodes nothing.
Looks = Callable[[bytes], Sequence[int]]
STANDING = (
    "SELECT kind, value, decision.at, detail FROM tombstone JOIN decision "
    "ON decision.id = decision WHERE undone_at IS NULL"
)


@dataclass(frozen=True)
class Tombstone:
    """kind, value: see the top of this module. at: when; why: what was asked, in words."""

    kind: Kind
    value: str
    at: str
    why: str

    def sentence(self) -> str:
        what = {
            "hash": "this very file",
            "url": "what lies at this address",
            "author": "all work of this author",
            "look": "a photo like this one",
        }[self.kind]
        why = f" ({self.why})" if self.why else ""
        return f"{what} was taken down on {self.at[:10]}{why}"


class Tombstones:
    """Those that count at one time; made anew for each import or collection."""

    def __init__(self, stones: Iterable[Tombstone]) -> None:
        self._by_kind: dict[str, dict[str, Tombstone]] = {kind: {} for kind in get_args(Kind)}
        for stone in stones:
            self._by_kind[stone.kind][stone.value] = stone

    @classmethod
    def read(cls, database: Database) -> "Tombstones":
        return cls(
            Tombstone(kind, value, at, str(json.loads(detail).get("why", "")))
            for kind, value, at, detail in database.rows(STANDING)
        )

    def __iter__(self) -> Iterator[Tombstone]:
        return (stone for stones in self._by_kind.values() for stone in stones.values())

    def __len__(self) -> int:
        return sum(map(len, self._by_kind.values()))

    def of_bytes(self, sha256: str) -> Tombstone | None:
        return self._by_kind["hash"].get(sha256)

    def of_place(
        self, image_url: str, page_url: str | None = None, author: str | None = None
    ) -> Tombstone | None:
        """Return what bars a photo at this address, on this page or by this author, if anything."""
        urls, authors = self._by_kind["url"], self._by_kind["author"]
        return (
            urls.get(comparable_url(image_url))
            or (urls.get(comparable_url(page_url)) if page_url else None)
            or (authors.get(comparable_name(author)) if author else None)
        )

    def refuses(self, data: bytes, sha256: str, looks: Looks | None = None) -> str | None:
        """Return why these bytes must not come in, as a sentence, or None.

        looks: also refuse what looks like a photo that was taken down, within ALIKE bits.
        """
        stone = self.of_bytes(sha256)
        if stone is not None:
            return stone.sentence()
        known = self._by_kind["look"]
        if looks is None or not known:
            return None
        codes = looks(data)
        for value, stone in sorted(known.items()):
            bits = min(((code ^ int(value, 16)).bit_count() for code in codes), default=64)
            if bits <= ALIKE:
                return f"{stone.sentence()}, {bits} of 64 bits away"
        return None


def comparable_url(url: str) -> str:
    """Return a URL as it is compared: no fragment, scheme and host in lower case."""
    scheme, separator, rest = url.partition("#")[0].strip().partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme.lower()}{separator}{host.lower()}{slash}{path}"


def comparable_name(author: str) -> str:
    return " ".join(author.split()).casefold()


def set_tombstones(
    connection: sqlite3.Connection, stones: Iterable[tuple[Kind, str]], decision: int
) -> None:
    """Write tombstones in the name of a decision; one that was there now belongs to it."""
    connection.executemany(
        "INSERT OR REPLACE INTO tombstone VALUES (?, ?, ?)",
        sorted((kind, value, decision) for kind, value in set(stones)),
    )


def forget_images(connection: sqlite3.Connection, images: Collection[str]) -> None:
    """Remove every row that speaks of these images, whatever the table; decisions only lose
    their reference: their number and their time stay, what they say moves into the detail.
    """
    tables = [
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        if not name.startswith("sqlite_")
    ]
    speaking = [
        (table, key[3])
        for table in tables
        for key in connection.execute(f"PRAGMA foreign_key_list({table})").fetchall()
        if key[2] == "image"
    ]
    every = [(sha256,) for sha256 in sorted(images)]
    for table, column in speaking:
        if table != "decision":
            connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", every)  # noqa: S608
    for (sha256,) in every:
        rows = connection.execute("SELECT id, detail FROM decision WHERE sha256 = ?", (sha256,))
        connection.executemany(
            "UPDATE decision SET sha256 = NULL, detail = ? WHERE id = ?",
            [
                (json.dumps(json.loads(detail) | {"image": sha256}, ensure_ascii=False), number)
                for number, detail in rows.fetchall()
            ],
        )
    connection.executemany("DELETE FROM rejection WHERE sha256 = ?", every)
    connection.executemany("DELETE FROM image WHERE sha256 = ?", every)
