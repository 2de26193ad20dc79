"""Hashes per second from JPEG files: imagehash and imagededup's default against footwork.

    python bench/hash_speed.py [--photos 2000] [--width 1024] [--height 768] [--rounds 3]
                               [--peers PYTHON]

The photos are drawn (smooth noise, shapes, grain), so that a JPEG has the bytes of a camera's.
Peers: imagehash.phash in one process per core, and imagededup's PHash().encode_images with its
own defaults. Ours, in threads: hash_images at phash64 and, for scale, phash256; and what dedupe
does, hash_twice: the codes of all eight flips and turns, and those without borders. Rounds are
interleaved. The answers are compared: how far our codes are from imagehash's, which decodes every
picture in full.

--peers: a Python that has imagededup (0.3.3; its networks, and so PyTorch, are not needed): pip
install PyWavelets scikit-learn matplotlib tqdm; pip install --no-deps imagededup.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image, ImageDraw

from footwork.duplicates.hashes import bits_between, hash_images, hash_twice
from footwork.images import read_bytes
from footwork.machine import cores, describe_machine, library_versions

PEER = """
import sys, types
for name, member in (("imagededup.methods.cnn", "CNN"), ("imagededup.utils.models", "CustomModel")):
    sys.modules[name] = types.ModuleType(name)  # they would import PyTorch
    setattr(sys.modules[name], member, None)
from imagededup.methods import PHash
if __name__ == "__main__":
    hasher = PHash(verbose=False)
    for _line in sys.stdin:
        print(len(hasher.encode_images(image_dir=sys.argv[1])), flush=True)
"""


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


class Imagededup:
    """Another Python, asked to hash the same folder again and again; imports are not timed."""

    def __init__(self, python: str, folder: Path) -> None:
        self.process = subprocess.Popen(
            [python, "-c", PEER, str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def run(self) -> int:
        """Return how many photos have a hash now."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print("go", file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--height", type=int, default=768)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", help="a Python with imagededup")
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
            "footwork dedupe (twice)": lambda: hash_twice(files, read_bytes),
            "footwork phash256": lambda: hash_images(files, read_bytes, "phash256"),
        }
        if options.peers:
            peer = Imagededup(options.peers, folder)
            if peer.run() != len(files):
                raise SystemExit("imagededup did not hash every photo")
            runs["imagededup PHash, default"] = peer.run
        else:
            print("imagededup: left out, no --peers given")
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

    machine, versions = describe_machine(), library_versions(("imagehash", "simplejpeg", "pillow"))
    print(
        f"{options.photos} JPEGs of {options.width} x {options.height}, {size / 1000:.0f} kB each"
    )
    print(
        f"{machine.cpu}, {machine.cores} cores, load {os.getloadavg()[0]:.1f}, "
        f"{', '.join(f'{name} {number}' for name, number in versions.items())}"
    )
    for label, taken in seconds.items():
        said = []
        for ours in ("footwork phash64", "footwork dedupe (twice)"):
            ratios = [b / a for a, b in zip(seconds[ours], taken, strict=True)]
            middle, low, high = statistics.median(ratios), min(ratios), max(ratios)
            said.append(f"{middle:.2f} times as long as {ours} ({low:.2f} to {high:.2f})")
        print(f"{label:26} {options.photos / statistics.median(taken):6.0f} a second; takes")
        print(f"    {'; '.join(said)}")
    print(
        f"phash64 against imagehash after a full decode: equal {np.mean(off == 0):.4f}, "
        f"within 2 bits {np.mean(off <= 2):.4f}, at most {off.max()} bits"
    )


if __name__ == "__main__":
    main()
