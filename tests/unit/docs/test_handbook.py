"""The handbook has a section for every alert, and none for alerts that are no more."""

import re

import yaml

from tests.unit.docs.pages import ROOT

HANDBOOK = (ROOT / "docs/how-to/handbook.md").read_text(encoding="utf-8")


def alerts() -> set[str]:
    rules = [
        rule
        for path in (ROOT / "deploy/kubernetes/overlays/monitoring").glob("*.yaml")
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if document.get("kind") == "PrometheusRule"
        for group in document["spec"]["groups"]
        for rule in group["rules"]
    ]
    return {rule["alert"] for rule in rules if "alert" in rule}


def sections() -> set[str]:
    text = HANDBOOK.partition("\n## Alerts\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^### (\w+)$", text, re.MULTILINE))


def test_every_alert_has_its_section_and_every_section_its_alert() -> None:
    assert alerts()
    assert sections() == alerts()


def test_every_section_says_something() -> None:
    bodies = re.split(r"^### \w+$", HANDBOOK.partition("\n## Alerts\n")[2].partition("\n## ")[0], flags=re.MULTILINE)
    assert all(len(body.split()) > 15 for body in bodies[1:])


def test_metrics_that_it_names_are_documented() -> None:
    documented = (ROOT / "docs/how-to/operate.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\brouterdc_[a-z_]+", HANDBOOK))
    known = set(re.findall(r"\brouterdc_[a-z_]+", documented))
    bases = {re.sub(r"_(bucket|sum|count)$", "", name) for name in named}
    assert bases - known == set()
