"""Grey straight from libjpeg-turbo: as Pillow shows it, refused where Pillow refuses."""

import io
from typing import Any

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms

from footwork.duplicates.grey import decode_grey, plain_jpeg
from footwork.images import Unreadable, decode


def scene(width: int = 640, height: int = 512) -> Image.Image:
    """Smooth, with soft colours: a photo's averages are hardly ever at 0 or 255."""
    rng = np.random.default_rng(0)
    small = rng.integers(40, 216, (8, 10, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", **{"quality": 90, **options})
    return out.getvalue()


def by_pillow(data: bytes, at_least: int) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(decode(data, at_least)).convert("L"))


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


PLAIN: dict[str, dict[str, Any]] = {
    "4:2:0": {"subsampling": 2},
    "4:2:2": {"subsampling": 1},
    "4:4:4": {"subsampling": 0},
    "progressive": {"progressive": True},
    **{f"EXIF {n}": {"exif": turned(n)} for n in range(1, 10)},
}


@pytest.mark.parametrize("form", PLAIN)
@pytest.mark.parametrize("at_least", [32, 64, 128])
def test_a_plain_jpeg_is_what_pillow_shows(form: str, at_least: int) -> None:
    data = jpeg(scene(), **PLAIN[form])
    found = plain_jpeg(data, at_least)
    assert found is not None
    assert found.dtype == np.uint8
    expected = by_pillow(data, at_least)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 3
    assert np.abs(found.astype(int) - expected).mean() <= 0.5
    assert np.array_equal(decode_grey(data, at_least), found)


def test_a_grey_jpeg_is_exactly_what_pillow_shows() -> None:
    data = jpeg(scene().convert("L"))
    assert np.abs(decode_grey(data, 32).astype(int) - by_pillow(data, 32)).max() <= 1


def wide_gamut() -> bytes:
    """Any profile that is not sRGB: here one of a Lab-like space that Pillow can make."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    colour = profile.find(b"rXYZ")
    at = int.from_bytes(profile[colour + 4 : colour + 8], "big") + 8
    swapped = bytearray(profile)
    swapped[at : at + 4] = (40000).to_bytes(4, "big")  # another red
    return bytes(swapped)


OTHERS = {
    "CMYK": jpeg(scene().convert("CMYK")),
    "stored as RGB": jpeg(scene(), keep_rgb=True),
    "with a profile": jpeg(scene(), icc_profile=wide_gamut()),
    "odd size": jpeg(scene(633, 511)),
    "too small to shrink": jpeg(scene(80, 64)),
}


@pytest.mark.parametrize("form", OTHERS)
def test_all_else_is_left_to_pillow(form: str) -> None:
    data = OTHERS[form]
    assert plain_jpeg(data, 32) is None
    assert np.array_equal(decode_grey(data, 32), by_pillow(data, 32))


def test_a_png_is_left_to_pillow() -> None:
    out = io.BytesIO()
    scene().save(out, "PNG")
    assert np.array_equal(decode_grey(out.getvalue(), 32), by_pillow(out.getvalue(), 32))


SMALL = jpeg(scene(128, 128))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(2, len(SMALL) - 1), st.integers(0, 255)), max_size=3),
    st.none() | st.integers(0, len(SMALL)),
)
def test_damaged_bytes_are_refused_and_shown_as_by_pillow(
    changes: list[tuple[int, int]], cut: int | None
) -> None:
    """Whatever libjpeg only warns of goes through Pillow, and what Pillow refuses is refused."""
    data = bytearray(SMALL)
    for at, value in changes:
        data[at] = value
    hostile = bytes(data[:cut])
    reasons: list[str] = []
    shown = []
    for way in (decode_grey, by_pillow):
        try:
            shown.append(way(hostile, 8))
            reasons.append("")
        except Unreadable as error:
            reasons.append(error.reason)
    assert reasons[0] == reasons[1]
    if not reasons[0]:
        assert shown[0].shape == shown[1].shape


def test_a_warning_of_libjpeg_is_left_to_pillow() -> None:
    """Closed by somebody with an end marker, half-way: Pillow fills it with grey."""
    data = jpeg(scene())
    closed = data[: len(data) // 2] + b"\xff\xd9"
    assert plain_jpeg(closed, 32) is None
    assert np.array_equal(decode_grey(closed, 32), by_pillow(closed, 32))


def test_a_bomb_is_refused_before_anything_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(jpeg(scene()))
    at = data.find(b"\xff\xc0") + 5
    data[at : at + 4] = b"\xff\xf0\xff\xf0"
    monkeypatch.setattr(simplejpeg, "decode_jpeg", None)
    with pytest.raises(Unreadable, match="limit"):
        decode_grey(bytes(data), 32)
