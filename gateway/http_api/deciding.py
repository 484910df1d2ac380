"""Questions answered by one decision: the router's scores as probabilities.

A choice has the LLMs' odds of answering well, by the bundle's calibration and after cost, normalised over the options:
the likeliest option is the one that /v1/route chooses among their LLMs. A predicate has the calibrated probability that
the LLM answers well. Where nothing was scored there is no answer at all.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.conversation import Conversation
from gateway.domain.decision import Candidate, Decision, Reason
from gateway.domain.query import RouteQuery, new_request_id
from gateway.domain.scorer import Bundle
from gateway.http_api.errors import UndecidedError
from gateway.http_api.questions import Choice, Predicate, Question
from gateway.http_api.texts import Asked
from gateway.routing.router import Router

_EVERY_LLM = 10**6
UNCALIBRATED_SLOPE = 10.0  # of cosines in a bundle without calibration: the order is right, the numbers are not
# Sticky: the order says whom to keep, the scores do not. Unfamiliar: the scores are all there is, and worth less.
_SCORED = (Reason.ROUTED, Reason.CACHED, Reason.STICKY, Reason.UNFAMILIAR)


@dataclass(frozen=True, slots=True)
class ChoiceAnswer:
    """Probabilities of the options, which add up to 1; `confidence` is 0 where all are equal, and 1 at most."""

    choice: str
    probabilities: dict[str, float]
    confidence: float


@dataclass(frozen=True, slots=True)
class PredicateAnswer:
    """The probability of yes."""

    probability: float


Answer = ChoiceAnswer | PredicateAnswer


def unconditional(asked: Asked, text: str, chat: Conversation | None) -> RouteQuery:
    """The query whose decision has the score of every LLM, whatever the rules for choosing one are."""
    return RouteQuery(
        text=text,
        rules=(),
        cost_weight=None,
        max_candidates=_EVERY_LLM,
        request_id=new_request_id(),
        min_margin=0.0,
        min_confidence=0.0,
        conversation=chat,
        needs=asked.needs,
    )


async def answers(
    router: Router, query: RouteQuery, questions: Sequence[Question], deadline: float
) -> tuple[list[Answer], Decision]:
    """The answers to all `questions` about one `unconditional` query, and the decision that they are from.

    Raises:
        UndecidedError: nothing was scored, or no LLM of a question may answer.
        GatewayError: the query is refused.
    """
    decision = await router.route(query, deadline)
    if decision.reason not in _SCORED:
        raise UndecidedError(decision.reason_detail)
    by_name = {candidate.llm: candidate for candidate in decision.candidates}
    return [_answer(question, by_name, router.bundle) for question in questions], decision


def _answer(question: Question, candidates: dict[str, Candidate], bundle: Bundle) -> Answer:
    if isinstance(question, Predicate):
        return _predicate(question, candidates)
    return _choice(question, candidates, _slope(bundle))


def _choice(question: Choice, candidates: dict[str, Candidate], slope: float) -> ChoiceAnswer:
    scores = {
        name: max(known)
        for name, llms in question.options.items()
        if (known := [candidates[llm].adjusted_score for llm in llms if llm in candidates])
    }
    if not scores:
        raise UndecidedError("no LLM of the options may answer now")
    top = max(scores.values())
    odds = {name: math.exp(slope * (scores[name] - top)) if name in scores else 0.0 for name in question.options}
    total = sum(odds.values())
    probabilities = {name: value / total for name, value in odds.items()}
    chosen = max(probabilities, key=probabilities.__getitem__)
    return ChoiceAnswer(chosen, probabilities, _confidence(probabilities[chosen], len(probabilities)))


def _predicate(question: Predicate, candidates: dict[str, Candidate]) -> PredicateAnswer:
    known = [candidates[llm].confidence for llm in question.llms if llm in candidates]
    calibrated = [confidence for confidence in known if confidence is not None]
    if not calibrated:
        raise UndecidedError("the LLM may not answer now, or the bundle has no calibration for it")
    return PredicateAnswer(max(calibrated))


def _slope(bundle: Bundle) -> float:
    """One for all LLMs, so that the order of the scores is kept."""
    slopes = [slope for slope, _ in bundle.calibrations.values()]
    return sum(slopes) / len(slopes) if slopes else UNCALIBRATED_SLOPE


def _confidence(highest: float, options: int) -> float:
    return 1.0 if options == 1 else (highest - 1 / options) / (1 - 1 / options)
