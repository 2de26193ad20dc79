"""What a photo costs `footwork clean`: ways to write the PNG, and threads against processes.

    python bench/clean_speed.py [--photos N]

On photos of ../shared/data/hymenoptera, as they are (500 x 375 and less) and enlarged to
1024 x 768 with a JPEG's grain; and on a drawn page of text. Run it on a quiet machine.
"""

import argparse
import functools
import io
import multiprocessing
import os
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from footwork.cleaning.png import encode_png
from footwork.cleaning.quality import measure
from footwork.images import decode

PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "data" / "hymenoptera"
WAYS = {
    "level 1 (ours)": {"compress_level": 1},
    "run-length": {"compress_type": zlib.Z_RLE},
    "level 3": {"compress_level": 3},
    "level 6 (Pillow's default)": {"compress_level": 6},
}


def one(data: bytes) -> int:
    """All the work on one photo but the disk."""
    pixels = decode(data)
    measure(pixels)
    return len(encode_png(pixels))


def enlarged(data: bytes) -> bytes:
    image = Image.fromarray(decode(data)).resize((1024, 768), Image.Resampling.BICUBIC)
    grain = np.random.default_rng(0).normal(0, 4, (768, 1024, 1))
    pixels = (np.asarray(image) + grain).clip(0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=88)
    return out.getvalue()


def page() -> Image.Image:
    image = Image.new("RGB", (1280, 960), "white")
    for line in range(20, 940, 26):
        ImageDraw.Draw(image).text((30, line), "many small words " * 9, fill="black", font_size=18)
    return image


def ways(name: str, images: Sequence[Image.Image]) -> None:
    pixels = sum(image.width * image.height for image in images)
    for way, options in WAYS.items():
        started, size = time.process_time(), 0
        for image in images:
            out = io.BytesIO()
            image.save(out, "PNG", **options)
            size += out.tell()
        spent = time.process_time() - started
        print(
            f"{name:<12} {way:<28} {pixels / 1e6 / spent:>6.1f} MP/s  {size / pixels:.2f} B/pixel"
        )


def pools(name: str, files: Sequence[bytes]) -> None:
    cores = os.cpu_count() or 1
    spawned = functools.partial(
        ProcessPoolExecutor, mp_context=multiprocessing.get_context("spawn")
    )
    kinds: list[tuple[str, int, Executor]] = [
        ("threads", 1, ThreadPoolExecutor(1)),
        ("threads", cores, ThreadPoolExecutor(cores)),
        ("processes", cores, spawned(cores)),
    ]
    for kind, count, pool in kinds:
        with pool:
            list(pool.map(one, files[: 2 * cores]))  # started and warm
            started = time.perf_counter()
            list(pool.map(one, files))
            rate = len(files) / (time.perf_counter() - started)
        print(f"{name:<12} {count:>2} {kind:<10} {rate:>6.1f} photos/s")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=int, default=96)
    paths = sorted(PHOTOS.rglob("*.jpg"))[: parser.parse_args().photos]
    files = [path.read_bytes() for path in paths]
    large = [enlarged(data) for data in files[: max(8, len(files) // 3)]]
    ways("photos", [Image.fromarray(decode(data)) for data in files])
    ways("1024 x 768", [Image.fromarray(decode(data)) for data in large[:12]])
    ways("page of text", [page()])
    pools("photos", files)
    pools("1024 x 768", large)


if __name__ == "__main__":
    main()
