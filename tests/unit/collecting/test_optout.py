"""What hosts say against being collected, in each form that counts."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footwork.collecting.optout import (
    ROBOTS_BYTES,
    Rules,
    header_refusal,
    matches,
    parsed_reservations,
    parsed_robots,
)


@pytest.mark.parametrize(
    ("robots", "allowed"),
    [
        ("", True),
        ("User-agent: *\nDisallow:", True),
        ("User-agent: *\nDisallow: /", False),
        ("User-agent: *\nDisallow: /a/\nAllow: /a/b.jpg", True),
        ("User-agent: *\nDisallow: /\n\nUser-agent: footwork\nDisallow: /x", True),
        ("User-agent: FootWork/1.0\nDisallow: /a", False),
        ("User-agent: other\nDisallow: /", True),
        ("User-agent: *\nDisallow: /*.jpg$", False),
        ("\ufeffUser-agent: *\r\nDisallow: /a", False),
        ("<html>not found</html>", True),
    ],
)
def test_robots(robots: str, allowed: bool) -> None:
    rules = Rules(parsed_robots(robots.encode()))
    assert (rules.refusal("https://h.example/a/b.jpg", "/a/b.jpg") is None) is allowed


def test_a_rule_that_the_size_limit_cuts_in_two_does_not_count() -> None:
    """'Disallow: /private' cut to 'Disallow: /' would close everything."""
    start = b"User-agent: *\n"
    rule = b"Disallow: /private"
    body = start + b"#" * (ROBOTS_BYTES - len(start) - len(rule) + 6) + b"\n" + rule
    assert len(body) > ROBOTS_BYTES
    assert Rules(parsed_robots(body)).refusal("https://h.example/a", "/a") is None


def test_crawl_delay() -> None:
    assert Rules(parsed_robots(b"User-agent: *\nCrawl-delay: 2.5\nDisallow:")).crawl_delay_s == 2.5
    assert Rules().crawl_delay_s is None


@pytest.mark.parametrize(
    ("tags", "tdm", "refused"),
    [
        ([], None, False),
        (["all"], "0", False),
        (["noai"], None, True),
        (["nofollow, NoImageAI"], None, True),
        (["noindex"], None, True),
        (["noimageindex"], None, True),
        (["nofollow", "none"], None, True),
        (["footwork: noindex"], None, True),
        (["*: noai"], None, True),
        (["googlebot: noindex, noai"], None, False),
        (["googlebot: nofollow, footwork: noai"], None, True),
        (["unavailable_after: 25 Jun 2010 15:00:00 PST, noai"], None, True),
        (["max-image-preview:none"], None, False),
        ([], "1", True),
        ([], " 1 ", True),
    ],
)
def test_headers(tags: list[str], tdm: str | None, refused: bool) -> None:
    assert (header_refusal(tags, tdm) is not None) is refused


@pytest.mark.parametrize(
    ("entries", "refused"),
    [
        ([{"location": "/", "tdm-reservation": 1}], True),
        ([{"location": "/photos/*.jpg", "tdm-reservation": 1}], True),
        ([{"location": "/*.png$", "tdm-reservation": 1}], False),
        ([{"location": "/photos/", "tdm-reservation": 0}, {"location": "/", "tdm-reservation": 1}],
         False),
        ({"location": "/", "tdm-reservation": 1}, True),
        ([{"location": 3}, 4, None, {"tdm-reservation": 1}], False),
        ("text", False),
    ],
)  # fmt: skip
def test_reservations(entries: object, refused: bool) -> None:
    """The first entry that fits decides (TDMRep, 4.2)."""
    rules = Rules(None, parsed_reservations(json.dumps(entries).encode()))
    refusal = rules.refusal("https://h.example/photos/a.jpg", "/photos/a.jpg")
    assert (refusal is not None) is refused


@given(st.binary(max_size=300))
def test_nonsense_reserves_nothing_and_raises_nothing(body: bytes) -> None:
    parsed_robots(body)
    assert parsed_reservations(body) == ()


@given(st.text("ab/", max_size=8), st.lists(st.text("ab/", max_size=4), max_size=4))
def test_a_pattern_fits_what_it_was_made_from(between: str, parts: list[str]) -> None:
    path = "/" + between.join(parts)
    assert matches("/" + "*".join(parts), path)
    assert matches("/" + "*".join(parts) + "$", path)
