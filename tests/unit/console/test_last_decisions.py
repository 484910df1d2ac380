"""The newest decisions of a log that may be long, rotated or in the middle of a line."""

import json
from pathlib import Path

from console.last_decisions import SHOWN, TAIL_BYTES, last_decisions

ROW = {"time": "2026-11-30T02:00:00.000+00:00", "llm": "a", "reason": "routed", "total_ms": 1.5}


def logged(n: int, **fields: str) -> str:
    return json.dumps({**ROW, "query_hash": f"{n:032d}", "candidates": ["x" * 500], **fields}) + "\n"


def test_the_newest_come_first_as_hashes_and_nothing_else_of_the_line(tmp_path: Path) -> None:
    log = tmp_path / "decisions.jsonl"
    log.write_text("".join(map(logged, range(SHOWN + 5))))
    found = last_decisions(log)
    assert len(found) == SHOWN
    assert found[0] == {**ROW, "asked": f"{SHOWN + 4:032d}"[:12]}


def test_texts_are_shown_where_the_log_holds_them(tmp_path: Path) -> None:
    log = tmp_path / "decisions.jsonl"
    log.write_text(logged(1, question="What is 2 + 2?"))
    assert [row["asked"] for row in last_decisions(log)] == ["What is 2 + 2?"]


def test_half_lines_and_foreign_ones_are_passed_over(tmp_path: Path) -> None:
    log = tmp_path / "decisions.jsonl"
    log.write_text("[1]\n" + logged(1) + '{"time": 1}\nnull\n' + logged(2)[:40])
    assert len(last_decisions(log)) == 1


def test_a_long_log_is_read_from_its_end(tmp_path: Path) -> None:
    log = tmp_path / "decisions.jsonl"
    log.write_text("x" * (2 * TAIL_BYTES) + "\n" + logged(7))
    assert [row["asked"] for row in last_decisions(log)] == [f"{7:032d}"[:12]]


def test_no_log_yet_is_no_decision(tmp_path: Path) -> None:
    assert last_decisions(tmp_path / "none.jsonl") == []
