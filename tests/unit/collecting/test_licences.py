"""Names of licences, and the gate in footwork.toml."""

import pytest

from footwork.collecting.licences import in_full, left_out, normal


@pytest.mark.parametrize(
    ("said", "url", "name"),
    [
        ("by", None, "by"),
        ("CC BY-SA 4.0", None, "by-sa"),
        ("cc-by-nc-nd", None, "by-nc-nd"),
        ("CC BY-SA 3.0 de", None, "by-sa"),
        ("Attribution License", "https://creativecommons.org/licenses/by/2.0/", "by"),
        (None, "http://www.creativecommons.org/licenses/by-nc-sa/2.0/jp/", "by-nc-sa"),
        ("CC0", None, "cc0"),
        ("CC0 1.0", None, "cc0"),
        (None, "https://creativecommons.org/publicdomain/zero/1.0/", "cc0"),
        (None, "https://creativecommons.org/publicdomain/mark/1.0/", "pdm"),
        ("Public domain", None, "pdm"),
        ("pdm", None, "pdm"),
        ("Pexels License", "https://www.pexels.com/license/", "pexels-license"),
        ("All Rights Reserved", None, "all-rights-reserved"),
        ("", None, "unknown"),
        (None, None, "unknown"),
        ("byline", None, "byline"),
    ],
)
def test_one_name_for_all_the_ways_to_say_it(said: str | None, url: str | None, name: str) -> None:
    assert normal(said, url) == name
    assert normal(normal(said, url)) == name


def test_nothing_listed_lets_everything_in() -> None:
    assert left_out(None, None, ()) is None
    assert left_out("all rights reserved", None, ()) is None


def test_what_is_listed_comes_in_and_the_rest_says_why_not() -> None:
    allow = ("CC0", "cc-by", "by-sa")
    assert left_out("CC BY 2.0", None, allow) is None
    assert left_out("cc0", None, allow) is None
    assert left_out("by-nc", None, allow) == "its licence by-nc is not in [licences] allow"
    assert '"unknown"' in str(left_out(None, None, allow))
    assert left_out(None, None, (*allow, "unknown")) is None


def test_a_credit_names_the_version_where_the_address_does() -> None:
    deed = "https://creativecommons.org/licenses/by-sa/4.0/"
    assert in_full("by-sa", deed) == "CC BY-SA 4.0"
    assert in_full("by-sa", None) == "CC BY-SA"
    assert in_full("cc0", "https://creativecommons.org/publicdomain/zero/1.0/") == "CC0 1.0"
    assert in_full(None, None) == "licence not stated"
    assert in_full("Pexels License", None) == "Pexels License"
