"""A catalog with collected photos, made without any network: what the web would have answered."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from footwork.catalog import Catalog
from footwork.collecting.hits import Hit, Query
from footwork.collecting.keep import Answer, Keeper
from footwork.collecting.ledger import Asked, Ended, Ledger, Outcome
from photo_folders import png

HEEL = Query("heel_hook", "en", "climbing heel hook")
TOE = Query("toe_hook", "ja", "トゥフック")


def hit(number: int, query: Query = HEEL, source: str = "openverse", **more: str | None) -> Hit:
    facts: dict[str, str | None] = {
        "page_url": f"https://photos.example/page/{number}",
        "title": f"Photo {number}",
        "author": f"Author {number % 3}",
        "licence": "by-sa",
        "licence_url": "https://creativecommons.org/licenses/by-sa/4.0/",
    }
    url = str(more.pop("image_url", None) or f"https://photos.example/{number}.png")
    return Hit(source, query, url, **(facts | more))  # type: ignore[arg-type]


def collect(
    catalog: Catalog,
    hits: list[Hit],
    photos: Mapping[str, bytes] | None = None,
    *,
    keeper: Keeper | None = None,
    finish: bool = True,
) -> int:
    """Do what a collection does with these hits. photos: URL -> bytes; else one per URL."""
    ledger = Ledger(catalog)
    keeper = keeper or Keeper(catalog)
    asked = sorted({(h.source, h.query) for h in hits}, key=repr)
    number, _resumed = ledger.begin([Asked(*search, 100) for search in asked])
    judged = [(h, keeper.left_out(h)) for h in hits]
    ledger.note(number, judged)
    for url in dict.fromkeys(h.image_url for h, out in judged if out is None):
        data = (photos or {}).get(url) or png(sum(url.encode()), 40)
        ledger.record(number, [kept(keeper, url, data)])
    for search in asked:
        ledger.end(
            number, search, Ended(sum((h.source, h.query) == search for h in hits), None, None)
        )
    if finish:
        ledger.finish(number)
    return number


def picture(seed: int, side: int = 200) -> bytes:
    """A smooth picture with a look of its own, as JPEG: its pHash survives resizing."""
    small = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)
    return saved(image, "JPEG")


def smaller(data: bytes, by: float = 0.6) -> bytes:
    image = Image.open(io.BytesIO(data))
    size = (round(image.width * by), round(image.height * by))
    return saved(image.resize(size, Image.Resampling.LANCZOS), "JPEG")


def mirrored(data: bytes) -> bytes:
    return saved(Image.open(io.BytesIO(data)).transpose(Image.Transpose.FLIP_LEFT_RIGHT), "PNG")


def saved(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def opened(folder: Path) -> Catalog:
    folder.mkdir(parents=True, exist_ok=True)
    return Catalog.open(folder)


def kept(keeper: Keeper, url: str, data: bytes) -> Outcome:
    """Return what became of one photo."""
    (done,) = keeper.kept([(url, Answer(data))])
    assert isinstance(done, Outcome)
    return done
