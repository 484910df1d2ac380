"""Asks the gateway's HTTP API, which explains a decision where its gRPC service only makes one."""

import ssl
from pathlib import Path
from typing import Any

import aiohttp
from google.protobuf import json_format

from routerdc_contract.v1 import router_pb2 as pb

Neighbours = list[dict[str, Any]] | None
REFUSALS = frozenset({400, 401, 403, 413, 429})


class ExplainError(Exception):
    """The gateway refused the question, or did not answer; `status` is what the page gets."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Explainer:
    """Decisions with the nearest graded training queries, from the HTTP API at `url`."""

    def __init__(self, url: str, api_key: str | None = None, ca_file: Path | None = None) -> None:
        """`ca_file`: of the authority that vouches for the gateway; None: the system's."""
        self._url = f"{url.rstrip('/')}/v1/route"
        self._headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self._tls = ssl.create_default_context(cafile=ca_file) if url.startswith("https:") else True

    async def route(self, request: pb.RouteRequest, timeout_seconds: float) -> tuple[pb.RouteResponse, Neighbours]:
        """The decision, and the neighbours: None where the bundle holds none.

        Raises:
            ExplainError: there is none; the message says why.
        """
        body = json_format.MessageToDict(request, preserving_proto_field_name=True)
        timeout = aiohttp.ClientTimeout(timeout_seconds)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=self._headers) as session,
                session.post(self._url, params={"explain": "true"}, json=body, ssl=self._tls) as answer,
            ):
                content = await answer.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ExplainError(502, f"the gateway's HTTP API cannot be asked at {self._url}: {error!r}") from None
        if answer.status != 200:
            raise ExplainError(answer.status if answer.status in REFUSALS else 502, content["error"]["message"])
        explanation = content.pop("explain")
        response = json_format.ParseDict(content, pb.RouteResponse(), ignore_unknown_fields=True)
        return response, explanation.get("neighbours")
