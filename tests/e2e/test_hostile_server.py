"""Over a hundred bad habits in one `footwork collect`: each photo gets its reason, no more."""

import contextlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from footwork.catalog import Catalog
from hostile_habits import habits, then_stall
from hostile_server import Habit, HostileServer, certificates, closed_port

CLIENT = Path(__file__).parents[1] / "hostile_client.py"
MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Meeting:
    """What came of a collection from all of them. reasons: None where the photo came."""

    table: dict[str, Habit]
    reasons: dict[str, str | None]
    said: dict[str, object]
    peak_bytes: int
    server: HostileServer
    closed: HostileServer
    stderr: str


@pytest.fixture(scope="module")
def meeting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meeting]:
    certs = certificates(tmp_path_factory.mktemp("certificates"))
    with (
        HostileServer() as server,
        HostileServer("0.0.0.0") as closed,  # noqa: S104 - so that each of its addresses is seen
        closed_port() as dead_port,
    ):
        table = habits(closed.port, dead_port)
        ports = {"tls-fine": server.listen(certs.right)}
        table["tls-fine"] = Habit(None)
        for name, context in certs.wrong.items():
            ports[f"tls-{name}"] = server.listen(context)
        ports["tls-plain-text"] = server.listen(raw=then_stall(b"HTTP/1.1 400 Bad\r\n\r\n"))
        ports["tls-nonsense"] = server.listen(raw=then_stall(b"\x16\x03\x01" + b"a" * 400))
        for name in ports.keys() - table.keys():
            table[name] = Habit("tls")
        ports["tls-stall"] = server.listen(raw=then_stall(b""))
        table["tls-stall"] = Habit("timeout")
        server.habits = table
        urls = {
            name: habit.url or f"http://{name}.test:{server.port}/photo.jpg"
            for name, habit in table.items()
        }
        urls |= {name: f"https://{name}.test:{port}/photo.jpg" for name, port in ports.items()}
        folder = certs.ca_file.parent
        (folder / "list.txt").write_text("\n".join(urls.values()))
        (folder / "footwork.toml").write_text(
            'classes = ["heel_hook", "toe_hook"]\n[sources]\nuse = ["urls"]\n'
            '[sources.urls]\nfiles = { heel_hook = "list.txt" }\n'
            "[fetch]\nrate_per_host = 1000\nstall_s = 2\ntotal_s = 8\nmax_wait_s = 5\n"
            'contact = "tests@footwork.example"\nca_file = "ca.pem"\nallow_addresses = '
            + json.dumps([f"127.0.0.1:{p}" for p in {server.port, dead_port, *ports.values()}])
        )
        order = {
            "addresses": {f"{name}.test": habit.addresses for name, habit in table.items()},
            "back_off_s": 0.05,
        }
        done = subprocess.run(
            [sys.executable, "-X", "dev", str(CLIENT), str(folder)],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, done.stderr
        with Catalog.open(folder) as catalog:
            rows = dict(catalog.database.rows("SELECT image_url, reason FROM fetch"))
        reasons = {name: rows[url] for name, url in urls.items()}
        children, peak = map(int, done.stderr.split()[-2:])
        assert children, "photos are checked in a process apart"
        yield Meeting(table, reasons, json.loads(done.stdout), peak, server, closed, done.stderr)


def test_each_bad_habit_has_its_reason(meeting: Meeting) -> None:
    """None of them ends the run: the reasons are as many as the habits."""
    bad = sum(habit.expect is not None for habit in meeting.table.values())
    kinds = {
        name: reason if reason is None else reason.partition(":")[0]
        for name, reason in meeting.reasons.items()
    }
    expected = {name: habit.expect for name, habit in meeting.table.items()}
    unexpected = [
        f"{name}: {expected[name]}, not {meeting.reasons[name]}"
        for name in kinds
        if kinds[name] != expected[name]
    ]

    assert bad >= 60
    assert "\n".join(unexpected) == ""
    assert kinds.keys() == expected.keys()


def test_the_table_of_reasons_counts_each_of_them(meeting: Meeting) -> None:
    counted = Counter(reason for reason in meeting.reasons.values() if reason is not None)
    failed = meeting.said["failed"]
    assert isinstance(failed, list)

    assert {item["reason"]: item["photos"] for item in failed} == counted
    assert meeting.said["finished"]


def test_nothing_asks_a_forbidden_address(meeting: Meeting) -> None:
    assert meeting.closed.connections == 0


def test_each_photo_is_asked_for_as_often_as_it_may_be(meeting: Meeting) -> None:
    """Above all: not once where robots.txt, tdmrep.json or the name's address forbid it."""
    asked = {n: h.asked for n, h in meeting.table.items() if h.asked is not None}

    assert {name: meeting.server.photos[name] for name in asked} == asked


def test_memory_stays_below_500_mib(meeting: Meeting) -> None:
    assert meeting.peak_bytes < 500 * MEGABYTE


def test_requests_are_truthful_and_tell_no_more_than_needed(meeting: Meeting) -> None:
    for head in meeting.server.requests:
        lines = {line.partition(":")[0].lower(): line for line in head.splitlines()[1:]}
        assert lines["user-agent"].startswith("User-Agent: footwork/")
        assert lines["user-agent"].endswith("(+tests@footwork.example)")
        assert not lines.keys() & {"cookie", "referer", "authorization"}


def test_reasons_hold_no_secret_and_nothing_is_left_over(meeting: Meeting) -> None:
    said = [reason or "" for reason in meeting.reasons.values()]

    assert not [reason for reason in said if "secret" in reason or "\n" in reason]
    assert "was never retrieved" not in meeting.stderr
    assert "Traceback" not in meeting.stderr


def test_the_closed_server_would_have_been_heard() -> None:
    """The count of zero means something: a client that is allowed to is counted."""
    import socket

    with (
        HostileServer() as server,
        contextlib.closing(socket.create_connection(("127.0.0.1", server.port))) as sock,
    ):
        sock.sendall(b"GET /photo.jpg HTTP/1.1\r\nHost: fine.test\r\n\r\n")
        assert sock.recv(15) == b"HTTP/1.1 200 OK"
        assert server.connections == 1
