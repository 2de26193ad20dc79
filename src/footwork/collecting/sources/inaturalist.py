"""iNaturalist: photos of living things, where a niche is one.

Documentation: https://api.inaturalist.org/v1/docs/ (GET /observations, 200 a page; beyond 10,000
results by id_below), its recommended practices (at most 60 requests a minute and 10,000 a day),
read 2026-11-24. A photo without a licence code is all rights reserved. Its address names a size:
"square" becomes "large" (1024 pixels).
"""

from typing import ClassVar

from footwork.collecting.hits import Hit, Query, Web
from footwork.collecting.sources.paging import About, Answer, Page, Paged, licence_of, read
from footwork.collecting.sources.paging import web_address as address

PER_PAGE = 100


class Photo(Answer):
    url: str | None = None
    license_code: str | None = None
    attribution: str | None = None


class User(Answer):
    login: str
    name: str | None = None


class Taxon(Answer):
    name: str
    preferred_common_name: str | None = None


class Observation(Answer):
    id: int
    uri: str
    user: User
    photos: tuple[Photo, ...] = ()
    taxon: Taxon | None = None
    species_guess: str | None = None


class Observations(Answer):
    total_results: int
    results: list[Observation]


class INaturalist(Paged):
    about: ClassVar[About] = About(
        name="inaturalist",
        what="observations of living things; the words are a taxon's name",
        rate_per_s=1.0,
        limits="100 a page; 60 requests a minute, 10,000 a day; 5 GB of photos an hour",
        licences="each photo's own; some all rights reserved",
        terms_url="https://www.inaturalist.org/pages/terms",
    )
    most: ClassVar[int] = 100_000

    def __init__(self, url: str | None = None) -> None:
        self.url = (url or "https://api.inaturalist.org").rstrip("/")

    async def page(self, query: Query, web: Web, cursor: str | None) -> Page:
        params = {
            "taxon_name": query.words,
            "photos": "true",
            "locale": query.language or "en",
            "per_page": str(PER_PAGE),
            "order_by": "id",
            "order": "desc",
        }
        if cursor:
            params["id_below"] = cursor
        answer = read(
            Observations,
            await web.get_json(f"{self.url}/v1/observations", params=params),
            self.name,
        )
        seen = answer.results
        hits = [hit for item in seen for hit in self.hits(item, query)]
        following = str(min(item.id for item in seen)) if seen else None
        return Page(hits, len(seen), following if len(seen) < answer.total_results else None)

    def hits(self, item: Observation, query: Query) -> list[Hit]:
        """Return a hit for each photo of an observation; they share its page, so its fold."""
        taxon = item.taxon
        title = (taxon.preferred_common_name or taxon.name) if taxon else item.species_guess
        return [
            Hit(
                source=self.name,
                query=query,
                image_url=url.replace("/square.", "/large."),
                page_url=item.uri,
                title=title,
                author=item.user.name or item.user.login,
                licence=licence_of(photo.license_code) or "all-rights-reserved",
                licence_url=deed(photo.license_code),
            )
            for photo in item.photos
            if (url := address(photo.url))
        ]


def deed(code: str | None) -> str | None:
    """Return the page of a licence code such as 'cc-by-nc' (version 4.0) or 'cc0'."""
    if code == "cc0":
        return "https://creativecommons.org/publicdomain/zero/1.0/"
    name = (code or "").removeprefix("cc-")
    return f"https://creativecommons.org/licenses/{name}/4.0/" if name.startswith("by") else None
