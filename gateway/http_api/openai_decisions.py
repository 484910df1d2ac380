"""OpenAI's Decisions API (`POST /v1/decisions`): an input and a list of questions, answered in their order.

Knows the API's messages, not how they are answered.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from gateway.http_api import questions, texts
from gateway.http_api.deciding import Answer, ChoiceAnswer
from gateway.http_api.errors import QuestionError
from gateway.http_api.questions import Question
from gateway.http_api.texts import Asked
from gateway.pool.pool import Pool


class DecisionsOption(BaseModel):
    """One option of a choice."""

    model_config = ConfigDict(frozen=True, strict=True)

    value: str | bool
    description: str | None = None


class DecisionsQuestion(BaseModel):
    """One question; what it needs depends on its type."""

    model_config = ConfigDict(frozen=True)

    type: str
    name: str | None = None
    instructions: str | list[Any] = ""
    choices: list[DecisionsOption] | None = Field(default=None, min_length=2, max_length=255)


class DecisionsRequest(BaseModel):
    """A request. The model's name is repeated in the answer: there is one router."""

    model_config = ConfigDict(frozen=True)

    input: str | list[Any]
    questions: list[DecisionsQuestion] = Field(min_length=1, max_length=400)
    model: str = "routerdc"


def asked(request: DecisionsRequest) -> Asked:
    """What is to be routed.

    Raises:
        QuestionError: the input is a list, and not one of messages.
    """
    if (found := texts.asked(request.input)) is None:
        raise QuestionError("input", "must be a text or a list of messages")
    return found


def read(request: DecisionsRequest, pool: Pool) -> list[Question]:
    """The questions.

    Raises:
        QuestionError: one of them cannot be answered.
    """
    return [_question(question, pool, f"questions.{i}") for i, question in enumerate(request.questions)]


def written(request: DecisionsRequest, answers: Sequence[Answer], token_count: int) -> dict[str, Any]:
    """The response."""
    usage = {
        "input_tokens": token_count,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": token_count,
    }
    pairs = zip(request.questions, answers, strict=True)
    return {"model": request.model, "answers": [_answer(*pair) for pair in pairs], "usage": usage}


def _question(question: DecisionsQuestion, pool: Pool, param: str) -> Question:
    if question.type == "choice":
        return questions.choice(pool, _names(question, f"{param}.choices"), f"{param}.choices")
    if question.type == "predicate":
        text = (
            question.instructions if isinstance(question.instructions, str) else texts.of_parts(question.instructions)
        )
        return questions.predicate(pool, text, f"{param}.instructions")
    raise QuestionError(f"{param}.type", f"{question.type[:50]!r} is not answered here, but choice and predicate are")


def _names(question: DecisionsQuestion, param: str) -> list[str]:
    values = [option.value for option in question.choices or ()]
    names = [value for value in values if isinstance(value, str)]
    if not names or len(names) < len(values):
        raise QuestionError(param, "must be names of LLMs or virtual models")
    if len(set(names)) < len(names):
        raise QuestionError(param, "must not name one twice")
    return names


def _answer(question: DecisionsQuestion, answer: Answer) -> dict[str, Any]:
    if isinstance(answer, ChoiceAnswer):
        probabilities = [{"value": name, "probability": value} for name, value in answer.probabilities.items()]
        found = {"choice": answer.choice, "confidence": answer.confidence, "probabilities": probabilities}
        return {"type": "choice", "name": question.name, **found}
    return {"type": "predicate", "name": question.name, "probability": answer.probability}
