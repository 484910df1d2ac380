"""The local service before there is a bundle for its LLMs, and how routing begins."""

import json
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

from deploy.local.command import SHIPPED_BUNDLE
from deploy.local.first_bundle import FirstBundle, is_for
from deploy.local.repository import REPOSITORY
from deploy.local.stack import FrontPorts, demo_endpoints, export_bundle, service
from deploy.local.triton.server import ANY_FREE_PORTS
from routerdc_client import RouterClient
from routerdc_contract.bundle import Manifest
from routerdc_contract.v1 import router_pb2 as pb
from tests.support.waiting import until

NAMES = Manifest.read(SHIPPED_BUNDLE).llm_names


def answered_by(base_url: str) -> str:
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "2 + 2?"}]}).encode()
    request = Request(f"{base_url}/chat/completions", body, {"content-type": "application/json"})  # noqa: S310
    with build_opener(ProxyHandler({})).open(request, timeout=20) as answer:
        return str(json.load(answer)["model"])


async def test_defaults_answer_at_every_door_until_a_bundle_is_exported(tmp_path: Path) -> None:
    with demo_endpoints(SHIPPED_BUNDLE, tmp_path) as endpoints:
        assert is_for(SHIPPED_BUNDLE, endpoints)
        parts = service(
            tmp_path / REPOSITORY,
            endpoints,
            tmp_path,
            ANY_FREE_PORTS,
            FrontPorts(0, 0, 0, gateway_http=0),
            with_router=False,
        )
        with parts as running, RouterClient(running.gateway_address) as client:
            first = FirstBundle(running.triton, tmp_path, endpoints)
            first.look()
            answer = client.route("2 + 2?", max_candidates=99)
            assert (answer.reason, answer.llm, len(answer.candidates)) == (pb.REASON_NO_ROUTER, NAMES[0], len(NAMES))
            assert answered_by(running.openai_base_url) == NAMES[0]
            assert not running.triton.started
            export_bundle(SHIPPED_BUNDLE, tmp_path)
            first.look()
            assert running.triton.started
            await until(lambda: client.route("3 + 3?", deadline_ms=2000).reason == pb.REASON_ROUTED, seconds=30)
