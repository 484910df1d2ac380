"""Rounds of `routerdc refresh` against a real Triton: from the gateway's decision log to a router in use, and back.

The endpoints and the judge are stand-ins. What is in use at first is a prior that holds all LLMs but one for worse.
"""

import datetime
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.processes.process import ChildProcess
from deploy.local.stack import ROUTERDC, FrontPorts, Service, export_bundle, service
from deploy.local.triton.server import ANY_FREE_PORTS
from labelling.prior.bundle import write_prior
from labelling.prior.recogniser import shipped
from labelling.prior.table import Belief, PriorTable
from labelling.refresh.receipt import file_hash
from labelling.standins.skills import SKILLS
from labelling.standins.tasks import prompts
from routerdc.training.recipe import load_recipe
from routerdc_client import RouterClient
from routerdc_contract.bundle import Manifest
from tests.support.waiting import until

STEPS = 150
"""Of training: the stand-ins' skills differ so much that fewer than the recipe's are enough."""
HASTY_STEPS = 10
"""Of the training whose bundle is put back."""
SUM = "Calculate 17 * 23 + 5."


@dataclass(frozen=True)
class Running:
    """A service with a prior in use, whose decision log is `log`; `well`: the watch succeeds while this file exists."""

    folder: Path
    service: Service
    repository: Path
    prior: Manifest

    @property
    def log(self) -> Path:
        return self.folder / "decisions.jsonl"

    @property
    def well(self) -> Path:
        return self.folder / "well"

    def chosen(self, client: RouterClient) -> tuple[str, str]:
        """Who answers a sum, and the bundle that says so."""
        answer = client.route(SUM, deadline_ms=20_000)
        return answer.llm, answer.bundle_id

    async def asked(self, client: RouterClient, count: int, seed: int) -> None:
        """Routes new prompts, until all of them are in the decision log."""
        texts = [text for text, _ in prompts(count, seed=seed)]
        for text in texts:
            client.route(text, deadline_ms=20_000)
        await until(lambda: set(texts) <= logged(self.log), seconds=60)

    def refresh(self, **changes: Any) -> dict[str, Any]:
        """One round, whose receipt is returned."""
        config = {
            "prompts": [str(self.log)],
            "endpoints": str(self.folder / "endpoints.yaml"),
            "store": str(self.folder / "labels.db"),
            "grade": ["--judge", str(self.folder / "judge.yaml")],
            "bundle": str(self.folder / "prior"),
            "folder": str(self.folder / "refresh"),
            "recipe": str(self.folder / "recipe.yaml"),
            "max_usd": 5,
            "publish": {"repository": str(self.repository), "triton_address": self.service.triton.grpc_address},
            "watch": ["test", "-e", str(self.well)],
            **changes,
        }
        (path := self.folder / "refresh.yaml").write_text(yaml.safe_dump(config))
        subprocess.run([str(ROUTERDC), "refresh", str(path)], check=True, timeout=1200)
        newest = max((self.folder / "refresh").glob("round-*"))
        receipt: dict[str, Any] = json.loads((newest / "receipt.json").read_text())
        return receipt


def logged(path: Path) -> set[str]:
    """Questions of all whole lines."""
    text = path.read_text() if path.exists() else ""
    return {json.loads(line)["question"] for line in text.splitlines(keepends=True) if line.endswith("\n")}


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    llms = {name: Belief(quality={"default": 0.8 if name == "generalist" else 0.5}) for name in SKILLS}
    prior = write_prior(
        tmp_path / "prior", PriorTable(about="a test", llms=llms), shipped(), "prior", datetime.date(2026, 11, 30)
    )
    for name, steps in (("recipe", STEPS), ("hasty", HASTY_STEPS)):
        # What the recipe leaves open is chosen by more trainings, which other tests are about.
        recipe = load_recipe("default").changed(
            head={"familiarity": False}, data={"labels": "shrunk", "n_clusters": 8}, optimizer={"steps": steps}
        )
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    repository = export_bundle(tmp_path / "prior", tmp_path)
    monkeypatch.setenv("ROUTERDC_DECISION_LOG_FILE", str(tmp_path / "decisions.jsonl"))
    monkeypatch.setenv("ROUTERDC_DECISION_LOG_QUERIES", "true")
    command = [str(ROUTERDC), "stand-ins", "--folder", str(tmp_path), "--prompts", "6"]
    endpoints = tmp_path / "endpoints.yaml"
    with ChildProcess("stand-ins", command, log=tmp_path / "logs" / "stand-ins.log") as standins:
        standins.wait_ready(endpoints.is_file, 60)
        with service(repository, endpoints, tmp_path, ANY_FREE_PORTS, FrontPorts(0, 0, 0, gateway_http=0)) as started:
            yield Running(tmp_path, started, repository, prior)


@pytest.mark.timeout(2400)
async def test_rounds_publish_what_is_better_and_put_back_what_does_not_stay_well(running: Running) -> None:
    with RouterClient(running.service.gateway_address) as client:
        assert running.chosen(client) == ("generalist", running.prior.bundle_id)

        await running.asked(client, 300, seed=0)
        running.well.touch()
        first = running.refresh()
        assert first["decision"] == "published"
        assert first["prompts"] == {str(running.log): file_hash(running.log)}  # nothing was routed meanwhile
        assert (first["in_use"], first["gate"]["passed"]) == (running.prior.bundle_id, True)
        assert first["gate"]["new"] > first["gate"]["in_use"] + 0.1
        assert 0 < first["spent_usd"] < 5
        assert first["train_rows"] + first["held_out_rows"] >= 290
        await until(lambda: running.chosen(client) == ("calculator", first["new"]), seconds=60)

        await running.asked(client, 30, seed=1)
        running.well.unlink()
        second = running.refresh(tolerance=1.0, recipe=str(running.folder / "hasty.yaml"))
        assert (second["decision"], second["in_use"]) == ("rolled back", first["new"])
        assert second["new"] != first["new"]
        assert second["spent_usd"] < first["spent_usd"] / 2  # what was asked once is not asked again
        await until(lambda: running.chosen(client)[1] == first["new"], seconds=60)
        assert (running.folder / "refresh" / "current").resolve().parent.name == "round-0001"
