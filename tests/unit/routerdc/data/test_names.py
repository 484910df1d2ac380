"""One rule of LLM names: what training accepts, endpoints.yaml accepts, and the other way round."""

import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from routerdc.data.formats.rows import DataError
from routerdc.data.loading import load
from routerdc_contract.names import LlmName, name_fault

BAD = [" lead", "trail ", "new\nline", "tab\there", "auto", "", "\u200b", "x" * 257]
GOOD = ["mistral-7b", "org/model:tag", "a b", "q4%", "模型", "x" * 256]


@pytest.mark.parametrize("name", [*BAD, *GOOD])
def test_tables_and_endpoints_agree(tmp_path: Path, name: str) -> None:
    file = tmp_path / "set.jsonl"
    file.write_text(json.dumps({"question": "x", "scores": {name: 1}}) + "\n", encoding="utf-8")
    if name in GOOD:
        assert name_fault(name) is None
        assert TypeAdapter(LlmName).validate_python(name) == name
        assert load(file).llms == (name,)
        return
    with pytest.raises(ValidationError):
        TypeAdapter(LlmName).validate_python(name)
    with pytest.raises(DataError, match=r"set\.jsonl:1: row 1: scores: "):
        load(file)
