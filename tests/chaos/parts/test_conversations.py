"""Conversations over four gateways that share nothing, one of which is killed again and again."""

import asyncio
import itertools
import signal
from contextlib import AsyncExitStack
from typing import Any

import pytest
from grpc import aio

from deploy.local.triton.server import TritonServer
from routerdc_contract.v1 import router_pb2 as pb
from routerdc_contract.v1 import router_pb2_grpc
from tests.chaos.conftest import StartGateway
from tests.chaos.ledger import FULL, Ledger
from tests.chaos.load import Load
from tests.chaos.parts.test_gateway import DEADLINE_MS, SETTINGS, Seconds, like_our_client
from tests.support.gateways.process import GatewayProcess, lasting_port
from tests.unit.gateway.routing.test_dialogues import QUESTIONS

GATEWAYS = 4
PER_SECOND = 40.0 if FULL else 10.0
TURNS = 5
FAULT = f"one of {GATEWAYS} gateways killed (-9), again and again"


def conversation(number: int, turn: int) -> pb.RouteRequest:
    """The first `turn` user texts of a conversation: a question, replies, and another question in the middle."""
    texts = [QUESTIONS[number], "yes", QUESTIONS[(number + 7) % len(QUESTIONS)], "continue", "thanks"][:turn]
    messages = [
        message
        for text in texts
        for message in (pb.ChatMessage(role="user", content=text), pb.ChatMessage(role="assistant", content="Here."))
    ]
    return pb.RouteRequest(chat=pb.ChatMessages(messages=messages[:-1]))


async def decided(channel: aio.Channel, number: int, turn: int) -> str:
    """The LLM, or what came instead of a decision."""
    stub: Any = router_pb2_grpc.RouterStub(channel)
    try:
        answer = await stub.Route(conversation(number, turn), timeout=DEADLINE_MS / 1000)
    except aio.AioRpcError as error:
        return error.code().name
    return answer.llm if answer.bundle_id else pb.Reason.Name(answer.reason)


@pytest.mark.timeout(900)
async def test_no_conversation_changes_its_llm_because_a_gateway_is_lost(
    triton: TritonServer, start_gateway: StartGateway, ledger: Ledger, seconds: Seconds
) -> None:
    def start(port: int) -> GatewayProcess:
        return start_gateway(triton.grpc_address, port=port, **SETTINGS)

    ports = [lasting_port() for _ in range(GATEWAYS)]
    gateways = [await asyncio.to_thread(start, port) for port in ports]
    cycle = itertools.cycle([(n, turn) for turn in range(1, TURNS + 1) for n in range(len(QUESTIONS))])
    async with AsyncExitStack() as stack:
        # What one gateway says that has seen every conversation from its beginning.
        alone = await stack.enter_async_context(like_our_client(gateways[0].address))
        expected = {
            (n, turn): await decided(alone, n, turn) for n in range(len(QUESTIONS)) for turn in range(1, TURNS + 1)
        }
        every = like_our_client("ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports))
        every = await stack.enter_async_context(every)

        async def ask(_: str) -> str:
            asked = next(cycle)
            answer = await decided(every, *asked)
            return "KEPT" if answer == expected[asked] else f"{expected[asked]} → {answer}"

        async with Load(ask, PER_SECOND) as running:
            for victim in range(GATEWAYS if FULL else 2):
                await asyncio.sleep(seconds(1, 60))
                gateways[victim].signal(signal.SIGKILL)
                await asyncio.to_thread(gateways[victim].process.wait)
                gateways[victim] = await asyncio.to_thread(start, ports[victim])
            await asyncio.sleep(seconds(1, 10))
            await running.stop()
    assert len(set(expected.values())) > 1
    ledger.never(FAULT, "no conversation gets another LLM", running.calls, lambda call: call.outcome != "KEPT")
