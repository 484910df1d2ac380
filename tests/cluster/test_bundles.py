"""The runbook "Change of a bundle", step by step."""

from collections.abc import Callable

from tests.cluster.support import manifests
from tests.cluster.support.kubectl import ROUTER, apply, kubectl, metric, rolled_out, until
from tests.cluster.support.load import load
from tests.cluster.support.manifests import OTHER, SERVED


def test_beside_shadow_promotion_rollback(router: None, record_property: Callable[[str, object], None]) -> None:
    """Another bundle: beside the old one, in the shadow, promoted, and back, under load."""
    with load() as answers:
        apply(manifests.candidate("full-depth"))
        rolled_out("routerdc-triton-candidate")
        apply(manifests.router("shadow"))
        rolled_out("routerdc-gateway")
        until(_compared, "the shadow compared queries", 120)
        apply(manifests.router("shadow", bundle="full-depth"))
        rolled_out("routerdc-triton")
        until(lambda: metric(f'routerdc_bundle_info{{bundle_id="{OTHER}"}}') == 1, "the new bundle is in use", 60)
        kubectl("-n", ROUTER, "rollout", "undo", "deployment/routerdc-triton")
        rolled_out("routerdc-triton")
        until(lambda: metric(f'routerdc_bundle_info{{bundle_id="{SERVED}"}}') == 1, "the old bundle is in use", 60)
    assert set(answers.bundles) == {SERVED, OTHER}
    record_property("answers", f"{answers.all_scored()}; by the new bundle: {answers.bundles[OTHER]}")
    kubectl("delete", "--filename=-", text=manifests.candidate("full-depth"))
    apply(manifests.router())
    rolled_out("routerdc-gateway", "routerdc-triton")


def _compared() -> bool:
    outcomes = ("agreed", "differed")
    return sum(metric(f'routerdc_shadow_queries_total{{outcome="{outcome}"}}') for outcome in outcomes) > 0
