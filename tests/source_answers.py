"""What the APIs of the photo sources answer, each in its documented form.

The pages of the documentation are named in the docstrings of footwork.collecting.sources.*.
`source_servers` puts these answers behind real sockets.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from aiohttp import web

Api = Literal[
    "openverse",
    "commons",
    "flickr",
    "pexels",
    "pixabay",
    "inaturalist",
    "gbif",
    "searxng",
    "ddgs",
    "wikidata",
]
APIS: tuple[Api, ...] = get_args(Api)
SEARCHED: tuple[Api, ...] = tuple(api for api in APIS if api != "wikidata")
Misbehaviour = Literal[
    "401",
    "403",
    "429",
    "500",
    "html",
    "not-json",
    "other-shape",
    "list",
    "empty-pages",  # for ever, each with a new cursor
    "same-page",  # for ever, each with a new cursor
    "looping-cursor",
    "slow",  # answers after 30 s
    "reset",  # closes the connection
]
KEYS = {
    "flickr": "FOOTWORK_FLICKR_KEY",
    "pexels": "FOOTWORK_PEXELS_KEY",
    "pixabay": "FOOTWORK_PIXABAY_KEY",
}
KEY = "a-key-of-the-tests-0123456789"
LICENCES = ("by", "by-sa", "cc0", "by-nc", "by-nc-sa", "by-nd")
FLICKR_LICENCES = {"by": 4, "by-sa": 5, "cc0": 9, "by-nc": 2, "by-nc-sa": 1, "by-nd": 6}
SAYS_LICENCE = ("openverse", "commons", "flickr", "inaturalist", "gbif")
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Photo:
    """A photo as one search offers it; the same bytes may be offered under several addresses."""

    number: int
    data: bytes
    url: str
    title: str
    author: str
    licence: str
    width: int = 640
    height: int = 480

    @property
    def page(self) -> str:
        return f"https://example.org/photo/{self.number}"

    @property
    def licence_url(self) -> str:
        return deed(self.licence)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def deed(licence: str) -> str:
    if licence == "cc0":
        return "https://creativecommons.org/publicdomain/zero/1.0/"
    return f"https://creativecommons.org/licenses/{licence}/4.0/"


class Answers:
    """One method per API. _offers: the photos of each search, by API and words."""

    page_size: int
    _behaviour: dict[str, Misbehaviour]
    _offers: dict[tuple[str, str], list[Photo]]

    def url(self, api: str) -> str:
        raise NotImplementedError

    def _page(self, api: str, words: str, number: int) -> tuple[list[Photo], int]:
        """Return the photos of a page (1, 2, ...) and how many there are in all."""
        how = self._behaviour.get(api)
        words = words.strip()
        offers = self._offers.get((api, words), [])
        if how == "empty-pages":
            return [], 10**6
        if how in ("same-page", "looping-cursor"):
            return offers[: self.page_size], 10**6
        first = (number - 1) * self.page_size
        return offers[first : first + self.page_size], len(offers)

    async def _openverse(self, request: web.Request) -> web.StreamResponse:
        number = int(request.query.get("page", 1))
        if int(request.query.get("page_size", 20)) > 20:
            detail = "Ensure this value is less than or equal to 20."
            return web.json_response({"detail": detail}, status=401)
        photos, total = self._page("openverse", request.query["q"], number)
        results: list[dict[str, object]] = [
            {
                "id": f"00000000-0000-4000-8000-{photo.number:012}",
                "title": photo.title,
                "indexed_on": "2026-01-01T00:00:00Z",
                "foreign_landing_url": photo.page,
                "url": photo.url,
                "creator": photo.author,
                "creator_url": None,
                "license": photo.licence,
                "license_version": "4.0",
                "license_url": photo.licence_url,
                "provider": "flickr",
                "source": "flickr",
                "category": None,
                "filesize": None,
                "filetype": "jpg",
                "tags": [],
                "attribution": None,
                "height": photo.height,
                "width": photo.width,
            }
            for photo in photos
        ]
        pages = -(-total // self.page_size)
        whole = {
            "result_count": total,
            "page_count": pages,
            "page_size": self.page_size,
            "page": number,
            "results": results,
            "warnings": None,
        }
        return web.json_response(whole)

    async def _commons(self, request: web.Request) -> web.StreamResponse:
        words = request.query["gsrsearch"].removesuffix(" filetype:bitmap")
        offset = int(request.query.get("gsroffset", 0))
        photos, total = self._page("commons", words, offset // self.page_size + 1)
        whole: dict[str, object] = {"batchcomplete": True}
        pages = [
            {
                "pageid": 1000 + photo.number,
                "ns": 6,
                "title": f"File:{photo.title}.jpg",
                "index": offset + place + 1,
                "imagerepository": "local",
                "imageinfo": [
                    {
                        "size": len(photo.data),
                        "width": photo.width,
                        "height": photo.height,
                        "user": "Uploader",
                        "url": photo.url,
                        "descriptionurl": photo.page,
                        "mime": "image/jpeg",
                        "extmetadata": {
                            "ObjectName": {"value": photo.title, "source": "mediawiki-metadata"},
                            "Artist": {"value": f'<a href="//x.org">{photo.author}</a>'},
                            "LicenseShortName": {"value": f"CC {photo.licence.upper()} 4.0"},
                            "LicenseUrl": {"value": photo.licence_url},
                        },
                    }
                ],
            }
            for place, photo in enumerate(photos)
        ]
        # The generator's pages come sorted by their numbers, not by rank: `index` is the rank.
        if pages or self._behaviour.get("commons") == "empty-pages":
            whole["query"] = {"pages": pages[::-1]}
        following = 0 if self._behaviour.get("commons") == "looping-cursor" else offset
        if following + self.page_size < total:
            after = following + self.page_size
            whole["continue"] = {"gsroffset": after, "continue": "gsroffset||"}
        return web.json_response(whole)

    async def _flickr(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("api_key") != KEY:
            message = "Invalid API Key (Key has invalid format)"
            return web.json_response({"stat": "fail", "code": 100, "message": message})
        if request.query["method"] == "flickr.photos.licenses.getInfo":
            listed = [
                {"id": str(number), "name": name, "url": deed(name).replace("4.0", "2.0")}
                for name, number in FLICKR_LICENCES.items()
            ]
            listed.append({"id": "0", "name": "All Rights Reserved", "url": ""})
            return web.json_response({"licenses": {"license": listed}, "stat": "ok"})
        number = int(request.query.get("page", 1))
        photos, total = self._page("flickr", request.query["text"], number)
        found = [
            {
                "id": str(photo.number),
                "owner": "1@N00",
                "secret": "x",
                "server": "1",
                "farm": 1,
                "title": photo.title,
                "ispublic": 1,
                "license": str(FLICKR_LICENCES[photo.licence]),
                "ownername": photo.author,
                "url_l": photo.url,
                "width_l": photo.width,
                "height_l": photo.height,
            }
            for photo in photos
        ]
        pages = -(-total // self.page_size)
        listed_photos = {"page": number, "pages": pages, "perpage": self.page_size, "total": total}
        return web.json_response({"photos": {**listed_photos, "photo": found}, "stat": "ok"})

    async def _pexels(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != KEY:
            return web.json_response({"status": 401, "code": "Unauthorized"}, status=401)
        number = int(request.query.get("page", 1))
        photos, total = self._page("pexels", request.query["query"], number)
        whole: dict[str, object] = {
            "page": number,
            "per_page": self.page_size,
            "total_results": total,
            "photos": [
                {
                    "id": photo.number,
                    "width": photo.width,
                    "height": photo.height,
                    "url": photo.page,
                    "photographer": photo.author,
                    "photographer_url": "https://example.org",
                    "photographer_id": 1,
                    "avg_color": "#333",
                    "src": {"original": photo.url, "large2x": photo.url},
                    "liked": False,
                    "alt": photo.title,
                }
                for photo in photos
            ],
        }
        if number * self.page_size < total:
            whole["next_page"] = f"{self.url('pexels')}/v1/search/?page={number + 1}"
        return web.json_response(whole)

    async def _pixabay(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("key") != KEY:
            return web.Response(status=400, text="[ERROR 400] Invalid or missing API key")
        number = int(request.query.get("page", 1))
        photos, total = self._page("pixabay", request.query["q"], number)
        hits = [
            {
                "id": photo.number,
                "pageURL": photo.page,
                "type": "photo",
                "tags": photo.title,
                "largeImageURL": photo.url,
                "imageWidth": photo.width,
                "imageHeight": photo.height,
                "imageSize": len(photo.data),
                "user_id": 1,
                "user": photo.author,
            }
            for photo in photos
        ]
        # Its pages hold what per_page asks for; the adapter counts in those.
        asked = int(request.query["per_page"])
        total = -(-total // self.page_size) * asked
        return web.json_response({"total": total, "totalHits": total, "hits": hits})

    async def _inaturalist(self, request: web.Request) -> web.StreamResponse:
        """An observation has up to two photos; ids fall, and id_below goes on."""
        offers = self._offers.get(("inaturalist", request.query["taxon_name"]), [])
        how = self._behaviour.get("inaturalist")
        below = int(request.query.get("id_below", 10_001))
        pairs = [offers[first : first + 2] for first in range(0, len(offers), 2)]
        top = below - 1 if how == "same-page" else 10_000
        wanted = [(top - place, pair) for place, pair in enumerate(pairs)]
        if how == "empty-pages":
            wanted = []
        elif how not in ("same-page", "looping-cursor"):
            wanted = [(number, pair) for number, pair in wanted if number < below]
        results: list[dict[str, object]] = [
            {
                "id": number,
                "uri": f"https://example.org/observations/{number}",
                "quality_grade": "research",
                "species_guess": "climber",
                "taxon": {"id": 1, "name": "Homo", "preferred_common_name": pair[0].title},
                "user": {"id": 1, "login": pair[0].author, "name": None},
                "photos": [
                    {
                        "id": photo.number,
                        "license_code": "cc0" if photo.licence == "cc0" else f"cc-{photo.licence}",
                        "url": photo.url,
                        "attribution": f"(c) {photo.author}",
                        "original_dimensions": {"width": photo.width, "height": photo.height},
                    }
                    for photo in pair
                ],
            }
            for number, pair in wanted[: max(1, self.page_size // 2)]
        ]
        total = 10**6 if how else len(wanted)
        whole = {"total_results": total, "page": 1, "per_page": self.page_size, "results": results}
        return web.json_response(whole)

    async def _gbif(self, request: web.Request) -> web.StreamResponse:
        offset, limit = int(request.query["offset"]), int(request.query["limit"])
        number = offset // limit + 1
        photos, total = self._page("gbif", request.query["q"], number)
        results: list[dict[str, object]] = [
            {
                "key": photo.number,
                "scientificName": photo.title,
                "license": "http://creativecommons.org/licenses/by/4.0/legalcode",
                "media": [
                    {
                        "type": "StillImage",
                        "format": "image/jpeg",
                        "identifier": photo.url,
                        "references": photo.page,
                        "creator": photo.author,
                        "license": photo.licence_url,
                    },
                    {"type": "Sound", "identifier": "https://example.org/a.mp3"},
                ],
            }
            for photo in photos
        ]
        done = number * self.page_size >= total
        whole = {"offset": offset, "limit": limit, "endOfRecords": done, "count": total}
        return web.json_response({**whole, "results": results, "facets": []})

    async def _searxng(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("format") != "json":
            return web.Response(status=403)
        number = int(request.query.get("pageno", 1))
        photos, _total = self._page("searxng", request.query["q"], number)
        results = [
            {
                "url": photo.page,
                "title": photo.title,
                "content": "",
                "img_src": photo.url,
                "thumbnail_src": photo.url,
                "img_format": "jpeg",
                "resolution": f"{photo.width} x {photo.height}",
                "source": "example.org",
                "engine": "bing images",
                "template": "images.html",
                "parsed_url": ["https", "example.org", "/", "", "", ""],
                "engines": ["bing images"],
                "positions": [1],
                "category": "images",
            }
            for photo in photos
        ]
        whole = {"query": request.query["q"], "number_of_results": 0, "results": results}
        return web.json_response({**whole, "answers": [], "unresponsive_engines": []})

    async def _engines(self, request: web.Request) -> web.StreamResponse:
        """DuckDuckGo's token page and its i.js; Bing's asynchronous page."""
        words = request.query.get("q", "")
        if request.host.startswith("www.bing.com"):
            number = (int(request.query["first"]) - 1) // int(request.query["count"]) + 1
            return web.Response(
                text=bing(self._page("ddgs", words, number)[0]), content_type="text/html"
            )
        if request.path != "/i.js":
            page = f'<html><script>vqd="4-{len(words)}123";</script></html>'
            return web.Response(text=page, content_type="text/html")
        number = int(request.query.get("s", 0)) // 100 + 1
        photos, _total = self._page("ddgs", words, number)
        results = [
            {
                "title": photo.title,
                "image": photo.url,
                "thumbnail": photo.url,
                "url": photo.page,
                "height": photo.height,
                "width": photo.width,
                "source": "Bing",
            }
            for photo in photos
        ]
        return web.json_response({"results": results, "query": words, "next": "i.js?s=100"})

    async def _wikidata(self, request: web.Request) -> web.StreamResponse:
        asked = request.query
        if asked["action"] == "wbsearchentities":
            items = [
                {"id": number, "label": item["label"], "description": item["description"]}
                for number, item in ITEMS.items()
                if asked["search"].casefold() in item["label"].casefold()
            ]
            return web.json_response({"searchinfo": {}, "search": items, "success": 1})
        languages = asked["languages"].split("|")
        entities: dict[str, object] = {}
        for number in asked["ids"].split("|"):
            names = NAMES[number]
            entities[number] = {
                "type": "item",
                "id": number,
                "labels": {
                    language: {"language": language, "value": names[language][0]}
                    for language in languages
                    if language in names
                },
                "aliases": {
                    language: [{"language": language, "value": one} for one in names[language][1:]]
                    for language in languages
                    if language in names
                },
            }
        return web.json_response({"entities": entities, "success": 1})


ITEMS = {
    "Q700001": {"label": "heel hook", "description": "climbing technique"},
    "Q700002": {"label": "heel hook", "description": "leg lock in grappling"},
}
NAMES: dict[str, dict[str, list[str]]] = {
    "Q700001": {
        "ja": ["ヒールフック"],
        "fr": ["crochet de talon", "crochetage talon"],
        "de": ["Heelhook", "Fersenhaken"],
    },
    "Q700002": {"pt": ["chave de calcanhar"], "ja": ["ヒールホールド"]},
}


def bing(photos: Sequence[Photo]) -> str:
    """Return Bing's page of image results as ddgs reads it."""
    items = []
    for photo in photos:
        said = {"t": photo.title, "murl": photo.url, "turl": photo.url, "purl": photo.page}
        quoted = json.dumps(said).replace("&", "&amp;").replace('"', "&quot;")
        items.append(
            f'<div><div class="imgpt"><a class="iusc" m="{quoted}"></a><div class="img_info">'
            f'<span class="nowrap">{photo.width} × {photo.height} · jpeg</span></div></div>'
            '<div class="infopt"><div class="lnkw"><a>example.org</a></div></div></div>'
        )
    return f"<html><body>{''.join(items)}</body></html>"
