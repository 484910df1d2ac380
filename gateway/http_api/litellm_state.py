"""The chat that LiteLLM's Auto Router quotes in the text that it asks a classifier about.

Captured from LiteLLM 1.110: the caller's system prompt, some of the earlier user texts, the size of the conversation
and the newest ask come as one text under headings. Read as one text, headings and system prompt would be routed.
"""

import re

from gateway.domain.conversation import Message

_SYSTEM = "\nCaller system prompt, quoted as task context:\n"
_EARLIER = "\nRecent conversation (context only, do not classify these):\n"
_ASK = "\nClassify this message:\n"
_SIZE = re.compile(r"\n\nConversation so far: ~\d+ tokens across the request$")
_MAX_TURNS = 1_000
_ROLE = re.compile(r"(user|assistant): ")


def messages(state: str) -> list[Message]:
    """The quoted chat, oldest message first; empty where `state` is not in LiteLLM's form."""
    if not state.startswith((_SYSTEM, _EARLIER, _ASK, "\nConversation so far: ~")):
        return []
    before, found, ask = f"\n{state}".partition(f"\n{_ASK}")
    if not found:
        return []
    system, _, earlier = _SIZE.sub("", before).partition(f"\n{_EARLIER}")
    quoted = system.removeprefix(f"\n{_SYSTEM}").strip()
    return [*([Message("system", quoted)] if quoted else []), *_turns(earlier), Message("user", ask)]


def _turns(text: str) -> list[Message]:
    """The numbered texts of the earlier conversation: users' alone, or each with the label of its role."""
    if not text:
        return []
    turns: list[str] = []
    text = text.removeprefix("[1] ")
    at = 0  # and not a rest, each of which would be a copy
    for number in range(2, _MAX_TURNS + 1):
        begin = f"\n[{number}] "
        if (end := text.find(begin, at)) < 0:
            break
        turns.append(text[at:end])
        at = end + len(begin)
    turns.append(text[at:])
    labels = [_ROLE.match(turn) for turn in turns]
    return [
        Message(label[1], turn[label.end() :]) if label and all(labels) else Message("user", turn)
        for label, turn in zip(labels, turns, strict=True)
    ]
