"""Intake guard: bounds what messages cost that are still on their way.

grpc takes in the whole of a message, however large, and looks at the limit of its size only then; there is no moment
at which a server could refuse it earlier, and no count of what has come. So every call is known here while its message
is received. Where the process grows while it is, the calls of one caller whose messages are late are ended, which frees
what has come of them: first of callers without an API key, then of those with one; then streams, those that were used
in the last seconds before those that wait for longer. A stream without a key whose last message was large goes with the
first. Most messages are there at once, and are never looked at.

Nor may one caller have many calls wait: others would find no room at a proxy that holds only so many.
"""

import asyncio
import inspect
import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn

import grpc
from google.protobuf.message import Message

from gateway.grpc_api.intake.ending import end
from gateway.grpc_api.intake.peers import connected_host, forwarded
from gateway.limits import caller
from gateway.limits.caller import ANONYMOUS

_MIB = 2**20
WITHOUT_KEY_BYTES = 24 * _MIB
AT_ONCE_BYTES = 40 * _MIB
WITH_KEY_BYTES = 96 * _MIB
OLD_STREAMS_BYTES = 160 * _MIB
"""By so much the process may grow before calls with late messages end; without a key at once, after a single look."""
LARGE_BODIES_BYTES = 2 * _MIB
LARGE_BODIES_SECONDS = 2.0
"""A large body is in memory before it is counted, when it comes, and after, when it is written and freed."""
LARGE_MESSAGE_BYTES = 256 * 1024
MAX_WAITING = 256
"""Calls of one caller whose messages are late."""
GROWTH_SECONDS = 20.0
"""What it grew before the last twenty seconds, or forty, does not count."""
LOOK_SECONDS = 0.01
UNASKED_SECONDS = 0.015
"""How long after a look the next one is, where a call comes in between; and where none does."""
LATE_LOOKS = 2  # in looks, and not in seconds: where the event loop itself is late, so may the message be
MAX_LOOKS = 3000
"""A message that is not there after so many looks, half a minute or more, is waited for no longer."""

Context = Any  # grpc.aio.ServicerContext; the generated stubs and types-grpcio do not agree on its type
Messages = AsyncIterator[Any]
Call = Callable[[Messages, Context], Awaitable[Any]]


class _Receiving:
    """One call whose message is on its way."""

    __slots__ = ("_caller", "_context", "_forwarded", "_task", "large", "looks", "most_looks", "refused", "since")

    def __init__(self, context: Context, most_looks: int = MAX_LOOKS) -> None:
        self.most_looks = most_looks
        self.looks = 0
        self.since = 0.0  # of a stream: when it began to wait
        self.large = False  # of a stream: so was its last message
        self.refused = ""
        self._context = context
        self._caller = caller.current.get()
        self._forwarded = forwarded.get()  # of this task; the caller is asked for from another one
        self._task = asyncio.current_task()

    @property
    def has_key(self) -> bool:
        return self._caller is not ANONYMOUS

    @property
    def caller(self) -> str:
        return self._caller.name if self.has_key else self._forwarded or connected_host(self._context)

    def refuse(self, problem: str) -> None:
        if self._task is not None and not self.refused:
            self.refused = problem
            self._task.cancel()

    async def end(self) -> NoReturn:
        """Ends the call, which was cancelled, with a status where it was refused."""
        if not self.refused or self._task is None:
            raise asyncio.CancelledError
        self._task.uncancel()
        await end(self._context, grpc.StatusCode.RESOURCE_EXHAUSTED, self.refused)


