"""Hostile bytes -> upright RGB, or a reason. Every stage sees its pictures through here.

What comes out is what a person sees in a browser: first frame, turned by its EXIF tag, in
sRGB, on white where it is transparent. What cannot be shown that way raises Unreadable, whose
reason becomes a row: no bad file ends a run. All functions may be called from many threads.
"""

import contextlib
import functools
import io
import itertools
import logging
import re
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile, features
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

# Enters the key of cached features: raise the last number whenever the pixels change.
DECODER = f"pillow-{PIL.__version__}/1"

# A quarter of a GiB of 24-bit pixels: Pillow's own limit (Image.MAX_IMAGE_PIXELS), kept as a
# number of ours because Pillow's is a global that any other code may move. Decoding a picture
# of that size takes 1 GiB for a moment (WebP: 2). No photo is a bigger file than its raw pixels.
MAX_BYTES = 256 * 1024 * 1024
MAX_PIXELS = MAX_BYTES // 3

# Encoders write about ten scans. Each costs a pass over all pixels and as little as 100 bytes: a
# JPEG of 365 kB with 400 scans kept a core busy for 33 s (bugzilla.redhat.com 1344214).
MAX_SCANS = 100
SAME_COLOUR = 2  # levels: as much as tables of 8 bits are off by rounding
MAX_PROFILE_BYTES = 4 * 1024 * 1024  # CMYK press profiles, the largest there are, have 0.5 to 3

# Pillow's parsers that hostile bytes may reach. They are called directly, not by Image.open:
# that knows 40 more, hides the reason of a failure, and checks sizes by a global and a warning.
PARSERS: dict[str, type[ImageFile.ImageFile]] = {
    "jpeg": JpegImageFile,
    "png": PngImageFile,
    "webp": WebPImageFile,
    "gif": GifImageFile,
    "bmp": BmpImageFile,
    "tiff": TiffImageFile,
    "avif": AvifImageFile,
}
# The compressions of TIFF that photo software writes; JPEG and fax inside TIFF are a maze.
TIFF_COMPRESSIONS = {"raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits"}

SIGNATURES = {
    b"\xff\xd8\xff": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"BM": "bmp",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
}
OTHER_SIGNATURES = {
    b"%PDF": "a PDF document",
    b"%!PS": "a PostScript document",
    b"8BPS": "a Photoshop document",
    b"PK\3\4": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"\0\0\0\x0cJXL ": "a JPEG XL image",
    b"\xff\x0a": "a JPEG XL image",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 image",
    b"\xff\x4f\xff\x51": "a JPEG 2000 image",
}
AVIF_BRANDS = {b"avif", b"avis"}
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}

