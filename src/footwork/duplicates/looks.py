"""By what a photo is known again after it was taken down."""

from collections.abc import Sequence

from footwork.duplicates.hashes import hash_images


def looks(data: bytes) -> Sequence[int]:
    """Return the 64-bit pHashes of a photo, upright first, then mirrored and turned; () if it is
    too blank to be known by them. See `tombstones.Looks`.
    """
    seen = hash_images([data], bytes, mirror=True)
    return () if seen.low_information[0] else [int(code) for code in seen.codes[0, :, 0]]
