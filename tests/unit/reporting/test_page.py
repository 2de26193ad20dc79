"""The page: what it must say, what it must never let in, what it must leave out."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from footwork.errors import DataError, EnvironmentProblem
from footwork.evaluate.noise import label_noise, mean_probabilities
from footwork.records import Leaderboard
from footwork.reporting.page import count, quantity, score, write_report
from footwork.reporting.sections import interval_sentence, pair_rows
from footwork.runs import Run
from synthetic_run import CLASSES, board_of, entry_infos, jpeg_of, made_run

VOID = {"meta", "link", "br", "img", "line", "rect", "circle", "input", "hr"}
TEMPLATES = Path(write_report.__code__.co_filename).parent / "templates"


class Page(HTMLParser):
    """The page as tags and text. Fails on tags that do not close as they opened."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def attributes(self, name: str) -> Iterator[str]:
        return (attrs[name] for _, attrs in self.tags if name in attrs)


def page_of(
    run: Run, *, photos: bool = True, external: Leaderboard | None = None, drawn: bool = False
) -> tuple[Page, str]:
    path = write_report(
        run, board_of(run.predictions, drawn=drawn), external, jpeg_of, photos=photos
    )
    html = path.read_text(encoding="utf-8")
    return Page(html), html


def test_the_page_says_what_was_compared_and_found(tmp_path: Path) -> None:
    run = made_run(tmp_path / "20251124-climbing", notes=("Scraped, not checked.",))
    board = board_of(run.predictions)
    page, html = page_of(run)

    assert path_names(run) == ["config.toml", "report.html"]
    for said in (*board.sentences, "Scraped, not checked.", "20251124-climbing"):
        assert said in page.text
    positions = [page.text.index(sentence) for sentence in board.sentences[:3]]
    assert positions == sorted(positions)
    assert positions[2] < page.text.index("Leaderboard", positions[0])
    for info in run.entries:
        assert html.count(f"<bdi>{info.title}</bdi>") >= 4  # chart, table, details, weights
        assert all(note in page.text for note in info.notes)
    for entry in board.entries:
        estimate = entry.macro_f1
        assert f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]" in page.text
    floors = board.floors
    assert f"always “{floors.largest_class}”: {floors.largest_class_macro_f1:.2f}" in page.text
    assert f"({floors.guessing.low:.2f} to {floors.guessing.high:.2f})" in page.text
    for fact in ("onnxruntime", "1.24.1", "Some Processor, 2 cores", "folds = 5", "Apache-2.0"):
        assert fact in page.text
    assert run.environment.data.sha256 in page.text


def path_names(run: Run) -> list[str]:
    return sorted(path.name for path in run.folder.iterdir())


def test_random_weights_and_broken_contracts_cannot_be_overlooked(tmp_path: Path) -> None:
    page, html = page_of(made_run(tmp_path))

    assert "ResNet50 · probe was never trained" in page.text
    # Chart, table and details; nowhere else, and on no other entry.
    assert len(re.findall(r'<span class="badge random">random weights</span>', html)) == 3
    assert html.count('<span class="badge broken">contract broken: unit-range</span>') == 2
    table = html[
        html.index('<table class="board">') : html.index("</table>", html.index('"board"'))
    ]
    apart = table.index('<tbody class="apart">')
    assert "probe [unit-range]" in table[apart:]
    assert "probe [unit-range]" not in table[:apart]


