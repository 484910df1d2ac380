"""An HTTP client that takes in no more of an answer than an LLM's can have: a server that sends more is no LLM's."""

from typing import Any

import openai

MAX_ANSWER_BYTES = 16 * 2**20
"""Inflated, of each call under way: a hundred times the longest answers."""
_OF_THE_WAY = {"content-encoding", "content-length", "transfer-encoding"}


class BoundedClient(openai.DefaultAioHttpClient):
    """A longer answer ends there, and so is no JSON any more."""

    async def send(self, request: Any, *, stream: bool = False, **options: Any) -> Any:
        """See AsyncClient of the library that `openai` has for HTTP, which is httpx or httpx2."""
        response = await super().send(request, stream=True, **options)
        return response if stream else await _taken_in(response)


async def _taken_in(response: Any) -> Any:
    taken = bytearray()
    try:
        async for piece in response.aiter_bytes():
            taken += piece[: MAX_ANSWER_BYTES - len(taken)]
            if len(taken) == MAX_ANSWER_BYTES:
                break
    finally:
        await response.aclose()
    headers = [(name, value) for name, value in response.headers.multi_items() if name.lower() not in _OF_THE_WAY]
    return type(response)(response.status_code, headers=headers, content=bytes(taken), request=response.request)
