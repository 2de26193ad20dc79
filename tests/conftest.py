"""What the tests share: the real photos and weights beside the checkout, and what to skip."""

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with its reason, what this machine lacks. In CI a missing browser is a failure."""
    lacking = {
        "shared": None if (SHARED / "data").is_dir() else "no ../shared with real photos",
        "keras": None if importlib.util.find_spec("keras") else "footwork[keras] is not installed",
        "browser": None if CHROMIUM or os.environ.get("CI") else "chromium is not installed",
    }
    for item in items:
        for marker, reason in lacking.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photos and weights; its users carry the marker `shared`."""
    return SHARED


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep converted networks and timed trials out of the user's own cache."""
    os.environ["FOOTWORK_CACHE"] = str(tmp_path_factory.getbasetemp() / "cache")
