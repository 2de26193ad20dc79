"""What may be connected to, however it is spelled and whatever its name resolves to."""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import ip_address

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from footwork.collecting.fetch import Photos
from footwork.collecting.guard import Forbidden, Guard, allowed_address, not_public
from footwork.collecting.web import open_web
from footwork.project import FetchSettings
from hostile_server import HostileServer

# ruff: noqa: S104 - nothing is bound here
PRIVATE = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.8.8.8", "169.254.169.254", "172.16.0.1",
    "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1",
    "168.63.129.16", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1",
    "::ffff:8.8.8.8", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
    "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::1", "2002:808:808::1", "3fff::1", "5f00::1",
    "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "4000::1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "93.184.215.14", "2606:2800:21f::1", "2a00:1450::1", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_closed(address: str) -> None:
    assert not_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_open(address: str) -> None:
    assert not_public(ip_address(address)) is None


@given(st.ip_addresses(v=4))
def test_an_address_is_as_closed_in_the_form_of_nat64(address: object) -> None:
    """What IPv4 refuses, its disguise refuses; what Python calls private is closed."""
    ip = ip_address(str(address))
    disguised = ip_address(f"64:ff9b::{ip}")

    assert bool(not_public(ip)) == bool(not_public(disguised))
    assert not_public(ip_address(f"::ffff:{ip}"))
    assert not_public(ip) or (ip.is_global and not ip.is_multicast)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:///etc/passwd", "not file"),
        ("ftp://a.example/", "not ftp"),
        ("//a.example/x", "a bare name"),
        ("photo.jpg", "a bare name"),
        ("http://user@a.example/", "user name"),
        ("http://:word@a.example/", "user name"),
        ("http://2130706433/", "unusual spelling"),
        ("http://0x7f000001/", "unusual spelling"),
        ("http://0177.0.0.1/", "unusual spelling"),
        ("http://127.1/", "unusual spelling"),
        ("http://a.example.0x1/", "unusual spelling"),
        ("http://127.0.0.1./", "unusual spelling|this machine"),
        ("http://127.0.0.1/", "this machine"),
        ("http://１２７.0.0.1/", "this machine|cannot exist|unusual"),
        ("http://[::1]/", "this machine"),
        ("http://[::ffff:127.0.0.1]/", "form of an IPv6"),
        ("http://[fe80::1%25eth0]/", "link-local|no address|no sense"),
        ("http://localhost/", "this machine or network"),
        ("http://LOCALHOST./", "this machine or network"),
        ("http://x.internal/", "this machine or network"),
        ("http://a.example:22/", "port 22"),
        ("http://a.example:6667/", "port 6667"),
        ("http://a.example:99999/", "no sense"),
        ("http://a.example\\@127.0.0.1/", "backslash"),
        ("http://a.exam\tple/", "control"),
        ("http://a.example/" + "a" * 9_000, "8,000"),
        ("http://a_$b.example/", "cannot exist"),
        ("http://[::/", "no sense"),
        ("", "a bare name"),
    ],
)
def test_urls_that_are_refused_before_anything_is_resolved(url: str, why: str) -> None:
    with pytest.raises(Forbidden, match=why):
        Guard().checked(url)


@pytest.mark.parametrize(
    "url",
    ["https://a.example/b?c=d%20e", "http://a.example:8080/", "https://クライミング.example/"],
)
def test_urls_that_may_be_asked(url: str) -> None:
    assert Guard().checked(url + "#part").fragment == ""


def test_what_is_allowed_is_one_address_with_one_port() -> None:
    guard = Guard(["127.0.0.1:8888", "[::1]:99"])

    guard.check_address("127.0.0.1", 8888)
    guard.check_address("::1", 99)
    for address, port in [("127.0.0.1", 8889), ("127.0.0.2", 8888), ("::1", 8888)]:
        with pytest.raises(Forbidden):
            guard.check_address(address, port)


@pytest.mark.parametrize(
    "entry", ["127.0.0.1", "localhost:80", "127.0.0.1:0", "*:80", "10.0.0.0/8:80"]
)
def test_allowed_addresses_are_no_names_and_no_ranges(entry: str) -> None:
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:8888|IP address"):
        allowed_address(entry)
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:8888"):
        FetchSettings(allow_addresses=(entry,))


def test_one_private_address_closes_a_name() -> None:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["8.8.8.8", "10.0.0.1", "9.9.9.9"]

    with pytest.raises(Forbidden, match=r"10\.0\.0\.1 is in a private network"):
        asyncio.run(Guard(resolve=resolve).resolve("a.example", 80))


def test_a_name_that_answers_otherwise_the_second_time_leads_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DNS rebinding: even if the check of the name saw another address than the socket gets."""
    real = Guard.resolve

    async def rebound(
        self: Guard, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[object]:
        found = await real(self, host, port, family)
        return [{**result, "host": "127.0.0.1"} for result in found]

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["93.184.215.14"]

    async def fetch(url: str) -> str | None:
        async with open_web(FetchSettings(), resolve=resolve) as web:
            return (await Photos(web).photo(url)).reason

    monkeypatch.setattr(Guard, "resolve", rebound)
    with HostileServer() as server:
        reason = asyncio.run(fetch(f"http://rebind.test:{server.port}/photo.jpg"))
        assert reason is not None
        assert reason.startswith("address: 127.0.0.1 is this machine itself")
        assert server.connections == 0


def test_a_name_is_resolved_anew_for_new_connections() -> None:
    """The second answer of a name is checked like the first."""
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return next(answers)

    with HostileServer() as server, HostileServer("127.0.0.2") as other:

        async def fetch() -> list[str | None]:
            allowed = FetchSettings(allow_addresses=(f"127.0.0.1:{server.port}",))
            async with open_web(allowed, resolve=resolve) as web:
                photos = Photos(web)
                url = f"http://rebind.test:{server.port}/photo.jpg"
                first = await photos.photo(url)
                connector = web._session.connector
                assert isinstance(connector, aiohttp.TCPConnector)
                connector.clear_dns_cache()
                return [first.reason, (await photos.photo(url)).reason]

        first, second = asyncio.run(fetch())
        assert first is None
        assert second is not None
        assert second.startswith("address: 127.0.0.2")
        assert other.connections == 0
