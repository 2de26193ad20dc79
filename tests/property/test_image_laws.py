"""Whatever the bytes: right pixels or a reason, and nothing else."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from footwork import images
from footwork.images import Unreadable, decode, fit, inspect

SMALL = np.random.default_rng(0).integers(0, 256, (5, 8, 3), dtype=np.uint8)
PHOTO = Image.fromarray(SMALL).resize((48, 30), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


WHOLE = {
    "jpeg": encoded(PHOTO, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"),
    "progressive": encoded(PHOTO, "JPEG", progressive=True),
    "restarts": encoded(PHOTO, "JPEG", restart_marker_blocks=3),
    "cmyk": encoded(PHOTO.convert("CMYK"), "JPEG"),
    "png": encoded(PHOTO, "PNG"),
    "gif": encoded(PHOTO, "GIF", save_all=True, append_images=[PHOTO.rotate(90)]),
    "webp": encoded(PHOTO, "WEBP"),
    "webp lossless": encoded(PHOTO.convert("RGBA"), "WEBP", lossless=True),
    "bmp": encoded(PHOTO, "BMP"),
    "tiff": encoded(PHOTO, "TIFF"),
}
STARTS = [b"", *images.SIGNATURES, b"RIFF\0\0\0\0WEBPVP8 ", b"\0\0\0\x18ftypavif\0\0\0\0mif1"]


def is_a_picture_or_a_reason(data: bytes) -> None:
    try:
        facts = inspect(data)
    except Unreadable as unreadable:
        reason = unreadable.reason
        with pytest.raises(Unreadable):
            decode(data)
    else:
        reason = "none"
        pixels = decode(data)
        assert pixels.dtype == np.uint8
        assert pixels.shape == (facts.height, facts.width, 3)
    assert reason == " ".join(reason.split()) != ""
    assert len(reason) < 250


@settings(deadline=None)
@given(st.sampled_from(STARTS), st.binary(max_size=400))
def test_random_bytes_give_a_reason(start: bytes, rest: bytes) -> None:
    is_a_picture_or_a_reason(start + rest)


@pytest.mark.parametrize("kind", WHOLE)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_flipped_bytes_give_a_picture_or_a_reason(kind: str, data: st.DataObject) -> None:
    changed = bytearray(WHOLE[kind])
    headers = min(len(changed) - 1, 200)  # where a flip does most
    for _ in range(data.draw(st.integers(1, 5))):
        last = data.draw(st.sampled_from([headers, len(changed) - 1]))
        changed[data.draw(st.integers(0, last))] = data.draw(st.integers(0, 255))
    is_a_picture_or_a_reason(bytes(changed))


@pytest.mark.parametrize("kind", ["jpeg", "progressive", "restarts", "cmyk"])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_markers_among_the_pixels_give_a_picture_or_a_reason(
    kind: str, data: st.DataObject
) -> None:
    """`inspect` leaves the coded pixels of a JPEG out: what is in there must not matter."""
    changed = bytearray(WHOLE[kind])
    for _ in range(data.draw(st.integers(1, 3))):
        start = WHOLE[kind].index(b"\xff\xda")
        at = data.draw(st.integers(start, len(changed)))
        marker = data.draw(st.sampled_from([0, 1, 2, 0xC0, 0xC2, 0xC4, *range(0xD0, 0xE0), 0xFF]))
        length = data.draw(st.sampled_from([b"", b"\0\2", b"\0\3\0", b"\0\1", b"\xff\xff"]))
        changed[at : at + data.draw(st.integers(0, 4))] = bytes([0xFF, marker]) + length
    is_a_picture_or_a_reason(bytes(changed))


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 160))
@settings(max_examples=60, deadline=None)
def test_the_shorter_side_keeps_what_was_asked_for(width: int, height: int, size: int) -> None:
    data = encoded(PHOTO.resize((width * 8, height * 8)), "JPEG")

    pixels = decode(data, at_least=size)

    full = (height * 8, width * 8)
    if pixels.shape[:2] != full:
        assert min(pixels.shape[:2]) >= 2 * size
        scale = full[0] / pixels.shape[0]
        assert scale == full[1] / pixels.shape[1]
        assert scale in (2, 4, 8)
    if min(full) < 4 * size:
        assert pixels.shape[:2] == full


@given(
    st.integers(1, 400),
    st.integers(1, 400),
    st.integers(16, 96),
    st.sampled_from(["centre", "squash", "letterbox"]),
    st.floats(0.05, 1.0),
    st.sampled_from(["bilinear", "bicubic"]),
)
@settings(max_examples=150, deadline=None)
def test_fit_keeps_its_laws(
    width: int, height: int, side: int, crop: str, fraction: float, resize: str
) -> None:
    """One shape for all, and a plain colour stays plain: nothing is blended with an outside."""
    plain = np.full((height, width, 3), (10, 120, 240), np.uint8)
    fitted: NDArray[np.uint8] = fit(plain, side, crop, fraction, resize)  # type: ignore[arg-type]

    assert fitted.shape == (side, side, 3)
    inside = (fitted == [10, 120, 240]).all(axis=2)
    bars = (fitted == 127).all(axis=2)
    assert (inside | bars).all()
    assert crop == "letterbox" or inside.all()
    assert inside.any()
