"""What sources are told when an API misbehaves, and what no message ever holds."""

import asyncio
import gzip
import json
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from footwork.collecting import politeness
from footwork.collecting.hits import SourceProblem
from footwork.collecting.problems import Problem, redacted
from footwork.collecting.web import open_web, trusted, unpack
from footwork.errors import EnvironmentProblem
from footwork.project import FetchSettings
from hostile_habits import endless, packed_zeros, then_reset, then_stall
from hostile_server import JPEG, Answer, Habit, HostileServer, certificates, ok, status, to

CLIENT = Path(__file__).parents[2] / "hostile_client.py"
SECRET = "s3cr3t-k3y"  # noqa: S105


def asked(
    answer: Answer | tuple[Answer, ...],
    *,
    times: int = 1,
    rate: float | None = None,
    also: Sequence[int] = (),
) -> tuple[object, HostileServer]:
    """Ask an API with a key that answers so; returns what it said, or the problem."""

    async def ask(server: HostileServer) -> object:
        settings = FetchSettings(
            stall_s=0.4,
            total_s=1,
            rate_per_host=1000,
            max_wait_s=2,
            allow_addresses=tuple(f"127.0.0.1:{port}" for port in (server.port, *also)),
        )
        api_rates = {("127.0.0.1", server.port): rate} if rate else {}
        async with open_web(settings, api_rates=api_rates) as web:
            url = f"http://127.0.0.1:{server.port}/api?format=json"
            params, headers = {"key": SECRET, "q": "heel hook"}, {"Authorization": f"t {SECRET}"}
            try:
                for _ in range(times):
                    said = await web.get_json(url, params=params, headers=headers)
            except SourceProblem as problem:
                return problem
            return said

    with HostileServer() as server:
        server.habits = {"127.0.0.1": Habit(None, answer)}
        return asyncio.run(ask(server)), server


def said(value: object, *headers: str) -> bytes:
    return ok(json.dumps(value).encode(), *headers, kind="application/json")


def test_json_comes_through_with_key_and_words() -> None:
    answer, server = asked(said({"results": [1]}))

    assert answer == {"results": [1]}
    assert server.requests[0].startswith(f"GET /api?format=json&key={SECRET}&q=heel+hook HTTP/1.1")
    assert f"Authorization: t {SECRET}" in server.requests[0]
    assert not any("robots" in request for request in server.requests)  # an API is not crawled


def test_packed_json_comes_through() -> None:
    packed = ok(gzip.compress(b'{"a": 1}'), "Content-Encoding: gzip", kind="application/json")
    assert asked(packed)[0] == {"a": 1}


