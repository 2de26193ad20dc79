"""Which edited copies are found, at matched precision: pHash, imagededup, CleanVision, footwork.

    python bench/duplicates_edits.py [--photos 60] [--peers PYTHON]

Copies: twelve kinds of edit at three strengths (footwork.duplicates.edits) of some photos of
../shared/data/hymenoptera. False pairs: its 396 different photos, all of them against each other
(78,210). Each method gets the widest threshold that joins none of these. Then the tiles of
../shared/data/climbing_tiles: precision and recall of pairs against its manifest.

--peers: a Python that has imagededup (0.3.3; its networks, and so PyTorch, are not needed) and
cleanvision (0.3.7): pip install PyWavelets scikit-learn matplotlib tqdm cleanvision;
pip install --no-deps imagededup. Without it, their rows are left out.
"""

import argparse
import csv
import json
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from footwork.duplicates.calibrate import SAFE_AGREEMENT, SAFE_NEAR_AGREEMENT, SAFE_RADIUS
from footwork.duplicates.edits import EDITS, MIRRORED, STRENGTHS, Pixels, edited
from footwork.duplicates.evidence import (
    LEAST_COSINE,
    MAX_RADIUS,
    STRAIGHTENED_COSINE,
    Thresholds,
)
from footwork.duplicates.folder import folder_copies
from footwork.duplicates.hashes import bits_between, hash_pixels
from footwork.duplicates.registration import agreement, picture_of
from footwork.duplicates.search import BASE, Search, embedder
from footwork.images import decode, read_bytes
from footwork.machine import cores, describe_machine
from footwork.models.bases import registry
from footwork.models.networks import prepare

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
PEER = """
import json, sys, types
from pathlib import Path
for name, member in (("imagededup.methods.cnn", "CNN"), ("imagededup.utils.models", "CustomModel")):
    sys.modules[name] = types.ModuleType(name)  # they would import PyTorch
    setattr(sys.modules[name], member, None)
found = {}
try:
    from imagededup.methods import PHash
    hasher = PHash(verbose=False)
    found["imagededup"] = {
        str(p.relative_to(sys.argv[1])): hasher.encode_image(image_file=str(p))
        for p in sorted(Path(sys.argv[1]).rglob("*.png"))
    }
except Exception as error:
    found["imagededup_error"] = repr(error)
try:
    from cleanvision import Imagelab
    lab = Imagelab(data_path=sys.argv[1])
    lab.find_issues({"near_duplicates": {}, "exact_duplicates": {}}, verbose=False)
    sets = lab.info["near_duplicates"]["sets"] + lab.info["exact_duplicates"]["sets"]
    found["cleanvision"] = [[str(Path(p).relative_to(sys.argv[1])) for p in s] for s in sets]
except Exception as error:
    found["cleanvision_error"] = repr(error)
Path(sys.argv[2]).write_text(json.dumps(found))
"""

Copy = tuple[str, int, int]  # kind, strength, number of the photo
Bits = NDArray[np.int64]


def peers(python: str | None, folder: Path) -> tuple[dict[str, int], list[set[str]] | None]:
    """Return imagededup's codes by file, and CleanVision's sets of equal hashes."""
    if python is None:
        print("imagededup, CleanVision: left out, no --peers given")
        return {}, None
    answer = folder.parent / "peers.json"
    subprocess.run([python, "-c", PEER, str(folder), str(answer)], check=True, capture_output=True)
    found = json.loads(answer.read_text())
    for name in ("imagededup", "cleanvision"):
        if f"{name}_error" in found:
            print(f"{name}: left out, {found[f'{name}_error']}")
    codes = {name: int(code, 16) for name, code in found.get("imagededup", {}).items()}
    sets = found.get("cleanvision")
    return codes, None if sets is None else [set(some) for some in sets]


def zero_false(distances: Bits) -> int:
    """Return the widest radius, up to 20, that joins none of these pairs."""
    return min(int(distances.min()) - 1, 20)


