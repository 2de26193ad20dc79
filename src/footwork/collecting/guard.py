"""Which addresses may be connected to: public ones, and what the user allows by hand.

A name is resolved, every address it has is checked, and the socket that is opened goes to one of
those addresses, checked once more. So a name that answers otherwise the second time (DNS
rebinding), a redirect, or an odd spelling of 127.0.0.1 leads nowhere.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]  # host, port -> addresses as text

MAX_URL = 8_000  # characters; servers refuse longer ones
HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?")
NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)\.?")  # the last label of what is read as an IPv4 address
UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
LOCAL_NAMES = ("localhost", "localdomain", "local", "internal", "intranet", "lan", "home.arpa")

# Ports of other protocols that a browser refuses as well (fetch.spec.whatwg.org, "bad port"),
# as far as they are above 1023; below that, only the ports of http and https are open.
BAD_PORTS = frozenset(
    (1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6679, 6697, 10080)
) | frozenset(range(6665, 6670))

# What `is_global` leaves open in some version of Python, or what belongs to a provider's inside.
CLOSED = tuple(
    ip_network(block)
    for block in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # carriers' NAT; also Alibaba's metadata, 100.100.100.200
        "168.63.129.16/32",  # Azure's metadata
        "192.0.0.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "198.18.0.0/15",
        "240.0.0.0/4",
        "2001::/23",  # Teredo among others
        "2002::/16",  # 6to4: any IPv4 address in disguise
        "3fff::/20",
    )
)
PUBLIC_IPV6 = ip_network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")  # how a network without IPv4 reaches the IPv4 Internet


class Forbidden(OSError):
    """An address that is not connected to. `reason` names it and says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Guard(AbstractResolver):
    """Checks URLs, resolves names, opens sockets.

    allow: "ADDRESS:PORT" entries ("127.0.0.1:8888", "[::1]:8888") that are open although they are
    not public. resolve: who is asked for the addresses of a name; the system when left out.
    """

    def __init__(self, allow: Iterable[str] = (), resolve: Resolve | None = None) -> None:
        self._allow = frozenset(allowed_address(entry) for entry in allow)
        self._resolve = resolve or self._ask_system
        self._checked: set[tuple[str, int]] = set()  # hosts as they stand in URLs, and ports
        # Names of dead domains take the system many seconds; they must not hold up the others.
        self._pool = ThreadPoolExecutor(16, "resolve")

    def checked(self, url: str | URL) -> URL:
        """Return the URL to ask. Raises Forbidden, before anything is resolved or sent."""
        text = str(url)
        if len(text) > MAX_URL:
            raise Forbidden(f"its URL has more than {MAX_URL:,} characters")
        if UNSAFE.search(text):
            raise Forbidden("its URL holds blanks, control characters or a backslash")
        try:
            url = URL(text)
            scheme, host, port = url.scheme, url.raw_host, url.port
        except (ValueError, UnicodeError):
            raise Forbidden("its URL makes no sense") from None
        if scheme not in ("http", "https"):
            named = re.sub(r"[^a-z0-9+.-]", "", scheme.lower())[:20]
            raise Forbidden(f"only http and https are fetched, not {named or 'a bare name'}")
        if url.user is not None or url.password is not None:
            raise Forbidden("its URL carries a user name or password")
        if not host or port is None:
            raise Forbidden("its URL names no host")
        place = host.lower(), port
        if place not in self._checked:
            self._check_host(*place)
            self._checked.add(place)
        return url.with_fragment(None)

    def _check_host(self, host: str, port: int) -> None:
        if ":" in host:
            self.check_address(host, port)
            return
        if not HOST.fullmatch(host) or len(host) > 253:
            raise Forbidden("its URL names a host that cannot exist")
        if NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
            try:
                plain = str(IPv4Address(host))
            except ValueError:
                raise Forbidden(
                    "its host is a number in an unusual spelling, as used to hide an address"
                ) from None
            self.check_address(plain, port)
            return
        name = host.rstrip(".")
        if any(name == local or name.endswith(f".{local}") for local in LOCAL_NAMES):
            raise Forbidden(f"the name {name} is one of this machine or network")
        self._check_port(port)

    def _check_port(self, port: int) -> None:
        if port in (80, 443) or (port >= 1024 and port not in BAD_PORTS):
            return
        raise Forbidden(f"port {port} is not one of web servers")

    def check_address(self, address: str, port: int) -> None:
        """Raises Forbidden unless `address` is public, or allowed together with this port."""
        try:
            ip = ip_address(address)
        except ValueError:
            raise Forbidden(f"{address[:60]} is no address") from None
        if (ip, port) in self._allow:
            return
        self._check_port(port)
        if kind := not_public(ip):
            raise Forbidden(f"{ip} is {kind}; see allow_addresses under [fetch]")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a name. Raises Forbidden if any of them is not public: a name
        that mixes both is made to slip through.
        """
        addresses = await self._resolve(host, port)
        if not addresses:
            raise OSError("the name has no address")
        for address in addresses:
            self.check_address(address, port)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def _ask_system(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._pool, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))

    def open_socket(self, info: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
        """Make the socket for an address, at the last moment before it connects to it."""
        family, kind, proto, _name, sockaddr = info
        self.check_address(str(sockaddr[0]), int(str(sockaddr[1])))
        return socket.socket(family, kind, proto)

    async def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def not_public(ip: Address) -> str | None:
    """Return what keeps an address from being public, or None."""
    if isinstance(ip, IPv6Address):
        if ip in NAT64:
            inner = not_public(IPv4Address(int(ip) & 0xFFFFFFFF))
            return f"another form of an address that is {inner}" if inner else None
        if ip.ipv4_mapped is not None:
            return "an IPv4 address in the form of an IPv6 one"
    if ip.is_loopback or ip.is_unspecified:
        return "this machine itself"
    if ip.is_link_local:
        return "link-local (where clouds keep their metadata)"
    if ip.is_multicast:
        return "a multicast address"
    if any(ip in block for block in CLOSED if block.version == ip.version):
        return "reserved"
    if ip.is_private or (isinstance(ip, IPv6Address) and ip.is_site_local):
        return "in a private network"
    if not ip.is_global or (isinstance(ip, IPv6Address) and ip not in PUBLIC_IPV6):
        return "reserved"
    return None


def allowed_address(entry: str) -> tuple[Address, int]:
    """Return address and port of "127.0.0.1:8888" or "[::1]:8888". Raises ValueError."""
    address, colon, port = entry.rpartition(":")
    bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    if not colon or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError(f"{entry!r} must be ADDRESS:PORT, such as 127.0.0.1:8888")
    try:
        return ip_address(bare), int(port)
    except ValueError:
        raise ValueError(
            f"{entry!r} must start with an IP address; names are not allowed"
        ) from None
