"""The log of decisions, and taking them back.

    decision   what a person decided, or a rule; taken back by `undone_at`, never deleted

The effect of a decision (a label, a photo set aside, a group of copies) counts only while its
decision stands, so taking one back is one change of one row. A decision that was replaced by
later ones (see `copies`) counts again once all of these are taken back.
"""

import json
import sqlite3
from dataclasses import dataclass

from footwork.copies import REPLACED
from footwork.errors import DataError
from footwork.tombstones import TAKEDOWN

# Taken back by their number only: nobody asks for that by the way.
BY_NUMBER = (TAKEDOWN, "lock", "open-lock")
LAST = "SELECT max(id) FROM decision WHERE undone_at IS NULL AND verb NOT IN (?, ?, ?)"
DECISION = "id, at, who, verb, sha256, detail, undone_at"


@dataclass(frozen=True)
class Decision:
    """What a person or a rule decided. detail: JSON, by verb; undone_at: None while it counts."""

    number: int
    at: str
    who: str
    verb: str
    sha256: str | None
    detail: str
    undone_at: str | None

    def sentence(self) -> str:
        """Say in words what was decided."""
        what = json.loads(self.detail)
        image = f" photo {self.sha256[:10]}" if self.sha256 else ""
        match self.verb:
            case "keep":
                return f"keep{image}, set aside its {counted(len(what['copies']), 'copy')}"
            case "label":
                return f"label{image} {what['class']}{because(what)}"
            case "reject":
                flag = f" for {what['flag']}" if what.get("flag") else ""
                return f"set aside{image}{flag}{because(what)}"
            case "lock":
                return f"lock {len(what['images']):,} photos away"
            case "open-lock":
                return "open the lock-box for one comparison"
            case verb:
                return f"{verb}{image}{because(what)}"


@dataclass(frozen=True)
class Undone:
    """taken_back: decisions, in the order in which they were; counts_again: what they replaced."""

    taken_back: tuple[Decision, ...]
    counts_again: tuple[Decision, ...]


def counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun.removesuffix('y')}ies"


def because(what: dict[str, object]) -> str:
    return f" ({what['why']})" if what.get("why") else ""


def undo_one(connection: sqlite3.Connection, number: int, now: str) -> Undone:
    """Take back decision `number`. Raises DataError if there is none, or it is undone already."""
    decision = read_one(connection, number)
    if decision is None or decision.undone_at is not None:
        raise DataError(f"There is no decision {number}, or it was undone already.")
    connection.execute("UPDATE decision SET undone_at = ? WHERE id = ?", (now, number))
    again = []
    for old in json.loads(decision.detail).get("replaces", ()):
        found = read_one(connection, old)
        if found is not None and may_count_again(connection, found):
            connection.execute(
                "UPDATE decision SET undone_at = NULL, "
                "detail = json_remove(detail, '$.taken_back', '$.replaced_by') WHERE id = ?",
                (old,),
            )
            again.append(found)
    return Undone((decision,), tuple(again))


def may_count_again(connection: sqlite3.Connection, decision: Decision) -> bool:
    """Whether all that replaced it is gone, and no standing group holds one of its images."""
    what = json.loads(decision.detail)
    if decision.undone_at is None or what.get("taken_back") != REPLACED:
        return False
    later = [read_one(connection, number) for number in what["replaced_by"]]
    if any(other is not None and other.undone_at is None for other in later):
        return False
    overlap = connection.execute(
        "WITH held AS (SELECT sha256 AS image FROM copy WHERE decision = ?1 "
        "UNION SELECT best FROM copy WHERE decision = ?1) "
        "SELECT 1 FROM copy JOIN decision ON decision.id = copy.decision "
        "WHERE undone_at IS NULL AND (copy.sha256 IN (SELECT image FROM held) "
        "OR copy.best IN (SELECT image FROM held)) LIMIT 1",
        (decision.number,),
    ).fetchone()
    return overlap is None


def undo_last(connection: sqlite3.Connection, now: str) -> Undone:
    """Take back the last decision that counts. Raises DataError if none does.

    Those of BY_NUMBER are left alone.
    """
    row = connection.execute(LAST, BY_NUMBER).fetchone()
    if row[0] is None:
        raise DataError("There is no decision to take back.")
    return undo_one(connection, row[0], now)


def undo_all(connection: sqlite3.Connection, now: str) -> Undone:
    """Take back everything, the last first, until nothing counts any more."""
    taken: list[Decision] = []
    while connection.execute(LAST, BY_NUMBER).fetchone()[0] is not None:
        taken += undo_last(connection, now).taken_back
    return Undone(tuple(sorted(taken, key=lambda decision: decision.number)), ())


def read_one(connection: sqlite3.Connection, number: int) -> Decision | None:
    row = connection.execute(
        f"SELECT {DECISION} FROM decision WHERE id = ?",  # noqa: S608
        (number,),
    ).fetchone()
    return Decision(*row) if row else None
