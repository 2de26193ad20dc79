"""bodies.parquet: where the climbers' joints are in the photos of a run, for its pictures.

One row per photo in which somebody was found and landmark (0 to 32, BlazePose's order): image
(SHA-256), landmark, x, y in the unit of the photo letterboxed into a square, visibility in [0, 1].
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from footwork.errors import DataError
from footwork.models.pose import LANDMARKS
from footwork.tables import read_table, write_parquet

Bodies = Mapping[str, NDArray[np.float32]]  # SHA-256 -> (33, 3): x, y, visibility


def write_bodies(path: Path, bodies: Bodies) -> None:
    images = sorted(bodies)
    marks = np.concatenate([bodies[image][:, :3] for image in images])
    write_parquet(
        path,
        {
            "image": np.repeat(np.array(images, dtype=object), LANDMARKS),
            "landmark": np.tile(np.arange(LANDMARKS), len(images)),
            "x": marks[:, 0],
            "y": marks[:, 1],
            "visibility": marks[:, 2],
        },
    )


def read_bodies(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read what `write_bodies` wrote; {} where there is no such file. Raises DataError."""
    if not path.exists():
        return {}
    table = read_table(path)
    try:
        order = np.lexsort((table["landmark"].astype(np.int64), table["image"].astype(str)))
        marks = np.stack([table[name][order] for name in ("x", "y", "visibility")], axis=1)
        images = table["image"][order]
        whole = marks.astype(np.float32).reshape(-1, LANDMARKS, 3)
    except (KeyError, ValueError) as error:
        raise DataError(f"{path} is not a table of landmarks: {error}") from error
    return {str(image): whole[i] for i, image in enumerate(images[::LANDMARKS])}
