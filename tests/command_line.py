"""The real command line, as a user's shell would start it."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

FOOTWORK = (sys.executable, "-m", "footwork")


def footwork(
    *words: str | Path,
    cwd: Path | None = None,
    code: int = 0,
    env: Mapping[str, str] | None = None,
    timeout_s: float = 300,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, which must be exit code `code` and no traceback.

    env: the whole environment, as for subprocess.run.
    """
    done = subprocess.run(
        [*FOOTWORK, *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env=env,
    )
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def started(*words: str | Path, cwd: Path) -> subprocess.Popen[str]:
    """Start a command as from a terminal, where Ctrl-C interrupts it.

    A shell that runs the tests in its background has them and their children ignore that signal.
    """
    return subprocess.Popen(
        [*FOOTWORK, *map(str, words)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
