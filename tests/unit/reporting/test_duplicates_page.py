"""The page of copies, and what a run's report says of copies, conflicts and leaks."""

import re
from pathlib import Path

import pytest

from footwork.catalog import Catalog
from footwork.copies import Copy, Pair
from footwork.evaluate.leak import Leak
from footwork.findings import Found, Image, Provenance, Said
from footwork.records import Disputed, Estimate
from footwork.reporting.curves import Curve, drawn
from footwork.reporting.disputes import DISPUTES_SHOWN
from footwork.reporting.duplicates import COPIES_SHOWN, GROUPS_SHOWN, write_duplicates
from footwork.reporting.page import write_report
from synthetic_run import board_of, jpeg_of, made_run

HOSTILE = "<script>alert(1)</script>"


def sha(n: int) -> str:
    return f"{n:064x}"


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    opened = Catalog.open(tmp_path)
    opened.add(
        Found(
            image=Image(sha(n), 1000 + n, 10, 10, "png"),
            stored=False,
            provenance=Provenance("import", f"/set/{n}{HOSTILE}.png", "/set"),
            who="import:/set",
            said=Said(labels=frozenset({"bee" if n == 3 else "ant"})),
        )
        for n in range(3000)
    )
    return opened


def keep(catalog: Catalog, groups: dict[int, list[int]]) -> None:
    copies = [
        Copy(sha(n), sha(best), 4, 0.97123, ("hash", "features"), "10x10 has more pixels")
        for best, others in groups.items()
        for n in others
    ]
    pairs = [Pair.of(c.image, c.best, 4, 0.97123, c.evidence) for c in copies]
    catalog.keep(pairs, copies)


def text_of(page: Path) -> str:
    html = page.read_text(encoding="utf-8")
    assert HOSTILE not in html, "what comes from data is escaped"
    assert "default-src 'none'" in html
    body = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_kept_first_then_copies_with_distance_evidence_size_and_reason(
    catalog: Catalog, tmp_path: Path
) -> None:
    keep(catalog, {0: [1], 2: [3]})
    page = write_duplicates(catalog, tmp_path / "x" / "d.html", jpeg_of, name=f"ants {HOSTILE}")
    text = text_of(page)

    group = text[text.index("footwork undo 1 ") :]
    assert group.index("Kept") < group.index("Copy, set aside")
    for said in (
        "10x10, 1,001 bytes, png",
        "4 of 64 bits apart, cosine 0.971 (hash, features)",
        "Not kept: 10x10 has more pixels.",
        "labelled ant",
    ):
        assert said in group
    assert "1 photo carries two labels" in text
    assert "ant or bee ?" in text, "the conflict is shown side by side"
    assert text.index("two labels: left out of training") < text.index("footwork undo 2")
    assert text.index("footwork undo 2") < text.index("footwork undo 1 "), "conflicts come first"


def test_thousands_of_groups_are_capped_and_counted(catalog: Catalog, tmp_path: Path) -> None:
    keep(catalog, {n: [n + 1] for n in range(100, 2400, 2)} | {10: list(range(2500, 2900))})
    page = write_duplicates(catalog, tmp_path / "d.html", jpeg_of, name="many")
    text = text_of(page)

    assert text.count("footwork undo ") == GROUPS_SHOWN + 2, "one per group; two say how"
    assert f"{1151 - GROUPS_SHOWN:,} more of 1,151 groups are not shown" in text
    assert f"{400 - COPIES_SHOWN} more copies of this group are not shown" in text
    assert page.stat().st_size < 12e6


def test_a_page_without_groups_says_so(catalog: Catalog, tmp_path: Path) -> None:
    page = write_duplicates(catalog, tmp_path / "d.html", None, name="none", notes=["A note."])
    text = text_of(page)
    assert "No photo is a copy of another." in text
    assert "A note." in text


def test_a_curve_keeps_its_order_and_stays_inside() -> None:
    points = tuple((float(r), min(1.0, r / 8), 0.0 if r < 12 else 0.5) for r in range(17))
    made = drawn(Curve("Bits.", points, 8.0, "Why."))
    found = [tuple(map(float, p.split(","))) for p in made.found.split()]
    assert found == sorted(found, key=lambda p: (p[0], -p[1]))
    assert all(0 <= x <= 100 and 0 <= y <= 100 for x, y in found)
    assert (made.chosen, made.anchor) == (50.0, "end")
    assert [text for _, text in made.ticks] == ["0", "4", "8", "12", "16"]
    assert made.rows[8] == ("8", "100 %", "0 %")
    assert drawn(Curve("One.", ((8.0, 1.0, 0.0),), 8.0, "")).chosen == 50.0


def test_a_report_shows_both_numbers_and_the_conflicts(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run")
    images = run.predictions.photos.image
    conflicts = tuple(
        Disputed(
            images=((images[0], "heel_hook"), (images[n], "toe_hook")),
            labels=(("heel_hook", "import:/s", f"/s/{HOSTILE}.png"),
                    ("toe_hook", "person:ada", "")),
        )
        for n in range(1, DISPUTES_SHOWN + 5)
    )  # fmt: skip
    run = type(run)(run.folder, run.environment, run.entries, run.predictions, disputed=conflicts)
    e = [Estimate(value=v, low=v - 0.1, high=v + 0.1) for v in (0.33, 0.72, 0.39)]
    leak = Leak(
        base="b", recipe="r", files=108, groups=67, grouped=e[0], ignored=e[1], pretended=e[2]
    )
    board = board_of(run.predictions)
    text = text_of(write_report(run, board, None, jpeg_of, leak=leak))
    assert leak.sentence() in text
    assert "Believe 0.33" in text
    assert "keep groups together 0.33 [0.23, 0.43] yes" in text
    assert "heel_hook or toe_hook ?" in text
    assert f"{len(conflicts)} photos were left out" in text
    assert "4 more are not shown here" in text

    shared = text_of(write_report(run, board, None, jpeg_of, leak=leak, photos=False))
    assert "ada" not in shared
    assert "script" not in shared
