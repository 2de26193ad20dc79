"""What the command line offers, as Python functions of the same names and parameters.

Each opens the project, calls the stages in order and returns what they found; printing is the
command line's business.
"""

from footwork.verbs.checks import Curved, curve, diff, doctor
from footwork.verbs.gather import collect, collection_plan, run
from footwork.verbs.origins import attributions, provenance, takedown, yields
from footwork.verbs.photos import (
    Status,
    clean,
    dedupe,
    dedupe_folders,
    found_at,
    import_images,
    init,
    label,
    status,
)
from footwork.verbs.searching import check_sources, queries, sources
from footwork.verbs.training import ablate
from footwork.verbs.truth import Compared, bases, compare, demo, judge, lock, report
from footwork.verbs.upkeep import backup, decisions, restore, undo
from footwork.verbs.use import predict, train

__all__ = [
    "Compared",
    "Curved",
    "Status",
    "ablate",
    "attributions",
    "backup",
    "bases",
    "check_sources",
    "clean",
    "collect",
    "collection_plan",
    "compare",
    "curve",
    "decisions",
    "dedupe",
    "dedupe_folders",
    "demo",
    "diff",
    "doctor",
    "found_at",
    "import_images",
    "init",
    "judge",
    "label",
    "lock",
    "predict",
    "provenance",
    "queries",
    "report",
    "restore",
    "run",
    "sources",
    "status",
    "takedown",
    "train",
    "undo",
    "yields",
]
