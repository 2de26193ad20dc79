"""Over a hundred bad habits at once: each photo gets its reason, and nothing else happens."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hostile_habits import habits, then_stall
from hostile_server import Habit, HostileServer, certificates, closed_port

CLIENT = Path(__file__).parents[1] / "hostile_client.py"
MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Meeting:
    """What came of fetching from all of them."""

    table: dict[str, Habit]
    answers: dict[str, tuple[str | None, float]]
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
        order = {
            "urls": urls,
            "addresses": {f"{name}.test": habit.addresses for name, habit in table.items()},
            "back_off_s": 0.05,
            "settings": {
                "rate_per_host": 1000,
                "stall_s": 2,
                "total_s": 4,
                "max_wait_s": 5,
                "contact": "tests@footwork.example",
                "ca_file": str(certs.ca_file),
                "allow_addresses": [
                    f"127.0.0.1:{port}" for port in {server.port, dead_port, *ports.values()}
                ],
            },
        }
        done = subprocess.run(
            [sys.executable, "-X", "dev", str(CLIENT)],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        yield Meeting(table, said["answers"], said["peak_bytes"], server, closed, done.stderr)


def test_each_bad_habit_has_its_reason(meeting: Meeting) -> None:
    """None of them ends the run: the answers are as many as the habits."""
    bad = sum(habit.expect is not None for habit in meeting.table.values())
    kinds = {
        name: reason if reason is None else reason.partition(":")[0]
        for name, (reason, _seconds) in meeting.answers.items()
    }
    expected = {name: habit.expect for name, habit in meeting.table.items()}
    unexpected = [
        f"{name}: {expected[name]}, not {meeting.answers[name][0]}"
        for name in kinds
        if kinds[name] != expected[name]
    ]

    assert bad >= 60
    assert "\n".join(unexpected) == ""
    assert kinds.keys() == expected.keys()


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
    said = [reason or "" for reason, _seconds in meeting.answers.values()]

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
