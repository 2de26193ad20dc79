"""What the doctor says: findings, and what was looked at and is fine."""

from typing import Literal

from footwork.records import Record

SHOWN = 20  # photos listed with a finding

# From the defect that misleads most to the one that costs least, where nothing can be measured.
CHECKS = (
    "copies",
    "contract",
    "conflicts",
    "shortcut",
    "drift",
    "labels",
    "test_size",
    "augmentation",
    "text",
    "unstratified",
    "squash",
)
Check = Literal[
    "copies", "contract", "conflicts", "shortcut", "drift", "labels", "test_size",
    "augmentation", "text", "unstratified", "squash",
]  # fmt: skip


class Finding(Record):
    """A defect. cost: how much macro-F1 it fakes or loses, None where that was not measured.

    cost_words: the same in words, with its interval. mend: the command or the change that mends
    it. photos: paths to look at, at most SHOWN; more: how many others there are.
    """

    check: Check
    title: str
    evidence: tuple[str, ...]
    cost: float | None
    cost_words: str
    mend: str
    photos: tuple[str, ...] = ()
    more: int = 0


class Looked(Record):
    """A check that found nothing, or that could not be made. said: what was seen, or why not."""

    check: Check
    state: Literal["fine", "not checked"]
    said: str


class Diagnosis(Record):
    """findings: by falling cost, measured ones first. looked: all other checks.

    photos: different readable ones; unreadable: (path, reason).
    """

    subject: str
    photos: int
    per_class: dict[str, int]
    eyes: str
    findings: tuple[Finding, ...]
    looked: tuple[Looked, ...]
    unreadable: tuple[tuple[str, str], ...]


def by_cost(findings: list[Finding]) -> tuple[Finding, ...]:
    """Sort: measured costs first, the largest on top; then in the order of CHECKS."""
    return tuple(
        sorted(findings, key=lambda f: (f.cost is None, -(f.cost or 0), CHECKS.index(f.check)))
    )


def listed(paths: list[str]) -> tuple[tuple[str, ...], int]:
    """Return the first SHOWN paths, sorted, and how many more there are."""
    found = sorted(set(paths))
    return tuple(found[:SHOWN]), max(0, len(found) - SHOWN)


def fine(check: Check, said: str) -> Looked:
    return Looked(check=check, state="fine", said=said)


def not_checked(check: Check, why: str) -> Looked:
    return Looked(check=check, state="not checked", said=why)
