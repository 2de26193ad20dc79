"""footwork: from an idea for a niche image category to an honest image classifier.

The public names are loaded when first used, so that `import footwork` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from footwork.classifier import Classifier
    from footwork.errors import FootworkError
    from footwork.runs import Run, read_run
    from footwork.verbs import (
        Compared,
        Curved,
        ablate,
        attributions,
        backup,
        bases,
        check_sources,
        clean,
        collect,
        compare,
        curve,
        dedupe,
        demo,
        diff,
        doctor,
        import_images,
        init,
        judge,
        label,
        lock,
        predict,
        provenance,
        queries,
        report,
        restore,
        run,
        sources,
        status,
        takedown,
        train,
        undo,
        yields,
    )

__version__ = "0.1.0"

__all__ = [
    "Classifier",
    "Compared",
    "Curved",
    "FootworkError",
    "Run",
    "ablate",
    "attributions",
    "backup",
    "bases",
    "check_sources",
    "clean",
    "collect",
    "compare",
    "curve",
    "dedupe",
    "demo",
    "diff",
    "doctor",
    "import_images",
    "init",
    "judge",
    "label",
    "lock",
    "predict",
    "provenance",
    "queries",
    "read_run",
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

HOME = {"Classifier": "classifier", "FootworkError": "errors", "Run": "runs", "read_run": "runs"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'footwork' has no attribute {name!r}")
    return getattr(import_module(f"footwork.{HOME.get(name, 'verbs')}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
