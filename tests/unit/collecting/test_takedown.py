"""Taking photos down for good."""

import json
from pathlib import Path

import numpy as np
import pytest

from collected_photos import HEEL, collect, hit, mirrored, opened, picture, smaller
from footwork.catalog import Catalog
from footwork.cleaning.clean import clean, png_path
from footwork.collecting.keep import Keeper
from footwork.collecting.takedown import TakenDown, take_down
from footwork.duplicates.dedupe import dedupe
from footwork.duplicates.looks import looks
from footwork.errors import DataError, UsageError
from footwork.importing.ingest import import_images
from footwork.models.features import RECORD, FeatureTable
from footwork.tombstones import Tombstones
from photo_folders import png, write
from synthetic_run import made_run

PAGE = "https://photos.example/page/1"


def taken_down(catalog: Catalog, what: str, *, with_copies: bool = False) -> TakenDown:
    folder = catalog.folder
    return take_down(
        catalog,
        what,
        who="person:ann",
        why="the author asked",
        with_copies=with_copies,
        looks=looks,
        runs=folder / "runs",
        classifiers=folder / "classifiers",
        cache=folder / ".footwork" / "cache",
    )


def image_at(catalog: Catalog, url: str) -> str:
    return catalog.find(url)


@pytest.mark.parametrize("how", ["url", "URL with #", "page", "hash", "author"])
def test_nothing_of_a_photo_is_left_but_its_tombstone(tmp_path: Path, how: str) -> None:
    hits = [hit(1, author="Jane  Doe"), hit(2), hit(1, source="commons", author="Jane Doe")]
    with opened(tmp_path) as catalog:
        collect(catalog, hits)
        image = image_at(catalog, hits[0].image_url)
        clean(catalog)
        catalog.decide_label(image, "heel_hook", "person:bob")
        what = {
            "url": hits[0].image_url,
            "URL with #": hits[0].image_url.replace("photos.e", "PHOTOS.e") + "#top",
            "page": PAGE,
            "hash": image[:8],
            "author": "author:jane doe",
        }[how]
        done = taken_down(catalog, what)

        assert done.images == (image,)
        assert [i.sha256 for i in catalog.images()] != []
        assert image not in {i.sha256 for i in catalog.images()}
        assert not list(tmp_path.glob(f"images/*/{image}.*"))
        assert not png_path(tmp_path, image).exists()
        assert len(list(tmp_path.glob("images/*/*"))) == 1, "the other photo stays"
        everything = "\n".join(catalog.database.connection.iterdump())
        decision = catalog.decisions()[-1]
    assert "Photo 1" not in everything, "its title"
    if how != "author":
        assert "Jane" not in everything
    assert (decision.verb, decision.who) == ("takedown", "person:ann")
    assert json.loads(decision.detail)["images"] == [image]
    assert "the author asked" in decision.sentence()


def test_it_comes_back_neither_by_address_nor_by_page_nor_by_bytes(tmp_path: Path) -> None:
    photo = picture(1)
    with opened(tmp_path) as catalog:
        collect(catalog, [hit(1), hit(2)], {hit(1).image_url: photo})
        image = image_at(catalog, hit(1).image_url)
        taken_down(catalog, image)

        keeper = Keeper(catalog, looks=True)
        assert "address was taken down" in str(keeper.left_out(hit(1)))
        assert keeper.left_out(hit(7, page_url=PAGE)) is None, "a page may hold other photos"
        collect(catalog, [hit(1), hit(3)], {hit(3).image_url: photo}, keeper=keeper)
        assert image not in {i.sha256 for i in catalog.images()}
        (reason,) = catalog.database.rows(
            "SELECT reason FROM fetch WHERE image_url = ?", (hit(3).image_url,)
        )
        assert "this very file was taken down" in reason[0]
        assert "the author asked" in reason[0]

        folder = write(tmp_path / "photos", {"heel_hook/a.jpg": photo, "toe_hook/b.png": png(5)})
        done = import_images(catalog, folder, classes=[])
        assert [reason for _path, reason in done.rejected] == [reason[0]]
        assert done.new == 1