class Intake:
    """Knows the calls that wait for a message."""

    def __init__(self, resident: Callable[[], int], bodies: Callable[[], int] = lambda: 0) -> None:
        """`resident` tells the bytes that the process holds, `bodies` those of requests that Envoy has sent.

        While bodies are large, and shortly after, growth is theirs, and does not count: they have a limit of their own.
        """
        self._resident = resident
        self._bodies = bodies
        self._single: set[_Receiving] = set()
        self._streams: set[_Receiving] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._next_look = 0.0
        self._growth = _Growth()
        self._bodies_seen = -math.inf

    def unary(self, behaviour: Callable[[Any, Context], Awaitable[Any]], most_looks: int = MAX_LOOKS) -> Call:
        """`behaviour`, which gets one message, as one that gets a stream of them: on the wire both are the same.

        The call ends with RESOURCE_EXHAUSTED where the message is not there after `most_looks`.
        """

        async def call(_messages: Messages, context: Context) -> Any:
            receiving = _Receiving(context, most_looks)
            self._watch()
            self._single.add(receiving)
            try:
                message = await context.read()
            except asyncio.CancelledError:
                await receiving.end()
            finally:
                self._single.discard(receiving)
            if message is grpc.aio.EOF:
                await end(context, grpc.StatusCode.INVALID_ARGUMENT, "there is no message")
            return await behaviour(message, context)

        return call

    def streaming(self, behaviour: Callable[[Messages, Context], Any]) -> Call:
        """`behaviour`, which gets messages as they come."""
        gives = inspect.isasyncgenfunction(behaviour)

        async def call(messages: Messages, context: Context) -> None:
            receiving = _Receiving(context)
            answered = behaviour(self._messages(messages, receiving), context)
            try:
                if not gives:
                    await answered
                else:
                    async for answer in answered:
                        await context.write(answer)
            except asyncio.CancelledError:
                await receiving.end()

        return call

    async def _messages(self, messages: Messages, receiving: _Receiving) -> Messages:
        source = aiter(messages)
        while True:
            self._watch()
            receiving.since = asyncio.get_running_loop().time()
            self._streams.add(receiving)
            try:
                message = await anext(source)
            except StopAsyncIteration:
                return
            finally:
                self._streams.discard(receiving)
            receiving.large = isinstance(message, Message) and message.ByteSize() > LARGE_MESSAGE_BYTES
            if receiving.large:
                self._next_look = 0.0  # when it waits again, it may be too much
            yield message

    def _watch(self) -> None:
        """Somebody comes who will wait: looks, where it is time.

        Under load it is always a call that looks: a timer that fires costs the event loop a hundred microseconds.
        """
        if (now := asyncio.get_running_loop().time()) >= self._next_look:
            self._look(now)

    def _look_unasked(self) -> None:
        self._timer = None
        if self._single or self._streams:
            self._look(asyncio.get_running_loop().time())

    def _look(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next_look = now + LOOK_SECONDS
        self._timer = asyncio.get_running_loop().call_at(now + UNASKED_SECONDS, self._look_unasked)
        for receiving in self._single:
            receiving.looks += 1
        for receiving in [one for one in self._single if one.looks > one.most_looks]:
            self._refuse(receiving, "the message did not arrive in time")
        for receiving in self._too_many():
            self._refuse(receiving, f"more than {MAX_WAITING} calls wait for their messages")
        for receiving in _of_the_busiest(self._too_much(self._grown_bytes(now), now)):
            self._refuse(
                receiving, "messages on their way take too much memory at present; send smaller ones, or try again"
            )

    def _refuse(self, receiving: _Receiving, problem: str) -> None:
        """Ends the call; it is not looked at again, for thousands may end at once."""
        self._single.discard(receiving)
        self._streams.discard(receiving)
        receiving.refuse(problem)

    def _grown_bytes(self, now: float) -> int:
        """How much the process has grown, but for what large bodies take."""
        if self._bodies() > LARGE_BODIES_BYTES:
            self._bodies_seen = now
        if now - self._bodies_seen < LARGE_BODIES_SECONDS:
            self._growth = _Growth()
        return self._growth.bytes(self._resident(), now)

    def _too_many(self) -> list[_Receiving]:
        """Late calls of a caller beyond those that it may have."""
        if len(self._single) <= MAX_WAITING:
            return []
        waiting: dict[str, list[_Receiving]] = {}
        for receiving in self._single:
            if receiving.looks >= LATE_LOOKS:
                waiting.setdefault(receiving.caller, []).append(receiving)
        return [one for late in waiting.values() for one in late[MAX_WAITING:]]

    def _too_much(self, growth: int, now: float) -> list[_Receiving]:
        """The calls of which some have to end, where the process has grown so much."""
        if growth <= WITHOUT_KEY_BYTES:
            return []
        late = [one for one in self._single if one.looks >= LATE_LOOKS]
        hasty = self._single if growth > AT_ONCE_BYTES else late
        used = [one for one in self._streams if now - one.since < GROWTH_SECONDS]
        large = [one for one in used if one.large]
        if without_key := [one for one in (*hasty, *large) if not one.has_key]:
            return without_key
        if growth > WITH_KEY_BYTES and (late or used):
            return late or used
        return list(self._streams) if growth > OLD_STREAMS_BYTES else []


def _of_the_busiest(receiving: list[_Receiving]) -> list[_Receiving]:
    """The calls of the caller who has most. Until memory is given back, those that come next are refused, too."""
    if not receiving:
        return []
    callers = [one.caller for one in receiving]
    ((busiest, _),) = Counter(callers).most_common(1)
    return [one for one, who in zip(receiving, callers, strict=True) if who == busiest]


class _Growth:
    """How much a process has grown since its least of the last seconds."""

    def __init__(self) -> None:
        self._since = -math.inf
        self._least_before = self._least = 0

    def bytes(self, resident: int, now: float) -> int:
        """It holds `resident` now. The period before counts, so that none begins in the middle of a growth."""
        if now - self._since > GROWTH_SECONDS:
            self._least_before = self._least if now - self._since < 2 * GROWTH_SECONDS else resident
            self._since, self._least = now, resident
        self._least = min(self._least, resident)
        return resident - min(self._least_before, self._least)
