"""What the decision protocols ask, whichever of them: a choice among LLMs, or whether one answers well.

An option, or the subject of a yes/no question, is the name of an LLM or of a virtual model (endpoints.yaml): so a
virtual model with several LLMs is a tier, and one with a single LLM an alias. Every other question is refused by name:
the router knows which LLM answers a query well, and nothing else.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.http_api.errors import QuestionError
from gateway.policy.eligibility import usable
from gateway.pool.pool import Pool

_WILL_IT = re.compile(
    r"\s*(?:will|can|does|would|could)\s+[`'\"]?(?P<name>.+?)[`'\"]?\s+"
    r"answer\s+(?:this|it|the\s+(?:question|query|request|prompt|state|input))"
    r"(?:\s+(?:query|question|request|prompt))?(?:\s+(?:well|correctly))?\s*\??\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of the options answers best; each is a set of LLMs, of which the best counts."""

    options: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Predicate:
    """Whether the best of `llms` answers well."""

    llms: frozenset[str]


Question = Choice | Predicate


def choice(pool: Pool, names: Sequence[str], param: str) -> Choice:
    """The question which of `names` answers best.

    Raises:
        QuestionError: one is no name of the pool.
    """
    return Choice({name: _llms(pool, name, f"{param}.{name}") for name in names})


def predicate(pool: Pool, instructions: str, param: str) -> Predicate:
    """The question that `instructions` ask: "Will NAME answer this well?".

    Raises:
        QuestionError: they ask something else, or about an unknown name.
    """
    asked = _WILL_IT.fullmatch(instructions[:1000])
    if asked is None:
        problem = 'only "Will NAME answer this well?" can be answered, with an LLM or a virtual model as NAME'
        raise QuestionError(param, problem)
    return Predicate(_llms(pool, asked["name"], param))


def _llms(pool: Pool, name: str, param: str) -> frozenset[str]:
    if name in pool.names:
        return frozenset((name,))
    if (virtual := pool.virtual_models.get(name)) is not None:
        return usable(pool.names, pool.prices, (virtual.rules,))
    known = ", ".join(sorted((*pool.names, *pool.virtual_models))[:50])
    raise QuestionError(param, f"no LLM and no virtual model of endpoints.yaml has this name; there are: {known}")
