"""How a call ends early, such that its connection goes on."""

import asyncio
import gc
from itertools import count
from typing import Any, NoReturn

import grpc

COLLECTED_EVERY = 256
_ended = count(1)


async def end(context: Any, code: grpc.StatusCode, details: str, metadata: Any = ()) -> NoReturn:
    """Ends the call of `context`, a grpc.aio.ServicerContext, with a status.

    grpc's call keeps the exception that ends it, whose frames keep the call: until a full garbage collection finds that
    circle, the call counts as one of its connection's open streams, and after a thousand refusals every further call
    would be refused. So every 256th ending collects. That is cheap, for what lives since the start is left out of it.
    """
    if next(_ended) % COLLECTED_EVERY == 0:
        asyncio.get_running_loop().call_soon(gc.collect)
    await context.abort(code, details, metadata)
    raise AssertionError("abort returned")  # for the type checker: abort always raises
