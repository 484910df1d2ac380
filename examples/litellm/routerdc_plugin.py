"""A routing plugin for LiteLLM: of a tier's candidate models, the one that RouterDC's gateway names is left.

Put this file beside the proxy's configuration (docs/how-to/decisions.md shows it). ROUTERDC_URL is the gateway's HTTP
door, ROUTERDC_API_KEY a key of it where it asks for one. The last part of each candidate's name has to be the name of
an LLM in endpoints.yaml: `openai/small` is `small`. Where the gateway has no scores, or does not answer within
TIMEOUT_SECONDS, all candidates stay and LiteLLM chooses by itself.
"""

import logging
import os
from typing import Any

import aiohttp

TIMEOUT_SECONDS = 0.5
_DECIDED = {"REASON_ROUTED", "REASON_CACHED", "REASON_STICKY", "REASON_UNFAMILIAR", "REASON_ABSTAINED"}
log = logging.getLogger("routerdc")


class RouterDC:
    """LiteLLM's interface for routing plugins: `run` receives the request's context and narrows its candidates."""

    def __init__(self, url: str, api_key: str = "") -> None:
        self._url = f"{url}/v1/route"
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._session: aiohttp.ClientSession | None = None

    async def run(self, context: Any) -> Any:
        """The same context with the candidates that are the chosen LLM, or as it was."""
        names = sorted({_name(model) for model in context.candidate_models})
        if len(names) > 1:
            messages = [{"role": m["role"], **_content(m.get("content"))} for m in context.structured_messages]
            try:
                answer = await self._answer({"chat": {"messages": messages}, "allowed_llms": names})
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                log.warning("RouterDC does not answer, LiteLLM chooses: %r", error)
            else:
                if answer["reason"] in _DECIDED:
                    context.candidate_models = [m for m in context.candidate_models if _name(m) == answer["llm"]]
        return context

    async def _answer(self, asked: dict[str, Any]) -> Any:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
            self._session = aiohttp.ClientSession(headers=self._headers, timeout=timeout, raise_for_status=True)
        async with self._session.post(self._url, json=asked) as response:
            return await response.json()


def _name(model: str) -> str:
    return model.rpartition("/")[2]


def _content(content: Any) -> dict[str, Any]:
    """The texts, and of everything else what it is: LLMs that cannot read an image are not named."""
    if not isinstance(content, list):
        return {"content": content or ""}
    parts = [part for part in content if isinstance(part, dict)]
    return {"parts": [{"type": part.get("type") or "", "text": part.get("text") or ""} for part in parts]}


plugin = RouterDC(os.environ.get("ROUTERDC_URL", "http://127.0.0.1:8080"), os.environ.get("ROUTERDC_API_KEY", ""))
