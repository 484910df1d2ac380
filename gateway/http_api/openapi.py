"""The OpenAPI description of the HTTP API, made from what is really read: protobuf descriptors and pydantic models."""

from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.http_api.openai_decisions import DecisionsRequest
from gateway.http_api.systemone import SystemOneRequest
from routerdc_contract.v1 import router_pb2 as pb

_REFERENCES = "#/components/schemas/{}"
_ERRORS = {
    "400": "a field is wrong; the error names it",
    "401": "an API key is needed, or it is not known",
    "403": "the API key may not use what is asked for",
    "413": "the body is too large",
    "422": "a question is not about the LLMs of the pool; the error names the field",
    "429": "too many queries; Retry-After says when to come back",
    "503": "nothing can be decided now",
}
_KINDS = {
    FieldDescriptor.CPPTYPE_STRING: {"type": "string"},
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_FLOAT: {"type": "number"},
    FieldDescriptor.CPPTYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer"},
    FieldDescriptor.CPPTYPE_UINT32: {"type": "integer"},
    FieldDescriptor.CPPTYPE_INT64: {"type": "string", "description": "a 64-bit integer, as protobuf's JSON has it"},
}


@cache
def description() -> dict[str, Any]:
    """OpenAPI 3.1."""
    schemas: dict[str, Any] = {}
    for message in (pb.RouteRequest.DESCRIPTOR, pb.RouteResponse.DESCRIPTOR):
        _add(message, schemas)
    for model in (SystemOneRequest, DecisionsRequest):
        schema = model.model_json_schema(ref_template=_REFERENCES.format("{model}"))
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = schema
    answer = {"type": "object"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "RouterDC on Triton: which LLM should answer", "version": "v1"},
        "paths": {
            "/v1/route": _post("Which LLM should answer a query", _reference("RouteRequest"), _routed(), _EXPLAIN),
            "/v1/systemone": _post("System One: choice and noul questions", _reference("SystemOneRequest"), answer),
            "/v1/decisions": _post("OpenAI's Decisions: choice and predicate", _reference("DecisionsRequest"), answer),
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"apiKey": []}],
    }


_EXPLAIN = {"name": "explain", "in": "query", "schema": {"type": "boolean"}, "description": "add every LLM's score"}

_NEIGHBOUR = {
    "type": "object",
    "description": "a graded training query near to this one; null for the list where the bundle holds none",
    "properties": {
        "query": {"type": "string", "description": "the beginning of its text"},
        "similarity": {"type": "number", "description": "cosine of both in the space in which the router decides"},
        "grades": {"type": "object", "additionalProperties": {"type": "number"}, "description": "by LLM, 0 to 1"},
    },
    "required": ["query", "similarity", "grades"],
}


def _routed() -> dict[str, Any]:
    explain = {
        "type": "object",
        "description": "with ?explain=true: the rule, and each LLM's score, confidence, cost",
        "properties": {"neighbours": {"oneOf": [{"type": "array", "items": _NEIGHBOUR}, {"type": "null"}]}},
    }
    return {"allOf": [_reference("RouteResponse"), {"type": "object", "properties": {"explain": explain}}]}


def _post(summary: str, request: Any, response: Any, *parameters: Any) -> dict[str, Any]:
    good = {"200": {"description": "decided", "content": {"application/json": {"schema": response}}}}
    bad = {status: {"description": text} for status, text in _ERRORS.items()}
    body = {"required": True, "content": {"application/json": {"schema": request}}}
    return {"post": {"summary": summary, "parameters": list(parameters), "requestBody": body, "responses": good | bad}}


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": _REFERENCES.format(name)}


def _add(message: Descriptor, schemas: dict[str, Any]) -> None:
    """`message` and all that it is made of."""
    if message.name not in schemas:
        schemas[message.name] = properties = {"type": "object", "properties": {}}
        properties["properties"] = {field.name: _field(field, schemas) for field in message.fields}


def _field(field: FieldDescriptor, schemas: dict[str, Any]) -> dict[str, Any]:
    kind: Any = field
    if kind.message_type is not None:
        _add(kind.message_type, schemas)
        schema: dict[str, Any] = _reference(kind.message_type.name)
    elif kind.enum_type is not None:
        schema = {"type": "string", "enum": [value.name for value in kind.enum_type.values]}
    else:
        schema = _KINDS[kind.cpp_type]
    return {"type": "array", "items": schema} if kind.is_repeated else schema
