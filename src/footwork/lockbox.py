"""The lock-box: labelled photos that nothing looks at until it is opened, which is counted.

Choosing the best of many variants on the same photos flatters it. Photos that took no part in the
choosing tell what it is worth, once; every further look makes them part of the choosing, too.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from footwork.truth import Labelled


@dataclass(frozen=True)
class LockBox:
    """images: locked away, by hash; opened: for how many comparisons ever."""

    images: frozenset[str]
    opened: int


def sealed(labelled: Iterable[Labelled], locked: frozenset[str], *, opened: bool) -> list[Labelled]:
    """Take the locked photos, and all that shares a fold group with one, out of `labelled`.

    opened: instead they are the external photos, and those that are external otherwise go.
    """
    rows = list(labelled)
    if not locked:
        return rows
    groups = {row.group for row in rows if row.image in locked}
    if not opened:
        return [row for row in rows if row.group not in groups]
    return [
        replace(row, split="external") if row.group in groups else row
        for row in rows
        if row.group in groups or row.split != "external"
    ]
