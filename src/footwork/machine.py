"""What this machine is: kept in every run, since timings and last digits depend on it."""

import os
import platform
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = ("numpy", "scipy", "scikit-learn", "onnx", "onnxruntime", "pillow", "duckdb",
             "matplotlib", "keras", "tensorflow", "tf2onnx", "openvino", "mediapipe")  # fmt: skip


@dataclass(frozen=True)
class Machine:
    python: str
    platform: str
    cpu: str
    cores: int


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep linear algebra to one thread: the same bits however many cores there are.

    Limits reach the libraries that are loaded, so SciPy's is loaded first. For matrices of a few
    hundred rows further threads cost time, and much of it where other programs want the cores.
    """
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield


def describe_machine() -> Machine:
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = models[0].split(":", 1)[1].strip() if models else cpu
    return Machine(sys.version.split()[0], platform.platform(), cpu, cores())


def library_versions(names: Iterable[str] = LIBRARIES) -> dict[str, str]:
    """Return the versions of the installed ones among `names`."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
