"""The compiled loop must also work where Numba cannot keep its machine code."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from footwork.duplicates import kernels

SEARCH = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import kernels
codes = np.array([[0], [1], [2**64 - 1]], dtype=np.uint64)
number, key = np.arange(3), np.zeros(1, dtype=np.int64)
first, second, bits = (np.zeros(kernels.SEGMENT, dtype=np.int64) for _ in range(3))
count = kernels.join(
    codes, number, key, np.array([0, 3]), codes, number, np.array([0, 3], dtype=np.uint32), key,
    63, True, np.zeros((0, 1), dtype=np.uint64), np.zeros(0, dtype=np.int64),
    np.array([0, 0, 0, 0, 1]), first, second, bits,
)
print(*zip(first[:count].tolist(), second[:count].tolist(), bits[:count].tolist()))
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """The module alone in a folder, so that its cache can be spoilt."""
    folder = tmp_path / "installed"
    folder.mkdir()
    shutil.copy(kernels.__file__, folder / "kernels.py")
    return folder


def searched(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-B", "-c", SEARCH, str(folder)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_folder_for_the_cache(module: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    (module / "__pycache__").touch()  # a file: nobody, root included, can put a folder there
    nowhere = str(file / "below")
    done = searched(module, HOME=nowhere, XDG_CACHE_HOME=nowhere, NUMBA_CACHE_DIR="")
    assert done.stdout.strip() == "(0, 1, 1) (1, 2, 63)", done.stderr


def test_a_damaged_cache(module: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for _ in range(2):  # the second time from the cache
        done = searched(module, NUMBA_CACHE_DIR=str(cache))
        assert done.stdout.strip() == "(0, 1, 1) (1, 2, 63)", done.stderr
    files = [path for path in cache.rglob("*.nb?") if path.is_file()]
    assert {path.suffix for path in files} == {".nbi", ".nbc"}
    for path in files:
        path.write_bytes(b"\x80damaged")
    done = searched(module, NUMBA_CACHE_DIR=str(cache))
    assert done.stdout.strip() == "(0, 1, 1) (1, 2, 63)", done.stderr
