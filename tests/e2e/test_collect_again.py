"""A collection that is repeated, or stopped by hand: the server counts what it is asked."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import footwork
from command_line import started
from footwork.catalog import Catalog
from photo_folders import png

DATE = "Tue, 06 Jan 2026 10:00:00 GMT"


class Shelf(ThreadingHTTPServer):
    """Photos /0.png, /1.png, ...: even ones have an ETag, odd ones a date, every fifth neither."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, photos: int, latency_s: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.photos = {f"/{n}.png": png(n, 24) for n in range(photos)}
        self.versions = dict.fromkeys(self.photos, '"v1"')
        self.latency_s = latency_s
        self.said: Counter[tuple[str, int]] = Counter()
        self.lock = threading.Lock()

    def statuses(self) -> Counter[int]:
        found: Counter[int] = Counter()
        for (_path, status), times in self.said.items():
            found[status] += times
        return found

    def asked(self) -> set[str]:
        return {path for path, _status in self.said}


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Shelf

    def do_GET(self) -> None:
        data = self.server.photos.get(self.path)
        if data is None:
            self.answer(404, {}, b"")
            return
        time.sleep(self.server.latency_s)
        number = int(self.path[1:-4])
        headers: dict[str, str] = {}
        same = False
        if number % 5 and number % 2 == 0:
            headers["ETag"] = self.server.versions[self.path]
            same = self.headers["If-None-Match"] == headers["ETag"]
        elif number % 5:
            headers["Last-Modified"] = DATE
            same = self.headers["If-Modified-Since"] == DATE
        with self.server.lock:
            self.server.said[self.path, 304 if same else 200] += 1
        self.answer(304 if same else 200, headers, b"" if same else data)

    def answer(self, status: int, headers: dict[str, str], data: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def shelf(request: pytest.FixtureRequest) -> Iterator[Shelf]:
    photos, latency_s = request.param
    with Shelf(photos, latency_s) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def project_of(shelf: Shelf, folder: Path) -> Path:
    base = f"http://127.0.0.1:{shelf.server_port}"
    (folder / "list.txt").write_text("\n".join(base + path for path in shelf.photos))
    (folder / "footwork.toml").write_text(
        'classes = ["heel_hook", "toe_hook"]\n[sources]\nuse = ["urls"]\n'
        '[sources.urls]\nfiles = { heel_hook = "list.txt" }\n[fetch]\nrate_per_host = 1000\n'
        f'allow_addresses = ["127.0.0.1:{shelf.server_port}"]\n'
    )
    return folder


def images(folder: Path) -> set[str]:
    with Catalog.open(folder) as catalog:
        return {image.sha256 for image in catalog.images()}


@pytest.mark.parametrize("shelf", [(30, 0.0)], indirect=True)
def test_a_later_collection_asks_whether_photos_have_changed(shelf: Shelf, tmp_path: Path) -> None:
    folder = project_of(shelf, tmp_path)
    first = footwork.collect(project=folder)
    assert (first.new, shelf.statuses()) == (30, {200: 30})
    before = images(folder)

    shelf.said.clear()
    again = footwork.collect(project=folder)
    assert shelf.statuses() == {304: 24}, "without ETag and date there is nothing to ask"
    assert (again.new, again.known) == (0, 30)
    assert images(folder) == before

    shelf.said.clear()
    shelf.versions["/2.png"] = '"v2"'
    shelf.photos["/2.png"] = png(2_000, 24)
    third = footwork.collect(project=folder)
    assert shelf.statuses() == {304: 23, 200: 1}
    assert third.new == 1
    assert len(images(folder)) == 31


@pytest.mark.parametrize("shelf", [(240, 0.1)], indirect=True)
def test_ctrl_c_keeps_what_is_there_and_the_next_run_goes_on(shelf: Shelf, tmp_path: Path) -> None:
    folder = project_of(shelf, tmp_path)
    process = started("collect", cwd=folder)
    # Files that lie there, not requests: on a busy machine the first row comes long after those.
    while len(list(folder.glob("images/??/*.png"))) < 20 and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _out, told = process.communicate(timeout=30)
    assert process.returncode == 130, told
    assert "Stopped. What was finished is kept: run the same command to go on." in told
    assert "Traceback" not in told
    with Catalog.open(folder) as catalog:
        kept = {f"/{url.rpartition('/')[2]}" for (url,) in
                catalog.database.rows("SELECT image_url FROM fetch")}  # fmt: skip
    assert 0 < len(kept) < 240

    shelf.said.clear()
    done = footwork.collect(project=folder)
    assert done.resumed
    assert done.finished
    assert shelf.asked() == set(shelf.photos) - kept
    assert len(images(folder)) == 240
