"""What `clean` tells the catalog of an image, and how that becomes rows.

    cleaned        per image: its canonical PNG, or why there is none
    quality        per image: facts measured on its pixels
    quality_flag   per image: what a person should look at, with a score

Each carries the version of the code that made it; other versions are made again.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields

from footwork.findings import decided

REJECT, RULE = "reject", "rule:clean"
NO_LONGER = "no longer asked for"  # why the rule itself took its decision back


@dataclass(frozen=True)
class Quality:
    """Facts of one picture's upright sRGB pixels; `cleaning.quality` says how each is measured.

    width, height: pixels. sharpness: squared levels. luminance, low, high: 0 to 255, the mean
    and the 5 % and 95 % points. dark, bright, one_colour, border, few_colours, seam: shares in
    [0, 1].
    entropy: bits, 0 to 8. glyphs: how many letters were found standing in lines.
    """

    width: int
    height: int
    sharpness: float
    luminance: float
    low: float
    high: float
    dark: float
    bright: float
    entropy: float
    one_colour: float
    border: float
    few_colours: float
    seam: float
    glyphs: int

    @property
    def megapixels(self) -> float:
        return self.width * self.height / 1e6

    @property
    def short_side(self) -> int:
        return min(self.width, self.height)

    @property
    def aspect(self) -> float:
        """Longer side by shorter side, 1 or more."""
        return max(self.width, self.height) / self.short_side


@dataclass(frozen=True)
class Flag:
    """Something for a person to look at. score: in [0.5, 1], higher is more certain."""

    image: str
    name: str
    score: float


@dataclass(frozen=True)
class Cleaned:
    """What became of one image. reason: why there is no PNG; else size, quality and flags.

    version: of the PNG and of the measures. size: of the PNG, in bytes.
    """

    image: str
    version: str
    size: int | None = None
    reason: str | None = None
    quality: Quality | None = None
    flags: tuple[Flag, ...] = ()


FACTS = ", ".join(field.name for field in fields(Quality))


def write_cleaned(connection: sqlite3.Connection, items: Iterable[Cleaned], now: str) -> None:
    """Replace what was known of these images. One that failed keeps its last facts and flags."""
    for item in items:
        connection.execute(
            "INSERT OR REPLACE INTO cleaned VALUES (?, ?, ?, ?, ?)",
            (item.image, item.version, item.size, item.reason, now),
        )
        if item.quality is None:
            continue
        values = (item.image, item.version, *astuple(item.quality))
        connection.execute(
            f"INSERT OR REPLACE INTO quality (sha256, version, {FACTS}) "  # noqa: S608
            f"VALUES ({', '.join('?' * len(values))})",
            values,
        )
        connection.execute("DELETE FROM quality_flag WHERE sha256 = ?", (item.image,))
        connection.executemany(
            "INSERT INTO quality_flag VALUES (?, ?, ?)",
            [(flag.image, flag.name, flag.score) for flag in item.flags],
        )


def follow_rule(
    connection: sqlite3.Connection, wanted: Mapping[str, Flag], now: str
) -> tuple[int, int]:
    """Make the rule's decisions be those of `wanted`; return how many were made and taken back.

    What a person took back is never decided again by the rule.
    """
    rows = connection.execute(
        "SELECT id, sha256, detail, undone_at FROM decision WHERE verb = ? AND who = ?",
        (REJECT, RULE),
    ).fetchall()
    standing = {sha256: number for number, sha256, _detail, undone in rows if undone is None}
    by_person = {
        sha256
        for _number, sha256, detail, undone in rows
        if undone is not None and "taken_back" not in json.loads(detail)
    }
    gone = [
        (number, sha256, detail)
        for number, sha256, detail, undone in rows
        if undone is None and sha256 not in wanted
    ]
    connection.executemany(
        "UPDATE decision SET undone_at = ?, detail = ? WHERE id = ?",
        [
            (now, json.dumps(json.loads(detail) | {"taken_back": NO_LONGER}), number)
            for number, _sha256, detail in gone
        ],
    )
    new = sorted(wanted.keys() - standing.keys() - by_person)
    for image in new:
        flag = wanted[image]
        detail = {"flag": flag.name, "score": flag.score}
        decided(connection, now, RULE, REJECT, detail, image)
    return len(new), len(gone)
