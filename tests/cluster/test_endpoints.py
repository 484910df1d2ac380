"""A change of endpoints.yaml on the running router."""

import json
from collections.abc import Callable

from tests.cluster.support import manifests
from tests.cluster.support.kubectl import LLMS, apply, metric, run_in_pod, until
from tests.cluster.support.load import ADDRESS, load

SYNC_SECONDS = 180  # "within a minute or two": the kubelet's sync, then the gateway's interval


def address() -> str:
    return str(json.loads(run_in_pod("route", ADDRESS, "Where does it lead?"))["address"])


def test_a_broken_file_changes_nothing(router: None, record_property: Callable[[str, object], None]) -> None:
    """A broken endpoints.yaml is counted, and routing goes on by the old one; a good one is taken."""
    before = address()
    with load() as answers:
        apply(manifests.router(endpoints_yaml="default: [nobody]\nllms: nonsense\n"))
        refused = 'routerdc_last_reload_successful{file="endpoints"}'
        until(lambda: metric(refused) == 0, "the broken file was refused", SYNC_SECONDS)
        assert address() == before
        apply(manifests.router(endpoints_yaml=manifests.endpoints("other")))
        moved = before.replace(f"llm.{LLMS}", f"other.{LLMS}")
        until(lambda: address() == moved, "the good file is in use", SYNC_SECONDS)
    record_property("answers", answers.all_scored())
    apply(manifests.router())
    until(lambda: address() == before, "the first file is in use", SYNC_SECONDS)
