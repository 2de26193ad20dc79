"""A process that fetches from hostile servers: `python hostile_client.py` with its order on stdin.

Prints as JSON: the reason of each photo (null: it came), its seconds, and this process's memory.
With `python hostile_client.py PROJECT`, all of `footwork collect` is run there, with names that
are answered by the order instead of the system; the memory is the last line on stderr.
"""

import asyncio
import contextlib
import json
import resource
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from footwork.collecting import politeness
from footwork.collecting.fetch import Photos
from footwork.collecting.guard import Resolve
from footwork.collecting.web import open_web
from footwork.project import FetchSettings


def resolver(addresses: Mapping[str, Sequence[str]]) -> Resolve:
    """Return a resolver under the test's control. "!hang": never answers; "!nx": no such name."""

    async def resolve(host: str, _port: int) -> Sequence[str]:
        found = addresses.get(host, ["127.0.0.1"])
        if "!hang" in found:
            await asyncio.sleep(60)
        if "!nx" in found:
            raise OSError(-2, "Name or service not known")
        return found

    return resolve


async def fetched(
    urls: Mapping[str, str], settings: FetchSettings, addresses: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str | None, float]]:
    """Fetch everything at once; returns name -> reason and seconds."""
    async with open_web(settings, resolve=resolver(addresses)) as web:
        photos = Photos(web)

        async def one(name: str, url: str) -> tuple[str, tuple[str | None, float]]:
            started = time.monotonic()
            answer = await photos.photo(url)
            assert (answer.data is None) != (answer.reason is None), name
            return name, (answer.reason, time.monotonic() - started)

        return dict(await asyncio.gather(*[one(name, url) for name, url in urls.items()]))


def collect(project: str, addresses: Mapping[str, Sequence[str]]) -> None:
    """Run the command line, where only the system's answers to names are ours."""
    from footwork.cli import main as footwork

    def getaddrinfo(host: str, port: int, *_a: object, **_k: object) -> list[tuple[object, ...]]:
        found = addresses.get(host, ["127.0.0.1"])
        if "!hang" in found:
            time.sleep(10)
        if "!nx" in found or "!hang" in found:
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (name, port)) for name in found]

    socket.getaddrinfo = getaddrinfo  # type: ignore[assignment]
    sys.argv = ["footwork", "collect", "--json", "--project", project]
    peaks: dict[str, int] = {}
    threading.Thread(target=watch_children, args=(peaks,), daemon=True).start()
    try:
        footwork()
    finally:
        sys.stdout.flush()
        print(len(peaks), peak_bytes() + sum(peaks.values()), file=sys.stderr)


def watch_children(peaks: dict[str, int]) -> None:
    """Keep the peak of every process that this one starts."""
    while True:
        for listed in Path("/proc/self/task").glob("*/children"):
            with contextlib.suppress(OSError):
                for child in listed.read_text().split():
                    with contextlib.suppress(OSError, IndexError):  # it has just ended
                        peaks[child] = peak_bytes(child)
        time.sleep(0.02)


def peak_bytes(process: str = "self") -> int:
    """Not ru_maxrss: that begins with the size of the process that started this one."""
    status = Path(f"/proc/{process}/status")
    if not status.exists():  # not Linux, or ended
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024


def main() -> None:
    order = json.load(sys.stdin)
    politeness.BACK_OFF_S = order["back_off_s"]
    if len(sys.argv) == 2:
        collect(sys.argv[1], order["addresses"])
        return
    settings = FetchSettings.model_validate(order["settings"])
    answers = asyncio.run(fetched(order["urls"], settings, order["addresses"]))
    json.dump({"answers": answers, "peak_bytes": peak_bytes()}, sys.stdout)


if __name__ == "__main__":
    main()
