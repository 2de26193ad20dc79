"""Questions to a process of its own."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from footwork.apart import Apart, Crashed
from footwork.errors import EnvironmentProblem

TESTS = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _jobs_are_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS))


def test_bytes_go_there_and_come_back(tmp_path: Path) -> None:
    apart = Apart("apart_job", {"folder": str(tmp_path)}, channels=3)
    parts = [b"", b"a", bytes(3_000_000), *(bytes([n]) * n for n in range(200))]

    def ask(_: int) -> None:
        said, back = apart.ask("echo", parts)
        assert said == {"settings": {"folder": str(tmp_path)}, "sizes": [len(p) for p in parts]}
        assert back == parts[::-1]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(24)))
    assert apart.ask("nothing") == ({"settings": {"folder": str(tmp_path)}, "sizes": []}, [])


def test_several_questions_are_answered_at_once() -> None:
    apart = Apart("apart_job", {}, channels=4)
    apart.ask("warm")
    started = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(apart.ask, ["slow"] * 4))
    assert time.monotonic() - started < 1.0  # one after another: 1.2


def test_what_the_job_raises_is_raised_here_and_ends_nothing() -> None:
    apart = Apart("apart_job", {})
    with pytest.raises(EnvironmentProblem, match=r"^the disk is full$"):
        apart.ask("full")
    with pytest.raises(RuntimeError, match="ZeroDivisionError: of the job"):
        apart.ask("mistake")
    assert apart.ask("fine")[0]["sizes"] == []


@pytest.mark.filterwarnings("ignore")
def test_a_crash_is_said_by_every_question(capfd: pytest.CaptureFixture[str]) -> None:
    apart = Apart("apart_job", {}, channels=2)
    with pytest.raises(Crashed, match="code -6"):
        apart.ask("crash")
    for _ in range(3):
        with pytest.raises(Crashed):
            apart.ask("fine")


def test_it_ends_with_its_object_and_with_its_asker(tmp_path: Path) -> None:
    apart = Apart("apart_job", {})
    process = apart._process
    apart.close()
    assert process.poll() == 0

    script = (
        "import os, signal, sys; from footwork.apart import Apart\n"
        "apart = Apart('apart_job', {}); apart.ask('fine')\n"
        "print(apart._process.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL
    number = int(killed.stdout)
    for _ in range(100):
        if not alive(number):
            return
        time.sleep(0.05)
    raise AssertionError("it outlived the process that asked")


def alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{number}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
