"""Which LLMs can do what a request needs, and the LLM that a request names."""

from dataclasses import dataclass

from gateway.config.endpoints_file import Endpoint
from gateway.domain.decision import Reason
from gateway.limits.caller import Caller
from gateway.openai.apis import Api, Ask
from gateway.openai.bodies import answers
from gateway.openai.bodies.answers import OpenAiError
from gateway.openai.bodies.reading import Reading
from gateway.policy import capabilities, eligibility
from gateway.pool.pool import Pool


@dataclass(frozen=True, slots=True)
class Choice:
    """LLMs that are tried, in order, and why these."""

    candidates: tuple[tuple[str, Endpoint], ...]
    reason: Reason
    detail: str = ""
    truncated: bool = False


def able(pool: Pool, api: Api, llms: frozenset[str], ask: Ask) -> frozenset[str]:
    """Those of `llms` that speak the API and can do what the request needs.

    Raises:
        OpenAiError: there are none; where only a capability is missing, the field that needs it is named.
    """
    speakers = llms & pool.speakers[api.protocol]
    if not speakers:
        raise answers.wrong_protocol(api.protocol, sorted(llms))
    found = capabilities.capable(speakers, pool.capabilities, ask.needs)
    if found:
        return found
    for capability, param in ask.needs.items():
        if not capabilities.capable(speakers, pool.capabilities, (capability,)):
            raise answers.not_capable(param, capability, sorted(speakers))
    needs = " and ".join(f"{param} needs '{capability}'" for capability, param in ask.needs.items())
    message = f"{needs}: none of {', '.join(sorted(speakers))} has all of these capabilities"
    raise OpenAiError(400, message, param=next(iter(ask.needs.values())), code="capability_not_supported")


def named(pool: Pool, api: Api, caller: Caller, reading: Reading) -> Choice:
    """The LLM that the caller names: it, and no other.

    Raises:
        OpenAiError: it cannot do what the request needs.
        ExcludedError: the caller's rules exclude it.
        NoLlmError: none of its endpoints is in use.
    """
    llm = frozenset((reading.model,))
    eligibility.permitted(llm, pool.prices, (caller.rules,))
    able(pool, api, llm, reading.ask)
    pool.eligible(llm)
    return Choice(
        ((reading.model, pool.endpoint(reading.model, caller.name)),), Reason.NAMED, "the request names this LLM"
    )
