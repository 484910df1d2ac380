"""Calls to an LLM's endpoint: which models it has, and whether one of them answers. Every failure has its cure."""

import os
import ssl
from pathlib import Path
from typing import Any

import aiohttp

from gateway.config.endpoints_file import Endpoint

LIST_TIMEOUT_SECONDS = 10.0
ANSWER_TIMEOUT_SECONDS = 60.0  # a server may load the model first
SHOWN_CHARS = 200


class EndpointCallError(Exception):
    """The endpoint cannot be used as it stands in the file; the message says why and what to do."""


def api_key(endpoint: Endpoint) -> str | None:
    """The key that the file names; None where it names none.

    Raises:
        EndpointCallError: the variable is not set here, or the file cannot be read.
    """
    if endpoint.api_key_env is not None:
        if not (key := os.environ.get(endpoint.api_key_env)):
            raise EndpointCallError(f"the variable {endpoint.api_key_env} is not set here: export it and check again")
        return key
    if endpoint.api_key_file is not None:
        try:
            return endpoint.api_key_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise EndpointCallError(f"api_key_file {endpoint.api_key_file} cannot be read: {error}") from None
    return None


async def models(address: str, key: str | None, ca_file: Path | None = None) -> list[str]:
    """Names of the models that the endpoint says it has (GET /models).

    Raises:
        EndpointCallError: it does not answer, or not with a list of models.
    """
    url = f"{address.rstrip('/')}/models"
    answer = await _call("GET", url, key, ca_file, LIST_TIMEOUT_SECONDS)
    try:
        return [str(model["id"]) for model in answer["data"]]
    except (KeyError, TypeError):
        raise EndpointCallError(
            f"GET {url} did not answer with a list of models: is it the base URL of an OpenAI API (…/v1)?"
        ) from None


async def answer(address: str, model: str, key: str | None, ca_file: Path | None = None) -> str:
    """The name of the model that answered one short question (POST /chat/completions).

    Raises:
        EndpointCallError: it did not answer.
    """
    body = {"model": model, "messages": [{"role": "user", "content": "Say OK."}], "max_tokens": 16}
    url = f"{address.rstrip('/')}/chat/completions"
    answered = await _call("POST", url, key, ca_file, ANSWER_TIMEOUT_SECONDS, body)
    if not isinstance(answered, dict) or not answered.get("choices"):
        raise EndpointCallError(f"POST {url} for {model} gave no choices: {str(answered)[:SHOWN_CHARS]}")
    return str(answered.get("model", model))


async def _call(method: str, url: str, key: str | None, ca_file: Path | None, seconds: float, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        context = ssl.create_default_context(cafile=ca_file) if url.startswith("https:") else True
        timeout = aiohttp.ClientTimeout(total=seconds)
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            session.request(method, url, json=body, ssl=context, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise EndpointCallError(_refusal(method, url, response.status, await response.text(), key))
            return await response.json(content_type=None)
    except aiohttp.ClientConnectorCertificateError as error:
        raise EndpointCallError(f"{url}: {error}: set ca_file to the authority that signed its certificate") from None
    except TimeoutError:
        raise EndpointCallError(f"{url} did not answer within {seconds:g} s: is the server up?") from None
    except (aiohttp.ClientError, OSError) as error:
        raise EndpointCallError(f"{url} cannot be reached: {error}: is the address right, and the server up?") from None
    except ValueError:
        raise EndpointCallError(
            f"{method} {url} did not answer with JSON: is it the base URL of an OpenAI API?"
        ) from None


def _refusal(method: str, url: str, status: int, text: str, key: str | None) -> str:
    """What the status means for whom sets the endpoint up. The answer's text is shown without the key."""
    said = " ".join(text.split())[:SHOWN_CHARS]
    said = said.replace(key, "…") if key else said
    cures = {
        401: "the key is wrong or missing: set api_key_env to the name of the variable that holds it",
        403: "the key may not do that: ask the provider for its rights",
        404: "is the address the base URL (usually …/v1), and the model's name right?",
        429: "the provider limits the rate: try again later",
    }
    cure = cures.get(status, "look into the server's log")
    return f"{method} {url} answered {status}: {cure}" + (f" (it said: {said})" if said else "")