def row(label: str, found: dict[Copy, bool]) -> None:
    cells = []
    for kind in EDITS:
        hits = [
            np.mean([hit for (k, s, _), hit in found.items() if (k, s) == (kind, strength)])
            for strength in STRENGTHS
        ]
        cells.append(" ".join(f"{100 * hit:3.0f}" for hit in hits))
    print(f"{label:34} | " + " | ".join(cells) + f" | {100 * np.mean(list(found.values())):5.1f}")


def edits(count: int, python: str | None) -> None:
    files = sorted((DATA / "hymenoptera").glob("*/*.jpg"))
    photos = [decode(read_bytes(path)) for path in files]
    chosen = np.sort(np.random.default_rng(0).choice(len(photos), count, replace=False)).tolist()
    copies: dict[Copy, Pixels] = {
        (kind, strength, i): edited(photos[i], kind, strength, i)
        for kind in EDITS
        for strength in STRENGTHS
        for i in chosen
    }
    whole = hash_pixels([*photos, *copies.values()], mirror=True).codes
    inner = hash_pixels([*photos, *copies.values()], trim=True).codes
    n = len(photos)
    a, b = np.triu_indices(n, 1)
    original = np.array([i for _kind, _strength, i in copies])
    plain = bits_between(whole[n:, :1], whole[original, :1])[:, 0]
    trimmed = bits_between(inner[n:], inner[original])[:, 0]
    turned = bits_between(whole[n:], whole[original, :1]).min(axis=1)
    false_plain = bits_between(whole[a, 0], whole[b, 0])
    false_hash = np.minimum(false_plain, bits_between(inner[a, 0], inner[b, 0]))
    false_turned = np.minimum(false_hash, bits_between(whole[a], whole[b, :1]).min(axis=1))
    names = list(copies)

    def said(hits: NDArray[np.bool_]) -> dict[Copy, bool]:
        return dict(zip(names, hits.tolist(), strict=True))

    print(f"{count} of {n} photos x {len(EDITS)} kinds x 3 strengths; {len(a):,} false pairs")
    print(f"{'found, percent':34} | " + " | ".join(f"{kind:11}" for kind in EDITS) + " | all")
    for radius in range(0, MAX_RADIUS + 1, 2):
        row(f"pHash r={radius} ({(false_plain <= radius).sum()} false)", said(plain <= radius))
    widest = zero_false(false_plain)
    row(f"pHash, none false (r={widest})", said(plain <= widest))

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "all")
        if python is not None:
            write(folder, {f"{i:03}": pixels for i, pixels in enumerate(photos)})
            write(folder, {f"{k} {s} {i:03}": pixels for (k, s, i), pixels in copies.items()})
        codes, sets = peers(python, folder)
    if codes:
        mine = np.array([codes[f"{i:03}.png"] for i in range(n)], dtype=np.uint64)[:, None]
        theirs = np.array([codes[f"{k} {s} {i:03}.png"] for k, s, i in names], dtype=np.uint64)
        false = bits_between(mine[a], mine[b])
        apart = bits_between(theirs[:, None], mine[original])
        row(f"imagededup r=10 ({(false <= 10).sum()} false)", said(apart <= 10))
        widest = zero_false(false)
        row(f"imagededup, none false (r={widest})", said(apart <= widest))
    if sets is not None:
        joined = {pair for some in sets for pair in combinations(sorted(some), 2)}
        false_ones = sum(len(x) == len(y) == 7 for x, y in joined)
        ends = [tuple(sorted((f"{i:03}.png", f"{k} {s} {i:03}.png"))) for k, s, i in names]
        row(f"CleanVision ({false_ones} false)", {c: e in joined for c, e in zip(names, ends)})  # noqa: B905

    widest = zero_false(false_hash)
    by_hash = np.minimum(plain, trimmed) <= widest
    row(f"footwork hash, none false (r={widest})", said(by_hash))
    turned_to = zero_false(false_turned)
    is_flip = np.array([kind in MIRRORED for kind, _s, _i in names])
    by_mirror = np.minimum(turned, trimmed) <= turned_to
    row(f"footwork hash --mirror (r={turned_to})", said(by_mirror))
    bits = np.minimum(plain, trimmed)
    cosine, agreed = second_stage(photos, copies, bits <= MAX_RADIUS)
    proposed = (bits <= MAX_RADIUS) | (cosine >= LEAST_COSINE)
    thresholds = Thresholds(SAFE_RADIUS, SAFE_AGREEMENT, SAFE_NEAR_AGREEMENT)
    in_detail = proposed & thresholds.in_detail(bits, agreed)
    safe = bits <= SAFE_RADIUS
    row(f"footwork both, as shipped (r={SAFE_RADIUS})", said(safe | (in_detail & ~is_flip)))
    row(f"footwork both, none false (r={widest})", said(by_hash | (in_detail & ~is_flip)))
    without_near = Thresholds(SAFE_RADIUS, SAFE_AGREEMENT, SAFE_AGREEMENT)
    in_detail = proposed & without_near.in_detail(bits, agreed)
    row(f"footwork both --mirror (r={turned_to})", said(by_mirror | in_detail))


