"""The command line: parse, call, print. One verb per stage; the work is in footwork.verbs."""

from importlib import import_module

from footwork.cli.app import app, main

# Each registers its verbs; in the order of the panels of --help.
PANELS = (
    "photos",
    "searching",
    "gather",
    "origins",
    "truth",
    "checks",
    "training",
    "use",
    "upkeep",
)
for panel in PANELS:
    import_module(f"footwork.cli.{panel}")

__all__ = ["app", "main"]
