"""The model's parameters, as they stand in config.pbtxt. Knows nothing of bundles or engines."""

import json
from dataclasses import dataclass, fields
from typing import Self


@dataclass(frozen=True)
class Settings:
    """How the model computes; what it computes is the bundle's business.

    slice_tokens: padded tokens in one call of the engine.
    max_query_bytes: a longer query is refused.
    engine_threads: threads of the engine; 0 means every core that this process may use.
    """

    slice_tokens: int
    max_query_bytes: int
    engine_threads: int

    @classmethod
    def from_model_config(cls, model_config: str) -> Self:
        """Reads the parameters of the JSON that Triton passes to `initialize`.

        Raises:
            ValueError: a parameter is missing, no number, or too small; the message names it.
        """
        parameters = json.loads(model_config).get("parameters", {})
        lowest = {"engine_threads": 0}
        return cls(**{field.name: _number(parameters, field.name, lowest.get(field.name, 1)) for field in fields(cls)})


def _number(parameters: dict[str, dict[str, str]], name: str, lowest: int) -> int:
    text = parameters.get(name, {}).get("string_value", "")
    try:
        value = int(text)
    except ValueError:
        raise ValueError(f"config.pbtxt: parameter {name} must be a whole number, not {text!r}") from None
    if value < lowest:
        raise ValueError(f"config.pbtxt: parameter {name} must be at least {lowest}, not {value}")
    return value
