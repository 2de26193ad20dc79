"""What `dedupe` tells the catalog: codes of images, pairs of one photo, and which copy is kept.

    hash   per image and kind: its perceptual hash, made once per version of the hasher
    pair   two images that show the same photo, and what says so; both stay on one side of a fold
    copy   per image that a decision of verb 'keep' sets aside: the better image, and why

A group of copies is one decision of "rule:dedupe". Nothing is deleted: a copy keeps its
provenance and its labels, which count for the kept image as long as the decision stands.
"""

import json
import math
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from footwork.findings import decided

KEEP, RULE = "keep", "rule:dedupe"
REPLACED, NOT_FOUND = "replaced by a later dedupe", "no longer found"
OVERLAYS = ("large_text", "collage")  # flags of `clean` that speak against keeping a photo
STANDING = (
    "SELECT copy.sha256, copy.best FROM copy JOIN decision ON decision.id = copy.decision "
    "WHERE undone_at IS NULL"
)


@dataclass(frozen=True)
class Code:
    """code: 64 bits. firm_bits: how many of them noise would not flip."""

    image: str
    code: int
    firm_bits: int


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

    @classmethod
    def of(
        cls,
        one: str,
        other: str,
        bits: int | None = None,
        cosine: float | None = None,
        evidence: tuple[str, ...] = ("hash",),
    ) -> "Pair":
        """Make a pair of two images in any order."""
        first, second = sorted((one, other))
        return cls(first, second, bits, cosine, evidence)

    def other(self, image: str) -> str:
        return self.second if image == self.first else self.first


@dataclass(frozen=True)
class Copy:
    """image is a near-copy of `best`. bits, cosine, evidence: of the two, as in `Pair`.

    why: what makes `best` the better one, for people.
    """

    image: str
    best: str
    bits: int | None
    cosine: float | None
    evidence: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Facts:
    """What is known of an image where copies are weighed against each other.

    size: bytes; set_aside: a standing decision keeps it out; decided: a person said its class;
    overlays: its flags among OVERLAYS; sharpness: see `cleaned.Quality`, None if not measured;
    origin: which of author, licence and page are known, in this order.
    """

    image: str
    width: int
    height: int
    size: int
    set_aside: bool = False
    decided: bool = False
    overlays: tuple[str, ...] = ()
    sharpness: float | None = None
    origin: tuple[str, ...] = ()

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def sharpness_step(self) -> int:
        """Half powers of two: a total order, which 'sharper by a third' would not be."""
        if self.sharpness is None or self.sharpness <= 0:
            return -(10**6)
        return math.floor(2 * math.log2(self.sharpness))


@dataclass(frozen=True)
class Kept:
    """What became of the groups. new, replaced, gone: decisions made, replaced by others, and
    taken back because such a group is no longer found; standing: all that count now.
    """

    new: int
    replaced: int
    gone: int
    standing: int


def write_codes(
    connection: sqlite3.Connection, kind: str, version: str, codes: Iterable[Code]
) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO hash VALUES (?, ?, ?, ?, ?)",
        [(c.image, kind, version, c.code.to_bytes(8, "big"), c.firm_bits) for c in codes],
    )


def write_pairs(connection: sqlite3.Connection, pairs: Iterable[Pair], now: str) -> None:
    """Put these in place of all that were known: `dedupe` always looks at everything."""
    connection.execute("DELETE FROM pair")
    connection.executemany(
        "INSERT INTO pair VALUES (?, ?, ?, ?, ?, ?)",
        [(p.first, p.second, p.bits, p.cosine, ", ".join(p.evidence), now) for p in pairs],
    )


