"""What `dedupe` tells the catalog: codes of images, and which image is a copy of which.

    hash   per image and kind: its perceptual hash, made once per version of the hasher
    copy   per image that is a near-copy of a better one: that one, and how near

A copy is not deleted and keeps its provenance; it shares the fold group of the image it is a
copy of, and two labels within one group of copies are a conflict.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    """code: 64 bits. firm_bits: how many of them noise would not flip."""

    image: str
    code: int
    firm_bits: int


@dataclass(frozen=True)
class Copy:
    """image is a near-copy of `best`, `bits` of 64 away, found within `radius`.

    why: what makes `best` the better one, for people.
    """

    image: str
    best: str
    bits: int
    radius: int
    why: str


def write_codes(
    connection: sqlite3.Connection, kind: str, version: str, codes: Iterable[Code]
) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO hash VALUES (?, ?, ?, ?, ?)",
        [(c.image, kind, version, c.code.to_bytes(8, "big"), c.firm_bits) for c in codes],
    )


def write_copies(connection: sqlite3.Connection, copies: Iterable[Copy], now: str) -> None:
    """Put these in place of all that were known: `dedupe` always looks at everything."""
    connection.execute("DELETE FROM copy")
    connection.executemany(
        "INSERT INTO copy VALUES (?, ?, ?, ?, ?, ?)",
        [(c.image, c.best, c.bits, c.radius, c.why, now) for c in copies],
    )


@dataclass(frozen=True)
class Pair:
    """Two images that show the same photo, and what says so.

    first < second: SHA-256s. bits: Hamming distance of their 64-bit pHashes, None where that
    was not what joined them; cosine: of their cached features, likewise. evidence: in words,
    "hash", "hash (mirrored)", "hash (trimmed)", "features", "same page", ...
    """

    first: str
    second: str
    bits: int | None
    cosine: float | None
    evidence: tuple[str, ...]