@pytest.mark.parametrize(
    ("answer", "trouble", "words"),
    [
        (status("401 Unauthorized"), "key", "answers 401"),
        (status("403 Forbidden"), "refused", "answers 403"),
        (b"HTTP/1.1 400 Bad\r\nContent-Length: 15\r\n\r\nInvalid API key", "key", "answers 400"),
        (status("400 Bad Request"), "changed", "answers 400"),
        (status("404 Not Found"), "changed", "answers 404"),
        (status("429 Too Many"), "limited", "answers 429"),
        (status("429 Too Many", "Retry-After: 9000"), "limited", "asks to wait for 9,000 s"),
        (status("500 Error"), "unreachable", "answers 500"),
        (ok(b"<!doctype html><p>hello", kind="text/html"), "changed", "no JSON but text/html"),
        (ok(b'{"a": ', kind="application/json"), "changed", "no JSON"),
        (ok(b"[" * 100_000, kind="application/json"), "changed", "no JSON"),
        (ok(b"", kind="application/json"), "changed", "no JSON"),
        (ok(b"\xff\xfe\xfd", kind="application/json"), "changed", "no JSON"),
        (ok(packed_zeros(20), "Content-Encoding: gzip"), "changed", "unpacks to more"),
        (endless(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 99_999), "changed", "larger than 16,777,216"),
        (to("http://127.0.0.1:1/"), "changed", "another host"),
        (to("/api?format=json"), "changed", "redirects"),
        (to("http://10.0.0.1/"), "changed", "another host"),
        (then_stall(b""), "unreachable", "stopped sending"),
        (then_stall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), "unreachable", "stopped"),
        (then_reset(b"HTTP/1.1 200 O"), "unreachable", "connection"),
        (b"SSH-2.0-x\r\n", "changed", "proper HTTP"),
    ],
)
def test_troubles(
    answer: Answer, trouble: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with its kind, a sentence, the address, and without the key."""
    monkeypatch.setattr(politeness, "BACK_OFF_S", 0.01)
    problem, server = asked(answer)

    assert isinstance(problem, SourceProblem)
    assert (problem.trouble, words in problem.reason) == (trouble, True), problem.reason
    assert f"http://127.0.0.1:{server.port}/api?format=…" in problem.reason
    assert SECRET not in problem.reason + repr(problem) + str(problem.__cause__)


def test_a_key_goes_to_no_other_host() -> None:
    with HostileServer() as other:
        problem, _server = asked(to(f"http://127.0.0.1:{other.port}/api"), also=[other.port])
        assert isinstance(problem, SourceProblem)
        assert other.connections == 0


def test_an_api_has_its_own_rate() -> None:
    started = time.monotonic()
    asked(said([]), times=4, rate=10)
    assert time.monotonic() - started >= 0.3


def test_a_closed_address_is_refused_with_its_reason() -> None:
    async def ask() -> None:
        async with open_web(FetchSettings()) as web:
            await web.get_json(f"http://127.0.0.1:80/api?key={SECRET}")

    with pytest.raises(SourceProblem, match=r"api\?key=…: 127\.0\.0\.1 is this machine") as raised:
        asyncio.run(ask())
    assert raised.value.trouble == "refused"


def test_a_ca_file_is_looked_for_in_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    folder.mkdir()
    own = certificates(folder).ca_file
    known = trusted(None, folder).cert_store_stats()["x509_ca"]
    assert trusted("ca.pem", folder).cert_store_stats()["x509_ca"] == known + 1
    assert trusted(str(own), elsewhere).cert_store_stats()["x509_ca"] == known + 1
    with pytest.raises(EnvironmentProblem, match=re.escape(f"{elsewhere / 'ca.pem'}, holds no")):
        trusted("ca.pem", elsewhere)


def test_a_ca_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")

    async def use() -> None:
        async with open_web(FetchSettings(ca_file=str(tmp_path / "ca.pem"))):
            pass

    with pytest.raises(EnvironmentProblem, match="ca_file under"):
        asyncio.run(use())


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/b", "https://a.example/b"),
        ("https://u:p@a.example:444/b?key=k&q=w&q=x#f", "https://a.example:444/b?key=…&q=…"),
        ("http://[::1]:80/", "http://[::1]/"),
        ("http://a.example/\r\nb", "http://a.example/b"),
        ("http://[::", "a URL that makes no sense"),
    ],
)
def test_redacted(url: str, shown: str) -> None:
    assert redacted(url) == shown


def test_unpack_is_bounded() -> None:
    assert unpack(gzip.compress(JPEG), len(JPEG)) == JPEG
    with pytest.raises(Problem, match="unpacks to more"):
        unpack(gzip.compress(JPEG), len(JPEG) - 1)
    with pytest.raises(Problem, match="cut off"):
        unpack(gzip.compress(JPEG)[:-9], 10_000)


def test_two_dozen_endless_answers_at_once_stay_below_500_mib() -> None:
    """Each may be 32 MiB; together they would be more than the limit."""
    with HostileServer() as server:
        block = JPEG + bytes(256 * 1024)
        flood = endless(b"HTTP/1.1 200 OK\r\n\r\n", block)
        names = [f"flood-{n}" for n in range(24)]
        server.habits = {name: Habit("too large", flood) for name in names}
        order = {
            "urls": {name: f"http://{name}.test:{server.port}/photo.jpg" for name in names},
            "addresses": {},
            "back_off_s": 1,
            "settings": {
                "rate_per_host": 1000,
                "stall_s": 30,
                "allow_addresses": [f"127.0.0.1:{server.port}"],
            },
        }
        done = subprocess.run(
            [sys.executable, str(CLIENT)], input=json.dumps(order), capture_output=True, text=True
        )
    told = json.loads(done.stdout)
    assert {reason.partition(":")[0] for reason, _s in told["answers"].values()} == {"too large"}
    assert told["peak_bytes"] < 500 * 1024**2