def test_a_run_without_trouble_has_no_warnings(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    board = board_of(run.predictions)
    fair = {info.entry for info in run.entries[:2]}
    kept = board.model_copy(update={"entries": tuple(e for e in board.entries if e.entry in fair)})
    html = write_report(run, kept, None, jpeg_of).read_text()

    assert "never trained" not in html
    assert 'class="badge random"' not in html
    assert "broken on purpose" not in Page(html).text
    assert "drawn by code" not in html


def test_drawn_pictures_are_called_drawn_at_every_turn(tmp_path: Path) -> None:
    page, _ = page_of(made_run(tmp_path, drawn=True), drawn=True)

    assert "These pictures are drawn by code." in page.text
    assert len(re.findall("drawn by code", page.text, re.IGNORECASE)) >= 6
    assert "(drawn pictures)" in page.text  # the browser's tab


def test_the_confusion_matrix_is_the_boards(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    board = board_of(run.predictions)
    _, html = page_of(run)
    heat = html[html.index('<table class="heat">') :]
    cells = re.findall(r"<b>(\d+) %</b> <small>([\d.]+)</small>", heat[: heat.index("</table>")])

    best = board.entries[0].confusion
    assert [n for _, n in cells] == [count(n) for row in best for n in row]
    assert [int(p) for p, _ in cells] == [round(100 * n / sum(row)) for row in best for n in row]


def test_every_mistake_is_red_with_a_cross_and_words(tmp_path: Path) -> None:
    page, html = page_of(made_run(tmp_path))
    tiles = re.findall(r'<li class="tile (right|wrong)">(.*?)</li>', html, re.DOTALL)

    assert {kind for kind, _ in tiles} == {"right", "wrong"}
    for kind, tile in tiles:
        assert ("✓" in tile) == (kind == "right")
        assert ("✗" in tile) == (kind == "wrong")
        assert ("Right:" if kind == "right" else "Wrong:") in tile
        assert "labelled" in tile
    labels = [
        label for label in page.attributes("aria-label") if label.startswith("Photo labelled")
    ]
    assert len(labels) == len(tiles)
    assert re.search(r"\d+ % sure, wrong in [0-5] of 5 repeats", page.text)


def test_hidden_photos_are_counted(tmp_path: Path) -> None:
    run = made_run(tmp_path, paths=[f"p/{i}.jpg" for i in range(200)])
    _, html = page_of(run)
    grids = re.findall(r'<ul class="grid">(.*?)</ul>\s*(?:<p class="small">(.*?)</p>)?', html, re.S)

    assert grids
    for tiles, said in grids:
        shown = tiles.count("<li")
        assert shown <= 36
        if said:
            hidden, total = map(int, re.findall(r"\d+", said)[:2])
            assert hidden + shown == total
    assert any(said for _, said in grids)


def test_each_thumbnail_is_embedded_once(tmp_path: Path) -> None:
    _, html = page_of(made_run(tmp_path))
    embedded = re.findall(r"\.(t\d+)\{background-image:url\(data:image/jpeg;base64,([^)]*)\)", html)
    used = re.findall(r'class="photo (t\d+)"', html)

    assert len(set(used)) < len(used)  # the same photo stands in several grids
    assert sorted(name for name, _ in embedded) == sorted(set(used))
    assert len({data for _, data in embedded}) == len(embedded)


def test_a_page_with_400_photos_stays_below_6_mb(tmp_path: Path) -> None:
    run = made_run(tmp_path, paths=[f"p/{i}.jpg" for i in range(400)])
    heavy = b"x" * 60_000  # five times a usual thumbnail
    path = write_report(run, board_of(run.predictions), None, lambda image: heavy)

    assert path.stat().st_size < 6_000_000
    assert "are named without a picture to keep the page small" in path.read_text()


def test_photos_that_are_gone_keep_their_place(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    html = write_report(run, board_of(run.predictions), None, lambda image: None).read_text()

    assert "photo cannot be shown" in html
    assert "photos could not be read any more" in html
    assert "data:image" not in html


HOSTILE = ("<script>alert(1)</script>", "\"' onload='x", "{{ 7 * 7 }}${7*7}")


def test_nothing_from_data_becomes_markup(tmp_path: Path) -> None:
    script = "<script>alert('x')</script>"
    run = made_run(
        tmp_path,
        classes=HOSTILE,
        paths=[f'a/{script}" onerror="x{i}\u202e</bdi>.jpg' for i in range(60)],
        config=f'name = "</pre>{script}"\n',
        notes=(f"note {script}",),
        with_external=True,
    )
    assert run.external is not None
    page, html = page_of(run, external=board_of(run.external, external=True))

    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "iframe", "object", "embed", "img", "link", "base", "form"}
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert "alert('x')" not in html
    assert "{{ 7 * 7 }}${7*7}" in page.text
    assert script in page.text


def test_the_page_asks_nobody_for_anything(tmp_path: Path) -> None:
    page, html = page_of(made_run(tmp_path))

    assert all(href.startswith("#") for href in page.attributes("href"))
    assert list(page.attributes("src")) == []
    assert re.findall(r"url\((?!data:image/jpeg;base64,)", html) == []
    assert "http:" not in html
    assert "https:" not in html
    policies = [attrs["content"] for tag, attrs in page.tags if "http-equiv" in attrs]
    assert len(policies) == 1
    assert policies[0].startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")


def test_no_photos_leaves_no_picture_and_no_path(tmp_path: Path) -> None:
    run = made_run(
        tmp_path,
        config='[bases.x]\nmodel = "/home/anna/x.onnx"\n',
        notes=("photos/heel_hook/anna_00.jpg is odd; see /home/anna/list.txt.",),
    )
    page, html = page_of(run, photos=False)

    assert "data:image" not in html
    assert "anna" not in html
    assert "background-image" not in html
    image = run.predictions.photos.image[run.predictions.photos.path.index(
        "photos/heel_hook/anna_00.jpg")]  # fmt: skip
    assert f"{image[:10]} is odd; see [path left out]" in page.text
    assert "hashes instead of paths" in page.text
    assert "config.toml of the run's folder, SHA-256" in page.text
    assert len(re.findall(r'<p class="path"><bdi title="[0-9a-f]{10}">', html)) > 10


def test_no_photos_never_asks_for_a_photo(tmp_path: Path) -> None:
    run = made_run(tmp_path)

    def forbidden(image: str) -> bytes:
        raise AssertionError(f"read {image}")

    write_report(run, board_of(run.predictions), None, forbidden, photos=False)


def test_an_external_test_set_stands_apart(tmp_path: Path) -> None:
    run = made_run(tmp_path, with_external=True)
    assert run.external is not None
    external = board_of(run.external, external=True)
    page, html = page_of(run, external=external)

    section = html[html.index('class="external"') : html.index('id="made"')]
    assert "scored once" in section
    assert "21 photos in 21 groups" in section
    assert "these very models" in section
    assert "wrong in" not in section.split("<ul", 1)[1].split("Wrong for every entry")[0]
    ids = list(page.attributes("id"))
    assert len(ids) == len(set(ids))
    assert {href[1:] for href in page.attributes("href")} <= set(ids)
    assert 'class="external"' not in page_of(run)[1]


def test_the_interval_says_what_it_estimates(tmp_path: Path) -> None:
    board = board_of(made_run(tmp_path).predictions)

    said = interval_sentence(board)
    assert "trained on 4/5 of as many groups" in said
    assert "widened by √2" in said
    assert "very models" in interval_sentence(board.model_copy(update={"kind": "model"}))


def test_tiers_and_pairs_are_shown(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    board = board_of(run.predictions)
    page, _ = page_of(run)

    assert page.text.count("tier 1") >= 1
    assert "All 3 comparisons of two entries" in page.text  # the broken contract is in no pair
    shown = pair_rows(board, run.entries)
    assert [row[:2] for row in shown] == [
        ("efficientnet_lite0 · probe", "my_network · probe"),
        ("efficientnet_lite0 · probe", "ResNet50 · probe"),
        ("my_network · probe", "ResNet50 · probe"),
    ]
    for row in shown:
        assert row[2] in page.text
        assert row[5] != "–"  # the folds' test of accuracy
        assert row[6:] == ("–", "–")  # a photo failed; and every photo is answered five times


def test_missing_answers_are_explained(tmp_path: Path) -> None:
    page, _ = page_of(made_run(tmp_path))
    # Photo 0 in all five repeats, photo 1 in one of them.
    assert "Missing answers, over all repeats: 6 × truncated file." in page.text


def test_the_same_run_gives_the_same_page(tmp_path: Path) -> None:
    assert page_of(made_run(tmp_path))[1] == page_of(made_run(tmp_path))[1]


def test_names_that_are_no_text_are_shown_and_not_refused(tmp_path: Path) -> None:
    run = made_run(tmp_path, paths=[f"p/\udcff{i}.jpg" for i in range(60)])
    assert "\\udcff" in page_of(run)[1]


def test_many_long_class_names_do_not_break_the_page(tmp_path: Path) -> None:
    names = tuple(f"{letter * 90}" for letter in "abc")
    page, _ = page_of(made_run(tmp_path, classes=names))
    assert "always “aaaaaaaaaaaaaaa…”" in page.text


def test_a_board_of_another_run_is_refused(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    board = board_of(run.predictions)
    with pytest.raises(DataError, match="do not belong together"):
        write_report(Run(run.folder, run.environment, run.entries[:1], run.predictions), board,
                     None, None)  # fmt: skip
    assert path_names(run) == ["config.toml"]


def test_a_page_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made_run(tmp_path)
    (tmp_path / "report.html").write_text("old")

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(EnvironmentProblem, match="disk is full"):
        write_report(run, board_of(run.predictions), None, None)
    assert (tmp_path / "report.html").read_text() == "old"
    assert path_names(run) == ["config.toml", "report.html"]


def test_numbers_are_short_and_absent_ones_a_dash() -> None:
    assert (score(0.4249), score(None), score(float("nan"))) == ("0.42", "–", "–")
    assert [quantity(v) for v in (4.23, 36.4, 1024.0, float("nan"))] == ["4.2", "36", "1,024", "–"]
    assert (count(12.0), count(12.4)) == ("12", "12.4")


def luminance(colour: tuple[float, ...]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """The contrast ratio of WCAG 2: 1 to 21; body text needs 4.5."""
    dark, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_text_has_enough_contrast_in_both_themes(theme: str) -> None:
    css = (TEMPLATES / "report.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    colours = {
        name: tuple(int(value[i : i + 2], 16) / 255 for i in (0, 2, 4))
        for name, value in re.findall(r"--([\w-]+): #([0-9a-f]{6});", blocks[theme == "dark"])
    }
    pairs = [(text, ground) for text in ("ink", "soft", "accent", "good", "bad", "warn", "floor")
             for ground in ("page", "card")]  # fmt: skip
    pairs += [("warn", "warn-tint"), ("bad", "bad-tint"), ("ink", "bad-tint"), ("card", "bad"),
              ("accent", "bad-tint"), ("soft", "band"), ("floor", "band")]  # fmt: skip
    for text, ground in pairs:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    share = float(re.search(r"var\(--p\) \* ([.\d]+)%", css).group(1))  # type: ignore[union-attr]
    for heat in ("hit", "miss"):
        fullest = tuple(
            share * h + (1 - share) * c for h, c in zip(colours[heat], colours["card"], strict=True)
        )
        assert contrast(colours["ink"], fullest) >= 4.5, heat


def test_synthetic_entries_cover_the_kinds_that_the_page_tells_apart() -> None:
    infos = entry_infos()
    assert {info.weights for info in infos} == {"verified", "unverified", "random"}
    assert {info.contract for info in infos} == {"right", "unit-range"}
    assert len(CLASSES) == 3


def test_labels_that_the_best_entry_doubts_are_shown_for_review(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    page, _ = page_of(run)
    best = board_of(run.predictions).entries[0]
    assert best.beats_guessing
    table = run.predictions
    index = [entry.entry for entry in table.entries].index(best.entry)
    doubted = label_noise(table.photos.label, mean_probabilities(table, index)).suspects
    assert doubted
    shown = page.text.split("Labels to look at")[1]
    assert shown.split()[0] == str(len(doubted))
    assert f"{100 * doubted[0].margin:.0f} % more likely" in shown
    assert table.classes[doubted[0].likely] in shown


def test_who_knows_nothing_doubts_no_label(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    board = board_of(run.predictions)
    lost = tuple(scores.model_copy(update={"beats_guessing": False}) for scores in board.entries)
    path = write_report(run, board.model_copy(update={"entries": lost}), None, jpeg_of)
    assert "Labels to look at" not in path.read_text()
