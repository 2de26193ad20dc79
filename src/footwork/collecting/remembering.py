"""A Web that asks nothing twice within a collection, whatever kills it in between."""

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from footwork.collecting.hits import Web
from footwork.collecting.ledger import Ledger

SECRET = re.compile(r"key|token|secret|auth|pass", re.IGNORECASE)  # names of such parameters


class Remembering:
    """See `hits.Web` and `hits.Memory`. Answers are kept by a hash of the request, without keys."""

    def __init__(self, web: Web, ledger: Ledger, collection: int) -> None:
        self._web = web
        self._ledger = ledger
        self._collection = collection

    async def get_json(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> object:
        given = [*(params or {}).items(), *(headers or {}).items()]
        secrets = [value for name, value in given if value and SECRET.search(name)]
        request = json.dumps([url, sorted((params or {}).items())])
        ask = partial(self._web.get_json, url, params=params, headers=headers)
        return await self.once(request, ask, secrets)

    async def once(
        self,
        request: str,
        ask: Callable[[], Awaitable[object]],
        secrets: Sequence[str] = (),
    ) -> object:
        """See `hits.Memory`. An answer that repeats one of the secrets is not remembered."""
        key = hashlib.sha256(request.encode()).hexdigest()
        known = self._ledger.answer(self._collection, key)
        if known is not None:
            return json.loads(known)
        answer = await ask()
        body = json.dumps(answer, ensure_ascii=False)
        if not any(secret in body for secret in secrets):
            await asyncio.to_thread(self._ledger.keep_answer, self._collection, key, body)
        return answer
