"""Credits of collected photos in three forms."""

import csv
import io
import re
from pathlib import Path

from collected_photos import collect, hit, opened
from footwork.collecting.attributions import Credit, as_csv, as_markdown, credits_of, summary
from footwork.importing.ingest import import_images
from footwork.reporting.gathered import credits_page
from photo_folders import png, write

EVIL = '<script>alert(1)</script> | "x" [a](javascript:x) `'


def credits(folder: Path) -> list[Credit]:
    hits = [
        hit(1, title="Heel on the arête", author="Zoë"),
        hit(2, title=None, author=None, licence=None, licence_url=None, page_url=None),
        hit(3, title=EVIL, author=EVIL, page_url="javascript:alert(1)", licence_url="data:x"),
        hit(4, title="=cmd()", author="@x", licence="cc0", licence_url=None),
    ]
    write(folder, {"photos/a/1.png": png(50), "photos/b/2.png": png(51)})
    with opened(folder) as catalog:
        collect(catalog, hits)
        collect(catalog, [hit(1, title="Heel on the arête", author="Zoë", source="commons")])
        import_images(catalog, folder / "photos", classes=[])
        return credits_of(catalog)


def test_a_credit_per_photo_and_page_and_none_for_what_was_imported(tmp_path: Path) -> None:
    found = credits(tmp_path)
    assert [c.author for c in found] == [EVIL, "@x", "Zoë", None]
    assert len({c.image for c in found}) == 4
    zoe, nobody = found[2], found[3]
    assert (zoe.title, zoe.licence) == ("Heel on the arête", "CC BY-SA 4.0")
    assert zoe.link == "https://photos.example/page/1"
    assert zoe.used
    assert nobody.link == nobody.image_url == "https://photos.example/2.png"
    assert nobody.licence == "licence not stated"
    assert summary(found) == [("CC BY-SA", 1), ("CC BY-SA 4.0", 1), ("CC0", 1), (nobody.licence, 1)]


def test_markdown_names_title_author_source_and_licence_with_links(tmp_path: Path) -> None:
    text = as_markdown(credits(tmp_path), "climb*ing")
    assert text.startswith("# Credits of the photos in climb\\*ing\n")
    (zoe,) = re.findall(r"^- .*Zoë.*$", text, re.MULTILINE)
    assert zoe.startswith(
        "- [Heel on the arête](<https://photos.example/page/1>) by Zoë, "
        "[CC BY\\-SA 4.0](<https://creativecommons.org/licenses/by-sa/4.0/>), from commons ("
    )
    assert "an author whom the source does not name, licence not stated" in text
    assert "(<javascript" not in text
    assert "<script>" not in text
    assert "cropped" in text, "changes are to be told"


def test_the_table_reads_back_and_runs_no_formula(tmp_path: Path) -> None:
    found = credits(tmp_path)
    rows = list(csv.DictReader(io.StringIO(as_csv(found))))
    assert len(rows) == len(found)
    assert rows[0]["title"] == EVIL
    assert (rows[1]["title"], rows[1]["author"]) == ("'=cmd()", "'@x")
    assert rows[3]["page_url"] == ""
    assert rows[3]["image_url"] == "https://photos.example/2.png"
    assert {row["sha256"] for row in rows} == {credit.image for credit in found}


def test_the_page_escapes_everything_and_links_only_the_web(tmp_path: Path) -> None:
    page = credits_page(credits(tmp_path), EVIL)
    assert "<script>alert" not in page
    assert 'href="javascript' not in page
    assert 'href="data:' not in page
    assert 'href="https://photos.example/page/1"' in page
    assert "Heel on the arête" in page
    assert "4 photos by 3 named authors; of 1 the source names no author." in page
    assert "Content-Security-Policy" in page