def test_a_page_or_an_author_that_was_taken_down_brings_nothing_more(tmp_path: Path) -> None:
    with opened(tmp_path) as catalog:
        collect(catalog, [hit(1), hit(2)])
        taken_down(catalog, PAGE)
        taken_down(catalog, "author:Not Here Yet")
        keeper = Keeper(catalog)
        assert keeper.left_out(hit(8, page_url=f"{PAGE}#x")) is not None
        assert "author" in str(keeper.left_out(hit(9, author="not here YET")))
        assert keeper.left_out(hit(9)) is None


@pytest.mark.parametrize("copy", [smaller, mirrored], ids=["smaller", "mirrored"])
def test_a_copy_saved_anew_is_refused_and_another_photo_is_not(
    tmp_path: Path, copy: object
) -> None:
    assert callable(copy)
    photo = picture(1)
    with opened(tmp_path) as catalog:
        collect(catalog, [hit(1)], {hit(1).image_url: photo})
        assert taken_down(catalog, hit(1).image_url).barred_by_look == 1
        folder = write(tmp_path / "photos", {"a/copy.jpg": copy(photo), "b/new.jpg": picture(2)})
        done = import_images(catalog, folder, classes=[], looks=looks)
    assert done.new == 1
    ((path, reason),) = done.rejected
    assert path.endswith("copy.jpg")
    assert "a photo like this one was taken down" in reason
    assert "of 64 bits away" in reason


def test_blank_pictures_are_not_barred_by_their_look(tmp_path: Path) -> None:
    from PIL import Image

    from collected_photos import saved

    white = saved(Image.new("RGB", (100, 100), "white"), "PNG")
    with opened(tmp_path) as catalog:
        collect(catalog, [hit(1)], {hit(1).image_url: white})
        assert taken_down(catalog, hit(1).image_url).barred_by_look == 0
        grey = saved(Image.new("RGB", (100, 100), "grey"), "PNG")
        folder = write(tmp_path / "photos", {"a/grey.png": grey, "b/b.png": png(3)})
        assert import_images(catalog, folder, classes=[], looks=looks).new == 2


def test_other_files_of_the_same_photo_are_named_or_go_too(tmp_path: Path) -> None:
    photo = picture(1, 300)
    photos = {hit(1).image_url: photo, hit(2).image_url: smaller(photo), hit(3).image_url: png(9)}
    with opened(tmp_path) as catalog:
        collect(catalog, [hit(n, page_url=None, author=None) for n in (1, 2, 3)], photos)
        dedupe(catalog)
        other = image_at(catalog, hit(2).image_url)
        third = image_at(catalog, hit(3).image_url)
        done = taken_down(catalog, hit(1).image_url)
        assert done.copies == (other,)
        assert {i.sha256 for i in catalog.images()} == {other, third}
        collect(catalog, [hit(4)], {hit(4).image_url: smaller(photo, 0.5)})
        dedupe(catalog)
        done = taken_down(catalog, other, with_copies=True)
        assert len(done.images) == 2
        assert {i.sha256 for i in catalog.images()} == {third}


def test_runs_and_classifiers_that_used_it_are_named(tmp_path: Path) -> None:
    run = made_run(tmp_path / "runs" / "20251124-climbing")
    run.predictions.write(run.folder / "predictions.parquet")
    used = run.predictions.photos.image[0]
    (tmp_path / "runs" / "20200101-broken").mkdir()
    (tmp_path / "runs" / "20200101-broken" / "predictions.parquet").write_bytes(b"not a table")
    for name, of in (("mine", run.name), ("other", "another-run")):
        facts = json.dumps({"promise": {"run": of}})
        write(tmp_path / "classifiers", {f"{name}/classifier.json": facts})
    write(tmp_path / "classifiers", {"broken/classifier.json": "{"})
    with opened(tmp_path) as catalog:
        with catalog.database.transaction() as connection:
            connection.execute("INSERT INTO image VALUES (?, 1, 1, 1, 'png', 0, '2026')", (used,))
        done = taken_down(catalog, used)
    assert done.runs == (run.name,)
    assert done.classifiers == ("mine",)
    assert done.unread == ("20200101-broken",)


