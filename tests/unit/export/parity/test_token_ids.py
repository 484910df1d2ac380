"""The gate on token ids: what is generated reaches every case, and one wrong id is refused."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from export.artefacts.files import write_router_files
from export.domain.errors import ParityError
from export.parity import token_ids
from export.parity.samples import sample_queries
from export.parity.token_ids import TokenParity, check_tokens, compare_tokens, defined_ids, generated_texts
from export.triton.config import MODEL_FOLDER
from routerdc_contract.bundle import Manifest

BUNDLES = Path(__file__).parents[4] / "bundles"


@pytest.fixture(params=["default", "reasoning"])
def bundle(request: pytest.FixtureRequest) -> Path:
    """Bundles that cut on the right and in the middle."""
    return BUNDLES / str(request.param)


@pytest.fixture
def version(bundle: Path, tmp_path: Path) -> Path:
    """A version of the Triton model without an engine."""
    shutil.copytree(MODEL_FOLDER / "1", tmp_path / "1")
    write_router_files(bundle, Manifest.read(bundle), tmp_path / "1")
    return tmp_path / "1"


def test_served_ids_are_the_defined_ones(version: Path, bundle: Path) -> None:
    texts = [*sample_queries(), *generated_texts(300)]
    assert compare_tokens(version, bundle, texts) == TokenParity(len(texts), 0)


def test_generated_texts_are_the_same_every_time_and_longer_than_a_limit(bundle: Path) -> None:
    texts = generated_texts(300)
    limit = Manifest.read(bundle).tokenizer.max_tokens
    lengths = [len(ids) for ids in defined_ids(bundle, texts)]
    assert texts == generated_texts.__wrapped__(300)
    assert max(lengths) == limit
    assert sum(length < limit for length in lengths) > 30


def test_every_assigned_character_can_come() -> None:
    every = filter(token_ids._is_assigned, map(chr, range(sys.maxunicode + 1)))
    assert "".join(token_ids._blocks()) == "".join(every)


def test_a_tokenizer_that_cuts_elsewhere_is_refused(version: Path, bundle: Path) -> None:
    router = json.loads((version / "router.json").read_text(encoding="utf-8"))
    (version / "router.json").write_text(json.dumps({**router, "truncation_side": "left"}), encoding="utf-8")
    parity = compare_tokens(version, bundle, generated_texts(60))
    assert parity.differences > 0
    with pytest.raises(ParityError, match=f"engine: {parity.differences} of 60 texts get other token ids"):
        check_tokens(parity, "engine")
