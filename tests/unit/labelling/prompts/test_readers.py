"""Prompt files in all the shapes that people have."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelling.errors import PromptError
from labelling.prompts.prompt import Prompt
from labelling.prompts.readers import read_prompts
from labelling.prompts.redact import load_redact, redacted

CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]


def one(path: Path) -> Prompt:
    (prompt,) = read_prompts([path])[0]
    return prompt


@pytest.mark.parametrize(
    ("row", "question", "reference", "turns"),
    [
        ({"question": "Why?", "answer": "Because."}, "Why?", "Because.", 1),
        ({"prompt": "Why?", "reference": 7, "category": "x"}, "Why?", 7, 1),
        ({"messages": CHAT}, "Why?", None, 2),
        ({"messages": [*CHAT, {"role": "assistant", "content": "So."}]}, "Why?", "So.", 2),
        ({"custom_id": "1", "body": {"model": "m", "messages": CHAT}}, "Why?", None, 2),
        ({"request": {"messages": CHAT}, "response": {}}, "Why?", None, 2),
        ({"input": CHAT, "output": "x"}, "Why?", None, 2),
        ({"time": "…", "query_hash": "0" * 32, "question": "Why?", "llm": "a"}, "Why?", None, 1),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "See"}, {"type": "image_url"}]}]},
            "See",
            None,
            1,
        ),
    ],
)
def test_shapes_of_rows(tmp_path: Path, row: dict[str, Any], question: str, reference: Any, turns: int) -> None:
    (path := tmp_path / "p.jsonl").write_text(json.dumps(row) + "\n")
    prompt = one(path)
    assert (prompt.question, prompt.reference, len(prompt.messages)) == (question, reference, turns)


def test_csv_keeps_texts_as_they_are(tmp_path: Path) -> None:
    (path := tmp_path / "p.csv").write_text('question,reference\n"Why, then?",007\n', encoding="utf-8-sig")
    assert (one(path).question, one(path).reference) == ("Why, then?", "007")


def test_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.table({"question": ["Why?"], "domain": ["x"]}), path := tmp_path / "p.parquet")
    assert (one(path).question, one(path).domain) == ("Why?", "x")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('{"query_hash": "00"}', "decision_log_queries"),
        ('{"question": ""}', "question: must be a text"),
        ('{"messages": []}', "messages: must be a list"),
        ('{"messages": [{"role": "boss", "content": "x"}]}', r"messages\[0\].role"),
        ('{"messages": [{"role": "system", "content": "x"}]}', "no turn of a user"),
        ('{"other": 1}', "the fields are other"),
        ("[1]", "not an object"),
        ("{", "not JSON"),
    ],
)
def test_a_row_without_a_prompt_is_named_and_not_quoted(tmp_path: Path, row: str, reason: str) -> None:
    (path := tmp_path / "p.jsonl").write_text(f'{{"question": "Why?"}}\n{row}\n')
    with pytest.raises(PromptError, match=f"p.jsonl:2: .*{reason}"):
        read_prompts([path])
    prompts, bad = read_prompts([path], skip_bad_rows=True)
    assert (len(prompts), len(bad)) == (1, 1)


def test_the_redact_hook_sees_every_text(tmp_path: Path) -> None:
    (hook := tmp_path / "hook.py").write_text("def clean(text):\n    return text.replace('Ann', '…')\n")
    parts = [{"type": "text", "text": "I am Ann"}]
    prompt = Prompt(({"role": "system", "content": "For Ann"}, {"role": "user", "content": parts}), reference="Ann")
    clean = redacted(prompt, load_redact(f"{hook}:clean"))
    assert "Ann" not in json.dumps([list(clean.messages), clean.reference])
    assert clean.key != prompt.key
    with pytest.raises(PromptError, match="no function nothing"):
        load_redact(f"{hook}:nothing")


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        ("def clean(text): raise ValueError(text)", "ValueError in line 1"),
        ("def clean(text): return text[999]", "IndexError in line 1"),
        ("import sys\ndef clean(text): sys.exit(text)", "SystemExit in line 2"),
        ("def clean(text): pass", "returns NoneType"),
        ("def clean(text): return text.encode()", "returns bytes"),
        ("def clean(text):\n    while True: pass", "takes longer than 0.2 s"),
        ("import time\ndef clean(text):\n    try: time.sleep(99)\n    except Exception: return text", "takes longer"),
        ("import re\ndef clean(text): return re.sub('(x+x+)+y', '', 'x' * 99)", "takes longer"),
        ("def clean(text): return clean(text)", "RecursionError"),
    ],
)
def test_a_redact_hook_that_fails_stops_everything_and_quotes_nothing(tmp_path: Path, hook: str, message: str) -> None:
    (path := tmp_path / "hook.py").write_text(hook)
    clean = load_redact(f"{path}:clean", seconds=0.2)
    with pytest.raises(PromptError, match=message) as error:
        redacted(Prompt(({"role": "user", "content": "my secret"},)), clean)
    assert "my secret" not in str(error.value)
    assert error.value.__context__ is None or error.value.__suppress_context__


@pytest.mark.parametrize("hook", ["def clean(:", "import nowhere", "raise SystemExit(3)", "1 / 0"])
def test_a_redact_hook_that_cannot_be_loaded_is_named(tmp_path: Path, hook: str) -> None:
    (path := tmp_path / "hook.py").write_text(hook)
    with pytest.raises(PromptError, match="cannot be loaded"):
        load_redact(f"{path}:clean")


def test_half_a_surrogate_pair_in_a_chat_is_a_bad_row(tmp_path: Path) -> None:
    row = {"messages": [{"role": "user", "content": [{"type": "text", "text": "\ud800"}]}]}
    (path := tmp_path / "p.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(PromptError, match="messages: not valid Unicode"):
        read_prompts([path])
