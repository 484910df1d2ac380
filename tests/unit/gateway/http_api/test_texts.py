"""Chats in the forms in which real callers send them: what is routed is the ask, not what it was wrapped in."""

import json
from typing import Any

import pytest

from gateway.errors import InvalidRequestError
from gateway.http_api import texts, values
from gateway.http_api.litellm_state import messages

SYSTEM = "Caller system prompt, quoted as task context:\nYou are a pirate.\n\nBe short.\n"
EARLIER = "Recent conversation (context only, do not classify these):\n[1] Solve x^2 = 4\nfor x\n[2] and x^3 = 8\n"
SIZE = "Conversation so far: ~11 tokens across the request\n"
ASK = "Classify this message:\nyes, continue"


def quoted(*blocks: str) -> str:
    """As LiteLLM 1.110 joins them: an empty line before each."""
    return "".join(f"\n{block}" for block in blocks)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (quoted(ASK), [("user", "yes, continue")]),
        (quoted(SYSTEM, ASK), [("system", "You are a pirate.\n\nBe short."), ("user", "yes, continue")]),
        (
            quoted(SYSTEM, EARLIER, SIZE, ASK),
            [
                ("system", "You are a pirate.\n\nBe short."),
                ("user", "Solve x^2 = 4\nfor x"),
                ("user", "and x^3 = 8"),
                ("user", "yes, continue"),
            ],
        ),
        (quoted(SIZE, ASK), [("user", "yes, continue")]),
        (
            quoted(
                "Recent conversation (context only, do not classify these):\n[1] user: Hi\n[2] assistant: Hello\n", ASK
            ),
            [("user", "Hi"), ("assistant", "Hello"), ("user", "yes, continue")],
        ),
        # Where not every turn has a label, it is the user's own text.
        (
            quoted("Recent conversation (context only, do not classify these):\n[1] user: Hi\n[2] Hello\n", ASK),
            [("user", "user: Hi"), ("user", "Hello"), ("user", "yes, continue")],
        ),
        # The ask may quote the heading itself, or numbered lines.
        (
            quoted("Classify this message:\nWhat does\n\nClassify this message:\n[2] mean?"),
            [("user", "What does\n\nClassify this message:\n[2] mean?")],
        ),
        (quoted("Classify this message:\n"), [("user", "")]),
    ],
)
def test_litellms_text_is_the_chat_that_it_quotes(state: str, expected: list[tuple[str, str]]) -> None:
    assert messages(state) == expected


@pytest.mark.parametrize(
    "state", ["Classify this message:\nhi", "What is 2 + 2?", "", "\nCaller system prompt, quoted as task context:\nx"]
)
def test_any_other_text_is_read_as_it_stands(state: str) -> None:
    assert messages(state) == []
    assert texts.asked(state) == texts.Asked(state)


CHAT: list[dict[str, Any]] = [
    {"role": "system", "content": "be nice"},
    {"role": "user", "content": "Prove that there are infinitely many primes, in two ways"},
    {"role": "assistant", "content": "Euclid", "tool_calls": [{"id": "1"}]},
    {"role": "tool", "content": "a.txt", "tool_call_id": "1"},
    {"role": "user", "content": "yes"},
]
IN_JSON = json.dumps(CHAT)
HALVES = [{"type": "input_text", "text": half} for half in (IN_JSON[:-3], IN_JSON[-3:])]


@pytest.mark.parametrize(
    "state",
    [
        CHAT,
        {"messages": CHAT},
        IN_JSON,
        [{"role": "user", "content": IN_JSON}],
        # As LangChain's OpenAIDecisions sends a chat with an image at the end of the last message.
        [{"role": "user", "content": [HALVES[0], {"type": "input_image", "image_url": "data:…"}, HALVES[1]]}],
    ],
)
def test_a_chat_is_recognised_in_every_form(state: Any) -> None:
    asked = texts.asked(state)
    assert asked is not None
    assert asked.conversation is not None
    assert [turn.text for turn in asked.conversation.turns] == [CHAT[1]["content"], "yes"]


@pytest.mark.parametrize(
    "text", ['[{"role": "user"', '[{"a": 1}]', "[" * 10_000, '[{"a":' * 2_000, f'[{{"role": {"1" * 5000}}}]', "[1, 2]"]
)
def test_json_that_is_no_chat_is_a_text(text: str) -> None:
    assert texts.asked(text) == texts.Asked(text)
    in_message = texts.asked([{"role": "user", "content": text}])
    assert in_message is not None
    assert in_message.text == text


@pytest.mark.parametrize("state", [[], ["a"], [{"text": "a"}], {"customer": "Jo"}, {"messages": "a"}, {"messages": 3}])
def test_other_json_is_no_chat(state: Any) -> None:
    assert texts.asked(state) is None


def test_turns_without_end_are_not_all_looked_for() -> None:
    turns = "".join(f"\n[{number}] turn {number}" for number in range(2, 5000))
    quoted_chat = messages(
        quoted(f"Recent conversation (context only, do not classify these):\n[1] turn 1{turns}\n", ASK)
    )
    assert len(quoted_chat) == 1001
    assert quoted_chat[998].text == "turn 999"
    assert quoted_chat[999].text.startswith("turn 1000\n[1001] turn 1001\n")


@pytest.mark.parametrize("unit", ["[]", "{}", "1.1", '""', '{"role":"user","content":"x"}', '"\\""', '"\\\\"'])
def test_values_are_counted_and_what_stands_in_texts_is_not(unit: str) -> None:
    assert values.too_many(f"[{','.join([unit] * 10_000)}]".encode())
    assert not values.too_many(f"[{','.join([unit] * 1_000)}]".encode())
    assert not values.too_many(json.dumps({"query": f"[{unit}, {{" * 100_000}).encode())
    assert values.too_many(json.dumps({"query": "a, b", "more": [1] * 10_000}).encode())


def test_a_chat_in_a_text_is_bounded_like_one_beside_it() -> None:
    chat = [{"role": "user", "content": "hello"}]
    assert texts.asked(json.dumps(chat * 1000, separators=(",", ":"))) is not None
    with pytest.raises(InvalidRequestError, match=f"more than {values.MAX_VALUES} values"):
        texts.asked(json.dumps(chat * 10_000, separators=(",", ":")))
