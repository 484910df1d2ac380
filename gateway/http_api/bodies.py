"""Reads bodies: not compressed, in time, of few enough values; and what all of them hold at once is bounded.

A body counts from its first byte on until its request is answered. One caller's never hold more than is left free, so
that the next one still finds room; small ones do so in any case, for many callers may come by one proxy.
"""

import asyncio
from collections import Counter
from contextlib import nullcontext

from aiohttp import web

from gateway.errors import BudgetExceededError, InvalidRequestError
from gateway.http_api.values import MAX_VALUES, too_many
from gateway.limits import caller
from gateway.limits.budget import Budget
from gateway.limits.caller import ANONYMOUS

BODY_SECONDS = 10.0  # for a body to arrive
HELD_BYTES = 16 * 1024 * 1024
"""All bodies at once. Each is copied when it is whole, and read: so they cost three times as much."""
SMALL_BYTES = 16 * 1024
"""So much of each body counts for all callers together only."""
_RETRY_AFTER_SECONDS = 1.0


class Bodies:
    """Counts what is held."""

    def __init__(self) -> None:
        self._all = Budget(HELD_BYTES, "bytes of bodies are held", _RETRY_AFTER_SECONDS)
        self._by_caller: Counter[str] = Counter()
        self._by_request: Counter[int] = Counter()

    async def read(self, request: web.Request) -> bytes:
        """The body, as it was sent; what it holds is given back by `forget`.

        Raises:
            HTTPUnsupportedMediaType, HTTPRequestTimeout, HTTPRequestEntityTooLarge: it is not as it should be.
            BudgetExceededError: there is no room for it now.
            InvalidRequestError: it has more values than can be read while others wait.
        """
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise web.HTTPUnsupportedMediaType(reason="content-encoding: compressed bodies are not read here")
        is_there = request.content.is_eof()  # most are there with their headers, and need no timer
        try:
            async with nullcontext() if is_there else asyncio.timeout(BODY_SECONDS):
                body = await self._whole(request)
        except TimeoutError:
            raise web.HTTPRequestTimeout(reason=f"the body did not arrive within {BODY_SECONDS:g} s") from None
        if too_many(body):
            raise InvalidRequestError("body", f"it has more than {MAX_VALUES} values: send less of the conversation")
        return body

    def forget(self, request: web.Request) -> None:
        """`request` is answered."""
        if held := self._by_request.pop(id(request), 0):
            self._all.give_back(held)
            name = _caller(request)
            self._by_caller[name] -= held
            if not self._by_caller[name]:
                del self._by_caller[name]

    async def _whole(self, request: web.Request) -> bytes:
        limit = request.client_max_size
        parts, size = list[bytes](), 0
        while part := await request.content.readany():
            size += len(part)
            if size > limit:
                raise web.HTTPRequestEntityTooLarge(max_size=limit, actual_size=size)
            self._take(request, len(part))
            parts.append(part)
        return b"".join(parts)

    def _take(self, request: web.Request, amount: int) -> None:
        name = _caller(request)
        free, mine = self._all.limit - self._all.held, self._by_request[id(request)]
        if mine + amount > SMALL_BYTES and (held := self._by_caller[name]) + amount > free:
            unit = "bytes of bodies of one caller are held"
            raise BudgetExceededError(unit, amount, held, (held + free) // 2, _RETRY_AFTER_SECONDS)
        self._all.take(amount)
        self._by_caller[name] += amount
        self._by_request[id(request)] += amount


def _caller(request: web.Request) -> str:
    """The name of the API key; without keys the host, whatever its connections."""
    known = caller.current.get()
    return f"host {request.remote}" if known is ANONYMOUS else f"key {known.name}"
