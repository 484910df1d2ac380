"""Queries from a pod while something happens to the router."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.cluster.support.kubectl import in_pod

ADDRESS = "dns:///routerdc-gateway-headless.routerdc:50051"


@dataclass
class Answers:
    """What came back, counted."""

    failed: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    bundles: dict[str, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return sum(self.reasons.values()) + sum(self.failed.values())

    def all_scored(self) -> str:
        """One line about them.

        Raises:
            AssertionError: a query failed, or was answered without scores.
        """
        others = {name: count for name, count in self.reasons.items() if "FALLBACK" in name}
        assert self.count, "no query was asked"
        assert not self.failed, f"of {self.count} failed {self.failed}"
        assert not others, f"of {self.count} {others}"
        return f"{self.count} queries, 0 failed, 0 without scores"


@contextmanager
def load(callers: int = 4, address: str = ADDRESS, ca_file: str = "") -> Iterator[Answers]:
    """Asks for as long as the body takes; the answers are complete after it.

    Args:
        ca_file: in the pod; empty: without TLS.
    """
    answers = Answers()
    command = in_pod("load", address, str(callers), *filter(None, [ca_file]))
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    try:
        yield answers
        assert process.poll() is None, f"the load was over before the change: {process.communicate()}"
        said, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        vars(answers).update(json.loads(said))
    finally:
        process.kill()
        process.wait()
