import json

import pytest
from settings import Settings

GOOD = {
    "engine": "onnxruntime",
    "slice_tokens": "512",
    "max_query_bytes": "1024",
    "engine_threads": "0",
    "width_multiple": "16",
}


def model_config(**parameters: str) -> str:
    values = {name: {"string_value": value} for name, value in {**GOOD, **parameters}.items()}
    return json.dumps({"name": "routerdc", "parameters": values})


def test_parameters_become_numbers() -> None:
    assert Settings.from_model_config(model_config()) == Settings("onnxruntime", 512, 1024, 0, 16)
    assert Settings.from_model_config(model_config(row_counts="1 2 8")).row_counts == (1, 2, 8)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("slice_tokens", "many", "parameter slice_tokens must be a whole number, not 'many'"),
        ("slice_tokens", "", "parameter slice_tokens must be a whole number"),
        ("max_query_bytes", "0", "parameter max_query_bytes must be at least 1"),
        (
            "engine",
            "tensorrt",
            "parameter engine must be one of onnxruntime, openvino, onnxruntime-cuda, tensorrt-rtx, triton, not",
        ),
        ("engine", "", "parameter engine must be one of"),
        ("width_multiple", "0", "parameter width_multiple must be at least 1"),
        ("row_counts", "1 0", "parameter row_counts must be whole numbers of at least 1, not '1 0'"),
        ("row_counts", "few", "parameter row_counts must be whole numbers"),
        ("engine_threads", "-1", "parameter engine_threads must be at least 0"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(name: str, value: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings.from_model_config(model_config(**{name: value}))


def test_a_missing_parameter_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="engine"):
        Settings.from_model_config("{}")
