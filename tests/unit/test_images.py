"""Every file here is made by the test: what the web, phones, scanners and attackers send."""

import io
import os
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile, features

from footwork import images
from footwork.images import Facts, Unreadable, decode, encode_jpeg, fit, inspect, read_bytes

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "hymenoptera"
Pixels = NDArray[np.uint8]


def photo(width: int = 64, height: int = 40, seed: int = 0) -> Pixels:
    """A smooth random picture with no symmetry, so that a wrong turn shows."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 8, 3), dtype=np.uint8)
    return np.array(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def encoded(pixels: Pixels | Image.Image, kind: str, **options: object) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png(
    rows: NDArray[np.uint8] | NDArray[np.uint16], kind: int, depth: int, **extra: bytes
) -> bytes:
    """A PNG written by hand: Pillow writes no 16-bit RGB and no tRNS of 2 or 4 bits.

    rows: (h, w) or (h, w, channels) values of `depth` bits. kind: 0 grey, 2 RGB, 4 LA, 6 RGBA.
    """
    height, width = rows.shape[:2]
    flat = rows.reshape(height, -1)
    if depth == 16:
        packed = [row.astype(">u2").tobytes() for row in flat]
    else:
        bits = np.unpackbits(flat.astype(np.uint8)[..., None], axis=-1)[..., 8 - depth :]
        packed = [np.packbits(row).tobytes() for row in bits.reshape(height, -1)]
    chunks = {"IHDR": struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0), **extra}
    chunks |= {"IDAT": zlib.compress(b"".join(b"\0" + row for row in packed)), "IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body))
        + name.encode()
        + body
        + struct.pack(">I", zlib.crc32(name.encode() + body))
        for name, body in chunks.items()
    )


def profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile of version 2 (ICC.1:2001-04, section 6) that holds just these tags."""
    at, table, bodies = 128 + 4 + 12 * len(tags), b"", b""
    for name, body in tags.items():
        body += b"\0" * (-len(body) % 4)
        table += struct.pack(">4sII", name, at + len(bodies), len(body))
        bodies += body
    connection = b"Lab " if b"A2B0" in tags else b"XYZ "
    device = b"prtr" if b"A2B0" in tags else b"scnr"
    head = struct.pack(
        ">I4sI4s4s4s12s4s",
        at + len(bodies),
        b"",
        0x02400000,
        device,
        space,
        connection,
        b"",
        b"acsp",
    )
    white = struct.pack(">iii", 0xF6D6, 0x10000, 0xD32D)
    return (
        (head.ljust(68, b"\0") + white).ljust(128, b"\0")
        + struct.pack(">I", len(tags))
        + table
        + bodies
    )


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def red_and_green_swapped() -> bytes:
    """sRGB, but what it calls red is green: a wide-gamut profile taken to the extreme."""
    return srgb().replace(b"rXYZ", b"tmp!").replace(b"gXYZ", b"rXYZ").replace(b"tmp!", b"gXYZ")


def reason_of(data: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        decode(data)
    with pytest.raises(Unreadable) as inspected:
        inspect(data)
    assert inspected.value.reason == caught.value.reason
    return caught.value.reason


# --- bytes of a file


def test_read_bytes_returns_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("a")

    assert read_bytes(tmp_path / "a") == b"abc"
    assert read_bytes(tmp_path / "link") == b"abc"


def test_read_bytes_names_what_is_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "dangling.jpg").symlink_to("nowhere")
    (tmp_path / "circle.jpg").symlink_to("circle.jpg")
    (tmp_path / "empty.jpg").touch()
    os.mkfifo(tmp_path / "pipe.jpg")
    with (tmp_path / "huge.jpg").open("wb") as huge:
        huge.truncate(images.MAX_BYTES + 1)  # sparse: takes no room
    reasons = {
        tmp_path / "folder.jpg": "a directory, not a file",
        tmp_path / "dangling.jpg": "a link whose target is missing",
        tmp_path / "missing.jpg": "no such file",
        tmp_path / "folder.jpg" / "x": "no such file",
        tmp_path / "empty.jpg" / "x": "the file cannot be read: Not a directory",
        tmp_path / "empty.jpg": "an empty file (0 bytes)",
        tmp_path / "pipe.jpg": "a pipe, socket or device, not a regular file",
        Path("/dev/zero"): "a pipe, socket or device, not a regular file",
        tmp_path / "huge.jpg": "268,435,457 bytes; the limit is 268,435,456 bytes",
        tmp_path / ("n" * 300): "the file cannot be read: File name too long",
        tmp_path / "a\0b": "the file cannot be read: embedded null byte",
    }
    for path, reason in reasons.items():
        with pytest.raises(Unreadable) as caught:
            read_bytes(path)
        assert caught.value.reason == reason, path
    with pytest.raises(Unreadable, match=r"cannot be read: .*(symbolic|symlink)"):
        read_bytes(tmp_path / "circle.jpg")


