"""The PNG holds the decoded pixels, and nothing else."""

import io
import struct
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from footwork.cleaning.png import encode_png
from footwork.images import decode, inspect

Pixels = NDArray[np.uint8]


def picture(width: int = 40, height: int = 24, seed: int = 0) -> Pixels:
    """Smooth and without symmetry, so that a wrong turn shows."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return np.array(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def read_plainly(png: bytes) -> Pixels:
    """Read a PNG as any program would, without footwork."""
    with Image.open(io.BytesIO(png)) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.array(image)


def chunks(png: bytes) -> Iterator[str]:
    at = 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8].decode()
        at += 12 + length


def gps() -> bytes:
    tags = Image.Exif()
    tags[0x0112] = 6  # lying on its side
    tags[0x010F] = "SecretCamera"
    tags[0x8825] = {1: "N", 2: (47.0, 22.0, 7.0), 3: "E", 4: (8.0, 32.0, 28.0)}
    return tags.tobytes()


def swapped() -> bytes:
    """A profile in which red and green change places."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return srgb.replace(b"rXYZ", b"tmp!").replace(b"gXYZ", b"rXYZ").replace(b"tmp!", b"gXYZ")


def hostile() -> dict[str, tuple[bytes, Pixels | None]]:
    """Files, and what a person must see; None where a lossy codec leaves that to its decoder."""
    shown = picture()
    image = Image.fromarray(shown)
    clear = np.dstack([shown, np.where(np.arange(40) < 20, 0, 255)[None].repeat(24, 0)])
    on_white = np.where(clear[..., 3:] == 0, 255, shown).astype(np.uint8)
    palette = image.quantize(16)
    hole = palette.convert("RGB")
    first = np.asarray(palette)[0, 0]
    with_hole = np.where(np.asarray(palette)[..., None] == first, 255, np.asarray(hole))
    grey = np.arange(40 * 24, dtype=np.uint16).reshape(24, 40) * 67
    turned = Image.fromarray(np.ascontiguousarray(shown.transpose(1, 0, 2)[::-1]))
    other = Image.fromarray(picture(seed=5))
    return {
        "16-bit grey": (
            encoded(Image.fromarray(grey), "PNG"),
            np.repeat((grey >> 8).astype(np.uint8)[..., None], 3, axis=2),
        ),
        "CMYK": (encoded(image.convert("CMYK"), "JPEG", quality=95), None),
        "palette with a hole": (
            encoded(palette, "PNG", transparency=int(first)),
            with_hole.astype(np.uint8),
        ),
        "transparent": (encoded(Image.fromarray(clear.astype(np.uint8)), "PNG"), on_white),
        "turned by EXIF": (encoded(turned, "PNG", exif=gps()), shown),
        "turned JPEG": (encoded(turned, "JPEG", exif=gps(), quality=90), None),
        "animated": (
            encoded(image, "WEBP", save_all=True, append_images=[other], lossless=True),
            shown,
        ),
        "profile": (
            encoded(image, "JPEG", icc_profile=swapped(), quality=95, subsampling=0),
            None,
        ),
        "grey": (
            encoded(image.convert("L"), "PNG"),
            np.asarray(image.convert("L").convert("RGB")),
        ),
        "black and white": (
            encoded(image.convert("1"), "PNG"),
            np.asarray(image.convert("1").convert("RGB")),
        ),
        "TIFF": (encoded(image, "TIFF", compression="tiff_lzw"), shown),
        "BMP": (encoded(image, "BMP"), shown),
        "one pixel": (encoded(image.crop((0, 0, 1, 1)), "PNG"), shown[:1, :1]),
        "a line": (encoded(image.resize((3000, 1)), "PNG"), np.asarray(image.resize((3000, 1)))),
    }


@pytest.mark.parametrize("name", hostile())
def test_the_png_of_every_hostile_form_equals_a_reference_decode(name: str) -> None:
    data, expected = hostile()[name]
    read_back = read_plainly(encode_png(decode(data)))

    assert (read_back == decode(data)).all()
    if expected is not None:
        assert read_back.shape == expected.shape
        assert (read_back == expected).all()


def test_a_profile_is_applied_and_an_orientation_obeyed() -> None:
    """The two lossy forms above, against pixels made without footwork."""
    files = hostile()
    for name, expected in (("profile", picture()[..., [1, 0, 2]]), ("turned JPEG", picture())):
        read_back = read_plainly(encode_png(decode(files[name][0])))
        assert np.abs(read_back.astype(int) - expected).mean() < 6, name


def test_nothing_but_pixels_is_in_it() -> None:
    original = encoded(
        Image.fromarray(picture()), "JPEG", exif=gps(), icc_profile=swapped(), comment=b"my house"
    )
    assert b"SecretCamera" in original
    with Image.open(io.BytesIO(original)) as image:
        assert image.getexif().get_ifd(0x8825)

    png = encode_png(decode(original))

    assert set(chunks(png)) == {"IHDR", "IDAT", "IEND"}
    for secret in (b"SecretCamera", b"my house", b"Exif", b"GPS"):
        assert secret not in png
    with Image.open(io.BytesIO(png)) as image:
        assert image.info == {}
        assert not image.getexif()


def test_equal_pixels_give_equal_bytes() -> None:
    pixels = picture(300, 200)
    assert encode_png(pixels) == encode_png(pixels.copy())
    assert inspect(encode_png(pixels)).format == "png"
