"""One LLM to ask: its endpoints in turn, through the official `openai` client, with retries."""

import asyncio
import itertools
import random
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import openai

from labelling.asking.bounded import BoundedClient
from labelling.asking.budget import Reservation
from labelling.asking.costs import dollars
from labelling.asking.outcome import BROKEN, UNREADABLE, Failure, Said, UnreadableError, failure, said
from labelling.asking.pace import Pace
from labelling.pool.endpoints import Endpoint, Llm
from labelling.prompts.prompt import Message
from labelling.store.records import Answer

FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 600.0  # a server that asks for more is not coming back today


@dataclass(frozen=True)
class Manner:
    """How endpoints are asked: calls at a time and a second (each endpoint), attempts a call, seconds an attempt."""

    concurrency: int = 8
    rate: float | None = None
    attempts: int = 6
    timeout_seconds: float = 300.0


class FatalError(Exception):
    """Every call to this LLM will fail the same way."""


class _Server:
    def __init__(self, endpoint: Endpoint, manner: Manner) -> None:
        self.model = endpoint.model
        self.pace = Pace(manner.concurrency, manner.rate, time.monotonic)
        verify = ssl.create_default_context(cafile=str(endpoint.ca_file)) if endpoint.ca_file else True
        self.client = openai.AsyncOpenAI(
            base_url=endpoint.address,
            api_key=endpoint.api_key(),
            max_retries=0,  # retries are made here, where their cost is known
            timeout=manner.timeout_seconds,
            http_client=BoundedClient(verify=verify, timeout=manner.timeout_seconds),
        )


class Asker:
    """One LLM of the pool."""

    def __init__(self, llm: Llm, manner: Manner) -> None:
        """Opens a client for each endpoint that is in use.

        Raises:
            PoolError: a key is not there.
        """
        self.llm, self._manner = llm, manner
        servers = [_Server(endpoint, manner) for endpoint in llm.endpoints if endpoint.in_use]
        self.workers = manner.concurrency * len(servers)
        self.model = servers[0].model
        self._servers, self._turns = servers, itertools.cycle(servers)
        self._limit_field = "max_tokens"
        self._unknown: set[str] = set()

    async def close(self) -> None:
        """Closes the connections."""
        for server in self._servers:
            await server.client.close()

    async def ask(
        self, messages: Sequence[Message], settings: Mapping[str, Any], key: str, reservation: Reservation
    ) -> Answer:
        """Asks until there is an answer or a reason why there is none.

        Args:
            settings: `max_tokens` and what else is sent with the chat.
            key: sent as Idempotency-Key, so that a server that knows it charges a repeated call once.
            reservation: what one attempt can cost is booked for each attempt that may have been charged in vain.

        Raises:
            FatalError: this LLM cannot be asked at all: a wrong key, address or model name.
        """
        lost = 0.0
        for attempt in itertools.count(1):
            result = await self._attempt(messages, settings, key)
            if isinstance(result, Answer):
                return _totalled(result, lost, attempt, reservation.most)
            lost += reservation.most if result.charged else 0.0
            if result.fatal:
                raise FatalError(result.reason)
            again = result.retry and attempt < self._manner.attempts
            if not again or (result.charged and not await reservation.again()):
                return Answer(missing=result.reason, attempts=attempt, cost_usd=lost)
            await asyncio.sleep(0 if result.wait_seconds is not None else backoff_seconds(attempt))
        raise AssertionError("unreachable")

    async def _attempt(self, messages: Sequence[Message], settings: Mapping[str, Any], key: str) -> Answer | Failure:
        server = next(self._turns)
        async with server.pace:
            begun = time.perf_counter()
            try:
                async with asyncio.timeout(self._manner.timeout_seconds):  # the client's own begins anew with each byte
                    found = said(await self._create(server, messages, settings, key))
            except TimeoutError:
                return failure(openai.APITimeoutError(None))  # type: ignore[arg-type]
            except openai.OpenAIError as error:
                failed = failure(error)
                if failed.wait_seconds is not None:
                    server.pace.pause(min(failed.wait_seconds, LONGEST_PAUSE_SECONDS))
                return failed
            except aiohttp.ClientError:  # what is no HTTP gets past the client
                return Failure(BROKEN, retry=True, charged=True)
            except (UnreadableError, ValueError, RecursionError):  # the client reads JSON as it comes
                return Failure(UNREADABLE, charged=True)
        return self._answer(found, 1000 * (time.perf_counter() - begun))

    async def _create(
        self, server: _Server, messages: Sequence[Message], settings: Mapping[str, Any], key: str
    ) -> object:
        try:
            return await self._send(server, messages, settings, key)
        except openai.BadRequestError as error:
            if not self._adapts(str(error.body)):
                raise
        return await self._send(server, messages, settings, key)

    def _adapts(self, complaint: str) -> bool:
        """Whether the server's complaint is about a field that it knows by another name, or not at all."""
        if self._limit_field == "max_tokens" and "max_completion_tokens" in complaint:
            self._limit_field = "max_completion_tokens"  # what reasoning LLMs call it
            return True
        if "response_format" not in self._unknown and "response_format" in complaint:
            self._unknown.add("response_format")  # the JSON is asked for in words, too
            return True
        return False

    async def _send(
        self, server: _Server, messages: Sequence[Message], settings: Mapping[str, Any], key: str
    ) -> object:
        known = {name: value for name, value in settings.items() if name not in self._unknown}
        renamed = {self._limit_field if name == "max_tokens" else name: value for name, value in known.items()}
        body = {"model": server.model, "messages": list(messages), **renamed}
        # The client's `chat.completions.create` would walk through both bodies once more, for a third of the time.
        return await server.client.post(
            "/chat/completions", cast_to=object, body=body, options={"headers": {"Idempotency-Key": key}}
        )

    def _answer(self, found: Said, latency_ms: float) -> Answer:
        return Answer(
            text=found.text,
            missing=found.missing,
            prompt_tokens=found.tokens[0] if found.tokens else None,
            answer_tokens=found.tokens[1] if found.tokens else None,
            latency_ms=latency_ms,
            cost_usd=dollars(self.llm, *found.tokens) if found.tokens else None,
        )


def backoff_seconds(attempt: int) -> float:
    """Exponential with full jitter: callers that failed together do not come back together."""
    return random.uniform(0, min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2**attempt))  # noqa: S311


def _totalled(answer: Answer, lost: float, attempts: int, most: float) -> Answer:
    """With what earlier attempts may have cost; a server that reports no tokens is booked at the most it can charge."""
    cost = most if answer.cost_usd is None else answer.cost_usd
    return replace(answer, cost_usd=cost + lost, attempts=attempts)
