"""Live decisions read back: logs written by the gateway's own `DecisionLog`, and by hand."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from gateway.config.endpoints_file import Endpoint
from gateway.domain.decision import Candidate, Decision, Reason
from gateway.domain.query import RouteQuery
from gateway.telemetry import decision_log
from gateway.telemetry.decision_log import DecisionLog
from gateway.telemetry.metrics import Metrics
from routerdc.data.dataset import Dataset
from routerdc.data.formats.rows import DataError
from routerdc.evaluation.decisions.command import evaluate_decisions
from routerdc.evaluation.decisions.log import LoggedDecision, query_hash, read_log
from routerdc.evaluation.decisions.quality import judgement
from routerdc.evaluation.decisions.report import DecisionsReport
from routerdc.evaluation.decisions.tables import decision_tables
from routerdc.evaluation.decisions.traffic import traffic

LLMS = ("a", "b")
TEXTS = ("one", "two, 二\nin two lines", "three", "four")
SCORES = ((1.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 0.0))


def line(**fields: Any) -> str:
    row = {
        "time": "2026-11-22T10:00:00.000+00:00",
        "request_id": "1",
        "query_hash": query_hash("one"),
        "llm": "a",
        "reason": "routed",
        "token_count": 4,
        "truncated": False,
        "bundle_id": "0" * 16,
        "total_ms": 2.0,
    }
    return json.dumps(row | fields)


def decision(text: str = "one", **fields: Any) -> LoggedDecision:
    return LoggedDecision.model_validate_json(line(query_hash=query_hash(text), **fields))


def scored(rows: Sequence[Sequence[float]] = SCORES, texts: Sequence[str] = TEXTS) -> Dataset:
    return Dataset("live", tuple(texts), LLMS, np.array(rows, dtype=np.float32))


def write_log(path: Path, chosen: Sequence[tuple[str, str, Reason]], *, with_queries: bool = False) -> Path:
    endpoint = Endpoint(address="http://a.test/v1", model="m")
    with DecisionLog(path, Metrics(), with_queries=with_queries) as log:
        for text, llm, reason in chosen:
            query = RouteQuery(text=text, rules=(), cost_weight=None, max_candidates=1, request_id="1")
            log.decided(query, Decision("1", (Candidate(llm, endpoint),), reason, token_count=3, total_ns=2_000_000))
    return path


CHOSEN = [
    (TEXTS[0], "a", Reason.ROUTED),
    (TEXTS[1], "b", Reason.CACHED),
    (TEXTS[2], "b", Reason.FALLBACK),
    ("unknown", "a", Reason.ROUTED),
]


@pytest.mark.parametrize("text", [*TEXTS, "", " ", "ä\u2028\x00\r\n", "x" * 100_000])
def test_both_sides_of_the_log_hash_a_query_the_same_way(text: str) -> None:
    assert query_hash(text) == decision_log.query_hash(text)


@pytest.mark.parametrize("with_queries", [False, True])
def test_a_log_of_the_gateway_is_read_and_joined(tmp_path: Path, with_queries: bool) -> None:
    log = read_log([write_log(tmp_path / "log.jsonl", CHOSEN, with_queries=with_queries)])
    assert not log.bad
    assert [(one.llm, one.reason, one.total_ms) for one in log.decisions] == [
        (llm, reason.value, 2.0) for _, llm, reason in CHOSEN
    ]
    found = judgement(log.decisions, [scored()])
    assert (found.matched, found.matched_share, found.judged) == (3, 75.0, 3)
    assert found.live is not None
    assert found.oracle is not None
    assert found.live.quality.mean == pytest.approx(200 / 3)
    assert found.oracle.quality.mean == pytest.approx(100)
    assert found.best_single == "a"


def test_the_text_is_what_joins_where_the_log_has_it() -> None:
    assert decision("elsewhere", question="two").key == query_hash("two")
    assert decision("elsewhere").key == query_hash("elsewhere")


def test_the_text_of_a_query_is_not_kept() -> None:
    assert "secret" not in repr(decision("a", question="secret"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (line()[:40], "Invalid JSON"),
        (line(llm=""), "llm: "),
        (line(total_ms=-1), "total_ms: "),
        (line(query_hash="abc"), "query_hash: "),
        (line(time="yesterday"), "time: "),
        ('{"question": "secret"}', "time: Field required"),
        ("[1]", "Input should be an object"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_read(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(f"{line()}\n\n{line()}\n{text}", encoding="utf-8")
    log = read_log([path])
    assert len(log.decisions) == 2
    (bad,) = log.bad
    assert str(bad).startswith(f"{path}:4: ")
    assert reason in bad.reason
    assert "secret" not in bad.reason


def test_a_line_that_is_not_utf8_is_a_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line().encode() + b'\n{"llm": "\xff"}\n')
    assert [bad.line for bad in read_log([path]).bad] == [2]


def test_a_log_without_a_usable_line_is_an_error_that_names_one(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("{\n{\n")
    with pytest.raises(DataError, match=r"(?s)log.jsonl:1: .*2 bad lines"):
        read_log([tmp_path / "log.jsonl"])


def test_traffic_counts_shares_reasons_tokens_and_latency() -> None:
    found = traffic(
        [
            decision(total_ms=1),
            decision("two", total_ms=3, truncated=True),
            decision("two", llm="b", reason="cached", total_ms=5),
            decision(llm="b", reason="fallback", token_count=None, bundle_id=None, total_ms=7),
        ]
    )
    assert (found.decisions, found.distinct_queries) == (4, 2)
    assert found.llms == {"a": 50.0, "b": 50.0}
    assert found.reasons == {"routed": 50.0, "cached": 25.0, "fallback": 25.0}
    assert (found.fallback_rate, found.truncated, found.tokens_total) == (25.0, 25.0, 12)
    assert found.bundle_ids == {"0" * 16: 75.0, "none": 25.0}
    assert (found.total_ms.p50, found.total_ms.largest) == (4.0, 7.0)
    assert found.tokens is not None
    assert found.tokens.p50 == 4


def test_differences_are_paired_and_repeated_decisions_are_no_new_evidence() -> None:
    once = [decision(text, llm=llm) for text, llm in zip(TEXTS, "abba", strict=True)]
    few, many = judgement(once, [scored()]), judgement(once * 50, [scored()])
    assert many.judged == 200
    for before, after in zip(few.llms, many.llms, strict=True):
        assert before.versus is not None
        assert after.versus is not None
        assert before.versus.low == pytest.approx(after.versus.low)
        assert before.versus.high == pytest.approx(after.versus.high)
    always_a = judgement([decision(text) for text in TEXTS], [scored()])
    versus = always_a.llms[0].versus
    assert versus is not None
    assert (versus.mean, versus.low, versus.high) == (0, 0, 0)


def test_queries_asked_often_weigh_more() -> None:
    found = judgement([decision("one"), *[decision(TEXTS[1])] * 3], [scored()])
    assert found.live is not None
    assert found.live.quality.mean == pytest.approx(25)


def test_missing_scores_are_never_zero() -> None:
    nan = float("nan")
    data = scored([(nan, 1.0), (0.5, nan), (0.5, nan), (0.5, nan)])
    found = judgement([decision("one"), *[decision(text) for text in TEXTS[1:]]], [data])
    assert (found.matched, found.judged) == (4, 3)
    assert found.live is not None
    assert found.live.quality.mean == pytest.approx(50)
    assert [(one.name, one.known) for one in found.llms] == [("a", 3)]


def test_an_llm_that_is_hardly_known_is_not_the_best_single_one() -> None:
    nan = float("nan")
    found = judgement([decision(text) for text in TEXTS], [scored([(0.5, 1.0), (0.5, nan), (0.5, nan), (0.5, nan)])])
    assert (found.best_single, [one.known for one in found.llms]) == ("a", [4, 1])


def test_rows_with_one_text_count_as_their_mean() -> None:
    found = judgement([decision("one")], [scored([(1.0, 0.0), (0.5, 0.0)], ["one", "one"])])
    assert found.live is not None
    assert found.live.quality.mean == pytest.approx(75)


def test_llms_that_the_data_do_not_know_are_matched_but_not_judged() -> None:
    found = judgement([decision("one", llm="new")], [scored()])
    assert (found.matched, found.judged, found.live) == (1, 0, None)


def report(decisions: Sequence[LoggedDecision]) -> DecisionsReport:
    found = judgement(decisions, [scored()])
    return DecisionsReport(traffic=traffic(decisions), judgement=found, bad_line_count=0, bad_lines=())


def test_the_table_of_quality_names_the_best_single_llm_once() -> None:
    quality = decision_tables(report([decision(text, llm="b") for text in TEXTS]))[-1]
    assert [row[0] for row in quality.rows] == ["live decisions", "oracle", "best single in hindsight: a", "b"]
    assert [row[1] for row in quality.rows] == ["4"] * 4
    assert quality.rows[2][2].startswith("75.00 [")
    assert quality.rows[2][3].startswith("-50.00 [")


def test_the_table_of_quality_says_so_when_nothing_could_be_judged() -> None:
    quality = decision_tables(report([decision("unknown")]))[-1]
    assert quality.title.endswith("unknown")
    assert [row[1] for row in quality.rows] == ["0", "0"]


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(evaluate_decisions, [*map(str, arguments)])
    return result.exit_code, result.output


def test_command_shows_traffic_alone_without_data(tmp_path: Path) -> None:
    code, output = run(write_log(tmp_path / "log.jsonl", CHOSEN), "--out", tmp_path / "new" / "report.json")
    assert code == 0, output
    assert "fallback rate" in output
    assert "25.00 %" in output
    assert "Quality" not in output
    assert json.loads((tmp_path / "new" / "report.json").read_text())["judgement"] is None


def test_command_judges_with_data_and_names_bad_lines(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", CHOSEN)
    with log.open("a") as file:
        file.write(line()[:30])
    rows = [
        {"question": text, "scores": dict(zip(LLMS, scores, strict=True))}
        for text, scores in zip(TEXTS, SCORES, strict=True)
    ]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    code, output = run(log, "--test", tmp_path / "data.jsonl", "--out", tmp_path / "report.json")
    assert code == 0, output
    assert "Quality of live decisions" in output
    assert "bad lines skipped: 1" in output
    written = json.loads((tmp_path / "report.json").read_text())
    assert written["judgement"]["matched"] == 3
    assert written["bad_line_count"] == 1
    assert ":5: " in written["bad_lines"][0]


def test_command_says_in_one_line_that_nothing_was_usable(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("")
    code, output = run(tmp_path / "log.jsonl")
    assert code == 1
    assert "no usable decision" in output
