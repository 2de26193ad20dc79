"""The command line: parse, call, print. One verb per stage; the work is in footwork.verbs."""

from footwork.cli import photos, truth, upkeep  # noqa: F401  each registers its verbs
from footwork.cli.app import app, main

__all__ = ["app", "main"]
