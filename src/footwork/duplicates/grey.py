"""The brightness of a photo, as small as a hash looks at it: an `images.decode` for hashes only.

A plain JPEG is read by libjpeg-turbo (simplejpeg) straight to grey: three quarters of Pillow's
time, most of which is entropy decoding that nobody can leave out. `images` stays the judge:
whatever is not plain (too large, too many scans, another colour space, a profile, a warning of
libjpeg, such as that of a missing end) is decoded or refused there.
"""

import io

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from footwork.images import (
    DECODER,
    MAX_PIXELS,
    TURNS,
    check_scans,
    decode,
    orientation,
    scale_for,
    sniffed,
    transform_for,
)

Grey = NDArray[np.uint8]

GREY_DECODER = f"{DECODER}+simplejpeg-{simplejpeg.__version__}"


def decode_grey(data: bytes, at_least: int) -> Grey:
    """Return (height, width) uint8: `images.decode` at the same size, without its colours.

    Where a JPEG is decoded smaller (see `decode`), this is its own luma; Pillow's way to RGB and
    back rounds twice and clips what no screen shows, so values differ by a level or two. Else it
    is exactly what Pillow makes of the RGB. Raises Unreadable exactly where `decode` does.
    """
    if sniffed(data) == "jpeg":
        grey = plain_jpeg(data, at_least)
        if grey is not None:
            return grey
    return np.asarray(Image.fromarray(decode(data, at_least)).convert("L"))


def plain_jpeg(data: bytes, at_least: int) -> Grey | None:
    """Return the upright luma of a JPEG that is smaller than its file; None if it is not plain."""
    try:
        file = io.BytesIO(data)
        image = JpegImageFile(file)
        if not in_one_scan(image, data[: file.tell()]):
            check_scans(data)
        width, height = image.size
        scale = scale_for(image.size, at_least)
        profile = image.info.get("icc_profile")
        if scale == 1 or width * height > MAX_PIXELS:
            return None
        if image.mode not in ("L", "RGB") or transform_for(profile, image.mode) is not None:
            return None
        if simplejpeg.decode_jpeg_header(data)[2] not in ("Gray", "YCbCr"):
            return None
        size = height // scale, width // scale
        # strict: every warning of libjpeg is a ValueError.
        grey = simplejpeg.decode_jpeg(
            data, "GRAY", min_height=size[0], min_width=size[1], strict=True
        )[:, :, 0]
        if grey.shape != size:
            return None
        turn = TURNS.get(orientation(image))
    except Exception:  # `decode` will say what is wrong, or be more patient
        return None
    return grey if turn is None else np.asarray(Image.fromarray(grey).transpose(turn))


def in_one_scan(image: JpegImageFile, head: bytes) -> bool:
    """Whether a JPEG cannot have another scan that costs time. head: up to the coded pixels.

    It has all of its pixels in the first one: then libjpeg decodes no other.
    """
    count = image.layers
    header = bytes([0xFF, 0xDA, 0, 6 + 2 * count, count])  # then what each is coded by, and 3 more
    return "progressive" not in image.info and header == head[-8 - 2 * count :][:5]
