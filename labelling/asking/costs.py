"""What a call costs: at most before it is made, exactly once the server has said how many tokens it took."""

from collections.abc import Sequence

from labelling.pool.endpoints import Llm
from labelling.prompts.prompt import Message, canonical

IMAGE_TOKENS = 20_000  # more than any provider counts for one picture
TEMPLATE_TOKENS = 32  # what a chat template adds around a message


def dollars(llm: Llm, prompt_tokens: int, answer_tokens: int) -> float | None:
    """US dollars; None where the LLM has no price."""
    if (prices := llm.prices) is None:
        return None
    return (prices[0] * prompt_tokens + prices[1] * answer_tokens) / 1e6


def most_prompt_tokens(messages: Sequence[Message]) -> int:
    """A bound that no tokenizer exceeds: one token a byte, the template, and pictures at their dearest."""
    text = canonical([dict(message) for message in messages])
    return len(text.encode()) + TEMPLATE_TOKENS * (len(messages) + 1) + IMAGE_TOKENS * text.count('"image_url"')


def most_dollars(llm: Llm, messages: Sequence[Message], max_tokens: int) -> float:
    """What a call can cost at most; 0 where the LLM has no price."""
    return dollars(llm, most_prompt_tokens(messages), max_tokens) or 0.0
