"""What is refused before and while it is decoded, and how much is decoded at once."""

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

import troubled_checking
from collected_photos import kept, opened, picture
from footwork.collecting import keep
from footwork.collecting.checking import Decoding
from footwork.collecting.keep import Answer, Keeper
from footwork.collecting.ledger import Outcome
from footwork.errors import EnvironmentProblem
from footwork.images import TooManyPixels, inspect
from photo_folders import png


def test_decoding_never_takes_more_than_its_share_and_all_get_their_turn() -> None:
    room = Decoding(1_000, size=100)
    lock = threading.Lock()
    used, most = 0, 0

    def decode(size: int) -> int:
        nonlocal used, most
        with room(10, size):
            with lock:
                used += size
                most = max(most, used)
            time.sleep(0.002)
            with lock:
                used -= size
        return size

    sizes = [60, 60, 10, 100, 30, 30, 90, 5]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(decode, sizes)) == sizes
    assert most <= 100


def test_what_never_fits_is_refused_and_leaves_the_room_free() -> None:
    room = Decoding(1_000, size=100)
    with pytest.raises(TooManyPixels, match="more than 1,000 pixels"), room(1_001, 1):
        pass
    with pytest.raises(TooManyPixels, match="of memory, the limit"), room(1, 101):
        pass
    with pytest.raises(ZeroDivisionError), room(1, 100):
        _ = 1 / 0
    with room(1, 100):
        pass


@pytest.mark.parametrize(
    ("options", "least", "most"),
    [
        ({"format": "JPEG"}, 0.0, 0.2),
        ({"format": "JPEG", "progressive": True}, 3.0, 3.5),
        ({"format": "JPEG", "progressive": True, "subsampling": 0}, 6.0, 6.6),
        ({"format": "PNG"}, 4.0, 4.5),
        ({"format": "WEBP"}, 16.0, 17.0),
    ],
)
def test_decoding_is_estimated_by_what_the_format_takes(
    options: dict[str, object], least: float, most: float
) -> None:
    """The numbers are those measured with VmHWM on 20 megapixels."""
    out = io.BytesIO()
    Image.new("RGB", (2_000, 1_000)).save(out, **options)  # type: ignore[arg-type]
    seen: list[tuple[int, int]] = []
    room = Decoding(10**9)

    def noting(pixels: int, size: int) -> object:
        seen.append((pixels, size))
        return room(pixels, size)

    inspect(out.getvalue(), noting)  # type: ignore[arg-type]
    ((pixels, size),) = seen
    assert pixels == 2_000_000
    assert least <= (size - 1_000_000) / pixels <= most


def test_reasons_say_what_kind_they_are(tmp_path: Path) -> None:
    with opened(tmp_path / "project") as catalog:
        keeper = Keeper(catalog, max_pixels=1_000)
        small, large = kept(keeper, "a", png(1, 24)), kept(keeper, "b", png(2, 40))
        broken = kept(keeper, "c", picture(3)[:-9])
    assert small.image is not None
    assert large.reason == "pixels: it has more than 1,000 pixels (max_pixels)"
    assert (broken.reason or "").startswith("not an image: a truncated")


def test_a_photo_that_crashes_the_decoder_ends_neither_the_run_nor_its_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(troubled_checking.__file__).parent))
    monkeypatch.setattr(keep, "CHECKING", troubled_checking.__name__)
    photos = [("a", Answer(png(1))), ("b", Answer(png(2) + b"crash")), ("c", Answer(png(3)))]
    with opened(tmp_path / "project") as catalog:
        keeper = Keeper(catalog)
        with ThreadPoolExecutor(4) as pool:
            groups = list(pool.map(keeper.kept, [photos, photos[:1], photos[2:], photos]))
        assert kept(keeper, "d", png(4)).image is not None
    for outcomes in (groups[0], groups[3]):
        assert [reason_of(done) for done in outcomes] == [
            None,
            "not an image: the decoder crashes over it",
            None,
        ]
    assert reason_of(groups[1][0]) is None
    assert reason_of(groups[2][0]) is None


def reason_of(done: Outcome | EnvironmentProblem) -> str | None:
    assert isinstance(done, Outcome)
    return done.reason
