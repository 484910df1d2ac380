"""Reads chosen.yaml: the numbers that the manifests have, as the simulation wants them."""

from pathlib import Path
from typing import Any

from loadtest.autoscaling.hpa import Behavior, Policy, Rules
from loadtest.autoscaling.simulation import Plan
from routerdc_contract.yaml_model import load_yaml

CHOSEN = Path(__file__).with_name("chosen.yaml")


def read(file: Path = CHOSEN) -> dict[str, Any]:
    """The file as it stands."""
    content: dict[str, Any] = load_yaml(file)
    return content


def plan(triton: dict[str, Any]) -> Plan:
    """The plan in the section `triton`."""
    triggers = triton["triggers"]
    return Plan(
        min_replicas=triton["min_replicas"],
        max_replicas=triton["max_replicas"],
        queue_seconds_per_request=triggers["queue_ms_per_request"]["target"] / 1e3,
        asked_per_second_per_pod=triggers["queries_per_second_per_core"]["target"] * triton["pod_cores"],
        behavior=Behavior(_rules(triton["behavior"]["scaleUp"]), _rules(triton["behavior"]["scaleDown"])),
        window_seconds=triton["rate_window_seconds"],
        scrape_seconds=triton["scrape_interval_seconds"],
    )


def _rules(section: dict[str, Any]) -> Rules:
    policies = (Policy(p["type"], p["value"], p["periodSeconds"]) for p in section["policies"])
    return Rules(section["stabilizationWindowSeconds"], tuple(policies))
