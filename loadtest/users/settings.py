"""The settings of locust users: a flag and an environment variable for each field, checked before the test starts.

    --gateway-address, LOADTEST_GATEWAY_ADDRESS, …

With several processes or machines the master's values count: it sends them to the workers when the test starts.
"""

from functools import lru_cache
from pathlib import Path

from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from pydantic import Field, SecretStr, ValidationError

from loadtest.requests.queries import QueryMix, QuerySettings

ENV_PREFIX = "LOADTEST_"


class LoadSettingsError(ValueError):
    """A setting that cannot be used; the message names its flag."""


class LoadSettings(QuerySettings):
    """Where to call, how, and with what."""

    gateway_address: str = Field("127.0.0.1:50051", min_length=1, description="host:port of the gateway's gRPC")
    triton_address: str = Field("127.0.0.1:8001", min_length=1, description="host:port of Triton's gRPC")
    openai_url: str = Field("http://127.0.0.1:10000/v1", pattern=r"^https?://.+", description="base URL at Envoy")
    ca_file: Path | None = Field(None, description="who vouches for the gateway, PEM; unset: no TLS on its gRPC")
    api_key: SecretStr | None = Field(None, description="key of the gateway and of the OpenAI entrance")

    deadline_ms: float = Field(1000, gt=0, description="of Route, ModelInfer, and each query in a RouteStream")
    batch_deadline_ms: float = Field(10_000, gt=0, description="of each RouteBatch")
    openai_deadline_ms: float = Field(60_000, gt=0, description="of each chat, to the end of its stream")
    batch_queries: int = Field(64, ge=1, description="queries in one RouteBatch")
    stream_in_flight: int = Field(16, ge=1, description="queries in flight in one RouteStream")
    stream_queries: int = Field(256, ge=1, description="queries until a RouteStream ends and the next one begins")
    think_seconds: float = Field(0, ge=0, description="mean pause of a user after a burst; 0: none")
    burst_calls: float = Field(1, ge=1, description="mean number of calls one right after the other")


def add_arguments(parser: LocustArgumentParser) -> None:
    """A flag for each setting; locust calls this when it reads its command line."""
    for name, field in LoadSettings.model_fields.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            env_var=ENV_PREFIX + name.upper(),
            default="" if field.default is None else str(field.default),
            help=field.description,
            is_secret=name == "api_key",
        )


def settings_of(environment: Environment) -> LoadSettings:
    """The settings of this test.

    Raises:
        LoadSettingsError: one cannot be used, or there are no queries.
    """
    texts = {name: str(getattr(environment.parsed_options, name, "")) for name in LoadSettings.model_fields}
    try:
        settings = LoadSettings.model_validate({name: text for name, text in texts.items() if text})
        query_mix(settings)
    except ValidationError as error:
        lines = [f"--{str(e['loc'][0]).replace('_', '-')}: {e['msg']}, not {e['input']!r}" for e in error.errors()]
        raise LoadSettingsError("; ".join(lines)) from None
    except ValueError as error:
        raise LoadSettingsError(f"--queries: {error}") from None
    return settings


@lru_cache(maxsize=4)
def query_mix(settings: LoadSettings) -> QueryMix:
    """The supply that all users of this process share.

    Raises:
        loadtest.requests.queries.QueriesError: the file cannot be used.
    """
    return QueryMix(settings)