def test_what_networks_said_of_it_is_wiped(tmp_path: Path) -> None:
    with opened(tmp_path) as catalog:
        collect(catalog, [hit(1), hit(2)])
        images = [i.sha256 for i in catalog.images()]
        folder = tmp_path / ".footwork" / "cache" / "features" / "key"
        table = FeatureTable(folder, 3)
        with table.writing():
            table.append(images, np.array([[1, 2, 3], [4, 5, 6]], np.float32))
        (folder / "facts.json").write_text(facts_of(3))
        done = taken_down(catalog, images[0])
    assert done.vectors == 1
    table = FeatureTable(folder, 3)
    assert table.missing(images) == images[:1]
    np.testing.assert_array_equal(table.rows(images)[1], [4, 5, 6])
    assert bytes.fromhex(images[0]) not in (folder / "rows.idx").read_bytes()
    assert (folder / "vectors.f32").read_bytes()[:12] == bytes(12)
    assert len((folder / "rows.idx").read_bytes()) == 2 * RECORD.itemsize


def facts_of(size: int) -> str:
    from footwork.models.bases import registry
    from footwork.models.features import Facts, FeatureKey

    contract = registry(None)["efficientnet_lite0"].contract
    key = FeatureKey(
        base="b", weights_sha256="w", contract=contract, view="centre", position="right",
        runtime="r", precision="float32", decoder="d",
    )  # fmt: skip
    return Facts(key=key, vector_size=size, milliseconds=1.0).model_dump_json()


def test_a_linked_photo_stays_the_users_own_file_and_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "photos", {"a/1.png": png(1), "b/2.png": png(2)})
    with opened(tmp_path / "project") as catalog:
        import_images(catalog, folder, classes=[], mode="link")
        done = taken_down(catalog, str(folder / "a" / "1.png"))
        assert done.elsewhere == (str(folder / "a" / "1.png"),)
        assert (folder / "a" / "1.png").exists()
        assert (
            import_images(catalog, folder, classes=[], mode="link").rejected[0][0]
            == (done.elsewhere[0])
        )


def test_undo_lifts_the_tombstones_but_only_by_its_number(tmp_path: Path) -> None:
    with opened(tmp_path) as catalog:
        collect(catalog, [hit(1), hit(2)])
        done = taken_down(catalog, hit(1).image_url)
        with pytest.raises(DataError, match="no decision"):
            catalog.undo()
        catalog.undo_all()
        assert len(catalog.tombstones()) > 0
        catalog.undo(done.decision)
        assert len(catalog.tombstones()) == 0
        collect(catalog, [hit(1)])
        assert len(catalog.images()) == 2


def test_what_cannot_be_meant_is_an_error_and_changes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as catalog:
        collect(catalog, [hit(1)])
        with pytest.raises(DataError, match="no image"):
            taken_down(catalog, "nonsense")
        with pytest.raises(UsageError, match="Name the author"):
            taken_down(catalog, "author: ")
        assert len(catalog.images()) == 1
        assert not catalog.decisions()
        assert isinstance(catalog.tombstones(), Tombstones)


def test_a_takedown_that_was_killed_is_ended_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from footwork.collecting import takedown

    def killed(*_: object) -> int:
        raise KeyboardInterrupt

    with opened(tmp_path) as catalog:
        collect(catalog, [hit(1, HEEL)])
        image = image_at(catalog, hit(1).image_url)
        with monkeypatch.context() as patched:
            patched.setattr(takedown, "wipe_features", killed)
            with pytest.raises(KeyboardInterrupt):
                taken_down(catalog, image)
        assert catalog.tombstones().of_bytes(image) is not None
        assert taken_down(catalog, image).images == (image,)
        assert not catalog.images()
