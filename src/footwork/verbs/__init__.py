"""What the command line offers, as Python functions of the same names and parameters.

Each opens the project, calls the stages in order and returns what they found; printing is the
command line's business.
"""

from footwork.verbs.photos import Status, clean, dedupe, import_images, init, label, status
from footwork.verbs.truth import Compared, bases, compare, demo, judge, report
from footwork.verbs.upkeep import backup, restore
from footwork.verbs.use import predict, train

__all__ = [
    "Compared",
    "Status",
    "backup",
    "bases",
    "clean",
    "compare",
    "dedupe",
    "demo",
    "import_images",
    "init",
    "judge",
    "label",
    "predict",
    "report",
    "restore",
    "status",
    "train",
]
