"""The public names: a dozen or so, all there, loaded late."""

import subprocess
import sys

import pytest

import footwork


def test_every_public_name_exists_and_is_documented() -> None:
    for name in footwork.__all__:
        assert getattr(footwork, name).__doc__, name
    assert footwork.__all__ == sorted(footwork.__all__)


def test_no_module_hides_a_public_function() -> None:
    """A package footwork.demo would replace the function demo as soon as it is imported."""
    import pkgutil

    modules = {module.name for module in pkgutil.iter_modules(footwork.__path__)}
    assert not modules & set(footwork.__all__)


def test_importing_costs_nothing() -> None:
    code = "import sys, footwork; print(sorted({'numpy', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        footwork.trian  # noqa: B018
