"""The plan's features: a run that meets no new prompt reads no encoder."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from labelling.plan.features import router_features


def test_prompts_that_an_earlier_run_has_seen_need_no_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    prompts = ["2 + 2?", "Translate into German: house"]
    first = router_features()(prompts)
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, rtol=1e-6)
    monkeypatch.setattr("routerdc.model.load_encoder", None)
    np.testing.assert_array_equal(router_features()(prompts[::-1]), first[::-1])
    with pytest.raises(TypeError):
        router_features()(["new"])
    code = (
        "import sys; from labelling.plan.features import router_features; router_features()(sys.argv[1:]); "
        "assert not {'torch', 'transformers'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code, *prompts], check=True)
