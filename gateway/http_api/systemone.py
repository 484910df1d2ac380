"""The System One protocol (`POST /v1/systemone`): a state and named questions, answered with probabilities.

What LiteLLM's Auto Router and aurelio's semantic-router send: `{"state": TEXT, "model": …, "questions": {"tier":
{"type": "choice", "instructions": …, "criteria": {NAME: DESCRIPTION, …}}}}`. Knows the protocol's messages, not how
they are answered.
"""

import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from gateway.http_api import questions, texts
from gateway.http_api.deciding import Answer, ChoiceAnswer
from gateway.http_api.errors import QuestionError
from gateway.http_api.questions import Question
from gateway.http_api.texts import Asked
from gateway.pool.pool import Pool

MAX_OPTIONS = 255
_YES_OR_NO = (None, {"true": "yes", "false": "no"})  # as aurelio's semantic-router always sends them


class SystemOneQuestion(BaseModel):
    """One question; what it needs depends on its type."""

    model_config = ConfigDict(frozen=True)

    type: str
    instructions: Any = None
    criteria: Any = None


class SystemOneRequest(BaseModel):
    """A request. The model's name is repeated in the answer: there is one router."""

    model_config = ConfigDict(frozen=True)

    state: str | dict[str, Any] | list[Any]
    questions: dict[str, SystemOneQuestion] = Field(min_length=1, max_length=128)
    model: str = "routerdc"


def asked(request: SystemOneRequest) -> Asked:
    """What is to be routed: text, a chat, or JSON as it stands."""
    return texts.asked(request.state) or Asked(json.dumps(request.state, ensure_ascii=False))


def read(request: SystemOneRequest, pool: Pool) -> list[Question]:
    """The questions, in the request's order.

    Raises:
        QuestionError: one of them cannot be answered.
    """
    return [_question(question, pool, f"questions.{name}") for name, question in request.questions.items()]


def written(request: SystemOneRequest, answers: Sequence[Answer], token_count: int) -> dict[str, Any]:
    """The response."""
    named = dict(zip(request.questions, map(_answer, answers), strict=True))
    usage = {"input_tokens": token_count, "output_tokens": 0}
    return {"model": request.model, "answers": named, "usage": usage}


def _question(question: SystemOneQuestion, pool: Pool, param: str) -> Question:
    if question.type == "choice":
        criteria = question.criteria
        if not isinstance(criteria, dict) or not 1 <= len(criteria) <= MAX_OPTIONS:
            raise QuestionError(f"{param}.criteria", f"must have 1 to {MAX_OPTIONS} options as its keys")
        return questions.choice(pool, list(criteria), f"{param}.criteria")
    if question.type == "noul":
        if question.criteria not in _YES_OR_NO:
            problem = 'must be left out, or be {"true": "yes", "false": "no"}: other meanings of yes are not known here'
            raise QuestionError(f"{param}.criteria", problem)
        if not isinstance(question.instructions, str):
            raise QuestionError(f"{param}.instructions", "must be a text")
        return questions.predicate(pool, question.instructions, f"{param}.instructions")
    raise QuestionError(f"{param}.type", f"{question.type[:50]!r} is not answered here, but choice and noul are")


def _answer(answer: Answer) -> dict[str, Any]:
    if isinstance(answer, ChoiceAnswer):
        return {
            "type": "choice",
            "choice": answer.choice,
            "probabilities": answer.probabilities,
            "confidence": answer.confidence,
        }
    return {"type": "noul", "noul": answer.probability}
