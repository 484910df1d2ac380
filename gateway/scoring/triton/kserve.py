"""KServe v2 messages of the model `routerdc`: pure functions between them and plain data.

Tensors travel as raw bytes (https://github.com/kserve/open-inference-protocol, `raw_input_contents`): BYTES elements
are preceded by their length as 4 bytes, little endian. No I/O here; ValueError for what cannot be read.
"""

import json
import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any, NamedTuple
from zlib import crc32

from tritonclient.grpc import service_pb2

from gateway.domain.scorer import Bundle, Neighbour, Neighbours
from routerdc_contract import tensors

INFER = "/inference.GRPCInferenceService/ModelInfer"
"""The method that `infer_request` is for."""
SCORES_OUTPUTS: tuple[str, ...] = (tensors.SCORES, tensors.TOKEN_COUNT, tensors.TRUNCATED, tensors.BUNDLE_ID)
"""What every export answers with; what else is asked for, an older one may lack (`ModelInfo`)."""
NEIGHBOURS_OUTPUTS: tuple[str, ...] = (tensors.NEIGHBOURS, tensors.BUNDLE_ID)
_length = struct.Struct("<I").pack  # of a BYTES element


class Row(NamedTuple):
    """One query's part of an answer."""

    bundle_id: str
    scores: tuple[float, ...]
    token_count: int
    truncated: bool
    familiarity: float | None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the model's configuration says."""

    bundle: Bundle
    max_batch: int
    scores_outputs: tuple[str, ...] = SCORES_OUTPUTS
    """what to ask for when scores are wanted"""
    neighbours_outputs: tuple[str, ...] = ()
    """what to ask for when the nearest training queries are wanted; nothing where the bundle holds none"""


def infer_request(queries: Sequence[str], outputs: tuple[str, ...] = SCORES_OUTPUTS) -> bytes:
    """A serialized ModelInferRequest for `queries`: input `query` BYTES [len(queries), 1]; asks for `outputs`."""
    elements = [query.encode() for query in queries]
    raw = b"".join([_length(len(e)) + e for e in elements])
    texts: bytes = service_pb2.ModelInferRequest(raw_input_contents=[raw]).SerializeToString()
    return _header(len(queries), outputs) + texts  # messages one after the other are one with the fields of both


def neighbours(response: Any, query: str, outputs: tuple[str, ...] = NEIGHBOURS_OUTPUTS) -> Neighbours:
    """The training queries nearest to `query`, in an answer to a request for `outputs`.

    Raises:
        ValueError: an output is missing, is not what the contract says, or belongs to another query.
    """
    raw = _raw(response, outputs, [query])
    try:
        (bundle_id,), (text,) = _elements(raw, tensors.BUNDLE_ID), _elements(raw, tensors.NEIGHBOURS)
        nearest = tuple(Neighbour(row["query"], row["similarity"], row["grades"]) for row in json.loads(text))
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{tensors.NEIGHBOURS}: {error!r}") from None
    return Neighbours(bundle_id, nearest)


def rows(response: Any, queries: Sequence[str], outputs: tuple[str, ...] = SCORES_OUTPUTS) -> list[Row]:
    """The answer to a request for `outputs` of `queries`, row by row.

    Raises:
        ValueError: an output is missing, has another shape, holds a score that is not a number, or belongs to another
            query.
    """
    n_queries = len(queries)
    raw = _raw(response, outputs, queries)
    scores = _numbers(raw, tensors.SCORES, "f")
    width, rest = divmod(len(scores), n_queries)
    if rest or not math.isfinite(sum(scores)):
        raise ValueError(f"{tensors.SCORES} holds {len(scores)} values for {n_queries} queries, or some are not finite")
    columns = (
        _elements(raw, tensors.BUNDLE_ID),
        [tuple(scores[i : i + width]) for i in range(0, len(scores), width)],
        _numbers(raw, tensors.TOKEN_COUNT, "I"),
        map(bool, raw[tensors.TRUNCATED]),
        _familiarity(raw, n_queries),
    )
    answer = list(map(Row._make, zip(*columns, strict=True)))
    if len(answer) != n_queries:
        raise ValueError(f"{len(answer)} rows for {n_queries} queries")
    return answer


