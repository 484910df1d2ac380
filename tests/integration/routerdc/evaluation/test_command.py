"""`routerdc evaluate`, with a fake router in place of a bundle's weights."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from routerdc.data.dataset import Dataset
from routerdc.evaluation import frozen_encoder, loading
from routerdc.evaluation.command import evaluate
from routerdc.evaluation.evaluate import Subject
from routerdc_contract.bundle import EncoderSpec, LlmSpec, Manifest, TokenizerSpec, file_sha256
from tests.support.data.two_subjects import LLMS, embed, score


def write_set(path: Path, dataset: Dataset) -> Path:
    rows = [
        {"question": query, "scores": dict(zip(LLMS, map(float, scores), strict=True))}
        for query, scores in zip(dataset.queries, dataset.scores, strict=True)
    ]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


@pytest.fixture
def arguments(tmp_path: Path, train: list[Dataset], test: list[Dataset], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    for name in ("router.safetensors", "tokenizer.json"):
        (bundle / name).write_text(name)
    Manifest.build(
        name="tiny",
        encoder=EncoderSpec(name="none", sources=("path:nowhere",), weights_sha256="0" * 64),
        tokenizer=TokenizerSpec(sha256=file_sha256(bundle / "tokenizer.json"), max_tokens=8, truncation_side="right"),
        weights_sha256=file_sha256(bundle / "router.safetensors"),
        dim=2,
        llms=tuple(LlmSpec(name=llm) for llm in LLMS),
    ).write(bundle)
    write_set(tmp_path / "train" / "sums_train.jsonl", train[0])
    write_set(tmp_path / "test" / "sums_test.jsonl", test[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(frozen_encoder, "load_encoder", lambda folder: None)
    monkeypatch.setattr(frozen_encoder, "load_tokenizer", lambda folder: None)
    monkeypatch.setattr(frozen_encoder, "resolve_encoder", lambda spec: tmp_path)
    monkeypatch.setattr(frozen_encoder, "encode", lambda encoder, tokenizer, queries, recipe, device: embed(queries))
    llms = tuple(LlmSpec(name=llm) for llm in LLMS)
    monkeypatch.setattr(loading, "subject", lambda bundle, device: Subject("tiny", "0" * 16, llms, score))
    return ["--bundle", str(bundle), "--train", "train", "--test", "test", "--out", "out"]


def test_command_prints_tables_and_writes_reports(arguments: list[str], test: list[Dataset]) -> None:
    first = CliRunner().invoke(evaluate, arguments)
    assert first.exit_code == 0, first.output
    assert "router: tiny" in first.output
    assert "wrote out/report.html" in first.output
    report = json.loads(Path("out/report.json").read_text())
    assert not Path("bundle/README.md").exists()
    assert report["lines"][0]["sets"]["sums"]["mean"] == pytest.approx(100 * test[0].scores[:, 0].mean())


def test_bad_rows_stop_with_their_line_unless_skipped(arguments: list[str]) -> None:
    with Path("test/sums_test.jsonl").open("a", encoding="utf-8") as file:
        file.write('\n{"question": ""}')
    stopped = CliRunner().invoke(evaluate, arguments)
    assert stopped.exit_code == 1
    assert "test/sums_test.jsonl:51: row 51: question: empty" in stopped.output
    skipped = CliRunner().invoke(evaluate, [*arguments, "--skip-bad-rows", "--no-robustness"])
    assert skipped.exit_code == 0
    assert "sums: 1 bad rows skipped" in skipped.output


def test_no_bundle_and_no_costs_are_one_line_errors(arguments: list[str]) -> None:
    absent = CliRunner().invoke(evaluate, ["--bundle", "nowhere", *arguments[2:]])
    assert absent.exit_code == 1
    assert "Error: nowhere: no bundle here" in absent.output
    unpriced = CliRunner().invoke(evaluate, [*arguments, "--no-robustness", "--cost"])
    assert unpriced.exit_code == 1
    assert "no costs in the training data" in unpriced.output


def test_card_and_notes_reach_the_bundle_on_request(arguments: list[str]) -> None:
    result = CliRunner().invoke(evaluate, [*arguments, "--no-robustness", "--card", "--note", "looked at twice"])
    assert result.exit_code == 0, result.output
    card = Path(arguments[1]) / "README.md"
    assert f"wrote {card}" in result.output
    assert "- looked at twice" in card.read_text()


def test_a_program_gets_the_whole_report(arguments: list[str]) -> None:
    result = CliRunner().invoke(evaluate, [*arguments, "--no-robustness", "--json"])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["report"] == json.loads(Path("out/report.json").read_text())
    assert "out/report.html" in answer["written"]
    assert answer["overview"]
