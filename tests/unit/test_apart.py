"""Questions to a process of its own."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from footwork.apart import Crew
from footwork.errors import EnvironmentProblem

TESTS = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _jobs_are_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS))


def test_every_piece_of_bytes_gets_its_answer(tmp_path: Path) -> None:
    settings = {"folder": str(tmp_path)}
    crew = Crew("apart_job", settings, processes=2, channels=2)
    parts = [b"", b"a", bytes(3_000_000), *(bytes([n]) * n for n in range(200))]
    expected = [[settings, len(part), part[:1].hex()] for part in parts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(crew.each, [parts] * 24)) == [expected] * 24
    assert crew.each([]) == []
    assert crew.ready


def test_several_questions_are_answered_at_once() -> None:
    crew = Crew("apart_job", {}, processes=2, channels=2)
    crew.each([b"warm"])
    started = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(crew.each, [[b""]] * 4, ["slow"] * 4))
    assert time.monotonic() - started < 1.0  # one after another: 1.2


def test_what_the_job_raises_is_raised_here_and_ends_nothing() -> None:
    crew = Crew("apart_job", {})
    with pytest.raises(EnvironmentProblem, match=r"^the disk is full$"):
        crew.each([b""], "full")
    with pytest.raises(RuntimeError, match="ZeroDivisionError: of the job"):
        crew.each([b""], "mistake")
    assert crew.each([b"x"]) == [[{}, 1, "78"]]


def test_a_crash_costs_the_piece_over_which_it_happens() -> None:
    crew = Crew("apart_job", {}, processes=2, channels=2)
    with ThreadPoolExecutor(4) as pool:
        asked = [[b"a", b"crash", b"b"], [b"c"], [b"crash"], [b"d", b"e"]] * 2
        found = list(pool.map(crew.each, asked))
    answered = [[None if answer is None else answer[2] for answer in some] for some in found]
    assert answered == [["61", None, "62"], ["63"], [None], ["64", "65"]] * 2
    assert crew.each([b"f"]) == [[{}, 1, "66"]]


def test_it_ends_with_its_object_and_with_its_asker() -> None:
    crew = Crew("apart_job", {}, processes=2)
    processes = [apart.process for apart in crew._processes]
    crew.close()
    assert [process.poll() for process in processes] == [0, 0]

    script = (
        "import os, signal; from footwork.apart import Crew\n"
        "crew = Crew('apart_job', {}); crew.each([b''])\n"
        "print(crew._processes[0].process.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
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