@contextmanager
def nobody() -> Iterator[None]:
    """Root may read everything; the tests of a container often run as root."""
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(me)


def test_read_bytes_names_a_missing_permission(tmp_path: Path) -> None:
    locked = tmp_path / "locked.jpg"
    locked.write_bytes(b"abc")
    locked.chmod(0)
    with nobody(), pytest.raises(Unreadable, match=r"^no permission to read the file$"):
        read_bytes(locked)


# --- what is not an image, or not one that is read


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "an empty file"),
        (b"just a note, n\xc3\xa4mlich\n", "a text file"),
        (b"<!DOCTYPE html><p>404", "an HTML page"),
        (b"\n <html><body>moved</body>", "an HTML page"),
        (b'<?xml version="1.0"?><html xmlns="x">', "an HTML page"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- x --><svg/>', "an SVG drawing"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "a PostScript document"),
        (b"PK\3\4....", "a zip archive"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC image: convert it to JPEG"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "a HEIC image: convert it to JPEG"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "a video or audio file"),
        (b"\x01\x02\x03\x04" * 9, r"not an image of a known format \(it starts with 01 02 03 04 "),
        (b"\xff\xd8\xff", "a truncated .* JPEG image"),
        (b"BM, as the note began", "(damaged|truncated).* BMP image"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "not an image of a known format"),
    ],
)  # fmt: skip
def test_other_files_are_named(data: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=f"^{reason}|{reason}"):
        decode(data)
    reason_of(data)


@pytest.mark.parametrize("kind", ["PPM", "ICO", "TGA", "PCX", "SGI", "EPS", "PDF", "JPEG2000"])
def test_other_parsers_of_pillow_are_out_of_reach(kind: str) -> None:
    reason_of(encoded(photo(), kind))


def test_the_extension_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(encoded(photo(), "PNG"))

    data = read_bytes(tmp_path / "photo.jpg")

    assert inspect(data) == Facts(64, 40, "png")
    assert (decode(data) == photo()).all()


LOSSLESS = {
    "png": {}, "webp": {"lossless": True}, "bmp": {}, "tiff": {},
}  # fmt: skip


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_formats_come_back_exactly(kind: str) -> None:
    data = encoded(photo(), kind.upper(), **LOSSLESS[kind])

    assert inspect(data) == Facts(64, 40, kind)
    assert (decode(data) == photo()).all()
    assert decode(data).dtype == np.uint8
    assert decode(data).flags.writeable


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_compressed_tiff(compression: str) -> None:
    assert (decode(encoded(photo(), "TIFF", compression=compression)) == photo()).all()


@pytest.mark.parametrize(("kind", "most"), [("JPEG", 3.0), ("AVIF", 3.0), ("MPO", 3.0)])
def test_lossy_formats_come_back_nearly(kind: str, most: float) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this build of Pillow has no AVIF")
    data = encoded(photo(), kind, quality=95)

    assert inspect(data) == Facts(64, 40, "jpeg" if kind == "MPO" else kind.lower())
    assert np.abs(decode(data).astype(int) - photo()).mean() < most
    if kind == "AVIF":  # its main brand may be that of the container, as HEIC's
        assert inspect(data[:8] + b"mif1" + data[12:]).format == "avif"


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("GIF", {}), ("WEBP", {}),
        ("WEBP", {"lossless": True}), ("BMP", {}), ("TIFF", {}),
        ("TIFF", {"compression": "packbits"}),
    ],
)  # fmt: skip
def test_a_file_cut_anywhere_is_whole_or_rejected(kind: str, options: dict[str, object]) -> None:
    """Half a picture, grey below, is never passed on."""
    data = encoded(photo(), kind, **options)
    whole = decode(data)
    survived = 0
    for length in range(len(data)):
        try:
            pixels = decode(data[:length])
        except Unreadable:
            continue
        survived += 1
        assert (pixels == whole).all(), f"cut at {length} of {len(data)}"
    end = {"PNG": 4, "GIF": 2, "BMP": 3}  # the checksum of its end mark; the mark; padding
    assert survived <= end.get(kind, 0)


