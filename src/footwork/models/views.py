"""Views: which part of a photo a base model sees, and how that becomes a square.

own                            the crop of the base's contract, one of the next three
centre, squash, letterbox      the whole photo, as `InputContract` says
top_left, ... bottom_right     a square in a corner, as large as what `centre` keeps
body, feet, hands, higher_foot, lower_foot
                               a square around a part of the climber, found by the base `pose`;
                               the base's own crop where nobody is found
NAME-mirrored                  any of them, left and right swapped
mild-1, mild-2, ...            random draws that keep a label: a crop of most of it, turned by a
                               few degrees, lighter or darker, perhaps mirrored; the same bytes
                               and number give the same draw
"""

import hashlib
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import AfterValidator

from footwork.images import decode, fit
from footwork.models.contract import Crop, InputContract
from footwork.models.pose import ANKLES, CLEARLY_VISIBLE, HEELS, HIPS, SHOULDERS, TOES, WRISTS

OWN = "own"
CROPS: tuple[Crop, ...] = ("centre", "squash", "letterbox")
CORNERS = {"top_left": (0, 0), "top_right": (0, 1), "bottom_left": (1, 0), "bottom_right": (1, 1)}
REGIONS = ("body", "feet", "hands", "higher_foot", "lower_foot")
MIRRORED = "-mirrored"
PLAIN = (OWN, *CROPS, *CORNERS, *REGIONS)
MILD, MOST_DRAWS = "mild-", 32
VIEWS = (
    *(name + end for name in PLAIN for end in ("", MIRRORED)),
    *(f"{MILD}{i + 1}" for i in range(MOST_DRAWS)),
)
# The label is where heel and toe are: no flip upside down, no turn that makes above of below.
MOST_TURN = 8.0  # degrees
LEAST_AREA = 0.75  # of the square that the crop is taken from
MOST_LIGHT = 0.25  # of brightness and of contrast, up or down

# In torsos (middle of the shoulders to middle of the hips; a foot is half a torso long): what is
# kept around a foot or a hand, to each side.
AROUND = 0.6
BODY_MARGIN = 0.15  # of the body's longer side, to each side
LEAST = 1 / 6  # of the picture's longer side: a smaller square shows pixels, not a foot

Box = tuple[float, float, float, float]  # left, top, right, bottom; see `region_box`
Landmarks = NDArray[np.float32]


def known_view(name: str) -> str:
    if name not in VIEWS:
        raise ValueError(
            f"there is no view {name!r}; there is {', '.join(PLAIN)}, and each with {MIRRORED} "
            "behind it"
        )
    return name


View = Annotated[str, AfterValidator(known_view)]


def needs_body(view: str) -> bool:
    return view.removesuffix(MIRRORED) in REGIONS


def square(
    data: bytes, contract: InputContract, view: str, box: Box | None = None
) -> NDArray[np.uint8]:
    """Turn a photo's bytes into the (side, side, 3) uint8 picture that the base sees.

    box: for a region, where it is (`region_box`); None where nobody was found. Raises Unreadable.
    """
    name = view.removesuffix(MIRRORED)
    side = contract.side
    if name in REGIONS:
        if box is None:
            pixels = square(data, contract, contract.crop)
        else:
            pixels = fit(cut_out(decode(data), box), side, "squash", 1, contract.resize)
    elif name.startswith(MILD):
        pixels = mild(data, contract, int(name.removeprefix(MILD)))
    elif name in CORNERS:
        whole = decode(data, at_least=round(side / contract.crop_fraction))
        pixels = fit(corner(whole, name, contract), side, "squash", 1, contract.resize)
    else:
        (crop,) = (crop for crop in CROPS if crop == name)
        shorter = side / (contract.crop_fraction if crop == "centre" else 1)
        whole = decode(data, at_least=round(shorter))
        pixels = fit(whole, side, crop, contract.crop_fraction, contract.resize)
    return np.ascontiguousarray(pixels[:, ::-1]) if name != view else pixels


def corner(pixels: NDArray[np.uint8], name: str, contract: InputContract) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    length = max(1, round(min(height, width) * contract.crop_fraction))
    down, right = CORNERS[name]
    top, left = down * (height - length), right * (width - length)
    return pixels[top : top + length, left : left + length]


