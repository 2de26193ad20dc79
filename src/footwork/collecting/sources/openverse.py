"""Openverse: openly licensed photos of many providers.

Documentation: https://api.openverse.org/v1/ and the API's own serializers
and settings (WordPress/openverse, api/api/serializers/media_serializers.py and
api/conf/settings/rest_framework.py), read 2026-11-24. Without a token a page holds 20 results at
most (401 above that), a query 240 results in all (issue 4474), and its code allows 5 requests an
hour and 100 a day, a registered token 100 a minute and 10,000 a day. It knows no languages: the
words are searched in titles, tags and descriptions as they are.
"""

import os
from typing import ClassVar

from footwork.collecting.hits import Hit, Query, SourceProblem, Web
from footwork.collecting.sources.paging import About, Answer, Page, Paged, licence_of, read
from footwork.collecting.sources.paging import web_address as address

PER_PAGE = 20
TOKEN = "FOOTWORK_OPENVERSE_TOKEN"  # noqa: S105  the variable's name
REGISTER = "https://api.openverse.org/v1/#tag/auth"


class Image(Answer):
    url: str | None
    license: str
    license_url: str | None = None
    foreign_landing_url: str | None = None
    title: str | None = None
    creator: str | None = None
    width: int | None = None
    height: int | None = None
    filesize: int | None = None


class Images(Answer):
    page_count: int
    results: list[Image]


class Openverse(Paged):
    about: ClassVar[About] = About(
        name="openverse",
        what="openly licensed photos of many providers",
        needs=f"nothing; a token in {TOKEN} raises its limits: {REGISTER}",
        rate_per_s=0.33,
        limits="20 a page, 240 a query; 5 requests an hour without a token, 100 a minute with one",
        licences="each photo's own: Creative Commons and public domain",
        terms_url="https://docs.openverse.org/terms_of_service.html",
    )
    most: ClassVar[int] = 240

    def __init__(self, url: str | None = None) -> None:
        self.url = (url or "https://api.openverse.org").rstrip("/")

    async def page(self, query: Query, web: Web, cursor: str | None) -> Page:
        number = int(cursor or 1)
        params = {"q": query.words[:200], "page": str(number), "page_size": str(PER_PAGE)}
        token = os.environ.get(TOKEN, "").strip()
        headers = {"Authorization": f"Bearer {token}"} if token else None
        try:
            answer = await web.get_json(f"{self.url}/v1/images/", params=params, headers=headers)
        except SourceProblem as problem:
            if token and problem.trouble == "key":
                raise SourceProblem(
                    "key",
                    f"openverse does not take the token in {TOKEN}: they last for half a day. "
                    f"Get a new one ({REGISTER}) or go without.",
                ) from None
            raise
        images = read(Images, answer, self.name)
        hits = [
            Hit(
                source=self.name,
                query=query,
                image_url=url,
                page_url=image.foreign_landing_url,
                title=image.title,
                author=image.creator,
                licence=licence_of(image.license, image.license_url),
                licence_url=image.license_url,
                width=image.width,
                height=image.height,
                size=image.filesize,
            )
            for image in images.results
            if (url := address(image.url))
        ]
        more = number < images.page_count
        return Page(hits, len(images.results), str(number + 1) if more else None)
