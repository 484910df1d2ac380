from pathlib import Path

import pytest

from tests.support.data.tiny import tiny_encoder


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of two layers."""
    return tiny_encoder(tmp_path_factory.mktemp("encoder"))
