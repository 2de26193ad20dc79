"""The real command line, as a user's shell would start it."""

import subprocess
import sys
from collections.abc import Mapping
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
