"""Wikimedia Commons.

Documentation: https://www.mediawiki.org/wiki/API:Search, API:Imageinfo, API:Continue,
Manual:Maxlag_parameter and API:Etiquette (one request at a time, a User-Agent with a contact),
read 2026-11-24. Photos wider than 1280 pixels are taken as Wikimedia's own 1280 pixel version:
enough for any network here, and a tenth of the bytes.
"""

import html
import json
import re
from typing import ClassVar

from pydantic import Field

from footwork.collecting.hits import Hit, Query, SourceProblem, Web
from footwork.collecting.sources.paging import About, Answer, Page, Paged, licence_of, read
from footwork.collecting.sources.paging import web_address as address

PER_PAGE = 50
WIDE = 1280  # one of the widths that Wikimedia keeps ready
PHOTOS = ("image/jpeg", "image/png", "image/webp", "image/tiff", "image/gif")
TAG = re.compile(r"<[^>]*>")


class Said(Answer):
    value: str | int | float


class ImageInfo(Answer):
    url: str
    descriptionurl: str
    mime: str
    width: int
    height: int
    size: int
    user: str | None = None
    thumburl: str | None = None
    extmetadata: dict[str, Said] = Field(default_factory=dict)


class File(Answer):
    title: str
    index: int = 0
    imageinfo: tuple[ImageInfo, ...] = ()


class Found(Answer):
    pages: tuple[File, ...] = ()


class Wrong(Answer):
    code: str
    info: str = ""


class Answered(Answer):
    query: Found | None = None
    error: Wrong | None = None
    batchcomplete: bool = False
    following: dict[str, str | int] | None = None


class Commons(Paged):
    about: ClassVar[About] = About(
        name="commons",
        what="Wikimedia Commons: freely licensed photos",
        needs="nothing; Wikimedia asks for a contact in [fetch]",
        rate_per_s=1.0,
        limits="50 a page, 10,000 a query; one request at a time, less when its servers lag",
        licences="each photo's own: Creative Commons and public domain",
        terms_url="https://commons.wikimedia.org/wiki/Commons:Reusing_content_outside_Wikimedia",
    )
    most: ClassVar[int] = 10_000

    def __init__(self, url: str | None = None) -> None:
        self.url = (url or "https://commons.wikimedia.org").rstrip("/")

    async def page(self, query: Query, web: Web, cursor: str | None) -> Page:
        params = {
            "action": "query",
            "format": "json",
            "formatversion": "2",
            "maxlag": "5",
            "generator": "search",
            "gsrsearch": f"{query.words} filetype:bitmap",
            "gsrnamespace": "6",
            "gsrlimit": str(PER_PAGE),
            "prop": "imageinfo",
            "iiprop": "url|user|size|mime|extmetadata",
            "iiurlwidth": str(WIDE),
            "iiextmetadatafilter": "LicenseShortName|LicenseUrl|Artist|ObjectName",
            "iiextmetadatalanguage": query.language or "en",
        }
        if cursor:
            params |= {key: str(value) for key, value in json.loads(cursor).items()}
        raw = await web.get_json(f"{self.url}/w/api.php", params=params)
        if isinstance(raw, dict) and "continue" in raw:
            raw = {**raw, "following": raw["continue"]}
        answer = read(Answered, raw, self.name)
        if answer.error is not None:
            raise said_no(answer.error)
        if answer.query is None and not answer.batchcomplete:
            raise SourceProblem("changed", "commons has changed: its answer holds no `query`.")
        files = sorted(answer.query.pages, key=lambda file: file.index) if answer.query else []
        hits = [hit for file in files if (hit := self.hit(file, query))]
        following = json.dumps(answer.following, sort_keys=True) if answer.following else None
        return Page(hits, len(files), following)

    def hit(self, file: File, query: Query) -> Hit | None:
        """Return the hit of a file, None for what is no photo."""
        info = file.imageinfo[0] if file.imageinfo else None
        original = address(info.url) if info else None
        if info is None or original is None or info.mime not in PHOTOS:
            return None
        small = address(info.thumburl) if info.width > WIDE else None
        said = {key: plain(value.value) for key, value in info.extmetadata.items()}
        licence_url = address(said.get("LicenseUrl"))
        return Hit(
            source=self.name,
            query=query,
            image_url=small or original,
            page_url=info.descriptionurl,
            title=said.get("ObjectName") or file.title.removeprefix("File:").rpartition(".")[0],
            author=said.get("Artist") or info.user,
            licence=licence_of(said.get("LicenseShortName"), licence_url),
            licence_url=licence_url,
            width=WIDE if small else info.width,
            height=round(info.height * WIDE / info.width) if small else info.height,
            size=None if small else info.size,
        )


def said_no(error: Wrong) -> SourceProblem:
    """Turn MediaWiki's error, which comes with status 200, into a problem."""
    if error.code in ("maxlag", "ratelimited", "readonly"):
        return SourceProblem(
            "limited", f"commons asks for a pause ({error.code}). Collect again later."
        )
    return SourceProblem("refused", f"commons refuses the search: {error.code}, {error.info}")


def plain(value: str | int | float) -> str:
    """Return the text of a piece of HTML, on one line."""
    return " ".join(html.unescape(TAG.sub(" ", str(value))).split())
