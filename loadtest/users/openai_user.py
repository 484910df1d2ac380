"""OpenAI clients that let the router choose: streamed chats through Envoy, with the time to the first token."""

import json
import time
from collections.abc import Iterator
from typing import Any

import gevent
from locust import FastHttpUser, task
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS
from locust.env import Environment

from loadtest.requests import messages
from loadtest.users import pace
from loadtest.users.record import record
from loadtest.users.settings import LoadSettings, query_mix, settings_of
from loadtest.users.timings import TIMINGS

CHAT, FIRST_TOKEN = "chat", "time to first token"
_GATEWAY_MS = "x-routerdc-time-ms"


class ChatFailedError(Exception):
    """An answer that is no chat; the message is what locust counts it by."""


class OpenAiUser(FastHttpUser):
    """A caller with HTTP connections of its own, which stay open."""

    wait_time = pace.wait_time
    weight = 3

    def __init__(self, environment: Environment) -> None:
        self.settings: LoadSettings = settings_of(environment)
        self.host = self.settings.openai_url
        self.deadline_seconds = self.settings.openai_deadline_ms / 1000
        self.connection_timeout = self.network_timeout = self.deadline_seconds
        super().__init__(environment)
        self.next_query = query_mix(self.settings).next
        self.headers = {"Content-Type": "application/json"}
        if key := self.settings.api_key:
            self.headers["Authorization"] = f"Bearer {key.get_secret_value()}"

    @task
    def chat(self) -> None:
        """A chat to the end of its stream: one entry for the whole, one for its first token."""
        started = time.perf_counter()
        body = messages.chat(self.next_query(), stream=True)
        try:
            with gevent.Timeout(self.deadline_seconds):
                self._stream(body, started)
        except gevent.Timeout:
            failure = "DEADLINE_EXCEEDED"
        except ChatFailedError as error:
            failure = str(error)
        except FAILURE_EXCEPTIONS as error:
            failure = type(error).__name__
        else:
            failure = ""
        record(self.environment, "HTTP", CHAT, time.perf_counter() - started, failure)

    def _stream(self, body: bytes, started: float) -> None:
        response = self.client.client.urlopen(
            self.client._build_url(messages.CHAT_COMPLETIONS), method="POST", payload=body, headers=self.headers
        )
        if response.status_code != 200:
            response.content  # noqa: B018 - read, so that the connection can be used again
            raise ChatFailedError(f"HTTP {response.status_code}")
        if response.headers.get("x-routerdc-reason") == messages.FALLBACK:
            raise ChatFailedError("REASON_FALLBACK")
        self._read(response, started)
        if gateway_ms := response.headers.get(_GATEWAY_MS):
            TIMINGS.add(CHAT, "gateway total", round(float(str(gateway_ms)) * 1e6))

    def _read(self, response: Any, started: float) -> None:
        begun = False
        for data in _events(response.stream):
            if data == b"[DONE]":
                response.stream.read()
                return
            if not begun and _has_text(data):
                begun = True
                record(self.environment, "HTTP", FIRST_TOKEN, time.perf_counter() - started)
        raise ChatFailedError("stream ended early")


def _events(stream: Any) -> Iterator[bytes]:
    """The data of server-sent events, one after the other, as they come."""
    while line := bytes(stream.readline(b"\n")):
        if line.startswith(b"data:"):
            yield line.removeprefix(b"data:").strip()


def _has_text(data: bytes) -> bool:
    try:
        choices = json.loads(data)["choices"]
        return any(choice["delta"].get("content") for choice in choices)
    except (ValueError, KeyError, TypeError):
        raise ChatFailedError("event that is no chunk of a chat") from None
