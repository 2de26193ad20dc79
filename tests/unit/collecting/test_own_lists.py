"""Lists of addresses and frames of videos: sources that need no API."""

import io
from pathlib import Path

import duckdb
import numpy as np
import pytest
from PIL import Image

from footwork.collecting.hits import Hit, Query, SourceProblem
from footwork.collecting.sources.urls import Urls
from footwork.collecting.sources.video import Video
from no_web import found

ADDRESSES = [f"https://photos.example/{number}.jpg" for number in range(30)]


def listed(source: Urls | Video, limit: int = 1_000) -> list[Hit]:
    return [hit for query in source.asked([]) for hit in found(source, query, limit)]


def test_a_text_file_is_one_address_a_line(tmp_path: Path) -> None:
    lines = ["# mine", "", *ADDRESSES, ADDRESSES[3], "  //cdn.example/x.jpg ", "file:///etc/passwd"]
    (tmp_path / "list.txt").write_text(
        "\ufeff" + "\n".join(lines) + "\nnonsense\n", encoding="utf-8"
    )
    source = Urls({"heel_hook": tmp_path / "list.txt"})

    hits = listed(source)
    assert [hit.image_url for hit in hits] == [*ADDRESSES, "https://cdn.example/x.jpg"]
    assert hits[0].query == Query("heel_hook", "", "list.txt")
    assert len(listed(source, limit=4)) == 4


def table(path: Path, heading: str, rows: list[tuple[object, ...]]) -> Path:
    connection = duckdb.connect(":memory:")
    names = [f'"{name}"' for name in heading.split(",")]
    connection.execute(f"CREATE TABLE t ({', '.join(f'{name} VARCHAR' for name in names)})")
    for row in rows:
        connection.execute("INSERT INTO t SELECT " + ", ".join("?" for _ in row), row)
    options = "FORMAT parquet" if path.suffix == ".parquet" else "FORMAT csv, HEADER"
    connection.execute(f"COPY t TO '{path}' ({options})")
    return path


@pytest.mark.parametrize("name", ["list.csv", "list.parquet"])
def test_img2datasets_input_is_read_with_licence_and_author(tmp_path: Path, name: str) -> None:
    rows: list[tuple[object, ...]] = [
        (ADDRESSES[0], "a climber, high up", "CC-BY-SA-4.0", "Ana"),
        (ADDRESSES[1], None, None, None),
        (None, "no address", "cc0", "Ben"),
        (ADDRESSES[2], "ヒールフック", "https://creativecommons.org/licenses/by-nc/4.0/", ""),
    ]
    path = table(tmp_path / name, "URL,TEXT,LICENSE,creator", rows)
    hits = listed(Urls({"heel_hook": path}))

    assert [hit.image_url for hit in hits] == ADDRESSES[:3]
    assert (hits[0].title, hits[0].licence, hits[0].author) == (
        "a climber, high up",
        "by-sa",
        "Ana",
    )
    assert (hits[1].title, hits[1].licence, hits[1].author) == (None, None, None)
    assert hits[2].title == "ヒールフック"
    assert (hits[2].licence, hits[2].licence_url) == ("by-nc", rows[3][2])


def test_columns_may_be_told(tmp_path: Path) -> None:
    path = table(tmp_path / "list.csv", "link,who", [(ADDRESSES[0], "Ana")])

    assert listed(Urls({"a": path}, {"url": "link", "author": "who"}))[0].author == "Ana"
    with pytest.raises(SourceProblem, match="no column 'url' for the url; it has link, who"):
        listed(Urls({"a": path}))
    with pytest.raises(SourceProblem, match="no column 'licenc' for the licence"):
        listed(Urls({"a": path}, {"url": "link", "licence": "licenc"}))


@pytest.mark.parametrize("name", ["gone.txt", "gone.csv"])
def test_a_missing_list_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceProblem, match=r"gone\.\w+ is not there") as caught:
        listed(Urls({"a": tmp_path / name}))
    assert caught.value.trouble == "unreachable"


def test_a_parquet_file_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "list.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(SourceProblem, match="cannot be read as a table"):
        listed(Urls({"a": tmp_path / "list.parquet"}))


RATE = 10


def video(path: Path, pictures: list[tuple[int, int]]) -> Path:
    """Write a video: (grey level of the square, frames that show it), a noisy wall around."""
    cv2 = pytest.importorskip("cv2")
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), RATE, (320, 240))
    noise = np.random.default_rng(5)
    for place, (level, frames) in enumerate(pictures):
        for _ in range(frames):
            frame = noise.integers(100, 110, (240, 320, 3), dtype=np.uint8)
            frame[60:180, 40 * place : 40 * place + 120] = level
            writer.write(frame)
    writer.release()
    return path


def test_frames_that_differ_are_taken_and_share_a_group(tmp_path: Path) -> None:
    path = video(tmp_path / "climb.avi", [(250, 30), (20, 30), (250, 30)])
    source = Video({"heel_hook": [path]}, every_s=1.0)

    hits = listed(source)
    assert [hit.title for hit in hits] == [f"climb.avi at {s}.0 s" for s in (0, 3, 6)]
    assert len({hit.group for hit in hits}) == 1
    assert str(hits[0].group).startswith("video:")
    assert len({hit.image_url for hit in hits}) == 3
    for hit, level in zip(hits, (250, 20, 250), strict=True):
        assert hit.data is not None
        assert hit.size == len(hit.data)
        pixels = np.asarray(Image.open(io.BytesIO(hit.data)))
        assert pixels.shape == (240, 320, 3)
        assert abs(int(pixels[120, 100].mean()) - level) < 12
    assert len(listed(source, limit=2)) == 2
    assert listed(source) == hits


def test_an_unchanged_scene_is_one_frame_and_every_s_counts(tmp_path: Path) -> None:
    path = video(tmp_path / "still.avi", [(200, 60)])
    assert len(listed(Video({"a": [path]}, every_s=0.2))) == 1

    moving = video(tmp_path / "moving.avi", [(250, 5), (20, 5), (250, 5), (20, 5)])
    assert len(listed(Video({"a": [moving]}, every_s=0.5))) == 4
    assert len(listed(Video({"a": [moving]}, every_s=1.0))) == 2


def test_files_of_one_name_are_told_apart_and_no_folder_is_named(tmp_path: Path) -> None:
    paths = [tmp_path / "a" / "climb.avi", tmp_path / "b" / "climb.avi"]
    for path, level in zip(paths, (250, 20), strict=True):
        path.parent.mkdir()
        video(path, [(level, 5)])
    source = Video({"heel_hook": paths})

    assert [query.words for query in source.asked([])] == ["climb.avi", "climb.avi (2)"]
    hits = listed(source)
    assert len({hit.group for hit in hits}) == 2
    assert str(tmp_path) not in repr(hits)


def test_what_is_no_video_is_told(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    (tmp_path / "no.mp4").write_bytes(b"no video at all" * 100)
    with pytest.raises(SourceProblem, match="cannot be read as a video"):
        listed(Video({"a": [tmp_path / "no.mp4"]}))
    with pytest.raises(SourceProblem, match="is not there"):
        listed(Video({"a": [tmp_path / "gone.mp4"]}))