def test_truncation_is_named() -> None:
    for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF"):
        half = encoded(photo(), kind)
        assert reason_of(half[: len(half) // 2]).startswith(f"a truncated (cut off) {kind} image: ")


def test_a_jpeg_whose_tail_was_never_written_is_cut_off() -> None:
    """Zeros are valid codes to libjpeg, so that Pillow alone lets some of these pass."""
    data = encoded(photo(320, 213), "JPEG", quality=95)
    passed = 0
    for kept in range(len(data) // 2, len(data), 97):
        unwritten = data[:kept] + bytes(100_000)
        assert reason_of(unwritten) == "a truncated (cut off) JPEG image: its end is missing"
        with suppress(OSError), Image.open(io.BytesIO(unwritten)) as image:
            image.load()
            passed += 1
    assert passed, "Pillow notices by itself now"


def test_pixel_data_of_a_png_is_checked_by_its_checksum() -> None:
    data = bytearray(encoded(photo(), "PNG"))
    at = data.index(b"IDAT") + len(data) // 2
    data[at] ^= 1
    assert "checksum" in reason_of(bytes(data))


# --- bombs


def headers(width: int, height: int) -> dict[str, bytes]:
    """Small files that claim to be width x height."""
    jpeg = bytearray(encoded(photo(), "JPEG"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", height, width)
    gif = bytearray(encoded(photo(), "GIF"))
    gif[6:10] = struct.pack("<HH", width, height)
    bmp = bytearray(encoded(photo(), "BMP"))
    bmp[18:26] = struct.pack("<ii", width, height)
    whole = png(np.zeros((1, 1), np.uint8), 0, 8)
    large = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    tiff = bytearray(encoded(photo(), "TIFF"))
    for tag, value in ((256, width), (257, height)):
        at = tiff.index(struct.pack("<HHI", tag, 4, 1))
        tiff[at + 8 : at + 12] = struct.pack("<I", value)
    return {
        "jpeg": bytes(jpeg),
        "gif": bytes(gif),
        "bmp": bytes(bmp),
        "png": whole[:16] + large + struct.pack(">I", zlib.crc32(b"IHDR" + large)) + whole[33:],
        "tiff": bytes(tiff),
    }


@pytest.mark.parametrize("kind", ["jpeg", "gif", "bmp", "png", "tiff"])
def test_bombs_are_refused_before_they_are_decoded(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(self: object) -> None:
        raise AssertionError("pixels were allocated")

    monkeypatch.setattr(ImageFile.ImageFile, "load", never)
    assert reason_of(headers(30_000, 30_000)[kind]) == (
        "30000 x 30000 = 900,000,000 pixels; the limit is 89,478,485 pixels"
    )


def test_a_webp_bomb_is_refused() -> None:
    data = bytearray(
        encoded(
            Image.fromarray(photo()).convert("RGBA"),
            "WEBP",
            save_all=True,
            append_images=[Image.new("RGBA", (64, 40))],
        )
    )
    assert data[12:16] == b"VP8X"
    data[24:30] = (29_999).to_bytes(3, "little") * 2
    assert reason_of(bytes(data)).startswith("Image size (900000000 pixels) exceeds limit of ")


def test_a_picture_of_the_largest_size_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 64 * 40)
    assert decode(encoded(photo(), "PNG")).shape == (40, 64, 3)
    monkeypatch.setattr(images, "MAX_PIXELS", 64 * 40 - 1)
    assert "limit is 2,559 pixels" in reason_of(encoded(photo(), "PNG"))


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    """Each scan costs a pass over the whole picture and a few bytes of the file."""
    data = encoded(photo(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    many = data[:-2] + data[last:-2] * 100 + data[-2:]

    assert "more than 100 scans" in reason_of(many)
    assert decode(data[:-2] + data[last:-2] * 50 + data[-2:]).shape == (40, 64, 3)


def test_what_phones_append_to_a_jpeg_does_not_count() -> None:
    """A motion photo is a JPEG with a film behind its end, where any two bytes may occur."""
    data = encoded(photo(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0" + b"\xff\xda\0\0" * 200)

    assert (decode(data + b"\xff\xda\0\0" * 50_000) == decode(data)).all()


# --- colours


def patches(*colours: list[int]) -> Pixels:
    """Fields of 16 x 16 pixels side by side: whole blocks of a JPEG."""
    return np.tile(np.repeat(np.array([colours], np.uint8), 16, axis=1), (16, 1, 1))


def cmyk(inks: Pixels) -> Image.Image:
    """inks: (h, w, 4), 255 is full ink."""
    return Image.frombytes("CMYK", (inks.shape[1], inks.shape[0]), inks.tobytes())


def on_paper(inks: Pixels) -> NDArray[np.float64]:
    """The RGB that browsers show for inks without a profile."""
    bare = 255 - inks.astype(np.float64)
    rgb: NDArray[np.float64] = bare[..., :3] * bare[..., 3:] / 255
    return rgb


def test_cmyk_jpeg() -> None:
    inks = patches([0] * 4, [255, 0, 0, 0], [0, 255, 0, 0], [0, 0, 255, 0], [40, 90, 10, 60])
    data = encoded(cmyk(inks), "JPEG", quality=100)

    assert b"Adobe" in data
    assert np.abs(decode(data) - on_paper(inks)).max() <= 4


def test_ycck_jpeg() -> None:
    """As Photoshop writes it: inks inverted, the first three then turned into YCbCr."""
    inks = patches([0] * 4, [200, 30, 0, 20], [10, 220, 180, 0], [60, 60, 60, 90])
    # libjpeg gives C = 255 - R(Y, Cb, Cr) and Pillow inverts: so YCbCr holds the inks as if RGB.
    ycc = np.asarray(Image.fromarray(inks[..., :3].copy()).convert("YCbCr"))
    stored = np.concatenate([ycc, 255 - inks[..., 3:]], axis=2)
    data = encoded(cmyk(255 - stored), "JPEG", quality=100)
    at = data.index(b"Adobe") + 11
    assert data[at] == 0
    data = data[:at] + b"\2" + data[at + 1 :]  # transform 2: YCCK

    assert np.abs(decode(data) - on_paper(inks)).max() <= 6


RAMP = np.arange(65536, dtype=np.uint16).reshape(256, 256)


def test_16_bit_grey_keeps_its_upper_byte() -> None:
    """Pillow's convert("L") would clip everything above 255 to white."""
    pixels = decode(encoded(Image.fromarray(RAMP), "PNG"))

    assert (pixels == (RAMP >> 8)[..., None]).all()
    assert (np.diff(pixels[..., 0].ravel().astype(int)) >= 0).all()
    assert np.abs(pixels[..., 0] - RAMP / 257).max() < 1
    exact = np.arange(256, dtype=np.uint16)[None] * 257  # how 8 bits are widened to 16
    assert (decode(encoded(Image.fromarray(exact), "PNG"))[0, :, 0] == np.arange(256)).all()


def test_16_bit_tiff_of_either_byte_order() -> None:
    for kind in ("<u2", ">u2"):
        raw = Image.frombytes(
            "I;16" if kind == "<u2" else "I;16B", (256, 256), RAMP.astype(kind).tobytes()
        )
        data = encoded(raw, "TIFF")
        assert (decode(data) == (RAMP >> 8)[..., None]).all()


@pytest.mark.parametrize(("kind", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_16_bit_colour_and_alpha(kind: int, channels: int) -> None:
    rows = np.repeat(RAMP[..., None], channels, axis=2)
    if kind != 2:
        rows[..., -1] = 65535
    assert (decode(png(rows, kind, 16)) == (RAMP >> 8)[..., None]).all()


def test_32_bit_pixels_are_refused() -> None:
    for values in (np.zeros((4, 4), np.int32), np.zeros((4, 4), np.float32)):
        assert "no defined white" in reason_of(encoded(Image.fromarray(values), "TIFF"))


@pytest.mark.parametrize(
    ("tag", "old", "new", "reason"),
    [
        (254, 0, 1, "starts with a thumbnail"),  # what DNG and other raw files look like
        (262, 1, 0, "inverted grey"),
        (259, 1, 7, "a TIFF image with jpeg inside"),
        (259, 1, 4, "a TIFF image with group4 inside"),
    ],
)
def test_tiffs_that_would_come_out_wrong_are_refused(
    tag: int, old: int, new: int, reason: str
) -> None:
    data = encoded(Image.fromarray(RAMP), "TIFF", tiffinfo={254: 0})
    kind = 4 if tag == 254 else 3
    before, after = (struct.pack("<HHII", tag, kind, 1, value) for value in (old, new))
    assert before in data
    assert reason in reason_of(data.replace(before, after))


def test_one_bit() -> None:
    stripes = np.arange(48).reshape(6, 8) % 3 == 0
    expected = np.repeat((stripes * np.uint8(255))[..., None], 3, axis=2)

    for kind in ("PNG", "BMP", "TIFF"):
        assert (decode(encoded(Image.fromarray(stripes), kind)) == expected).all()


def test_grey_becomes_three_equal_channels() -> None:
    grey = photo()[..., 0].copy()
    assert (decode(encoded(Image.fromarray(grey), "PNG")) == grey[..., None]).all()


def test_transparency_is_laid_on_white() -> None:
    colour = np.zeros((2, 3, 4), np.uint8)
    colour[0] = [(10, 20, 30, 255), (10, 20, 30, 0), (0, 0, 0, 127)]
    expected = [[10, 20, 30], [255, 255, 255], [128, 128, 128]]

    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True}), ("TIFF", {})):
        assert (decode(encoded(Image.fromarray(colour), kind, **options))[0] == expected).all()
    grey = Image.fromarray(colour).convert("LA")
    assert (decode(encoded(grey, "PNG"))[0, 1:] == expected[1:]).all()


def test_palette_with_transparency() -> None:
    image = Image.frombytes("P", (3, 1), bytes([0, 1, 2]))
    image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 0])
    half = [[200, 0, 0], [255, 255, 255], [128, 128, 128]]

    assert (decode(encoded(image, "PNG", transparency=bytes([255, 0, 127]))) == [half]).all()
    one = [[200, 0, 0], [255, 255, 255], [0, 0, 0]]
    assert (decode(encoded(image, "PNG", transparency=1)) == [one]).all()
    assert (decode(encoded(image, "GIF", transparency=1)) == [one]).all()
    assert (decode(encoded(image, "PNG")) == [[[200, 0, 0], [0, 200, 0], [0, 0, 0]]]).all()


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_one_transparent_grey_at_every_depth(depth: int) -> None:
    """The key counts in the file's depth, pixels in 8 bits: Pillow compares the two as they are."""
    top = 2**depth - 1
    clear, opaque = (0, top) if depth == 1 else (top // 3, top // 3 * 2)
    rows = np.array([[clear, opaque, top]], np.uint16)
    data = png(rows, 0, depth, tRNS=struct.pack(">H", clear))
    shown = opaque * 255 // top

    assert decode(data)[0, :, 0].tolist() == [255, shown, 255]


@pytest.mark.parametrize("depth", [8, 16])
def test_one_transparent_colour(depth: int) -> None:
    rows = np.array([[(9, 8, 7), (9, 8, 6)]], np.uint16)
    if depth == 16:
        rows = rows * 256 + 77
    data = png(rows, 2, depth, tRNS=struct.pack(">HHH", *rows[0, 0]))

    assert decode(data).tolist() == [[[255, 255, 255], [9, 8, 6]]]


@pytest.mark.parametrize(
    ("kind", "options"), [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})]
)
def test_of_an_animation_the_first_frame_counts(kind: str, options: dict[str, object]) -> None:
    first, second = (Image.fromarray(photo(seed=seed)) for seed in (1, 2))
    if kind == "GIF":
        first, second = first.quantize(64), second.quantize(64)
    data = encoded(first, kind, save_all=True, append_images=[second], **options)

    assert (decode(data) == np.asarray(first.convert("RGB"))).all()


# --- colour profiles


def test_a_profile_is_turned_into_srgb() -> None:
    pixels = photo()
    for kind, most in (("PNG", 3), ("TIFF", 3), ("JPEG", 12)):
        data = encoded(
            pixels,
            kind,
            icc_profile=red_and_green_swapped(),
            **({"quality": 100, "subsampling": 0} if kind == "JPEG" else {}),
        )
        assert np.abs(decode(data).astype(int) - pixels[..., [1, 0, 2]]).max() <= most


def test_srgb_and_broken_profiles_change_nothing() -> None:
    plain = decode(encoded(photo(), "JPEG"))
    swapped = red_and_green_swapped()
    for kept in (
        srgb(),
        swapped[:-60],
        swapped[:100],
        b"junk",
        b"\0" * 500,
        swapped.ljust(5_000_000),
    ):
        assert (decode(encoded(photo(), "JPEG", icc_profile=kept)) == plain).all()


def test_a_grey_profile() -> None:
    """Linear grey: 55 of 255 is 21.6 % of the light, which sRGB writes as 128."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, 0x0100)  # one number, a gamma of 1.0
    linear = profile(b"GRAY", {b"wtpt": xyz(0.9642, 1, 0.8249), b"kTRC": curve + b"\0\0"})
    grey = np.array([[0, 55, 255]], np.uint8)
    for image in (Image.fromarray(grey), Image.fromarray(grey).convert("LA")):
        shown = decode(encoded(image, "PNG", icc_profile=linear))
        assert np.abs(shown[0] - np.array([[0], [128], [255]])).max() <= 2
    # Made for other pixels: ignored.
    colour = np.repeat(grey[..., None], 3, axis=2)
    assert (decode(encoded(colour, "PNG", icc_profile=linear)) == colour).all()


def xyz(x: float, y: float, z: float) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">iii", *(round(65536 * value) for value in (x, y, z)))


def test_a_cmyk_profile() -> None:
    """A press whose full cyan is a dark red (L* 40, a* 60, b* 40), and whose paper is white."""
    corners = np.zeros((2, 2, 2, 2, 3), np.uint8)  # of the ink cube: C, M, Y, K, then L, a, b
    corners[...] = [0, 128, 128]
    corners[0, 0, 0, 0] = [255, 128, 128]
    corners[1, 0, 0, 0] = [102, 188, 168]
    ramp = bytes(range(256))
    identity = struct.pack(">9i", *(65536 * int(i % 4 == 0) for i in range(9)))
    table = (
        b"mft1"
        + bytes(4)
        + bytes([4, 3, 2, 0])
        + identity
        + ramp * 4
        + corners.tobytes()
        + ramp * 3
    )
    press = profile(b"CMYK", {b"wtpt": xyz(0.9642, 1, 0.8249), b"A2B0": table})
    image = cmyk(patches([0] * 4, [255, 0, 0, 0]))

    shown = decode(encoded(image, "JPEG", quality=100, icc_profile=press)).astype(int)

    assert shown[8, 4].min() >= 250
    # Lab (40, 60, 40) is XYZ (0.211, 0.113, 0.019) at D50, by Lindbloom's matrix this in sRGB:
    assert np.abs(shown[8, 28] - [183, 25, 34]).max() <= 3
    assert decode(encoded(image, "JPEG", quality=100))[8, 28].tolist() == [0, 255, 255]


# --- upright


def turned(pixels: Pixels, orientation: int) -> Pixels:
    """How a camera stores an upright picture that it marks with `orientation` (EXIF 2.32)."""
    sideways = pixels.transpose(1, 0, 2)
    stored = {
        1: pixels, 2: pixels[:, ::-1], 3: pixels[::-1, ::-1], 4: pixels[::-1],
        5: sideways, 6: sideways[::-1], 7: sideways[::-1, ::-1], 8: sideways[:, ::-1],
    }  # fmt: skip
    return np.ascontiguousarray(stored[orientation])


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x010E] = "a description that stands before"
    tags[0x0112] = orientation
    tags[0x8769] = {0x9003: "2024:01:01 00:00:00"}
    return tags.tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_give_the_same_upright_picture(orientation: int) -> None:
    stored = turned(photo(), orientation)
    for kind, options in LOSSLESS.items():
        if kind == "bmp":
            continue  # knows no orientation
        data = encoded(stored, kind.upper(), exif=exif(orientation), **options)
        assert inspect(data) == Facts(64, 40, kind), kind
        assert (decode(data) == photo()).all(), kind
    data = encoded(stored, "JPEG", exif=exif(orientation), quality=95, subsampling=0)
    assert inspect(data) == Facts(64, 40, "jpeg")
    assert np.abs(decode(data).astype(int) - photo()).max() <= 12


def test_avif_orientation() -> None:
    if not features.check("avif"):
        pytest.skip("this build of Pillow has no AVIF")
    data = encoded(turned(photo(), 6), "AVIF", exif=exif(6), quality=95)
    assert np.abs(decode(data).astype(int) - photo()).mean() <= 4


@pytest.mark.parametrize("orientation", [0, 9, 60_000])
def test_an_orientation_that_does_not_exist_is_none(orientation: int) -> None:
    assert (decode(encoded(photo(), "PNG", exif=exif(orientation))) == photo()).all()


def test_broken_exif_never_costs_the_picture() -> None:
    whole = exif(6)[6:]
    shapes = {
        decode(encoded(photo(), kind, exif=b"Exif\0\0" + whole[:length])).shape
        for length in range(len(whole))
        for kind in ("JPEG", "PNG", "WEBP")
    }
    assert shapes == {(40, 64, 3), (64, 40, 3)}


# --- speed without harm


def test_at_least_lets_a_jpeg_come_out_smaller() -> None:
    data = encoded(photo(1600, 1200), "JPEG")

    assert decode(data).shape == (1200, 1600, 3)
    assert decode(data, at_least=601).shape == (1200, 1600, 3)
    assert decode(data, at_least=300).shape == (600, 800, 3)
    assert decode(data, at_least=299).shape == (600, 800, 3)
    assert decode(data, at_least=150).shape == (300, 400, 3)
    assert decode(data, at_least=1).shape == (150, 200, 3)
    assert decode(encoded(photo(1600, 1200), "PNG"), at_least=1).shape == (1200, 1600, 3)
    assert decode(encoded(photo(1600, 1201), "JPEG"), at_least=150).shape == (1201, 1600, 3)


def test_at_least_hardly_changes_what_the_network_sees() -> None:
    noise = np.random.default_rng(0).normal(0, 8, (1024, 1600, 3))
    data = encoded(np.clip(photo(1600, 1024) + noise, 0, 255).astype(np.uint8), "JPEG", quality=90)

    full, quick = (
        fit(decode(data, size), 224, "centre", 0.875, "bilinear") for size in (None, 256)
    )

    assert decode(data, 256).shape == (512, 800, 3)
    assert np.abs(full.astype(int) - quick).mean() < 0.6


# --- fit


def test_centre_shrinks_the_shorter_side_then_cuts_out_the_middle() -> None:
    pixels = photo(500, 300)
    whole = Image.fromarray(pixels).resize((427, 256), Image.Resampling.BILINEAR)  # 300 -> 256

    fitted = fit(pixels, 224, "centre", 0.875, "bilinear")

    assert fitted.shape == (224, 224, 3)
    assert fitted.dtype == np.uint8
    assert (fitted == np.asarray(whole)[16:240, 101:325]).all()
    upright = fit(pixels.transpose(1, 0, 2).copy(), 224, "centre", 0.875, "bilinear")
    assert np.abs(upright.transpose(1, 0, 2).astype(int) - fitted).max() <= 1


def test_centre_of_the_right_size_is_a_plain_cut() -> None:
    pixels = photo(97, 64)
    assert (fit(pixels, 64, "centre", 1.0, "bicubic") == pixels[:, 16:80]).all()


def test_squash_keeps_everything() -> None:
    pixels = photo(500, 300)
    fitted = fit(pixels, 96, "squash", 0.875, "bicubic")
    assert (
        fitted == np.asarray(Image.fromarray(pixels).resize((96, 96), Image.Resampling.BICUBIC))
    ).all()


def test_letterbox_adds_grey_bars() -> None:
    pixels = photo(400, 200)
    fitted = fit(pixels, 100, "letterbox", 0.875, "bilinear")

    assert (fitted[:25] == 127).all()
    assert (fitted[75:] == 127).all()
    inner = np.asarray(Image.fromarray(pixels).resize((100, 50), Image.Resampling.BILINEAR))
    assert (fitted[25:75] == inner).all()


@pytest.mark.parametrize("crop", ["centre", "squash", "letterbox"])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (5000, 1), (1, 5000), (3, 700), (65000, 2)])
def test_fit_takes_any_shape(
    width: int, height: int, crop: Literal["centre", "squash", "letterbox"]
) -> None:
    colour = np.full((height, width, 3), (200, 100, 50), np.uint8)
    fitted = fit(colour, 224, crop, 0.875, "bicubic")

    assert fitted.shape == (224, 224, 3)
    assert (fitted == [200, 100, 50]).all(axis=2).sum() >= 224  # a line at least
    assert set(np.unique(fitted)) <= {200, 100, 50, 127}


def test_long_pictures_are_never_scaled_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    areas: list[int] = []
    resize = Image.Image.resize

    def spy(
        self: Image.Image,
        size: tuple[int, int],
        resample: int | None = None,
        box: tuple[float, float, float, float] | None = None,
    ) -> Image.Image:
        areas.append(size[0] * size[1])
        return resize(self, (8, 8) if areas[-1] > 2_000_000 else size, resample, box)

    pixels = photo(5000, 1), photo(500, 300)
    monkeypatch.setattr(Image.Image, "resize", spy)
    assert fit(pixels[0], 224, "centre", 0.875, "bilinear").shape == (224, 224, 3)
    assert fit(pixels[1], 224, "centre", 0.01, "bilinear").shape == (224, 224, 3)
    assert areas == [224 * 224] * 2


def test_long_pictures_are_cropped_at_the_same_place(monkeypatch: pytest.MonkeyPatch) -> None:
    for pixels in (photo(500, 300), photo(300, 501)):
        usual = fit(pixels, 224, "centre", 0.875, "bilinear")
        monkeypatch.setattr(images, "MAX_SCALED", 1)
        other = fit(pixels, 224, "centre", 0.875, "bilinear")
        monkeypatch.undo()
        assert np.abs(usual.astype(int) - other).max() <= 1


# --- thumbnails


def test_thumbnails_are_small_and_tell_nothing_else() -> None:
    data = encode_jpeg(decode(encoded(photo(500, 300), "JPEG", exif=exif(1))), longest=240)

    assert inspect(data) == Facts(240, 144, "jpeg")
    assert b"Exif" not in data
    assert np.abs(fit(decode(data), 50, "squash", 1, "bilinear").astype(int)
                  - fit(photo(500, 300), 50, "squash", 1, "bilinear")).mean() < 3  # fmt: skip
    assert inspect(encode_jpeg(photo(), longest=240)) == Facts(64, 40, "jpeg")
    assert inspect(encode_jpeg(photo(5000, 1), longest=240)) == Facts(240, 1, "jpeg")
    assert len(encode_jpeg(photo(), 64, quality=30)) < len(encode_jpeg(photo(), 64, quality=95))


# --- nothing else ever comes out


@pytest.mark.parametrize(
    "error",
    [SyntaxError("x y"), struct.error("x y"), zlib.error("x y"), OverflowError("x y"), KeyError(7),
     RecursionError(), AssertionError(), OSError(5, "x y"), EOFError(), IndexError("x y")],
)  # fmt: skip
def test_whatever_a_parser_raises_becomes_a_reason(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(data: bytes, name: str) -> None:
        raise error

    monkeypatch.setattr(images, "parsed", broken)
    assert " PNG image: " in reason_of(encoded(photo(), "PNG"))
    assert not reason_of(encoded(photo(), "PNG")).endswith(": ")


def test_too_little_memory_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(data: bytes, name: str) -> None:
        raise MemoryError

    monkeypatch.setattr(images, "parsed", full)
    assert reason_of(encoded(photo(), "PNG")) == "not enough memory to decode this PNG image"


def noisy() -> dict[str, bytes]:
    """Files about which Pillow warns, or logs an error."""
    large = headers(12_000, 10_000)["png"]
    cut = encoded(photo(), "JPEG", exif=b"Exif\0\0" + exif(6)[6:40])
    apng = png(photo()[..., 0].copy(), 0, 8, acTL=struct.pack(">II", 0, 0))
    samples = bytearray(encoded(photo(), "TIFF"))
    at = samples.index(struct.pack("<HHI", 277, 3, 1))
    samples[at + 8 : at + 10] = struct.pack("<H", 999)
    return {"large": large, "cut": cut, "apng": apng, "samples": bytes(samples)}


def test_nothing_leaks_to_the_terminal(tmp_path: Path) -> None:
    for name, data in noisy().items():
        (tmp_path / name).write_bytes(data)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                Image.open(tmp_path / name).getexif()
            except (OSError, SyntaxError):
                continue
        assert caught, f"{name} no longer makes Pillow warn: the test needs another file"
    script = (
        "import sys, pathlib, warnings; from footwork import images\n"
        "with warnings.catch_warnings(): pass\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try: print(path.name, images.decode(path.read_bytes()).shape)\n"
        "    except images.Unreadable as error: print(path.name, error.reason)\n"
    )

    ran = subprocess.run(
        [sys.executable, "-W", "always", "-c", script, tmp_path], capture_output=True, text=True
    )

    assert ran.stderr == ""
    assert ran.stdout.splitlines()[:2] == ["apng (40, 64, 3)", "cut (40, 64, 3)"]
    assert "limit" in ran.stdout.splitlines()[2]


def test_threads_get_what_one_thread_gets() -> None:
    swapped = {"icc_profile": red_and_green_swapped()}
    files = [
        encoded(photo(200, 150, seed), kind, **options)
        for seed in range(6)
        for kind, options in (("JPEG", swapped), ("PNG", swapped), ("WEBP", {}), ("GIF", {}))
    ]
    alone = [decode(data) for data in files]
    images.to_srgb.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        for expected, pixels in zip(alone * 4, pool.map(decode, files * 4), strict=True):
            assert (pixels == expected).all()


@pytest.mark.shared
def test_every_real_photo_is_read() -> None:
    if not PHOTOS.is_dir():
        pytest.skip("the photos of ../shared/data/hymenoptera are not here")
    paths = sorted(PHOTOS.rglob("*.jpg"))
    assert len(paths) == 396
    for path in paths:
        data = read_bytes(path)
        facts = inspect(data)
        assert facts.format == "jpeg"
        with Image.open(path) as image:
            assert (decode(data) == np.asarray(image.convert("RGB"))).all()
        assert decode(data).shape == (facts.height, facts.width, 3)


def test_a_bomb_is_told_from_a_broken_file() -> None:
    out = io.BytesIO()
    Image.new("RGB", (30, 20)).save(out, "BMP")
    for side in (12_000, 60_000):  # beyond our limit, beyond Pillow's own
        bomb = out.getvalue()[:18] + side.to_bytes(4, "little") * 2 + out.getvalue()[26:]
        with pytest.raises(images.TooManyPixels):
            images.inspect(bomb)