TURNS = {  # EXIF orientation -> what makes it upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Of memory while Pillow decodes; 4.1 for the others, which hold the pixels once.
BYTES_PER_PIXEL = {WebPImageFile: 16.3, AvifImageFile: 11.2}
SIDEWAYS = (5, 6, 7, 8)
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
BAR = (127, 127, 127)  # of a letterbox: close to the zero of every contract
# Times the square's area. Beyond it no photo is scaled as a whole before its middle is cut out:
# 5000 x 1 would take a gigabyte.
MAX_SCALED = 32

# Above 32 MiB glibc gives memory back as soon as it is free (mallopt(3), M_MMAP_THRESHOLD); in
# Pillow's usual blocks of 16 MiB it stays with the thread: six PNGs of 49 megapixels, decoded one
# after another in 8 threads, left 740 MB behind instead of 80.
Image.core.set_block_size(64 * 1024 * 1024)  # type: ignore[attr-defined]

# Pillow's remarks on odd metadata are of no use to a reader who gets a reason or a picture.
IGNORED = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
logging.getLogger("PIL").addHandler(logging.NullHandler())

RESTARTS = b"\xff\xdd"  # DRI, which says how far apart restart markers are
MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # not a stuffed, repeated or restart marker


class Unreadable(Exception):
    """One image that cannot be used. `reason` is for a table row: a phrase without the path."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TooManyPixels(Unreadable):
    """More than MAX_PIXELS: perhaps a photo, perhaps made to fill the memory."""


Room = Callable[[int, int], AbstractContextManager[object]]  # pixels, bytes


def no_limit(_pixels: int, _size: int) -> AbstractContextManager[object]:
    return contextlib.nullcontext()


@dataclass(frozen=True)
class Facts:
    """width, height: pixels of the upright picture. format: a key of PARSERS."""

    width: int
    height: int
    format: str


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a regular file of 1 to MAX_BYTES bytes.

    Raises Unreadable for everything else: a directory, a dangling link, a pipe or a device
    (which is never opened: that could block for ever), no permission, an empty or huge file.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise Unreadable("a directory, not a file")
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable("a pipe, socket or device, not a regular file")
        if status.st_size > MAX_BYTES:
            raise Unreadable(f"{status.st_size:,} bytes; the limit is {MAX_BYTES:,} bytes")
        data = path.read_bytes()
    except FileNotFoundError:
        link = path.is_symlink()
        raise Unreadable("a link whose target is missing" if link else "no such file") from None
    except PermissionError:
        raise Unreadable("no permission to read the file") from None
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        detail = error.strerror if isinstance(error, OSError) else str(error)
        raise Unreadable(f"the file cannot be read: {detail}") from error
    if not data:
        raise Unreadable("an empty file (0 bytes)")
    return data


def inspect(data: bytes, room: Room = no_limit) -> Facts:
    """Decode everything once and return what is there. Raises Unreadable exactly where `decode`
    does, at half its price and less memory.

    room: called with the number of pixels and the bytes that decoding them takes at most, before
    any is decoded; what it returns is held meanwhile. It may raise Unreadable.

    A JPEG is decoded `without_scans`, at an eighth of its size; what follows (white paper,
    colours) fails or works by the kind of pixels, whatever their number, so it only sees a few.
    """
    name = sniffed(data)
    with phrased(name):
        data = without_scans(data) if name == "jpeg" else data
        image = parsed(data, name)
        size = image.size
        with room(size[0] * size[1], decoding_bytes(image, data)):
            if isinstance(image, JpegImageFile):
                image.draft(None, (max(1, size[0] // 8), max(1, size[1] // 8)))
            image.load()
            image.thumbnail((8, 8), Image.Resampling.NEAREST, reducing_gap=None)
        width, height = size[::-1] if orientation(image) in SIDEWAYS else size
        in_srgb(flattened(image, data), image.info.get("icc_profile"))
    return Facts(width, height, name)


def decoding_bytes(image: ImageFile.ImageFile, data: bytes) -> int:
    """Return how much memory `inspect` takes at most, as measured on pictures of 20 megapixels."""
    each = BYTES_PER_PIXEL.get(type(image), 4.1)
    if isinstance(image, JpegImageFile):
        each = 0.1
        if data.count(b"\xff\xda") > 1:  # of several scans: all coefficients are kept, 2 bytes each
            sampled = [across * down for _id, across, down, _table in image.layer]
            each += 2.1 * sum(sampled) / max(1, *sampled)
    return round(image.width * image.height * each) + 1_000_000


def decode(data: bytes, at_least: int | None = None) -> NDArray[np.uint8]:
    """Return a picture's pixels, (height, width, 3) uint8, RGB in sRGB, upright.

    at_least: the caller will shrink the picture until its shorter side has about this many
    pixels. A JPEG may then come out at 1/2, 1/4 or 1/8 of its size (libjpeg scales while it
    decodes, which is several times as fast), as long as the shorter side keeps twice
    `at_least`: the antialiased shrinking that follows averages over what the two scalings do
    differently. On photos made 1100 to 2200 pixels high, then fitted to 224, 0.3 of 255 levels
    were left on average (0.8 when it only kept once `at_least`; bicubic instead of bilinear:
    1.0). Without `at_least`, and for other formats, the size is the picture's own.

    Transparent parts become white, as on a page: hidden pixels often hold black or noise that
    nobody has ever seen. 16-bit values keep their upper 8 bits, which is exact for v * 257.

    Raises Unreadable. The only cut that it cannot see is that of a JPEG which somebody closed
    with an end marker afterwards: libjpeg fills the rest with grey and tells Pillow nothing.
    """
    image, _ = upright(data, at_least)
    return np.array(image)


def fit(
    pixels: NDArray[np.uint8],
    side: int,
    crop: Literal["centre", "squash", "letterbox"],
    crop_fraction: float,
    resize: Literal["bilinear", "bicubic"],
) -> NDArray[np.uint8]:
    """Return a (side, side, 3) uint8 square of `pixels`, (h, w, 3) uint8.

    'centre': the shorter side becomes round(side / crop_fraction), then the middle is cut out
    (an odd rest goes to the right and the bottom). 'squash': both sides become `side`.
    'letterbox': the longer side becomes `side`, grey bars (127) fill the rest. The last two
    ignore crop_fraction. Pillow's antialiased filters; same pixels in, same pixels out.
    """
    image = Image.fromarray(pixels)
    if crop == "squash":
        return np.array(image.resize((side, side), FILTERS[resize]))
    if crop == "letterbox":
        inner = image.resize(scaled(image.size, max(image.size), side), FILTERS[resize])
        square = Image.new("RGB", (side, side), BAR)
        square.paste(inner, ((side - inner.width) // 2, (side - inner.height) // 2))
        return np.array(square)
    shorter = max(side, round(side / crop_fraction))
    width, height = scaled(image.size, min(image.size), shorter)
    left, top = (width - side) // 2, (height - side) // 2
    box = (left, top, left + side, top + side)
    if width * height <= MAX_SCALED * side * side:
        return np.array(image.resize((width, height), FILTERS[resize]).crop(box))
    # Cropping by `box` is 1.6 times as fast, but other by a level or more in 2 % of the values
    # (Pillow swaps the order of its two passes), so it only serves where nothing else can.
    across, down = image.width / width, image.height / height
    part = (left * across, top * down, (left + side) * across, (top + side) * down)
    return np.array(image.resize((side, side), FILTERS[resize], box=part))


def encode_jpeg(pixels: NDArray[np.uint8], longest: int, quality: int = 80) -> bytes:
    """Return (h, w, 3) uint8 RGB pixels as a JPEG whose longer side is at most `longest`.

    Never enlarges. No metadata: neither place nor camera of a photo gets into a report.
    """
    image = Image.fromarray(pixels)
    if max(image.size) > longest:
        image = image.resize(scaled(image.size, max(image.size), longest), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, optimize=True)
    return out.getvalue()


def scaled(size: tuple[int, int], old: int, new: int) -> tuple[int, int]:
    """Return the size, at least 1 x 1, at which a side of `old` pixels has `new`."""
    return max(1, round(size[0] * new / old)), max(1, round(size[1] * new / old))


def upright(data: bytes, at_least: int | None) -> tuple[Image.Image, str]:
    """Return the picture as upright sRGB, and its format. Raises Unreadable, nothing else."""
    name = sniffed(data)
    with phrased(name):
        image = parsed(data, name)
        if at_least and isinstance(image, JpegImageFile):
            shrink_while_decoding(image, at_least)
        image.load()
        turn = TURNS.get(orientation(image))
        flat = in_srgb(flattened(image, data), image.info.get("icc_profile"))
        return (flat if turn is None else flat.transpose(turn)), name


@contextlib.contextmanager
def phrased(name: str) -> Iterator[None]:
    """Turn whatever the decoder of a format raises inside into Unreadable."""
    if IGNORED not in warnings.filters:
        # For good: catch_warnings restores state that other threads share (its documentation).
        warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        yield
    except Unreadable:
        raise
    except Image.DecompressionBombError as error:  # Pillow's own check came first
        raise TooManyPixels(reason_of(error, name)) from error
    except MemoryError as error:
        raise Unreadable(f"not enough memory to decode this {name.upper()} image") from error
    except Exception as error:  # parsers of hostile bytes raise whatever comes to mind
        raise Unreadable(reason_of(error, name)) from error


def reason_of(error: Exception, name: str) -> str:
    message = " ".join(str(error).split())[:160]
    if isinstance(error, Image.DecompressionBombError):  # Pillow's own check came first
        return message.partition(",")[0]
    cut = isinstance(error, EOFError) or "truncated" in message.lower()
    if message == "not identified by this driver":
        message = "its header gives no size or no kind of pixels"
    elif message == "cannot load this image":
        message = "it holds no pixels"
    elif " " not in message:  # the key that was not found, the name of an assertion
        message = f"its header makes no sense ({type(error).__name__}: {message})"
    return f"a {'truncated (cut off)' if cut else 'damaged'} {name.upper()} image: {message}"


def sniffed(data: bytes) -> str:
    """Return the key of PARSERS for these bytes, whatever the file is called."""
    for signature, name in SIGNATURES.items():
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp":
        # The box of brands: a main one, a version, then compatible ones.
        size = min(int.from_bytes(data[:4], "big"), 256)
        brands = {data[8:12]} | {data[at : at + 4] for at in range(16, size, 4)}
        if brands & AVIF_BRANDS:
            if features.check("avif"):
                return "avif"
            raise Unreadable(
                "an AVIF image, which this build of Pillow cannot read: convert it to JPEG or PNG"
            )
        if brands & HEIF_BRANDS:
            raise Unreadable(
                "a HEIC image: convert it to JPEG (for instance with heif-convert, or on an "
                "iPhone under Settings, Camera, Formats, Most Compatible)"
            )
        raise Unreadable("a video or audio file, not an image")
    for signature, what in OTHER_SIGNATURES.items():
        if data.startswith(signature):
            raise Unreadable(f"{what}: save it as JPEG or PNG")
    raise Unreadable(not_an_image(data))


def not_an_image(data: bytes) -> str:
    if not data:
        return "an empty file (0 bytes)"
    head = data[:4096]
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in start and start.startswith((b"<svg", b"<?xml", b"<!--", b"<!doctype svg")):
        return "an SVG drawing: save it as PNG"
    if start.startswith((b"<!doctype html", b"<html")) or b"<html" in start:
        return "an HTML page, not an image (the download met a page instead of the picture)"
    if not re.search(rb"[\0-\x08\x0e-\x1f]", head):
        return "a text file, not an image"
    return f"not an image of a known format (it starts with {head[:8].hex(' ')})"


def parsed(data: bytes, name: str) -> ImageFile.ImageFile:
    """Read the headers and refuse, before anything is allocated, what must not be decoded."""
    if name == "jpeg":
        check_scans(data)
    image = PARSERS[name](io.BytesIO(data))
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise TooManyPixels(
            f"{width} x {height} = {width * height:,} pixels; the limit is {MAX_PIXELS:,} pixels"
        )
    if isinstance(image, PngImageFile):
        # Pillow skips the checksums of pixel data while it decodes.
        PngImageFile(io.BytesIO(data)).verify()
    if isinstance(image, TiffImageFile):
        compression = image.info.get("compression")
        if compression not in TIFF_COMPRESSIONS:
            raise Unreadable(f"a TIFF image with {compression} inside: save it as JPEG or PNG")
        if image.tag_v2.get(254, 0) & 1:
            raise Unreadable(
                "a TIFF that starts with a thumbnail (a camera's raw file?): "
                "export the photo as JPEG"
            )
    return image


def shrink_while_decoding(image: JpegImageFile, at_least: int) -> None:
    """Let libjpeg decode at `scale_for` this size."""
    width, height = image.size
    scale = scale_for(image.size, at_least)
    if scale > 1:
        image.draft(None, (width // scale, height // scale))


def scale_for(size: tuple[int, int], at_least: int) -> int:
    """Return by how much a JPEG may shrink so that its shorter side keeps 2 * at_least: 1 to 8.

    Only a scale that divides both sides: others shift the picture by part of a pixel, which
    made ten times the difference (2.6 levels instead of 0.3, see `decode`).
    """
    width, height = size
    for scale in (8, 4, 2):
        exact = width % scale == height % scale == 0
        if exact and min(width, height) >= scale * 2 * at_least:
            return scale
    return 1


def check_scans(data: bytes) -> list[tuple[int, int]]:
    """Refuse a JPEG of too many scans, and one that was cut off before its end marker.

    Pillow notices most cuts by itself, but not a tail that was never written (zeros). Looks no
    further than the end marker: phones append films and more pictures behind it.

    Returns where the coded pixels of each scan begin, and where the next marker does.
    """
    scans: list[tuple[int, int]] = []
    at, code = 2, 0
    while found := MARKER.search(data, at):
        if code == 0xDA:
            scans.append((at, found.start()))
            if len(scans) > MAX_SCANS:
                raise Unreadable(
                    f"a JPEG image of more than {MAX_SCANS} scans, the limit: it could take hours"
                )
        code, at = data[found.start() + 1], found.end()
        if code == 0xD9:
            return scans
        if code not in (0x01, 0xD8):  # all others carry their length
            at += int.from_bytes(data[at : at + 2], "big")
    raise Unreadable("a truncated (cut off) JPEG image: its end is missing")


def without_scans(data: bytes) -> bytes:
    """Return a JPEG without its coded pixels: it decodes to grey, or fails, where it did before.

    libjpeg fails over headers and tables. What is wrong between two markers it fills with grey,
    with a warning of which Pillow hears nothing: so the nine tenths of the time that decoding
    takes would find nothing more. Only where it may have to look for the next restart marker
    does it read on, past the end if need be: such a JPEG is returned as it is.
    """
    rest, pieces = 0, []
    for start, end in check_scans(data):
        if RESTARTS in data[rest:start]:
            return data
        pieces.append(data[rest:start])
        rest = end
    return b"".join([*pieces, data[rest:]])


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 where it is absent or cannot be read."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # a broken tag must not cost the picture
        return 1


def flattened(image: ImageFile.ImageFile, data: bytes) -> Image.Image:
    """Return the loaded image in mode L, RGB or CMYK with 8 bits a channel, on white."""
    mode = image.mode
    key = image.info.get("transparency")  # of PNG: one colour, in the file's bit depth
    depth = data[24] if isinstance(image, PngImageFile) else 8
    if mode.startswith("I;16"):
        return grey_of_16_bits(image, key)
    if mode in ("I", "F"):
        raise Unreadable("pixels of 32 bits have no defined white: save it with 8 or 16 bits")
    if mode == "CMYK":
        return image
    if isinstance(key, int) and mode in ("1", "L"):
        image.info["transparency"] = key * 255 // (2**depth - 1)
    elif isinstance(key, tuple) and depth == 16:
        image.info["transparency"] = tuple(value >> 8 for value in key)
    if not image.has_transparency_data:
        return in_mode("L" if mode in ("1", "L") else "RGB", image)
    opaque, clear = ("L", "LA") if mode in ("1", "L", "LA", "La") else ("RGB", "RGBA")
    paper = Image.new(opaque, image.size, "white")
    ink = in_mode(clear, image)
    paper.paste(ink, mask=ink)
    return paper


def grey_of_16_bits(image: Image.Image, clear: int | None) -> Image.Image:
    """Keep the upper 8 bits, as Pillow does for RGB; its convert("L") clips to 255 instead."""
    if isinstance(image, TiffImageFile) and (
        image.tag_v2.get(258) != (16,) or image.tag_v2.get(262) != 1
    ):
        raise Unreadable("a TIFF with 12-bit or inverted grey: save it as JPEG or PNG")
    wide = np.asarray(image)
    grey = (wide >> 8).astype(np.uint8)
    if clear is not None:
        grey[wide == clear] = 255
    return Image.fromarray(grey)


def in_srgb(image: Image.Image, profile: object) -> Image.Image:
    """Return the image, of mode L, RGB or CMYK, as RGB; a broken profile counts as none."""
    transform = transform_for(profile, image.mode)
    return in_mode("RGB", image) if transform is None else transform.apply(image)


def transform_for(profile: object, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return what an image's profile asks for; None if nothing, see `to_srgb`."""
    if isinstance(profile, bytes) and len(profile) <= MAX_PROFILE_BYTES:
        return to_srgb(profile, mode)
    return None


def in_mode(mode: str, image: Image.Image) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)  # convert always copies


@functools.lru_cache(maxsize=16)
def to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return what turns pixels of `mode` into sRGB.

    None if the profile is broken, not made for such pixels, or sRGB itself: then it would cost
    more than the decoding and change nothing.
    """
    try:
        transform = ImageCms.ImageCmsTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
            mode,
            "RGB",
        )
        if mode == "CMYK":
            return transform
        colours = (
            np.arange(256) if mode == "L" else list(itertools.product(range(0, 256, 15), repeat=3))
        )
        before = Image.fromarray(np.array(colours, dtype=np.uint8)[None])
        after = np.asarray(transform.apply(before), dtype=int)
        change = np.abs(after - np.asarray(before.convert("RGB"))).max()
    except MemoryError:
        raise  # not the profile's fault, and not to be remembered
    except Exception:  # the parser of profiles reads hostile bytes too
        return None
    return transform if change > SAME_COLOUR else None
