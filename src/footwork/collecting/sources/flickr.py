"""Flickr.

Documentation: https://www.flickr.com/services/api/flickr.photos.search.html (500 a page, the
first 4,000 results), flickr.photos.licenses.getInfo.html, https://www.flickr.com/services/
developer/api/ (3,600 queries an hour), https://www.flickr.com/help/terms/api, read 2026-11-24.
Its numbers for licences are asked for: version 4.0 joined in June 2025 under numbers of its own.
An error comes with status 200 and stat "fail". The photographers own the photos: most are "all
rights reserved", which [licences] allow keeps out.
"""

from typing import ClassVar, Literal

from footwork.collecting.hits import Hit, Query, SourceProblem, Web
from footwork.collecting.sources.paging import About, Answer, Page, Paged, key_of, licence_of, read
from footwork.collecting.sources.paging import web_address as address

PER_PAGE = 100
SIZES = ("url_l", "url_c", "url_o", "url_z", "url_m")  # 1024, 800, original, 640, 500 pixels
NO_DEED = {  # licences that are not Creative Commons
    "0": "all-rights-reserved",
    "7": "no-known-restrictions",
    "8": "us-government",
}


class Photo(Answer):
    id: str
    owner: str
    title: str = ""
    license: str | int | None = None
    ownername: str | None = None
    url_l: str | None = None
    url_c: str | None = None
    url_o: str | None = None
    url_z: str | None = None
    url_m: str | None = None
    width_l: int | None = None
    height_l: int | None = None


class Photos(Answer):
    page: int
    pages: int
    photo: list[Photo]


class Licence(Answer):
    id: str | int
    url: str = ""


class Licences(Answer):
    license: list[Licence]


class Answered(Answer):
    stat: Literal["ok", "fail"]
    code: int = 0
    message: str = ""
    photos: Photos | None = None
    licenses: Licences | None = None


class Flickr(Paged):
    about: ClassVar[About] = About(
        name="flickr",
        what="photos of Flickr's members",
        needs="a key",
        rate_per_s=1.0,
        limits="100 a page, 4,000 a query; 3,600 requests an hour",
        licences="each photo's own; most are all rights reserved",
        terms_url="https://www.flickr.com/help/terms/api",
        key="FOOTWORK_FLICKR_KEY",
        key_page="https://www.flickr.com/services/apps/create/",
    )
    most: ClassVar[int] = 4_000

    def __init__(self, url: str | None = None) -> None:
        self.url = (url or "https://api.flickr.com").rstrip("/")
        self._licences: dict[str, str] = {}

    async def page(self, query: Query, web: Web, cursor: str | None) -> Page:
        number = int(cursor or 1)
        if not self._licences:
            self._licences = await self.licences(web)
        params = {
            "method": "flickr.photos.search",
            "text": query.words,
            "media": "photos",
            "sort": "relevance",
            "extras": f"license,owner_name,{','.join(SIZES)}",
            "per_page": str(PER_PAGE),
            "page": str(number),
        }
        photos = (await self.ask(web, params)).photos
        if photos is None:
            raise SourceProblem("changed", "flickr has changed: its answer holds no `photos`.")
        hits = [hit for photo in photos.photo if (hit := self.hit(photo, query))]
        more = number < photos.pages
        return Page(hits, len(photos.photo), str(number + 1) if more else None)

    async def licences(self, web: Web) -> dict[str, str]:
        """Return the page of each licence by Flickr's number for it ('' where there is none)."""
        found = (await self.ask(web, {"method": "flickr.photos.licenses.getInfo"})).licenses
        if found is None:
            raise SourceProblem("changed", "flickr has changed: its answer holds no `licenses`.")
        return {str(licence.id): licence.url for licence in found.license}

    async def ask(self, web: Web, params: dict[str, str]) -> Answered:
        whole = params | {"api_key": key_of(self.about), "format": "json", "nojsoncallback": "1"}
        raw = await web.get_json(f"{self.url}/services/rest/", params=whole)
        answer = read(Answered, raw, self.name)
        if answer.stat == "fail":
            raise said_no(answer)
        return answer

    def hit(self, photo: Photo, query: Query) -> Hit | None:
        url = next((found for size in SIZES if (found := address(getattr(photo, size)))), None)
        if url is None:
            return None
        number = str(photo.license)
        deed = address(self._licences.get(number))
        is_large = url == photo.url_l
        return Hit(
            source=self.name,
            query=query,
            image_url=url,
            page_url=f"https://www.flickr.com/photos/{photo.owner}/{photo.id}",
            title=photo.title or None,
            author=photo.ownername,
            licence=NO_DEED.get(number) or licence_of(None, deed),
            licence_url=deed,
            width=photo.width_l if is_large else None,
            height=photo.height_l if is_large else None,
        )


def said_no(answer: Answered) -> SourceProblem:
    """Turn Flickr's error into a problem; 100 is a wrong key, 105 and 106 are passing."""
    if answer.code == 100:
        about = Flickr.about
        return SourceProblem(
            "key", f"flickr does not know the key in {about.key}. Get one at {about.key_page}"
        )
    if answer.code in (105, 106):
        return SourceProblem("limited", f"flickr is busy ({answer.code}). Collect again later.")
    return SourceProblem("refused", f"flickr refuses the search: {answer.code}, {answer.message}")
