"""Hashes against imagehash, on real photos and on drawn pictures of every awkward kind."""

import io
import time
from pathlib import Path

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import troubled_hashing
from footwork.apart import Crew
from footwork.duplicates import hashes
from footwork.duplicates.grey import decode_grey
from footwork.duplicates.hashes import (
    SIDE,
    VARIANTS,
    Hashes,
    Kind,
    Way,
    bits_between,
    hash_images,
    hash_pixels,
    hash_twice,
    trimmed,
)
from footwork.images import Unreadable, decode, read_bytes

KINDS: tuple[Kind, ...] = ("phash64", "dhash64", "phash256")
EACH_KIND = pytest.mark.parametrize("kind", KINDS)
Pixels = NDArray[np.uint8]


def oracle(image: Image.Image, kind: Kind) -> list[int]:
    """The words of imagehash's own hash, read from its text."""
    make = imagehash.dhash if kind == "dhash64" else imagehash.phash
    text = str(make(image, hash_size=SIDE[kind]))
    return [int(text[at : at + 16], 16) for at in range(0, len(text), 16)]


def scene(seed: int, width: int = 640, height: int = 480) -> Image.Image:
    """Draw a picture of many sizes of detail, like a photo's: smooth noise and shapes."""
    rng = np.random.default_rng(seed)
    canvas = np.zeros((height, width, 3))
    for cells in (3, 6, 12, 25, 50):
        noise = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        canvas += np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC)) / cells**0.7
    canvas = (canvas - canvas.min()) / np.ptp(canvas) * 255
    image = Image.fromarray(canvas.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(5):
        x, y = int(rng.integers(0, width - 20)), int(rng.integers(0, height - 20))
        box = (x, y, x + int(rng.integers(10, width // 3)), y + int(rng.integers(10, height // 3)))
        draw.ellipse(box, fill=tuple(rng.integers(0, 256, 3).tolist()))
    return image


def jpeg(image: Image.Image, quality: int = 85) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def hashed(image: Image.Image, kind: Kind = "phash64", trim: bool = False) -> Hashes:
    return hash_pixels([np.asarray(image.convert("RGB"))], kind, trim=trim)


def bordered(image: Image.Image, sides: tuple[int, int, int, int], colour: str) -> Image.Image:
    left, top, right, bottom = sides
    page = Image.new("RGB", (image.width + left + right, image.height + top + bottom), colour)
    page.paste(image, (left, top))
    return page


@pytest.mark.shared
@EACH_KIND
def test_every_real_photo_has_the_bits_of_imagehash(shared: Path, kind: Kind) -> None:
    """After a full decode all of them; after the scaled one at most 2 bits off on 99.9 %."""
    files = sorted(path for path in (shared / "data").glob("*/*/*") if path.is_file())
    assert len(files) == 396 + 108
    expected = np.array([oracle(Image.open(file), kind) for file in files], dtype=np.uint64)
    full = hash_pixels((decode(read_bytes(file)) for file in files), kind)
    assert np.array_equal(full.codes[:, 0], expected)
    assert full.readable.all()
    assert not full.low_information.any()

    scaled = hash_images(files, read_bytes, kind)
    off = bits_between(scaled.codes[:, 0], expected)
    if kind == "dhash64":  # its softest bits are pixels of equal grey
        assert (off > 2).mean() <= 0.005
        assert off.max() <= 4
    else:
        assert (off > 2).mean() <= 0.001


@pytest.mark.shared
def test_large_photos_decoded_at_an_eighth_keep_their_bits(shared: Path) -> None:
    """Real photos enlarged, given grain, and saved as cameras do: here scaled decoding is used."""
    rng = np.random.default_rng(4)
    photos, expected = [], []
    for file in sorted((shared / "data" / "hymenoptera").glob("*/*.jpg"))[::8]:
        large = Image.open(file).convert("RGB").resize((1024, 768), Image.Resampling.BICUBIC)
        grain = np.asarray(large) + rng.normal(0, 3, (768, 1024, 1))
        photos.append(jpeg(Image.fromarray(grain.clip(0, 255).astype(np.uint8))))
        expected.append(oracle(Image.open(io.BytesIO(photos[-1])), "phash64"))
        assert decode_grey(photos[-1], at_least=32).shape == (96, 128)
    off = bits_between(hash_images(photos, bytes).codes[:, 0], np.array(expected, dtype=np.uint64))
    assert len(off) == 50
    assert off.max() <= 2


@EACH_KIND
def test_hashing_twice_is_hashing_both_ways(kind: Kind) -> None:
    """Large JPEGs and small ones, with and without borders, a blank page, and no picture."""
    pictures = [jpeg(scene(seed, 1024, 768)) for seed in range(3)]
    pictures += [jpeg(bordered(scene(4, 1024, 768), (0, 96, 0, 96), "black"))]
    pictures += [jpeg(bordered(scene(5, 1000, 700), (24, 4, 8, 16), "white"))]
    pictures += [jpeg(bordered(scene(6), (9, 9, 9, 9), "white")), png(scene(7)), b"no picture"]
    pictures += [png(Image.new("RGB", (400, 300), "white"))]
    whole, inner = hash_twice(pictures, bytes, kind)
    alone = hash_images(pictures, bytes, kind, mirror=True)
    cut = hash_images(pictures, bytes, kind, trim=True)
    assert np.array_equal(whole.codes, alone.codes)
    assert np.array_equal(whole.firm_bits, alone.firm_bits)
    assert np.array_equal(inner.codes, cut.codes)
    assert np.array_equal(inner.firm_bits, cut.firm_bits)
    assert whole.reasons == inner.reasons == cut.reasons == alone.reasons
    plain, trimmed_codes = whole.codes[:, 0], inner.codes[:, 0]
    is_bordered = (plain != trimmed_codes).any(axis=1)
    assert is_bordered.tolist() == [False] * 3 + [True] * 3 + [False] * 3


@EACH_KIND
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), width=st.integers(3, 700), height=st.integers(3, 700))
def test_drawn_pictures_of_any_size(kind: Kind, seed: int, width: int, height: int) -> None:
    """Of pictures two pixels wide or high, imagehash's bits are rounding errors (1e-15)."""
    image = scene(seed).resize((width, height))
    assert hash_pixels([np.asarray(image)], kind).codes[0, 0].tolist() == oracle(image, kind)
    assert hash_images([png(image)], bytes, kind).codes[0, 0].tolist() == oracle(image, kind)


@EACH_KIND
def test_pictures_whose_coefficients_are_equal(kind: Kind) -> None:
    """Symmetrical and plain ones: half of all coefficients are 0, and so is the median."""
    rng = np.random.default_rng(1)
    side = SIDE[kind] * 4
    half = rng.integers(0, 256, (side, side // 2), dtype=np.uint8)
    mirrored = np.hstack([half, half[:, ::-1]])
    greys = [mirrored, mirrored.T, np.hstack([half, 255 - half[:, ::-1]])]
    greys += [np.full((side, side), level, dtype=np.uint8) for level in (0, 1, 77, 255)]
    greys += [np.repeat(half[:, :1], side, axis=1), np.repeat(half[:, :1], side, axis=1).T]
    greys += [(np.indices((side, side))[1] < at) * np.uint8(255) for at in (1, 7, side // 2)]
    images = [Image.fromarray(grey).convert("RGB") for grey in greys]
    found = hash_pixels([np.asarray(image) for image in images], kind)
    assert found.codes[:, 0].tolist() == [oracle(image, kind) for image in images]


@EACH_KIND
def test_variants_are_the_codes_of_the_flipped_and_turned_picture(kind: Kind) -> None:
    """Exact where the small picture is the picture itself; elsewhere resizing rounds by a bit."""
    side = SIDE[kind] * 4
    grain = np.random.default_rng(2).integers(0, 256, (side, side, 3), dtype=np.uint8)
    for image, slack in (
        (Image.fromarray(grain), 2 if kind == "dhash64" else 0),
        (scene(3), 2),
    ):
        variants = hash_pixels([np.asarray(image)], kind, mirror=True).codes[0]
        assert variants.shape == (8, SIDE[kind] ** 2 // 64)
        for variant, turn in zip(variants, VARIANTS, strict=True):
            turned = image if turn is None else image.transpose(turn)
            expected = np.array(oracle(turned, kind), dtype=np.uint64)
            assert bits_between(variant, expected) <= slack, turn
        assert len(np.unique(variants, axis=0)) == 8


@EACH_KIND
def test_a_code_does_not_depend_on_the_other_pictures_nor_on_mirror(kind: Kind) -> None:
    photos = [jpeg(scene(seed, 320, 240)) for seed in range(4)] * 130  # more than two batches
    together = hash_images(photos, bytes, kind, mirror=True)
    for seed in range(4):
        alone = hash_images([photos[seed]], bytes, kind)
        assert (together.codes[seed::4, 0] == alone.codes[0, 0]).all()
        assert (together.firm_bits[seed::4] == alone.firm_bits[0]).all()


def test_bad_pictures_are_rows_with_a_reason(tmp_path: Path) -> None:
    good, gone, text = tmp_path / "a.jpg", tmp_path / "b.jpg", tmp_path / "c.jpg"
    good.write_bytes(jpeg(scene(1)))
    text.write_bytes(b"not a picture")
    found = hash_images([gone, good, text], read_bytes)
    assert found.reasons[0] == "no such file"
    assert found.reasons[1] == ""
    assert "text file" in found.reasons[2]
    assert found.readable.tolist() == [False, True, False]
    assert found.low_information.tolist() == [True, False, True]
    assert found.codes[:, 0, 0].tolist()[::2] == [0, 0]
    assert found.codes[1, 0, 0] == hashed(Image.open(good)).codes[0, 0, 0]


def test_what_goes_wrong_outside_the_picture_is_not_hidden() -> None:
    def broken(_: int) -> bytes:
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError, match="disk is gone"):
        hash_images([1, 2], broken)


def test_no_pictures() -> None:
    found = hash_images([], bytes, "phash256", mirror=True)
    assert found.codes.shape == (0, 8, 4)
    assert found.low_information.shape == found.readable.shape == (0,)


@EACH_KIND
def test_blank_pictures_are_flagged_and_busy_ones_are_not(kind: Kind) -> None:
    rng = np.random.default_rng(5)
    white = Image.new("RGB", (640, 480), "white")
    signed = white.copy()
    ImageDraw.Draw(signed).text((600, 460), "(c) me", fill="grey")
    slope = np.repeat(np.linspace(90, 160, 640).astype(np.uint8)[None], 480, axis=0)
    grain = rng.normal(128, 8, (480, 640)).clip(0, 255).astype(np.uint8)
    dull = [white, Image.new("RGB", (1, 1)), signed, Image.fromarray(grain)]
    if kind != "dhash64":  # to dHash a slope is firm: every pixel is brighter than its neighbour
        dull.append(Image.fromarray(slope))
    for image in dull:
        for data in (png(image), jpeg(image, 60)):
            assert hash_images([data], bytes, kind).low_information.all()
    for seed in range(10):
        assert not hashed(scene(seed), kind).low_information.any()


def test_flagged_are_those_whose_bits_noise_flips() -> None:
    """What firm bits promise: one grey level of noise leaves nearly all of them alone."""
    rng = np.random.default_rng(6)
    for seed in range(10):
        small = np.asarray(scene(seed).convert("L").resize((32, 32), Image.Resampling.LANCZOS))
        noisy = (small + rng.normal(0, 1, small.shape)).round().clip(0, 255).astype(np.uint8)
        one, other = (hashed(Image.fromarray(grey)) for grey in (small, noisy))
        soft = 64 - one.firm_bits[0]
        assert bits_between(one.codes[0, 0], other.codes[0, 0]) <= soft + 2


@pytest.mark.parametrize("colour", ["black", "white", "#808080"])
@pytest.mark.parametrize(
    "sides", [(0, 120, 0, 120), (160, 0, 160, 0), (30, 30, 30, 30), (0, 0, 0, 77), (11, 0, 0, 0)]
)
@EACH_KIND
def test_trimming_makes_a_bordered_copy_equal(
    kind: Kind, sides: tuple[int, int, int, int], colour: str
) -> None:
    most = {"phash64": 6, "dhash64": 6, "phash256": 24}[kind]
    for seed in (1, 2, 3):
        image = scene(seed)
        page = jpeg(bordered(image, sides, colour), 80)
        one = hash_images([jpeg(image)], bytes, kind, trim=True).codes[0, 0]
        other = hash_images([page], bytes, kind, trim=True).codes[0, 0]
        assert bits_between(one, other) <= most
        if sum(sides) >= 60:
            plain = hash_images([page], bytes, kind).codes[0, 0]
            assert bits_between(hashed(image, kind).codes[0, 0], plain) > bits_between(one, other)


def test_trimming_cuts_exactly_the_border() -> None:
    rng = np.random.default_rng(7)
    photo = rng.integers(40, 216, (60, 80), dtype=np.uint8)
    page = np.zeros((100, 120), dtype=np.uint8)
    page[10:70, 25:105] = photo
    page[::2] += 9  # smears of compression
    page[10:70, 25:105] = photo
    assert np.array_equal(trimmed(page), photo)
    assert np.array_equal(trimmed(photo), photo)
    side_by_side = np.full((60, 200), 255, dtype=np.uint8)
    side_by_side[:, 60:140] = photo
    side_by_side = np.vstack([np.zeros((20, 200), dtype=np.uint8), side_by_side])
    assert np.array_equal(trimmed(side_by_side), photo)  # bars of two colours
    assert np.array_equal(trimmed(side_by_side.T), photo.T)  # the outer ones beside the inner ones


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (100, 100)])
def test_trimming_leaves_blank_pages_and_small_things_alone(size: tuple[int, int]) -> None:
    page = np.full(size, 255, dtype=np.uint8)
    assert trimmed(page).shape == size
    page[size[0] // 2, size[1] // 2] = 0
    assert trimmed(page).shape == size
    assert hash_pixels([np.dstack([page] * 3)], trim=True).readable.all()


def test_unreadable_is_only_for_pictures() -> None:
    def unreadable(_: str) -> bytes:
        raise Unreadable("gone from the store")

    assert hash_images(["x"], unreadable, "dhash64").reasons == ("gone from the store",)


@EACH_KIND
def test_processes_give_the_codes_of_threads_and_a_crash_costs_one_picture(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    photos = [
        jpeg(Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((96, 72)))
        for _ in range(40)
    ]
    photos[7] = b"no picture"
    photos += [photos[0] + b"crash"]
    alone = hash_twice(photos, bytes, kind)

    monkeypatch.setenv("PYTHONPATH", str(Path(troubled_hashing.__file__).parent))
    crew = Crew(troubled_hashing.__name__, None, processes=2, channels=2)
    crew.each([photos[0]], [kind, Way()])  # it has started
    while not crew.ready:
        time.sleep(0.01)
    monkeypatch.setattr(hashes, "decoders", lambda: crew)
    monkeypatch.setattr(hashes, "MANY", 1)
    apart = hash_twice(photos, bytes, kind)

    for one, other in zip(alone, apart, strict=True):
        assert (one.codes[:-1] == other.codes[:-1]).all()
        assert (one.firm_bits[:-1] == other.firm_bits[:-1]).all()
        assert one.reasons[:-1] == other.reasons[:-1]
        assert other.reasons[-1] == "the decoder crashes over it"
        assert not other.codes[-1].any()
    crew.close()


def test_large_files_are_held_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    photos = [jpeg(scene(seed, 160, 120)) for seed in range(9)]
    photos[4], photos[8] = b"no picture", b""
    together = hash_images(photos, bytes)
    most = 2 * max(map(len, photos))
    held: list[int] = []
    rows_of = hashes.rows_of

    def noting(pictures: list[bytes], *how: object) -> list[hashes.Row]:
        held.append(sum(map(len, pictures)))
        return rows_of(pictures, *how)  # type: ignore[arg-type]

    monkeypatch.setattr(hashes, "rows_of", noting)
    monkeypatch.setattr(hashes, "GROUP_BYTES", max(map(len, photos)))
    apart = hash_images(photos, bytes)

    assert len(held) > 3
    assert max(held) <= most
    assert (together.codes == apart.codes).all()
    assert together.reasons == apart.reasons