def mild(data: bytes, contract: InputContract, number: int) -> NDArray[np.uint8]:
    """Return draw `number` of a photo, slightly changed: (side, side, 3) uint8."""
    seed = hashlib.sha256(data).digest() + number.to_bytes(4, "big")
    rng = np.random.default_rng(np.frombuffer(hashlib.sha256(seed).digest(), np.uint32))
    large = contract.model_copy(update={"side": round(1.25 * contract.side)})
    return changed(square(data, large, contract.crop), contract.side, rng)


def changed(whole: NDArray[np.uint8], side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a picture (s, s, 3) cropped, turned, lit and mirrored at random: (side, side, 3)."""
    edge = len(whole) // 8  # what a turn brings in from outside mirrors the rim
    padded = np.pad(whole, ((edge, edge), (edge, edge), (0, 0)), mode="reflect")
    length = len(whole) * np.sqrt(rng.uniform(LEAST_AREA, 1))
    start = edge + rng.uniform(0, len(whole) - length, size=2)
    middle = start + length / 2
    angle = np.deg2rad(rng.uniform(-MOST_TURN, MOST_TURN))
    a, b = np.cos(angle) * length / side, np.sin(angle) * length / side
    c, d = -b, a
    if rng.random() < 0.5:  # mirrored: the first axis runs the other way
        a, c = -a, -c
    half = side / 2
    x, y = middle[0] - (a + b) * half, middle[1] - (c + d) * half
    turned = Image.fromarray(padded).transform(
        (side, side),
        Image.Transform.AFFINE,
        (a, b, x, c, d, y),
        resample=Image.Resampling.BICUBIC,
    )
    light, contrast = 1 + rng.uniform(-MOST_LIGHT, MOST_LIGHT, size=2)
    values = np.asarray(turned, dtype=np.float32)
    values = (values - 127) * np.float32(contrast) + np.float32(127 * light)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def cut_out(pixels: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Return the square of `box`, moved into the picture and no longer than its shorter side."""
    height, width = pixels.shape[:2]
    longer = max(height, width)
    left, top, right, bottom = box
    # From the unit of the letterboxed square, in which the picture lies in the middle.
    across = (left + right) / 2 * longer - (longer - width) / 2
    down = (top + bottom) / 2 * longer - (longer - height) / 2
    wanted = max(right - left, bottom - top, LEAST) * longer
    length = int(np.clip(round(wanted), 1, min(height, width)))
    x = int(np.clip(round(across - length / 2), 0, width - length))
    y = int(np.clip(round(down - length / 2), 0, height - length))
    return pixels[y : y + length, x : x + length]


def region_box(landmarks: Landmarks | None, view: str) -> Box | None:
    """Return where a region lies; None if nobody was found or the part is not to be seen.

    landmarks: (33, 3+), x and y in [0, 1] of the photo letterboxed into a square, visibility.
    The result is in the same unit, and may lie outside the picture.
    """
    if landmarks is None:
        return None
    name = view.removesuffix(MIRRORED)
    points, seen = landmarks[:, :2].astype(np.float64), landmarks[:, 2]
    if name == "body":
        visible = points[seen >= CLEARLY_VISIBLE]
        if len(visible) < 2:
            return None
        low, high = visible.min(axis=0), visible.max(axis=0)
        margin = BODY_MARGIN * float((high - low).max())
        return as_box(low - margin, high + margin)
    feet = [list(parts) for parts in zip(ANKLES, HEELS, TOES, strict=True)]
    feet.sort(key=lambda parts: points[parts[0], 1])  # y points down: the higher ankle first
    chosen = {
        "higher_foot": feet[0],
        "lower_foot": feet[1],
        "feet": feet[0] + feet[1],
        "hands": list(WRISTS),
    }[name]
    torso = float(np.hypot(*(points[list(SHOULDERS)].mean(0) - points[list(HIPS)].mean(0))))
    part = points[chosen]
    if not np.isfinite(part).all() or not np.isfinite(torso):
        return None
    return as_box(part.min(axis=0) - AROUND * torso, part.max(axis=0) + AROUND * torso)


def as_box(low: NDArray[np.float64], high: NDArray[np.float64]) -> Box:
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])
