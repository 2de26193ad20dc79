"""The page in a real browser: it renders, fits a phone, and asks nobody for anything."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from PIL import Image

from footwork.reporting.page import write_report
from synthetic_run import board_of, jpeg_of, made_run

pytestmark = pytest.mark.browser

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--hide-scrollbars")  # fmt: skip
DARK, LIGHT = 0, 1

# Chromium has a smallest window width, so that a phone is a frame within a wider window.
HARNESS = """<!doctype html><meta charset="utf-8">
<link rel="icon" href="data:,"><body style="margin:0">
<iframe id="phone" src="report.html" width="{width}" height="1600" style="border:0"></iframe>
<pre id="seen"></pre>
<script>
document.getElementById("phone").addEventListener("load", event => {{
  const page = event.target.contentDocument, view = event.target.contentWindow;
  page.querySelectorAll("details").forEach(item => {{ item.open = true; }});
  const box = item => item.getBoundingClientRect();
  const texts = [...page.querySelectorAll(".chart text")];
  const clipped = texts.filter(t => box(t).left < 0 || box(t).right > view.innerWidth);
  const overlaps = [...page.querySelectorAll(".chart .strip svg")].flatMap(svg => {{
    const own = [...svg.querySelectorAll("text")].map(box);
    return own.flatMap((a, i) => own.slice(i + 1).filter(b =>
      a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom));
  }});
  const beyond = [...page.querySelectorAll(".card *, .tile *, .chart .who *")].filter(item => {{
    const own = box(item), around = box(item.closest(".card, .tile, .chart"));
    return own.width > 1 && (own.left < around.left - 1 || own.right > around.right + 1);
  }});
  const photos = [...page.querySelectorAll(".photo")];
  document.getElementById("seen").textContent = JSON.stringify({{
    width: view.innerWidth,
    scroll: page.documentElement.scrollWidth,
    height: page.documentElement.scrollHeight,
    clipped: clipped.map(t => t.textContent),
    overlaps: overlaps.length,
    beyond: beyond.map(item => item.outerHTML.slice(0, 80)),
    smallest: Math.min(...[...page.querySelectorAll("p, td, th, dd, dt, text, summary")]
      .map(item => parseFloat(view.getComputedStyle(item).fontSize))),
    photos: photos.length,
    pictured: photos.filter(p => view.getComputedStyle(p).backgroundImage.includes("data:")).length,
    tables: page.querySelectorAll("table.board tbody tr").length,
    requests: view.performance.getEntriesByType("resource")
      .map(entry => entry.name).filter(name => !name.startsWith("data:")),
  }});
}});
</script>"""


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.fail("CI is set and there is no chromium to look at the page with")
    return found


class Server(ThreadingHTTPServer):
    """Serves a folder on this machine and remembers what was asked for."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(SimpleHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        self.server.asked.append(self.path)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Server]:
    """A folder with the report of a synthetic run, served. One name is long and unbreakable."""
    names = ("heel_hook", "others", "a_very_long_class_name_for_the_placing_of_a_toe")
    paths = [f"photos/{'long' * 20}{i:02}.jpg" for i in range(60)]
    run = made_run(tmp_path / "site", classes=names, paths=paths, with_external=True)
    assert run.external is not None
    write_report(run, board_of(run.predictions), board_of(run.external, external=True), jpeg_of)
    server = Server(run.folder)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def browse(chromium: str, tmp_path: Path, *arguments: str) -> str:
    """Run chromium once with a profile of its own; return what it prints."""
    ended = subprocess.run(
        [chromium, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return ended.stdout


@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_the_page_fits_and_shows_everything(
    chromium: str, site: Server, tmp_path: Path, width: int
) -> None:
    (tmp_path / "site" / "harness.html").write_text(HARNESS.format(width=width))

    dom = browse(chromium, tmp_path, "--window-size=1500,1800", "--virtual-time-budget=10000",
                 "--dump-dom", f"{site.address}/harness.html")  # fmt: skip
    seen = json.loads(re.findall(r'<pre id="seen">(.*?)</pre>', dom, re.DOTALL)[0])

    assert seen["width"] == width
    assert seen["scroll"] <= width, "the page scrolls sideways"
    assert seen["height"] > 2000
    assert seen["clipped"] == []
    assert seen["overlaps"] == 0
    assert seen["beyond"] == [], "something sticks out of its box"
    assert seen["smallest"] >= 12
    assert seen["photos"] == seen["pictured"] > 50
    assert seen["tables"] == 2 * 5  # three entries, a heading and a broken one; twice
    assert seen["requests"] == []
    assert site.asked == ["/harness.html", "/report.html"]


def test_the_page_follows_the_readers_theme(chromium: str, site: Server, tmp_path: Path) -> None:
    grounds = {}
    for theme in (LIGHT, DARK):
        shot = tmp_path / f"{theme}.png"
        browse(chromium, tmp_path, f"--blink-settings=preferredColorScheme={theme}",
               "--window-size=1440,1200", f"--screenshot={shot}",
               f"{site.address}/report.html")  # fmt: skip
        with Image.open(shot) as picture:
            grounds[theme] = picture.convert("RGB").getpixel((3, 3))
            assert len(picture.convert("RGB").getcolors(1 << 22) or []) > 200

    assert grounds == {LIGHT: (0xF7, 0xF7, 0xF5), DARK: (0x14, 0x17, 0x1B)}


def test_a_script_smuggled_into_the_page_would_not_run(
    chromium: str, site: Server, tmp_path: Path
) -> None:
    """The policy is the second lock, behind escaping: break the first one by hand."""
    page = tmp_path / "site" / "report.html"
    smuggled = "<script>document.title = 'owned'</script><img src='/leak.gif'></body>"
    page.write_text(page.read_text().replace("</body>", smuggled))

    dom = browse(chromium, tmp_path, "--virtual-time-budget=5000", "--dump-dom",
                 f"{site.address}/report.html")  # fmt: skip

    assert "/leak.gif" in dom
    assert "<title>owned" not in dom
    assert site.asked == ["/report.html"]
