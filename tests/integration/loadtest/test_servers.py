"""Parts run as processes: the stand-ins serve what the contract says, and what does not start says why."""

import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from loadtest.servers.servers import PartError, Parts, llms_of
from loadtest.stubs.instant_triton import LLMS
from routerdc_contract.v1 import router_pb2 as pb
from routerdc_contract.v1 import router_pb2_grpc


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return Parts(tmp_path)


def test_gateway_decides_by_the_scores_of_the_instant_triton(parts: Parts) -> None:
    with parts.instant_triton() as triton, parts.gateway(triton) as gateway:
        assert llms_of(triton.address) == list(LLMS)
        with grpc.insecure_channel(gateway.address) as channel:
            answer = router_pb2_grpc.RouterStub(channel).Route(pb.RouteRequest(query="2 + 2?"), timeout=10)
    assert (answer.reason, answer.llm) == (pb.REASON_ROUTED, LLMS[0])


def test_echo_answers_with_the_message_it_was_given(parts: Parts) -> None:
    wanted = pb.RouteResponse(llm="llm-a", bundle_id="x")
    with parts.echo(wanted) as echo, grpc.insecure_channel(echo.address) as channel:
        assert router_pb2_grpc.RouterStub(channel).Route(pb.RouteRequest(query="2 + 2?"), timeout=10) == wanted


@pytest.mark.parametrize("behind_cache", [False, True])
def test_instant_gateway_decides_without_triton(parts: Parts, behind_cache: bool) -> None:
    with parts.instant_gateway(behind_cache=behind_cache) as gateway, grpc.insecure_channel(gateway.address) as channel:
        answer = router_pb2_grpc.RouterStub(channel).Route(pb.RouteRequest(query="2 + 2?"), timeout=10)
    assert (answer.reason, answer.llm, len(answer.candidates)) == (pb.REASON_ROUTED, "llm-a", 1)


def test_what_does_not_start_says_why(parts: Parts, tmp_path: Path) -> None:
    with pytest.raises(PartError, match="no repository"), parts.triton(tmp_path / "no repository"):
        pass


def test_benchmarks_that_do_not_exist_are_refused() -> None:
    command = [sys.executable, "-m", "loadtest.bench.__main__", "--only", "nothing"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "choose from quality" in ended.stderr
