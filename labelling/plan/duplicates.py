"""Prompts that are asked once although the log has them often."""

from collections.abc import Iterable

from labelling.prompts.prompt import Prompt, text_of


def distinct(prompts: Iterable[Prompt]) -> list[Prompt]:
    """The first of all prompts that agree but for case and white space, in order."""
    kept: dict[str, Prompt] = {}
    for prompt in prompts:
        kept.setdefault(_normalised(prompt), prompt)
    return list(kept.values())


def _normalised(prompt: Prompt) -> str:
    turns = ((str(m.get("role")), text_of(m.get("content")) or repr(m.get("content"))) for m in prompt.messages)
    return "\0".join(f"{role}:{' '.join(text.casefold().split())}" for role, text in turns)