def model_info(config: Any) -> ModelInfo:
    """Bundle and batch limit from a ModelConfig.

    Raises:
        ValueError: a parameter is missing or malformed, or the model is not `routerdc` as the contract has it.
    """
    outputs = {output.name for output in config.output}
    if tensors.QUERY not in {i.name for i in config.input} or not outputs.issuperset(SCORES_OUTPUTS):
        raise ValueError(f"model {config.name} needs input {tensors.QUERY} and outputs {', '.join(SCORES_OUTPUTS)}")
    parameters = {name: parameter.string_value for name, parameter in config.parameters.items()}
    try:
        llms = json.loads(parameters[tensors.PARAMETER_LLMS])
        bundle_id = parameters[tensors.PARAMETER_BUNDLE_ID]
    except (KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"parameters of model {config.name}: {error!r}") from None
    if not bundle_id:
        raise ValueError(f"parameter {tensors.PARAMETER_BUNDLE_ID} of model {config.name} is empty")
    if (
        not isinstance(llms, list)
        or not all(isinstance(name, str) for name in llms)
        or not 0 < len(set(llms)) == len(llms)
    ):
        raise ValueError(f"parameter {tensors.PARAMETER_LLMS} of model {config.name} is not a list of distinct names")
    calibration = _calibration(parameters.get(tensors.PARAMETER_CALIBRATION, ""), len(llms))
    max_tokens = _max_tokens(parameters.get(tensors.PARAMETER_MAX_TOKENS, ""))
    bundle = Bundle(bundle_id, tuple(llms), calibration, max_tokens)
    guard = outputs & {tensors.QUERY_CRC32}
    return ModelInfo(
        bundle,
        max(1, config.max_batch_size),
        (*SCORES_OUTPUTS, *(outputs & {tensors.FAMILIARITY}), *guard),
        (*NEIGHBOURS_OUTPUTS, *guard) if tensors.NEIGHBOURS in outputs else (),
    )


def version(text: str) -> tuple[int, int]:
    """The first two numbers of a server's version; (0, 0) for one that begins with no such two."""
    match = re.match(r"(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


@cache
def _header(rows: int, outputs: tuple[str, ...]) -> bytes:
    """A request without its queries, serialized: the same for every batch of that size."""
    header = service_pb2.ModelInferRequest(model_name=tensors.ROUTER_MODEL)
    header.inputs.add(name=tensors.QUERY, datatype="BYTES", shape=[rows, 1])
    for name in outputs:
        header.outputs.add(name=name)
    serialized: bytes = header.SerializeToString()
    return serialized


def _raw(response: Any, wanted: Sequence[str], queries: Sequence[str]) -> dict[str, bytes]:
    """The outputs of an answer to `queries` by name.

    Raises:
        ValueError: one of those `wanted` is missing, or the answer is to other queries. A Triton gives such ones when
            its Python process stood still for a second, after which answers lag behind the requests by one. So what
            was asked for has to be there: the answer to a caller who did not ask for the checksum has none.
    """
    raw = dict(zip([output.name for output in response.outputs], response.raw_output_contents, strict=True))
    if missing := set(wanted).difference(raw):
        raise ValueError(f"outputs are missing: {', '.join(sorted(missing))}")
    if tensors.QUERY_CRC32 in raw and raw[tensors.QUERY_CRC32] != _checksums(queries):
        raise ValueError(f"{tensors.QUERY_CRC32} says that it belongs to another query")
    return raw


def _checksums(queries: Sequence[str]) -> bytes:
    return struct.pack(f"<{len(queries)}I", *[crc32(query.encode()) for query in queries])


def _familiarity(raw: Mapping[str, bytes], n_queries: int) -> list[float | None]:
    """None where it was not asked for, or the bundle does not know it (NaN)."""
    if tensors.FAMILIARITY not in raw:
        return [None] * n_queries
    return [None if math.isnan(one) else one for one in _numbers(raw, tensors.FAMILIARITY, "f")]


def _calibration(text: str, n_llms: int) -> tuple[tuple[float, float] | None, ...]:
    """From the parameter, which bundles exported by an older version do not have."""
    if not text:
        return ()
    try:
        pairs = [None if pair is None else (float(pair[0]), float(pair[1])) for pair in json.loads(text)]
    except (TypeError, ValueError, LookupError) as error:
        raise ValueError(f"parameter {tensors.PARAMETER_CALIBRATION}: {error!r}") from None
    if len(pairs) != n_llms or not all(map(math.isfinite, chain.from_iterable(filter(None, pairs)))):
        raise ValueError(f"parameter {tensors.PARAMETER_CALIBRATION}: not {n_llms} pairs of finite numbers")
    return tuple(pairs)


def _max_tokens(text: str) -> int:
    """From the parameter, which bundles exported by an older version do not have: 0."""
    if text and not (text.isascii() and text.isdigit()):
        raise ValueError(f"parameter {tensors.PARAMETER_MAX_TOKENS}: {text!r} is no number of tokens")
    return int(text or 0)


def _numbers(raw: Mapping[str, bytes], name: str, kind: str) -> list[Any]:
    try:
        return memoryview(raw[name]).cast(kind).tolist()  # type: ignore[call-overload, no-any-return]
    except TypeError:
        raise ValueError(f"{name} holds {len(raw[name])} bytes, which are no whole numbers") from None


def _elements(values: Mapping[str, bytes], name: str) -> list[str]:
    raw, elements, at = values[name], list[str](), 0
    while at < len(raw):
        begin = at + 4
        at = begin + int.from_bytes(raw[at:begin], "little")
        if at > len(raw):
            raise ValueError(f"{name} ends in the middle of an element")
        elements.append(raw[begin:at].decode())
    return elements
