"""Hashes per second from JPEG files: imagehash and imagededup's default against footwork.

    python bench/hash_speed.py [--photos 2000] [--width 1024] [--height 768] [--rounds 3]

The photos are drawn (smooth noise, shapes, grain), so that a JPEG has the bytes of a camera's.
Peers: imagehash.phash in one process per core, and imagededup's PHash().encode_images with its
own defaults where it is installed (it needs PyTorch; footwork never does). Ours: hash_images in
threads, at the default phash64 and, for scale, phash256. Rounds are interleaved. The answers are
compared: how far our codes are from imagehash's, which decodes every picture in full.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image, ImageDraw

from footwork.duplicates.hashes import bits_between, hash_images
from footwork.images import read_bytes
from footwork.machine import cores, describe_machine, library_versions


def draw(path: Path, width: int, height: int) -> None:
    rng = np.random.default_rng(int(path.stem))
    canvas = np.zeros((height, width, 3), dtype=np.float32)
    for cells in (3, 8, 20, 60):
        noise = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        canvas += np.asarray(noise.resize((width, height), Image.Resampling.BILINEAR)) / cells**0.7
    canvas *= 255 / canvas.max()
    image = Image.fromarray(canvas.astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(30):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        box = (x, y, x + int(rng.integers(5, width // 5)), y + int(rng.integers(5, height // 5)))
        pen.ellipse(box, fill=tuple(rng.integers(0, 256, 3).tolist()))
    grain = rng.integers(-9, 10, (height, width, 1), dtype=np.int16)
    noisy = (np.asarray(image, dtype=np.int16) + grain).clip(0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(path, "JPEG", quality=85)


def code_of_imagehash(path: Path) -> int:
    return int(str(imagehash.phash(Image.open(path))), 16)


def with_imagehash(files: list[Path], pool: ProcessPoolExecutor) -> list[int]:
    return list(pool.map(code_of_imagehash, files, chunksize=32))


def with_imagededup(folder: Path) -> dict[str, str]:
    from imagededup.methods import PHash

    codes: dict[str, str] = PHash(verbose=False).encode_images(image_dir=folder)
    return codes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--height", type=int, default=768)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ProcessPoolExecutor(cores()) as pool:
        folder = Path(name)
        files = [folder / f"{number:06d}.jpg" for number in range(options.photos)]
        with ThreadPoolExecutor(cores()) as threads:
            paint = partial(draw, width=options.width, height=options.height)
            list(threads.map(paint, files))
        size = statistics.mean(path.stat().st_size for path in files)
        runs: dict[str, Callable[[], object]] = {
            f"imagehash, {cores()} processes": lambda: with_imagehash(files, pool),
            "footwork phash64": lambda: hash_images(files, read_bytes),
            "footwork phash256": lambda: hash_images(files, read_bytes, "phash256"),
        }
        if find_spec("imagededup"):
            runs["imagededup PHash, default"] = lambda: with_imagededup(folder)
        else:
            print("imagededup is not installed: left out")
        for run in runs.values():
            run()  # imports, processes, the files in the page cache
        seconds: dict[str, list[float]] = {label: [] for label in runs}
        for _ in range(options.rounds):
            for label, run in runs.items():
                started = time.perf_counter()
                run()
                seconds[label].append(time.perf_counter() - started)
        expected = np.array(with_imagehash(files, pool), dtype=np.uint64)[:, None]
        off = bits_between(hash_images(files, read_bytes).codes[:, 0], expected)

    machine, versions = describe_machine(), library_versions(("imagehash", "imagededup", "pillow"))
    print(
        f"{options.photos} JPEGs of {options.width} x {options.height}, {size / 1000:.0f} kB each"
    )
    print(
        f"{machine.cpu}, {machine.cores} cores, load {os.getloadavg()[0]:.1f}, "
        f"{', '.join(f'{name} {number}' for name, number in versions.items())}"
    )
    ours = seconds["footwork phash64"]
    for label, taken in seconds.items():
        ratios = [b / a for a, b in zip(ours, taken, strict=True)]
        print(
            f"{label:28} {options.photos / statistics.median(taken):7.0f} a second; takes "
            f"{statistics.median(ratios):.2f} times as long as footwork phash64 "
            f"({min(ratios):.2f} to {max(ratios):.2f})"
        )
    print(
        f"phash64 against imagehash after a full decode: equal {np.mean(off == 0):.4f}, "
        f"within 2 bits {np.mean(off <= 2):.4f}, at most {off.max()} bits"
    )


if __name__ == "__main__":
    main()
