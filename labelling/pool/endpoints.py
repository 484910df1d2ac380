"""endpoints.yaml read for asking: names, addresses, keys and prices.

The gateway owns this file and checks all of it; here only what asking needs is read, and the rest is left alone.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from labelling.errors import PoolError
from routerdc_contract.yaml_model import YamlError, load_yaml_model

_OURS = {"max_tokens", "max_completion_tokens", "n", "best_of", "stream", "stream_options"}
"""What decides how much is answered, and in which form: the budget and the reading of answers count on it."""


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Endpoint(_Read):
    """One OpenAI-compatible server. `address` is its base URL, `model` the name to ask for there."""

    address: Annotated[str, Field(pattern=r"^https?://")]
    model: Annotated[str, Field(min_length=1)]
    in_use: bool = True
    api_key_env: str | None = None
    api_key_file: Path | None = None
    ca_file: Path | None = None

    def api_key(self) -> str:
        """The key, from the environment or a file; "none" where the server wants no key.

        Raises:
            PoolError: the variable or file is not there. The message names it and never shows a key.
        """
        if self.api_key_env:
            if not (key := os.environ.get(self.api_key_env)):
                raise PoolError(f"{self.model}: the environment variable {self.api_key_env} (api_key_env) is not set")
            return key
        if self.api_key_file:
            try:
                return self.api_key_file.read_text(encoding="utf-8").strip()
            except OSError as error:
                raise PoolError(f"{self.model}: api_key_file {self.api_key_file}: {error.strerror}") from None
        return "none"


class Llm(_Read):
    """One LLM. Prices are US dollars per million tokens; without a price of its own, a side costs `price`."""

    price: Annotated[float, Field(ge=0)] | None = None
    input_price: Annotated[float, Field(ge=0)] | None = None
    output_price: Annotated[float, Field(ge=0)] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    endpoints: tuple[Endpoint, ...] = Field(min_length=1)

    def settings(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What is sent beside a chat: as asked for, and the LLM's own `parameters`, as live traffic gets them.

        The number, length and form of answers are as asked for, whatever live traffic gets.
        """
        own = {name: value for name, value in self.parameters.items() if name not in _OURS}
        return {**asked, **own}

    @property
    def prices(self) -> tuple[float, float] | None:
        """Dollars per million tokens of the prompt and of the answer; None where a side has no price."""
        prompt = self.input_price if self.input_price is not None else self.price
        answer = self.output_price if self.output_price is not None else self.price
        return None if prompt is None or answer is None else (prompt, answer)


class PoolFile(_Read):
    """The LLMs by name."""

    llms: dict[str, Llm] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_can_be_asked(self) -> Self:
        if idle := [name for name, llm in self.llms.items() if not any(e.in_use for e in llm.endpoints)]:
            raise ValueError(f"no endpoint in use for {', '.join(idle)}")
        return self

    def only(self, names: tuple[str, ...]) -> "PoolFile":
        """The pool with just these LLMs; all of them where `names` is empty.

        Raises:
            PoolError: one of them is not in the pool.
        """
        if unknown := [name for name in names if name not in self.llms]:
            raise PoolError(f"--llm {', '.join(unknown)}: not in the pool; it has {', '.join(self.llms)}")
        return self if not names else self.model_copy(update={"llms": {name: self.llms[name] for name in names}})


def read_pool(path: Path) -> PoolFile:
    """The pool of endpoints.yaml.

    Raises:
        PoolError: it cannot be read; the message names file and field.
    """
    try:
        return load_yaml_model(PoolFile, path)
    except YamlError as error:
        raise PoolError(str(error)) from None
