"""The file with the API keys: whose they are, which LLMs each may use, and how often.

    keys:
      - name: search-team                   # in logs and metrics; the key itself is in neither
        sha256: 9f86d081…                   # of the key: printf %s "$KEY" | sha256sum
        allowed: [mistral-7b, llama-3-8b]   # optional, like `denied` and `max_price`: they add to a request's own
        queries_per_second: 50              # optional
        burst: 100                          # optional, 1 second's worth by default

Keys are long random strings, so one round of SHA-256 protects them: there is nothing to guess.
"""

from collections.abc import Set
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from gateway.errors import CallersError
from gateway.policy.eligibility import CallerRules
from routerdc_contract.frozen import Frozen
from routerdc_contract.yaml_model import NotYamlError, YamlError, load_yaml_model

_Names = tuple[str, ...]


class ApiKey(Frozen):
    """One key."""

    name: str = Field(min_length=1, max_length=64)
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", repr=False)]
    allowed: _Names = ()
    denied: _Names = ()
    max_price: float | None = Field(default=None, ge=0)
    queries_per_second: float | None = Field(default=None, gt=0)
    burst: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _burst_has_a_rate(self) -> Self:
        if self.burst is not None and self.queries_per_second is None:
            raise ValueError("burst needs queries_per_second")
        return self

    @property
    def rules(self) -> CallerRules:
        """Which LLMs its holder may have."""
        return CallerRules(frozenset(self.allowed) or None, frozenset(self.denied), self.max_price)


class ApiKeysFile(Frozen):
    """The whole file."""

    keys: tuple[ApiKey, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _no_key_twice(self) -> Self:
        for field_name in ("name", "sha256"):
            values = [getattr(key, field_name) for key in self.keys]
            if twice := sorted({key.name for key in self.keys if values.count(getattr(key, field_name)) > 1}):
                raise ValueError(f"{field_name}: must be unique, see {', '.join(twice)}")
        return self

    def check(self, llms: Set[str]) -> None:
        """Makes sure that only LLMs of the pool are named: a typing error in `denied` would let callers have one.

        Raises:
            CallersError: another one is named.
        """
        for key in self.keys:
            if unknown := sorted({*key.allowed, *key.denied} - llms):
                raise CallersError(f"api_keys_file: key {key.name!r}: not in the pool: {', '.join(unknown)}")


def read(path: Path) -> ApiKeysFile:
    """The checked content of the file with the API keys.

    Raises:
        CallersError: no such file, not YAML, or a wrong field; the message repeats no hash.
    """
    try:
        return load_yaml_model(ApiKeysFile, path)
    except NotYamlError as error:  # the parser's sentence would quote the file
        raise CallersError(f"{path}: not YAML" + (f" (line {error.line})" if error.line else "")) from None
    except YamlError as error:
        raise CallersError(str(error)) from None
