"""Fetching a list of photos: img2dataset and footwork in one run, from servers of this machine.

    python bench/fetch_speed.py --peer PEER_PYTHON [--photos 5000] [--rounds 3]

PEER_PYTHON: the python of an environment with img2dataset (`pip install img2dataset
setuptools`); it is kept apart because it wants old versions of much. Without --peer only
footwork is timed. Needs nothing else; the photos are drawn by seed, about 60 kB each.

The servers, in a process of their own, answer each photo after --latency-ms. They listen on
--hosts ports, so that the peer's threads and our connections per host are the same in number.
Both keep the files and a row of facts per photo, neither resizes or encodes anew:

- img2dataset: output "files", resize_mode "no", skip_reencode, sha256, 1 process per core.
- footwork fetched: guard, robots.txt and tdmrep.json of each host, pace, first bytes, SHA-256
  and the bytes in files: what img2dataset keeps, minus its full decoding.
- footwork kept: the whole of `collect` behind a list of hits: besides, each photo is checked,
  stored by its content and flushed to the disk, and has its provenance and label in the catalog.

All run beside the servers' process: with two cores, what it takes is missing to all of them. The
CPU per photo does not depend on who else is using the machine; the ratio of rates does.
"""

import argparse
import asyncio
import hashlib
import json
import multiprocessing
import os
import platform
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from PIL import Image

from footwork.catalog import Catalog
from footwork.collecting.collect import Collector
from footwork.collecting.fetch import Photos
from footwork.collecting.hits import Hit, Query, Web
from footwork.collecting.keep import Keeper
from footwork.collecting.plan import Course
from footwork.collecting.web import open_web
from footwork.images import encode_jpeg
from footwork.project import FetchSettings

SIZE = 60_000  # bytes of a photo
Work = Callable[[Path], tuple[int, float]]  # folder -> photos, seconds
PEER_CODE = """
import sys, img2dataset
if __name__ == "__main__":
    img2dataset.download(
        url_list=sys.argv[1], output_folder=sys.argv[2], input_format="txt", output_format="files",
        resize_mode="no", skip_reencode=True, compute_hash="sha256",
        processes_count=int(sys.argv[3]),
        thread_count=int(sys.argv[4]), number_sample_per_shard=1000, enable_wandb=False, retries=0,
    )
"""


def drawn_photos(number: int, seed: int) -> list[bytes]:
    """Return different JPEGs of about SIZE bytes: smooth colours with grain, 640 x 480."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(min(number, 50)):
        coarse = rng.integers(0, 256, (12, 16, 3)).astype(np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC))
        grain = rng.normal(0, 9, (480, 640, 1))
        pixels = np.clip(smooth + grain, 0, 255).astype(np.uint8)
        quality = min(range(50, 96, 5), key=lambda q: abs(len(encode_jpeg(pixels, 640, q)) - SIZE))
        made.append(encode_jpeg(pixels, 640, quality))
    # A comment after the first marker makes each photo another one at no cost.
    return [
        made[n % len(made)][:2]
        + b"\xff\xfe"
        + (2 + 8).to_bytes(2, "big")
        + n.to_bytes(8, "big")
        + made[n % len(made)][2:]
        for n in range(number)
    ]


def serve(pipe: Connection, hosts: int, photos: Sequence[bytes], latency_s: float) -> None:
    """Answer on `hosts` ports for ever; sends their numbers through the pipe."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                path = line.split()[1]
                while (await reader.readline()) not in (b"\r\n", b""):
                    pass
                name = path.rpartition(b"/")[2].removesuffix(b".jpg")
                if not name.isdigit():
                    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                    continue
                await asyncio.sleep(latency_s)
                body = photos[int(name)]
                head = f"Content-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(b"HTTP/1.1 200 OK\r\n" + head.encode() + body)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def run() -> None:
        servers = [await asyncio.start_server(answer, "127.0.0.1", 0) for _ in range(hosts)]
        pipe.send([server.sockets[0].getsockname()[1] for server in servers])
        await asyncio.gather(*[server.serve_forever() for server in servers])

    asyncio.run(run())


def settings_for(ports: Sequence[int], per_host: int) -> FetchSettings:
    """Return settings that differ from the defaults by the hosts that we own."""
    return FetchSettings(
        contact="bench@footwork.example",
        rate_per_host=100_000,
        connections_per_host=per_host,
        connections=min(1_000, per_host * len(ports)),
        allow_addresses=tuple(f"127.0.0.1:{port}" for port in ports),
    )


def fetched(urls: Sequence[str], settings: FetchSettings, folder: Path) -> tuple[int, float]:
    """Fetch, hash and write files, with a row of JSON each; returns how many came, and seconds."""
    rows = []

    async def run() -> None:
        async with open_web(settings) as web:
            photos = Photos(web)
            waiting = iter(urls)

            async def work() -> None:
                for url in waiting:
                    answer = await photos.photo(url)
                    if answer.data is not None:
                        sha256 = hashlib.sha256(answer.data).hexdigest()
                        (folder / f"{sha256}.jpg").write_bytes(answer.data)
                        rows.append({"url": url, "sha256": sha256, "bytes": len(answer.data)})

            await asyncio.gather(*[work() for _ in range(settings.connections)])

    started = time.perf_counter()
    asyncio.run(run())
    (folder / "rows.json").write_text(json.dumps(rows))
    return len(rows), time.perf_counter() - started


