"""Every error that a user can meet, and the exit code of its kind.

    FootworkError
    ├── UsageError         2  the command or the toml asks for something that does not exist
    ├── DataError          3  the photos, labels or files do not allow what was asked
    └── EnvironmentProblem 4  the machine does not allow it (disk, permissions, packages)
        ├── MissingExtra      an optional part of footwork is not installed
        └── MissingWeights    pretrained weights are neither here nor to be had

A message says what was wrong, with which file or key, and what to do. One bad image is
never an exception: it is a row with its reason (see `footwork.catalog`).
"""

import difflib
from collections.abc import Iterable


class FootworkError(Exception):
    """Base of all errors that are shown to a user as one message, without a traceback."""

    exit_code = 1


class UsageError(FootworkError):
    exit_code = 2


class DataError(FootworkError):
    exit_code = 3


class EnvironmentProblem(FootworkError):
    exit_code = 4


class MissingExtra(EnvironmentProblem):
    def __init__(self, extra: str, needed_for: str) -> None:
        super().__init__(f"{needed_for} needs an optional part: pip install 'footwork[{extra}]'")
        self.extra = extra


class MissingWeights(EnvironmentProblem):
    pass


def nearest(name: str, known: Iterable[str]) -> str:
    """Return '; did you mean X or Y?' for a mistyped name, or the list of what there is."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"there is: {', '.join(known)}" if known else "there is none"
