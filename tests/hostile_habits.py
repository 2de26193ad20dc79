"""Some hundred and fifty bad habits of web servers, and what a fetcher must say about each."""

import asyncio
import gzip
import io
import json
import socket
import struct
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from PIL import Image

from hostile_server import BUSY, JPEG, PNG, Habit, Raw, ok, picture, status, to


def then_stall(data: bytes) -> Raw:
    async def raw(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(30)

    return raw


def then_reset(data: bytes) -> Raw:
    async def raw(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(0.05)
        reset(writer)

    return raw


def reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the other side gets an RST."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def endless(start: bytes, again: bytes, pause_s: float = 0.0) -> Raw:
    async def raw(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return raw


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header claims a size that its few bytes do not hold."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 100_000)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        map(png_chunk, (b"IHDR", b"IDAT", b"IEND"), (header, pixels, b""))
    )


def jpeg_of(width: int, height: int) -> bytes:
    at = JPEG.index(b"\xff\xc0")
    return JPEG[: at + 5] + struct.pack(">HH", height, width) + JPEG[at + 9 :]


def jpeg_of_scans(number: int) -> bytes:
    at = JPEG.index(b"\xff\xda")
    return JPEG[:at] + JPEG[at:-2] * number + b"\xff\xd9"


def gif_of(width: int, height: int) -> bytes:
    gif = picture("GIF")
    return gif[:6] + struct.pack("<HH", width, height) + gif[10:]


def webp_of(side: int) -> bytes:
    webp = bytearray(picture("WEBP"))
    at = webp.index(b"\x9d\x01\x2a")
    webp[at + 3 : at + 7] = struct.pack("<HH", side, side)
    return bytes(webp)


def large_png(seed: int) -> bytes:
    """49 megapixels in 147 kB: 200 MB while it is decoded, and nothing wrong with it."""
    side = 7_000
    packer = zlib.compressobj(1)
    row = bytes(1) + bytes([seed]) * (side * 3)
    pixels = b"".join([packer.compress(row) for _ in range(side)] + [packer.flush()])
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        map(png_chunk, (b"IHDR", b"IDAT", b"IEND"), (header, pixels, b""))
    )


def large_jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("L", (7_000, 7_000), 90).save(out, "JPEG", quality=50)
    return out.getvalue()


def bmp_of(width: int, height: int) -> bytes:
    bmp = picture("BMP")
    return bmp[:18] + struct.pack("<ii", width, height) + bmp[26:]


def packed_zeros(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(1024 * 1024)
    return b"".join([packer.compress(block) for _ in range(megabytes)] + [packer.flush()])


def image(body: bytes) -> Habit:
    return Habit("not an image", ok(body))


def robots(*lines: str) -> bytes:
    return ok("\n".join(lines).encode(), kind="text/plain")


def habits(forbidden_port: int, dead_port: int) -> dict[str, Habit]:
    """Everything that plain HTTP, names and redirects can do.

    forbidden_port: must see nobody. dead_port: is allowed, but nobody listens there.
    """
    bad = forbidden_port
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n"
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    block = JPEG + bytes(64 * 1024)
    size = f"{len(block):x}".encode()
    tomorrow = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
    soon = format_datetime(datetime.now(UTC), usegmt=True)
    table: dict[str, Habit] = {
        "fine": Habit(None, asked=1),
        # time
        "stall-at-once": Habit("timeout", then_stall(b"")),
        "stall-in-header": Habit("timeout", then_stall(head[:25])),
        "stall-in-body": Habit("timeout", then_stall(ok()[:-100])),
        "drip": Habit("timeout", endless(head + b"\r\n" + JPEG, b"\0", 0.1)),
        "drip-header": Habit("timeout", endless(head, b"X-A: b\r\n", 0.1)),
        "continue-for-ever": Habit("timeout", endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.05)),
        # lengths
        "length-too-long": Habit("cut off", head + b"Content-Length: 9000\r\n\r\n" + JPEG),
        "length-too-short": image(JPEG[:-200]),
        "length-negative": Habit("protocol", head + b"Content-Length: -5\r\n\r\n" + JPEG),
        "length-in-words": Habit("protocol", head + b"Content-Length: many\r\n\r\n" + JPEG),
        "length-twice": Habit(
            "protocol", head + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + JPEG
        ),
        "length-and-chunks": Habit(
            "protocol", head + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        "claims-10-gb": Habit("too large", head + b"Content-Length: 10000000000\r\n\r\n" + JPEG),
        "sends-10-gb": Habit("too large", endless(head + b"\r\n", block)),
        "sends-10-gb-of-chunks": Habit(
            "too large", endless(chunked, size + b"\r\n" + block + b"\r\n")
        ),
        "films-10-gb": Habit(
            "not an image", endless(head + b"\r\n\0\0\0\x18ftypmp42" + bytes(64), bytes(65_536))
        ),
        # what comes is no photo
        "html": Habit("not an image", ok(b"<!doctype html><p>Log in", kind="text/html")),
        "html-as-jpeg": image(b"<html><body>not found</body></html>" * 9),
        "svg": image(b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>'),
        "pdf": image(b"%PDF-1.7 " + bytes(99)),
        "film": image(b"\0\0\0\x18ftypmp42" + bytes(99)),
        "heic": image(b"\0\0\0\x18ftypheic\0\0\0\0heic" + bytes(99)),
        "zip": image(b"PK\3\4" + bytes(99)),
        "json": image(b'{"error": "no"}'),
        "nothing": image(b""),
        "zeros": image(bytes(4_096)),
        "one-byte": image(b"\xff"),
        "jpeg-cut": image(JPEG[: len(JPEG) // 2]),
        "png-cut": image(PNG[: len(PNG) // 2]),
        "png-wrong-checksum": image(PNG[:-20] + bytes(4) + PNG[-16:]),
        "gif-and-script": image(b"GIF89a/*" + b"\xff" * 20 + b"*/=1;alert(1)"),
        "jpeg-and-zip": Habit(None, ok(JPEG + b"PK\3\4" + bytes(99))),
        "png-as-jpeg": Habit(None, ok(PNG)),
        # bombs
        "png-bomb": Habit("pixels", ok(png_of(60_000, 60_000))),
        "png-just-too-large": Habit("pixels", ok(png_of(8_000, 8_000))),
        "jpeg-bomb": Habit("pixels", ok(jpeg_of(65_500, 65_500))),
        "gif-bomb": Habit("pixels", ok(gif_of(65_535, 65_535))),
        "webp-bomb": Habit("pixels", ok(webp_of(16_383))),
        "bmp-bomb": Habit("pixels", ok(bmp_of(60_000, 60_000))),
        "webp-that-takes-800-mb": Habit("pixels", ok(webp_of(7_000))),
        "jpeg-of-50-megapixels": Habit(None, ok(large_jpeg())),
        **{f"png-of-50-megapixels-{n}": Habit(None, ok(large_png(n))) for n in range(6)},
        "jpeg-of-500-scans": image(jpeg_of_scans(500)),
        "gzip-bomb": Habit("too large", ok(packed_zeros(300), "Content-Encoding: gzip")),
        "gzip-fine": Habit(None, ok(gzip.compress(JPEG), "Content-Encoding: gzip")),
        "gzip-cut": Habit("cut off", ok(gzip.compress(JPEG)[:-50], "Content-Encoding: gzip")),
        "gzip-is-none": Habit("encoding", ok(JPEG, "Content-Encoding: gzip")),
        "brotli": Habit("encoding", ok(JPEG, "Content-Encoding: br")),
        "gzip-twice": Habit("encoding", ok(JPEG, "Content-Encoding: gzip, gzip")),
        # the line
        "close-at-once": Habit("connection", b""),
        "reset-at-once": Habit("connection", then_reset(b"")),
        "reset-in-header": Habit("connection", then_reset(head[:25])),
        "reset-after-header": Habit("cut off", then_reset(head + b"Content-Length: 99\r\n\r\n")),
        "reset-in-body": Habit("cut off", then_reset(ok()[:-100])),
        # not HTTP
        "http-0.9": Habit("protocol", JPEG),
        "ssh": Habit("protocol", b"SSH-2.0-OpenSSH_9.6\r\n"),
        "status-of-words": Habit("protocol", b"HTTP/1.1 fine\r\n\r\n"),
        "status-negative": Habit("protocol", b"HTTP/1.1 -200 OK\r\n\r\n"),
        "version-of-its-own": Habit("protocol", b"HTTP/9.9.9 200 OK\r\n\r\n"),
        "header-without-colon": Habit("protocol", head + b"nonsense\r\n\r\n" + JPEG),
        "header-with-nul": Habit("protocol", head + b"X-A: a\0b\r\n\r\n" + JPEG),
        "header-of-a-megabyte": Habit("protocol", head + b"X-A: " + b"a" * 2**20 + b"\r\n\r\n"),
        "header-of-100000-lines": Habit("protocol", head + b"X-A: b\r\n" * 100_000 + b"\r\n"),
        "header-for-ever": Habit("protocol", endless(head, b"X-A: b\r\n" * 1_000)),
        "chunk-size-of-words": Habit("protocol", chunked + b"zz\r\n" + JPEG),
        "chunk-size-of-2-to-80": Habit("protocol", chunked + b"f" * 20 + b"\r\n" + JPEG),
        "chunks-without-end": Habit("cut off", chunked + b"5\r\n12345\r\n"),
        "chunk-longer-than-said": Habit("protocol", chunked + b"2\r\n12345\r\n0\r\n\r\n"),
        # statuses
        "no-content": Habit("status", b"HTTP/1.1 204 No Content\r\n\r\n"),
        "a-part": Habit("status", b"HTTP/1.1 206 Partial\r\nContent-Length: 3\r\n\r\nabc"),
        "not-modified": Habit("status", b"HTTP/1.1 304 Not Modified\r\n\r\n"),
        "login": Habit("refused", status("401 Unauthorized", "WWW-Authenticate: Basic")),
        "forbidden": Habit("refused", status("403 Forbidden"), asked=1),
        "missing": Habit("missing", status("404 Not Found"), asked=1),
        "gone": Habit("missing", status("410 Gone"), asked=1),
        "by-law": Habit("refused", status("451 Unavailable For Legal Reasons")),
        "teapot": Habit("status", status("418 I'm a teapot")),
        "status-999": Habit("status", status("999 Request Denied")),
        "error": Habit("server error", status("500 Internal Server Error"), asked=3),
        "bad-gateway": Habit("server error", status("502 Bad Gateway"), asked=3),
        "too-many": Habit("busy", status("429 Too Many Requests"), asked=3),
        "unavailable": Habit("busy", status("503 Service Unavailable"), asked=3),
        "too-many-for-a-second": Habit(
            None, (status("429 Too Many Requests", "Retry-After: 1"), ok()), asked=2
        ),
        "until-a-past-date": Habit(None, (status(BUSY, f"Retry-After: {soon}"), ok()), asked=2),
        "wait-until-tomorrow": Habit("busy", status(BUSY, f"Retry-After: {tomorrow}"), asked=1),
        "for-30000-years": Habit("busy", status(BUSY, "Retry-After: 999999999999"), asked=1),
        "for-a-digit-flood": Habit("busy", status(BUSY, f"Retry-After: {'9' * 9_000}"), asked=1),
        "for-nonsense": Habit("busy", status(BUSY, "Retry-After: soon(tm)"), asked=3),
        "for-less-than-nothing": Habit("busy", status(BUSY, "Retry-After: -5"), asked=3),
        # robots and reservations
        "robots-refuse": Habit("robots", robots=robots("User-agent: *", "Disallow: /"), asked=0),
        "robots-refuse-us": Habit(
            "robots",
            robots=robots("User-agent: *", "Allow: /", "", "User-agent: Footwork", "Disallow: /p"),
            asked=0,
        ),
        "robots-refuse-by-star": Habit(
            "robots", robots=robots("User-agent: *", "Disallow: /*.jpg$"), asked=0
        ),
        "robots-refuse-others": Habit(
            None, robots=robots("User-agent: GPTBot", "Disallow: /"), asked=1
        ),
        "robots-500": Habit("robots", robots=status("500 Error"), asked=0),
        "robots-503": Habit("robots", robots=status(BUSY, "Retry-After: 86400"), asked=0),
        "robots-403": Habit(None, robots=status("403 Forbidden"), asked=1),
        "robots-stall": Habit("timeout", robots=then_stall(b""), asked=0),
        "robots-cut": Habit("robots", robots=robots("User-agent: *", "Allow: /")[:-9], asked=0),
        "robots-reset": Habit("connection", robots=then_reset(b""), asked=0),
        "robots-huge": Habit(
            "robots",
            robots=endless(
                head + b"\r\nUser-agent: *\nDisallow: /photo\n", b"# nothing\n" * 10_000
            ),
            asked=0,
        ),
        "robots-bytes": Habit(None, robots=ok(bytes(range(256)) * 99), asked=1),
        "robots-packed-bomb": Habit(
            "robots", robots=ok(packed_zeros(100), "Content-Encoding: gzip"), asked=0
        ),
        "robots-in-circles": Habit(None, robots=to("/robots.txt"), asked=1),
        "robots-elsewhere-closed": Habit(None, robots=to(f"http://127.0.0.1:{bad}/"), asked=1),
        "noai": Habit("opt-out", ok(JPEG, "X-Robots-Tag: noai")),
        "noimageai": Habit("opt-out", ok(JPEG, "X-Robots-Tag: all, NoImageAI")),
        "noindex": Habit("opt-out", ok(JPEG, "x-robots-tag: noindex, nofollow")),
        "none": Habit("opt-out", ok(JPEG, "X-Robots-Tag: a", "X-Robots-Tag: none")),
        "noindex-for-us": Habit("opt-out", ok(JPEG, "X-Robots-Tag: footwork: noindex")),
        "noindex-for-others": Habit(None, ok(JPEG, "X-Robots-Tag: googlebot: noindex, noai")),
        "tdm-header": Habit("opt-out", ok(JPEG, "TDM-Reservation: 1")),
        "tdm-open": Habit(None, ok(JPEG, "TDM-Reservation: 0")),
        "tdm-file": Habit(
            "opt-out",
            tdm=ok(json.dumps([{"location": "/*.jpg", "tdm-reservation": 1}]).encode()),
            asked=0,
        ),
        "tdm-file-elsewhere": Habit(
            None, tdm=ok(json.dumps([{"location": "/news/", "tdm-reservation": 1}]).encode())
        ),
        "tdm-nonsense": Habit(None, tdm=ok(b"[" * 100_000)),
        # names
        "no-such-name": Habit("dns", addresses=("!nx",)),
        "name-without-address": Habit("dns", addresses=()),
        "name-never-answers": Habit("timeout", addresses=("!hang",)),
        "name-answers-nonsense": Habit("address", addresses=("photo.jpg",)),
        "nobody-listens": Habit("connection", url=f"http://nobody-listens.test:{dead_port}/a.jpg"),
    }
    closed = {
        "private-10": "10.0.0.1",
        "private-172": "172.31.255.254",
        "private-192": "192.168.1.1",
        "loopback": "127.0.0.2",
        "zero": "0.0.0.0",  # noqa: S104 - not bound to
        "link-local": "169.254.169.254",
        "cgnat": "100.64.0.1",
        "alibaba-metadata": "100.100.100.200",
        "azure-metadata": "168.63.129.16",
        "multicast": "224.0.0.1",
        "broadcast": "255.255.255.255",
        "benchmark": "198.18.0.1",
        "documentation": "192.0.2.1",
        "future": "240.0.0.1",
        "six-loopback": "::1",
        "six-mapped": "::ffff:127.0.0.1",
        "six-compatible": "::127.0.0.1",
        "six-to-four": "2002:7f00:1::",
        "six-nat64": "64:ff9b::7f00:1",
        "six-nat64-local": "64:ff9b:1::7f00:1",
        "six-teredo": "2001:0:7f00:1::",
        "six-unique-local": "fd00:ec2::254",
        "six-link-local": "fe80::1",
        "six-site-local": "fec0::1",
        "six-multicast": "ff02::1",
    }
    for name, address in closed.items():
        table[f"name-is-{name}"] = Habit("address", addresses=(address,), asked=0)
    table["name-is-public-and-private"] = Habit(
        "address", addresses=("93.184.215.14", "127.0.0.1", "10.0.0.1"), asked=0
    )
    targets = {
        "loopback": f"http://127.0.0.1:{bad}/",
        "loopback-2": f"//127.0.0.2:{bad}/",
        "decimal": f"http://2130706433:{bad}/",
        "hex": f"http://0x7f000001:{bad}/",
        "hex-dotted": f"http://0x7f.0.0.1:{bad}/",
        "octal": f"http://0177.0.0.1:{bad}/",
        "short": f"http://127.1:{bad}/",
        "zero": f"http://0:{bad}/",
        "wide-digits": f"http://%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1:{bad}/",
        "percent": f"http://%31%32%37.0.0.1:{bad}/",
        "dot-at-end": f"http://127.0.0.1.:{bad}/",
        "six-loopback": f"http://[::1]:{bad}/",
        "six-mapped": f"http://[::ffff:127.0.0.1]:{bad}/",
        "six-mapped-hex": f"http://[::ffff:7f00:1]:{bad}/",
        "six-zone": f"http://[fe80::1%25lo]:{bad}/",
        "localhost": f"http://localhost:{bad}/",
        "localhost-dot": f"http://a.localhost.:{bad}/",
        "metadata": "http://169.254.169.254/latest/meta-data/",
        "file": "file:///etc/passwd",
        "ftp": "ftp://127.0.0.1/a.jpg",
        "data": "data:image/png;base64,AAAA",
        "javascript": "javascript:alert(1)",
        "gopher": f"gopher://127.0.0.1:{bad}/_GET",
        "mail-port": "http://93.184.215.14:25/",
        "password": f"http://user:secret@127.0.0.1:{bad}/",
        "password-trick": f"http://fine.test@127.0.0.1:{bad}/",
        "backslash": f"http://fine.test\\@127.0.0.1:{bad}/",
        "nonsense": "http://[::",
        "a-long-way": "/" + "a" * 9_000,
    }
    for name, target in targets.items():
        table[f"to-{name}"] = Habit("redirect", to(target), asked=1)
    table |= {
        "to-private-name": Habit("address", to(f"http://name-is-loopback.test:{bad}/"), asked=1),
        "to-itself": Habit("redirect", to("/photo.jpg"), asked=1),
        "in-circles": Habit("redirect", (to("/photo.jpg?1"), to("/photo.jpg?2"), to("/photo.jpg"))),
        "for-ever": Habit("redirect", tuple(to(f"/photo.jpg?{n}") for n in range(30)), asked=6),
        "to-nowhere": Habit("status", status("302 Moved")),
        "to-nothing": Habit("redirect", to("")),
        "to-refusing-robots": Habit("robots", to("http://robots-refuse.test:{port}/photo.jpg")),
        "moved-well": Habit(None, (to("/photo.jpg?there", 308), ok()), asked=2),
    }
    return table
