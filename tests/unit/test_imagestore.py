import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Collection
from pathlib import Path

import pytest

from footwork.errors import EnvironmentProblem
from footwork.images import Unreadable
from footwork.imagestore import ImageStore
from photo_folders import png


def put(store: ImageStore, seed: int) -> str:
    data = png(seed)
    sha256 = hashlib.sha256(data).hexdigest()
    store.put(data, sha256, "png")
    return sha256


def nobody(hashes: Collection[str]) -> set[str]:
    return set()


def stored(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("images/*/*")}


def killed_while_filling(folder: Path, seed: int) -> str:
    """Fill the store in a process that is killed before it ends; return what it stored."""
    code = (
        "import sys, os, signal; from pathlib import Path; sys.path[:0] = [sys.argv[3]]\n"
        "from test_imagestore import put, nobody; from footwork.imagestore import ImageStore\n"
        "store = ImageStore(Path(sys.argv[1]))\n"
        "with store.filling(nobody):\n"
        "    print(put(store, int(sys.argv[2])), flush=True)\n"
        "    (store.images / 'ab').mkdir(exist_ok=True)\n"
        "    (store.images / 'ab' / '.partial-x').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", code, folder, str(seed), here],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(here.parent)},
    )
    assert done.returncode == -9, done.stderr
    return done.stdout.strip()


def test_bytes_come_back_and_lie_where_documented(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    sha256 = put(store, 1)
    assert store.path(sha256, "png") == tmp_path / "images" / sha256[:2] / f"{sha256}.png"
    assert store.path(sha256, "jpeg").suffix == ".jpg"
    assert store.read(sha256, "png") == png(1)


def test_no_format_leads_out_of_the_store(tmp_path: Path) -> None:
    path = ImageStore(tmp_path).path("ab" * 32, "/../../../etc/x")
    assert path.parent == tmp_path / "images" / "ab"


def test_changed_or_missing_bytes_are_unreadable(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    sha256 = put(store, 1)
    store.path(sha256, "png").write_bytes(png(2))
    with pytest.raises(Unreadable, match="changed since it was imported"):
        store.read(sha256, "png")
    store.path(sha256, "png").unlink()
    with pytest.raises(Unreadable, match="no such file"):
        store.read(sha256, "png")


def test_what_a_killed_process_left_is_swept_by_the_next(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    before = put(store, 1)  # without a row too, but not of the killed one
    time.sleep(0.02)
    orphan = killed_while_filling(tmp_path, 2)
    in_catalog = killed_while_filling(tmp_path, 3)
    assert {f"{before}.png", f"{in_catalog}.png"} <= stored(tmp_path)
    (tmp_path / "images" / "ab" / "mine.txt").write_text("not of the store")
    with store.filling(lambda hashes: {in_catalog} & set(hashes)):
        assert stored(tmp_path) == {f"{before}.png", f"{in_catalog}.png", "mine.txt"}
    assert orphan not in stored(tmp_path)
    assert [path.name for path in (tmp_path / ".footwork").iterdir()] == ["importing.lock"]


def test_nobody_sweeps_while_another_is_filling(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    ready, done = threading.Event(), threading.Event()
    names: list[str] = []

    def other() -> None:
        with ImageStore(tmp_path).filling(nobody):
            names.append(put(store, 5))
            ready.set()
            done.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    assert ready.wait(10)
    with store.filling(nobody):
        assert stored(tmp_path) == {f"{names[0]}.png"}
    done.set()
    thread.join()


def test_a_failure_leaves_the_sweeping_to_the_next(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)

    def interrupted() -> None:
        with store.filling(nobody):
            put(store, 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(stored(tmp_path)) == 1
    with store.filling(nobody):
        assert stored(tmp_path) == set()


def test_an_unwritable_place_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file where the folder should be")
    with pytest.raises(EnvironmentProblem, match="could not be written"):
        put(ImageStore(tmp_path), 1)