def write_kept(connection: sqlite3.Connection, copies: Sequence[Copy], now: str) -> Kept:
    """Make the standing decisions of the rule be those groups: one decision per kept image.

    A group that stands already, with the same kept image and the same copies, gets no new row.
    One that is no longer wanted is taken back, and knows by which decisions it was replaced.
    """
    wanted: defaultdict[str, list[Copy]] = defaultdict(list)
    for copy in copies:
        wanted[copy.best].append(copy)
    images_of = {best: {best, *(c.image for c in group)} for best, group in wanted.items()}
    rows = connection.execute(
        "SELECT id, best, copy.sha256 FROM decision JOIN copy ON decision = id "
        "WHERE verb = ? AND who = ? AND undone_at IS NULL",
        (KEEP, RULE),
    )
    standing: defaultdict[tuple[int, str], set[str]] = defaultdict(set)
    for number, best, image in rows:
        standing[number, best] |= {best, image}
    same = {best for (_, best), images in standing.items() if images_of.get(best) == images}
    gone = {number: images for (number, best), images in standing.items() if best not in same}
    holder = {image: number for number, images in gone.items() for image in images}
    replaced_by: defaultdict[int, list[int]] = defaultdict(list)
    for best in sorted(images_of.keys() - same):
        replaces = sorted({holder[image] for image in images_of[best] if image in holder})
        number = insert_group(connection, best, wanted[best], replaces, now)
        for old in replaces:
            replaced_by[old].append(number)
    for number in gone:
        by = replaced_by.get(number, [])
        note = {"taken_back": REPLACED if by else NOT_FOUND, "replaced_by": by}
        connection.execute(
            "UPDATE decision SET undone_at = ?, detail = json_patch(detail, ?) WHERE id = ?",
            (now, json.dumps(note), number),
        )
    return Kept(
        new=len(images_of) - len(same),
        replaced=len(replaced_by),
        gone=len(gone) - len(replaced_by),
        standing=len(images_of),
    )


def insert_group(
    connection: sqlite3.Connection,
    best: str,
    group: Sequence[Copy],
    replaces: Sequence[int],
    now: str,
) -> int:
    listed = [
        {
            "image": copy.image,
            "distance": copy.bits,
            "cosine": copy.cosine,
            "evidence": list(copy.evidence),
            "reason": copy.why,
        }
        for copy in group
    ]
    detail = {"kept": best, "copies": listed, "replaces": list(replaces)}
    number = decided(connection, now, RULE, KEEP, detail, best)
    connection.executemany(
        "INSERT INTO copy VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(c.image, number, c.best, c.bits, c.cosine, ", ".join(c.evidence), c.why) for c in group],
    )
    return number


def parted(connection: sqlite3.Connection) -> list[frozenset[str]]:
    """Return the groups that a person took apart and that nobody asked for again."""
    rows = connection.execute(
        "SELECT id, best, copy.sha256 FROM decision JOIN copy ON decision = id "
        "WHERE verb = ? AND who = ? AND undone_at IS NOT NULL "
        "AND json_extract(detail, '$.taken_back') IS NULL "
        "AND json_extract(detail, '$.asked_again') IS NULL",
        (KEEP, RULE),
    )
    groups: defaultdict[int, set[str]] = defaultdict(set)
    for number, best, image in rows:
        groups[number] |= {best, image}
    return [frozenset(groups[number]) for number in sorted(groups)]


def ask_again(connection: sqlite3.Connection) -> None:
    """Forget that people took groups apart."""
    connection.execute(
        "UPDATE decision SET detail = json_set(detail, '$.asked_again', json('true')) "
        "WHERE verb = ? AND who = ? AND undone_at IS NOT NULL "
        "AND json_extract(detail, '$.taken_back') IS NULL",
        (KEEP, RULE),
    )


def group_of(connection: sqlite3.Connection, image: str) -> Collection[str]:
    """Return all images of the standing group that `image` is in, itself too."""
    rows = connection.execute(STANDING + " AND ? IN (copy.sha256, copy.best)", (image,)).fetchall()
    if not rows:
        return {image}
    best = rows[0][1]
    members = connection.execute(STANDING + " AND copy.best = ?", (best,)).fetchall()
    return {best, *(copy for copy, _ in members)}
