"""The query out of a chat: which texts count, how much, and what agents put around them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import conversation as rule
from gateway.domain.conversation import (
    MAX_TURN_BYTES,
    NO_TEXT_IN_LAST,
    RECENT_TURNS,
    Message,
    conversation,
    cut,
)
from gateway.domain.wrappers import without_wrappers

LONG = "Please prove that the square root of two is irrational."


def user(*texts: str) -> list[Message]:
    return [message for text in texts for message in (Message("user", text), Message("assistant", "an answer"))][:-1]


def texts(messages: list[Message]) -> list[str]:
    return [turn.text for turn in conversation(messages).turns]


def test_only_user_texts_are_turns() -> None:
    messages = [Message("system", "be brief"), *user("one", "two"), Message("tool", "42"), Message("developer", "x")]
    assert texts(messages) == ["one", "two"]


def test_the_opener_and_the_last_turns_are_kept() -> None:
    asked = [f"question {i}" for i in range(20)]
    assert texts(user(*asked)) == ["question 0", *asked[-RECENT_TURNS:]]
    assert texts(user(*asked[:3])) == asked[:3]


def test_a_short_reply_counts_little() -> None:
    turns = conversation(user(LONG, "yes", "thanks, now in French", "好的，请继续", LONG)).turns
    weights = {turn.text: turn.weight for turn in turns}
    assert weights[LONG] == 1
    assert weights["yes"] < 0.01
    assert weights["thanks, now in French"] < 0.2
    assert weights["好的，请继续"] < 0.2


@pytest.mark.parametrize(
    "text",
    [
        "Yes, please go on with it",
        "Да, продолжай, пожалуйста",
        "हाँ, कृपया इसे जारी रखें",
        "ใช่ ช่วยทำต่อไปเลยครับ",
        "はい、続けてください",
        "네, 계속해 주세요",
        "好的，请你继续",
        "e\u0301" * 25,
        "👍🏽" * 6,
    ],
)
def test_a_text_counts_by_what_it_says_and_not_by_the_bytes_of_its_script(text: str) -> None:
    (turn,) = conversation(user(text)).turns
    assert 0.05 < turn.weight < 0.35


def test_a_turn_knows_how_long_the_chat_was_before_it() -> None:
    talk = conversation([Message("system", "é" * 5), *user("one", "two")])
    assert [turn.chat_bytes for turn in talk.turns] == [10, 10 + 3 + 9]
    assert (talk.total_bytes, talk.other_bytes) == (25, 22)


@pytest.mark.parametrize(
    ("text", "ask"),
    [
        ("plain", "plain"),
        ("<system-reminder>\nTodos: none\n</system-reminder>\nFix the test.", "Fix the test."),
        ('<document index="1">a whole law</document> Is this legal?', "Is this legal?"),
        ("<user_info>linux</user_info><user_query>Fix it</user_query>", "Fix it"),
        ("<task>\nAdd a flag\n</task>\n<environment_details>cwd /src</environment_details>", "Add a flag"),
        ("<file name='a.py'>x</file><file>y</file>compare", "compare"),
        ("<system-reminder>never closed", "<system-reminder>never closed"),
        ("Parse this: <task>one</task>", "Parse this: <task>one</task>"),
        ("a < b and <b>bold</b>", "a < b and <b>bold</b>"),
        ("<files>a</files> <files> b", "<files> b"),
        ('<user_input mode="act">Fix it</user_input>\n<hook_context source="x">y</hook_context>', "Fix it"),
        ("<INSTRUCTIONS>\nWrite tests.\n</INSTRUCTIONS>\nFix it", "Fix it"),
    ],
)
def test_wrappers_of_agents_are_taken_off(text: str, ask: str) -> None:
    assert without_wrappers(text) == ask


def test_a_message_of_wrappers_alone_asks_nothing_and_that_is_said() -> None:
    talk = conversation(user(LONG, "<system-reminder>tool results follow</system-reminder>"))
    assert ([turn.text for turn in talk.turns], talk.note) == ([LONG], NO_TEXT_IN_LAST)


@pytest.mark.parametrize(
    "text",
    [
        "# AGENTS.md instructions for /src\n\n<INSTRUCTIONS>\nAlways write tests.\n</INSTRUCTIONS>",
        "# AGENTS.md instructions for /src\n\n<INSTRUCTIONS>x</INSTRUCTIONS>\n<user_info>linux</user_info>",
        "[Request interrupted by user for tool use]",
        "[SYSTEM] This run is not complete until you call one of these terminal completion tools: submit_and_exit.",
        "[ERROR] You did not use a tool in your previous response! Please retry with a tool use.",
        "[read_file for 'src/parser.py'] Result:\n1 | def parse(): ...",
        "I have *added these files to the chat* so you can go ahead and edit them.\n\nparser.py\n```\n…\n```",
        "Here are summaries of some files present in my git repository.\nDo not propose changes to these files.",
        "<returncode>0</returncode>\n<output>\nparser.py\n</output>",
        "<task-notification>the tests have run</task-notification>",
        "<turn_aborted>\nThe user interrupted the turn.\n</turn_aborted>",
    ],
)
def test_what_an_agent_writes_in_the_users_name_asks_nothing(text: str) -> None:
    assert texts(user(text, LONG, text)) == [LONG]
    assert texts(user(text)) == [text]


def test_a_chat_of_wrappers_alone_is_read_as_it_is() -> None:
    assert conversation(user("<document>law</document>")).text == "<document>law</document>"


def test_a_chat_without_any_user_text_has_no_turn() -> None:
    assert conversation([Message("system", "x"), Message("user", " ")]) == ((), 2, False, "")


def test_both_ends_of_a_long_text_are_kept_and_that_is_said() -> None:
    talk = conversation(user("é" * 100 + "middle" + "z" * 100)).within(20)
    assert (talk.text, talk.truncated) == ("é" * 5 + "z" * 10, True)


@given(st.text(max_size=60), st.integers(4, 80))
def test_a_cut_text_is_never_longer_and_stays_whole_where_it_fits(text: str, max_bytes: int) -> None:
    text = text.encode(errors="ignore").decode()
    kept = cut(text, max_bytes)
    assert len(kept.encode()) <= max_bytes
    assert kept == text or len(text.encode()) > max_bytes


class Scanned(str):
    """A text that counts how far the ends of tags are looked for."""

    scanned = 0

    def find(self, end: str, start: int = 0) -> int:  # type: ignore[override]
        found = super().find(end, start)
        self.scanned += (found if found >= 0 else len(self)) - start
        return found


@pytest.mark.parametrize("piece", ["<file>", "<file ", "<task>", "</file>", "<file>a</task>", "<documents><files>"])
def test_the_end_of_a_tag_is_not_looked_for_again_and_again(piece: str) -> None:
    text = Scanned(piece * 10_000)
    without_wrappers(text)
    assert text.scanned <= 2 * len(text)  # once for each of at most two names


def test_what_is_read_of_a_chat_is_bounded_whatever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def spy(text: str) -> str:
        read.append(len(text))
        return without_wrappers(text)

    monkeypatch.setattr(rule, "without_wrappers", spy)
    conversation([Message("user", "<file></file>" * 20_000)] * 1000)
    assert sum(read) <= 6 * MAX_TURN_BYTES


def test_asks_are_found_among_many_results_of_tools() -> None:
    results = [Message("user", "") for _ in range(500)]
    assert texts([*user(LONG), *results, *user("and then?"), *results]) == [LONG, "and then?"]


@given(st.text(alphabet="<>/ab", max_size=50))
def test_text_without_our_tags_is_unchanged(text: str) -> None:
    assert without_wrappers(text).strip() == text.strip()
