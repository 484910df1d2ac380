import json
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from export.domain.errors import ExportError
from export.triton.config import CONFIG_FILE, parameter, read_config, render
from routerdc_contract.bundle import Calibration, EncoderSpec, LlmSpec, Manifest, TokenizerSpec

NAMES = ("plain", 'with "quotes" and \\', "名前/模型")
MANIFEST = Manifest.build(
    name="test",
    encoder=EncoderSpec(name="e", sources=("path:e",), weights_sha256="0" * 64),
    tokenizer=TokenizerSpec(sha256="0" * 64, max_tokens=64, truncation_side="left"),
    weights_sha256="0" * 64,
    dim=48,
    llms=(
        LlmSpec(name=NAMES[0], calibration=Calibration(slope=1.5, intercept=-0.25)),
        *(LlmSpec(name=name) for name in NAMES[1:]),
    ),
)


def rendered() -> ModelConfig:
    return text_format.Parse(render(read_config(), MANIFEST), ModelConfig())


def test_the_bundle_is_written_into_the_configuration() -> None:
    config = rendered()
    assert parameter(config, "bundle_id") == MANIFEST.bundle_id
    assert {output.name: list(output.dims) for output in config.output}["scores"] == [3]
    assert {output.name: list(output.dims) for output in config.output}["embedding"] == [48]


def test_any_llm_name_survives() -> None:
    assert json.loads(parameter(rendered(), "llms")) == list(NAMES)


def test_calibration_is_written_in_score_order() -> None:
    assert json.loads(parameter(rendered(), "calibration")) == [[1.5, -0.25], None, None]


def test_only_a_bundle_with_neighbours_has_that_output() -> None:
    holding = MANIFEST.model_copy(update={"neighbours_sha256": "0" * 64})
    config = text_format.Parse(render(read_config(), holding), ModelConfig())
    names = [output.name for output in config.output]
    assert "neighbours" in names
    assert [output.name for output in rendered().output] == [name for name in names if name != "neighbours"]


def test_all_else_is_kept() -> None:
    config, source = rendered(), read_config()
    for field in ("output", "parameters"):
        config.ClearField(field)
        source.ClearField(field)
    assert config == source


def test_no_queue_policy_keeps_triton_from_handing_batches_over_ahead_of_time() -> None:
    assert rendered().HasField("dynamic_batching")
    assert not rendered().dynamic_batching.HasField("default_queue_policy")  # stalls of half a second: see config.pbtxt


def test_a_broken_configuration_is_named(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text('name: "routerdc" max_batch: 3')
    with pytest.raises(ExportError, match=r"config\.pbtxt.*max_batch"):
        read_config(tmp_path)