def write(folder: Path, pictures: dict[str, Pixels]) -> None:
    folder.mkdir(exist_ok=True)
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(folder / f"{name}.png", compress_level=1)


def second_stage(
    photos: Sequence[Pixels], copies: dict[Copy, Pixels], close: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return cosine and agreement of each copy with its photo."""
    embed: Callable[[Sequence[Pixels]], NDArray[np.float32]] = embedder(
        prepare(registry()[BASE], lambda: np.zeros(0, dtype=np.float32))
    )

    def of_one(copy: Copy, near: bool) -> tuple[float, float]:
        photo, pixels = photos[copy[2]], copies[copy]
        one, two = embed([photo, pixels]).astype(np.float64)
        cosine = float(one @ two / np.linalg.norm(one) / np.linalg.norm(two))
        agreed = agreement(
            picture_of(photo),
            picture_of(pixels),
            turned=cosine >= STRAIGHTENED_COSINE,
            mirrored=copy[0] in MIRRORED,
            close=near,
        )
        return cosine, agreed

    with ThreadPoolExecutor(cores()) as pool:
        found = np.array(list(pool.map(of_one, copies, close.tolist())))
    return found[:, 0], found[:, 1]


def tiles(python: str | None) -> None:
    """Pairs of tiles against the manifest; and how many false pairs the 396 photos give."""
    with (DATA / "climbing_tiles" / "manifest.csv").open() as file:
        photo = {line["file"]: line["photo"] for line in csv.DictReader(file)}
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name, number in photo.items():
        groups[number].append(name)
    truth = {pair for some in groups.values() for pair in combinations(sorted(some), 2)}
    seen = folder_copies([DATA / "climbing_tiles"], Search())
    ours = {
        pair
        for group in seen.groups
        for pair in combinations(
            sorted([group.keep.name, *(file.name for file, _why, _pair in group.copies)]), 2
        )
    }
    print(f"climbing_tiles: {len(photo)} tiles of {len(groups)} photos, {len(truth)} pairs")
    report(f"footwork, calibrated (r={seen.calibration.radius})", ours, truth)
    codes, sets = peers(python, DATA / "climbing_tiles")
    if codes:
        near = {
            (x, y)
            for x, y in combinations(sorted(codes), 2)
            if (codes[x] ^ codes[y]).bit_count() <= 10
        }
        report("imagededup, default (r=10)", near, truth)
    if sets is not None:
        pairs = {pair for some in sets for pair in combinations(sorted(some), 2)}
        report("CleanVision", pairs, truth)
    different = folder_copies([DATA / "hymenoptera"], Search())
    print(
        f"396 different photos: footwork joins {len(different.pairs)} pairs. "
        f"{different.calibration.sentence}"
    )


def report(label: str, found: set[tuple[str, str]], truth: set[tuple[str, str]]) -> None:
    right = len(found & truth)
    precision = right / len(found) if found else 1.0
    print(f"{label:34} precision {precision:.3f}, recall {right / len(truth):.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--peers", help="a Python with imagededup and cleanvision")
    options = parser.parse_args()
    machine = describe_machine()
    print(f"{machine.cpu}, {machine.cores} cores")
    tiles(options.peers)
    edits(options.photos, options.peers)


if __name__ == "__main__":
    main()
