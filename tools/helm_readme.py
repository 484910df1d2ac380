"""Writes the chart's README from the comments of its values.yaml, where each value is documented once.

python -m tools.helm_readme
"""

import re
from pathlib import Path

CHART = Path(__file__).parents[1] / "deploy/helm/routerdc"
_LINE = re.compile(r"^(?P<indent> *)(?P<name>\w+):(?: (?P<default>.+))?$")
_TOP = """# Helm chart

```bash
helm install routerdc deploy/helm/routerdc --namespace routerdc --create-namespace --wait --timeout 15m
helm test routerdc --namespace routerdc            # a pod has a query routed
helm package deploy/helm/routerdc                  # for a registry: helm push routerdc-0.1.0.tgz oci://…
```

The objects are those of [deploy/kubernetes](../../kubernetes/README.md), read from the same files; a test holds what
`helm template` and `kubectl kustomize` render against each other. What the chart does not do, an overlay does: bundles
on volumes and in object storage, Envoy Gateway, the load test. The namespace is yours to make; label it
`pod-security.kubernetes.io/enforce=restricted`, for the pods keep to that. A failed test
leaves its pod, for `kubectl logs routerdc-test`, and its two NetworkPolicies. (Helm's own flag for logs asks every
object of a test for one, and fails at policies.)

| value | default | what |
|---|---|---|
"""


def main() -> None:
    """Writes deploy/helm/routerdc/README.md."""
    text = readme((CHART / "values.yaml").read_text(encoding="utf-8"))
    (CHART / "README.md").write_text(text, encoding="utf-8")


def readme(values: str) -> str:
    """The page about `values`, the text of a values.yaml.

    Raises:
        ValueError: a value without a comment.
    """
    rows, parent, said = [], "", ""
    for number, line in enumerate(values.splitlines(), 1):
        if comment := re.match(r"^ *# -- (.+)$", line):
            said = comment[1]
        elif found := _LINE.match(line):
            name, default = found["name"], found["default"]
            if default is None:
                parent = f"{name}."
                continue
            if not said:
                raise ValueError(f"values.yaml, line {number}: {name} has no comment '# -- …' before it")
            rows.append(f"| `{parent if found['indent'] else ''}{name}` | `{default}` | {said} |\n")
            said = ""
    return _TOP + "".join(rows)


if __name__ == "__main__":
    main()
