"""Names of licences: made comparable for the gate in footwork.toml, written out for credits."""

import re
from collections.abc import Collection

UNKNOWN = "unknown"  # in [licences] allow: photos whose source does not say
CREATIVE_COMMONS = re.compile(r"by(-nc)?(-(sa|nd))?")
DEED = re.compile(r"//(?:www\.)?creativecommons\.org/(licenses|publicdomain)/([a-z-]+)/([0-9.]+)")
SAID_OTHERWISE = {
    "zero": "cc0",
    "cc-zero": "cc0",
    "publicdomain": "pdm",
    "public-domain": "pdm",
    "public-domain-mark": "pdm",
    "mark": "pdm",
    "pd": "pdm",
}


def normal(licence: str | None, url: str | None = None) -> str:
    """Return a licence's short name in lower case, without version and country: 'by-sa'.

    "CC BY-SA 4.0", "cc-by-sa-3.0-de" and "by-sa" are one. Creative Commons' own address decides
    where the source gives one. UNKNOWN where nothing is said.
    """
    deed = DEED.search(url.lower()) if url else None
    said = deed[2] if deed else licence or ""
    name = re.sub(r"[\s_]+", "-", said.strip().lower())
    name = SAID_OTHERWISE.get(name, name)
    bare = re.sub(r"-?\d+(\.\d+)?.*$", "", name.removeprefix("cc-")) if name != "cc0" else name
    if CREATIVE_COMMONS.fullmatch(bare):
        return bare
    if name.startswith(("cc0", "cc-0")):
        return "cc0"
    if bare in SAID_OTHERWISE:
        return SAID_OTHERWISE[bare]
    return name or UNKNOWN


def left_out(licence: str | None, url: str | None, allow: Collection[str]) -> str | None:
    """Return why [licences] allow keeps a photo out, or None. Nothing listed: all may come in."""
    if not allow:
        return None
    name = normal(licence, url)
    if name in {UNKNOWN if item == UNKNOWN else normal(item) for item in allow}:
        return None
    if name == UNKNOWN:
        return 'its licence is not stated, and [licences] allow does not list "unknown"'
    return f"its licence {name} is not in [licences] allow"


def in_full(licence: str | None, url: str | None) -> str:
    """Return a licence as a credit names it: 'CC BY-SA 4.0'; what the source said for others."""
    name = normal(licence, url)
    deed = DEED.search(url.lower()) if url else None
    version = f" {deed[3].rstrip('.')}" if deed else ""
    if CREATIVE_COMMONS.fullmatch(name):
        return f"CC {name.upper()}{version}"
    if name == "cc0":
        return f"CC0{version}"
    if name == "pdm":
        return f"Public Domain Mark{version}"
    return "licence not stated" if name == UNKNOWN else (licence or name)
