"""The model's parameters, as they stand in config.pbtxt. Knows nothing of bundles or engines."""

import json
from dataclasses import dataclass
from typing import Literal, Self, cast, get_args

EngineName = Literal["onnxruntime", "openvino", "onnxruntime-cuda", "tensorrt-rtx", "triton"]


@dataclass(frozen=True)
class Settings:
    """How the model computes; what it computes is the bundle's business.

    engine: onnxruntime or openvino (CPU), onnxruntime-cuda or tensorrt-rtx, in the model's own process; or triton, the
        Triton model `routerdc_encoder` of the same version.
    slice_tokens: padded tokens in one call of the engine.
    max_query_bytes: a longer query is refused.
    engine_threads: threads of the engine; 0 means every core that this process may use.
    width_multiple: a slice is padded to a multiple of so many tokens: 1 computes the least, more repeats shapes.
    row_counts: a slice is padded to the next of these rows, for engines that repeat what they recorded for a shape;
        empty: slices have the rows that they have.
    """

    engine: EngineName
    slice_tokens: int
    max_query_bytes: int
    engine_threads: int
    width_multiple: int = 1
    row_counts: tuple[int, ...] = ()

    @classmethod
    def from_model_config(cls, model_config: str) -> Self:
        """Reads the parameters of the JSON that Triton passes to `initialize`.

        Raises:
            ValueError: a parameter is missing, no number, too small, or no engine; the message names it.
        """
        parameters = json.loads(model_config).get("parameters", {})
        return cls(
            engine=_engine(parameters),
            slice_tokens=_number(parameters, "slice_tokens", 1),
            max_query_bytes=_number(parameters, "max_query_bytes", 1),
            engine_threads=_number(parameters, "engine_threads", 0),
            width_multiple=_number(parameters, "width_multiple", 1),
            row_counts=_numbers(parameters, "row_counts"),
        )


def _engine(parameters: dict[str, dict[str, str]]) -> EngineName:
    name = parameters.get("engine", {}).get("string_value", "")
    if name not in get_args(EngineName):
        raise ValueError(
            f"config.pbtxt: parameter engine must be one of {', '.join(get_args(EngineName))}, not {name!r}"
        )
    return cast(EngineName, name)


def _numbers(parameters: dict[str, dict[str, str]], name: str) -> tuple[int, ...]:
    text = parameters.get(name, {}).get("string_value", "")
    try:
        values = tuple(int(word) for word in text.split())
    except ValueError:
        values = (0,)
    if any(value < 1 for value in values):
        raise ValueError(f"config.pbtxt: parameter {name} must be whole numbers of at least 1, not {text!r}")
    return values


def _number(parameters: dict[str, dict[str, str]], name: str, lowest: int) -> int:
    text = parameters.get(name, {}).get("string_value", "")
    try:
        value = int(text)
    except ValueError:
        raise ValueError(f"config.pbtxt: parameter {name} must be a whole number, not {text!r}") from None
    if value < lowest:
        raise ValueError(f"config.pbtxt: parameter {name} must be at least {lowest}, not {value}")
    return value
