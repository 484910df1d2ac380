"""The gateway as a process of its own, and the ledger of what held."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from routerdc_contract.bundle import Manifest
from tests.chaos.ledger import FULL, Ledger
from tests.support.gateways.process import GatewayProcess

full_only = pytest.mark.skipif(not FULL, reason="takes long: make chaos")

StartGateway = Callable[..., GatewayProcess]


@pytest.fixture(scope="session")
def ledger() -> Iterator[Ledger]:
    """Written to the file that CHAOS_REPORT names."""
    ledger = Ledger()
    yield ledger
    if report := os.environ.get("CHAOS_REPORT"):
        ledger.write(Path(report))


@pytest.fixture(scope="session")
def seconds() -> Callable[[float, float], float]:
    """`seconds(short, full)`: how long a phase is."""
    return lambda short, full: full if FULL else short


@pytest.fixture
def endpoints_file(tmp_path: Path, manifest: Manifest) -> Path:
    """One endpoint for every LLM of the bundle."""
    path = tmp_path / "endpoints.yaml"
    path.write_text(endpoints_yaml(manifest.llm_names), encoding="utf-8")
    return path


def endpoints_yaml(names: tuple[str, ...], **changes: Any) -> str:
    """endpoints.yaml of a pool with those names."""
    llms = {name: {"endpoints": [{"address": f"http://{name}.test/v1", "model": name}]} for name in names}
    return yaml.safe_dump({"default": [names[2], names[0]], "llms": llms} | changes)


@pytest.fixture
def start_gateway(endpoints_file: Path, tmp_path: Path) -> Iterator[StartGateway]:
    """Starts gateways: `start_gateway(triton_address, any setting)`."""
    with ExitStack() as running:
        count = iter(range(100))

        def start(triton_address: str, environment: dict[str, str] | None = None, **settings: Any) -> GatewayProcess:
            fixed = {"triton_address": triton_address, "endpoints_file": endpoints_file}
            folder = tmp_path / f"gateway{next(count)}"
            return running.enter_context(GatewayProcess(folder, environment, **(fixed | settings)))

        yield start