class Listed:
    """A source that has its hits in a list."""

    name = "list"

    def __init__(self, urls: Sequence[str]) -> None:
        self.urls = urls

    def asked(self, planned: Sequence[Query]) -> Sequence[Query]:
        return planned

    async def search(self, query: Query, _web: Web, *, limit: int) -> AsyncIterator[Hit]:
        for url in self.urls[:limit]:
            yield Hit("list", query, url, page_url=f"{url}.html", author="A", licence="cc0")


def kept(urls: Sequence[str], settings: FetchSettings, folder: Path) -> tuple[int, float]:
    """Do what `collect` does behind a list of hits; returns how many are new, and seconds."""
    started = time.perf_counter()
    query = Query("heel_hook", "en", "heel hook")
    with Catalog.open(folder) as catalog, catalog.filling():
        course = Course("list", Listed(urls), (query,), len(urls), None, 1.0)
        collector = Collector(catalog, Keeper(catalog), [course], tell=lambda *_: None)

        async def run() -> None:
            async with open_web(settings) as web:
                await collector.run(web, Photos(web))

        asyncio.run(run())
        new = collector.result().new
    return new, time.perf_counter() - started


def peer(python: str, urls: Sequence[str], threads: int, folder: Path) -> tuple[int, float]:
    """Run img2dataset; returns how many it has, and its seconds without its start: from the
    first shard's beginning to the last one's end, as it says itself.
    """
    (folder / "peer.py").write_text(PEER_CODE)
    (folder / "urls.txt").write_text("\n".join(urls))
    cores = os.cpu_count() or 1
    subprocess.run(
        [python, "peer.py", "urls.txt", "out", str(cores), str(max(1, threads // cores))],
        cwd=folder,
        check=True,
        capture_output=True,
        env={**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1"},
    )
    shards = [json.loads(path.read_text()) for path in (folder / "out").glob("*_stats.json")]
    spent = max(s["end_time"] for s in shards) - min(s["start_time"] for s in shards)
    return len(list((folder / "out").rglob("*.jpg"))), spent


def cpu_s() -> float:
    """Return the seconds of CPU of this process and its ended children; the servers go on."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def timed(name: str, work: Work, expected: int, scratch: Path) -> float:
    """Return photos per second of one round in a folder of its own. Raises if photos lack.

    It is left there: a file system that trims what is deleted would slow the next one down.
    """
    folder = Path(tempfile.mkdtemp(dir=scratch))
    before = cpu_s()
    number, spent = work(folder)
    cost = (cpu_s() - before) / expected * 1000
    if number != expected:
        raise SystemExit(f"{name} has {number} of {expected} photos; the figures mean nothing.")
    print(f"  {name:18} {expected / spent:8,.0f} photos/s, {cost:.2f} ms of CPU each", flush=True)
    return expected / spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peer", help="python of an environment with img2dataset")
    parser.add_argument("--photos", type=int, default=5_000)
    parser.add_argument("--hosts", type=int, default=64)
    parser.add_argument("--per-host", type=int, default=4, help="connections to each host")
    parser.add_argument("--latency-ms", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()

    photos = drawn_photos(given.photos, 12)
    ours, theirs = multiprocessing.Pipe()
    spawned = multiprocessing.get_context("fork").Process(
        target=serve, args=(theirs, given.hosts, photos, given.latency_ms / 1000), daemon=True
    )
    spawned.start()
    ports = ours.recv()
    urls = [f"http://127.0.0.1:{ports[n % len(ports)]}/{n}.jpg" for n in range(len(photos))]
    settings = settings_for(ports, given.per_host)
    size = statistics.mean(map(len, photos)) / 1000
    print(
        f"{len(urls):,} photos of {size:.0f} kB, {given.latency_ms:g} ms, {given.hosts} hosts with "
        f"{given.per_host} connections; {os.cpu_count()} cores, {platform.processor() or '?'}, "
        f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
    )
    contenders: dict[str, Work] = {
        "footwork fetched": lambda folder: fetched(urls, settings, folder),
        "footwork kept": lambda folder: kept(urls, settings, folder),
    }
    if given.peer:
        threads = given.hosts * given.per_host
        contenders["img2dataset"] = lambda folder: peer(given.peer, urls, threads, folder)
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    with tempfile.TemporaryDirectory(prefix="fetch-speed-") as scratch:
        for _ in range(given.rounds):
            for name, work in contenders.items():
                rates[name].append(timed(name, work, len(urls), Path(scratch)))
    for name, found in rates.items():
        line = f"{name:18} median {statistics.median(found):8,.0f} photos/s"
        line += f" ({min(found):,.0f} to {max(found):,.0f})"
        if given.peer and name != "img2dataset":
            ratios = sorted(a / b for a, b in zip(found, rates["img2dataset"], strict=True))
            line += f"; {statistics.median(ratios):.1f} x img2dataset"
            line += f" ({ratios[0]:.1f} to {ratios[-1]:.1f})"
        print(line)
    spawned.terminate()


if __name__ == "__main__":
    main()
