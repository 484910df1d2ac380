"""Reads bodies: small ones here, large or dense ones in a process of their own, so that nobody else waits for them.

Eight megabytes of `[]` take Python's JSON reader a second, in which an event loop answers nobody. A process of its own
takes that second; one is enough, since it does nothing but read. Inflating leaves the interpreter alone while it works,
so a thread does that.
"""

import asyncio
import pickle
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from gateway.openai.bodies.answers import OpenAiError
from gateway.openai.bodies.coding import inflate
from gateway.openai.bodies.members import marks
from gateway.openai.bodies.reading import Reading, read
from gateway.openai.bodies.shortest_first import ShortestFirst

MAX_BYTES_HERE = 128 * 1024
"""Longer bodies are read in the process: that costs them about a millisecond, and others nothing."""
MAX_MARKS_HERE = 1_000
"""So are bodies that may have more values than that, which takes a millisecond or two."""
LENGTH = struct.Struct("!Q")
TIMEOUT_SECONDS = 10


class ReaderError(Exception):
    """The reading process gave no answer; Envoy goes on without a decision."""


class Reader:
    """Reads one large body at a time, the shortest first. Starts its process when it is entered, or first needed."""

    def __init__(self) -> None:
        self._inflating = ThreadPoolExecutor(max_workers=1, thread_name_prefix="inflate")
        self._turns = ShortestFirst()
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        """Starts the process, so that no request waits for its start."""
        self._process = await _start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the process."""
        self._inflating.shutdown(wait=False, cancel_futures=True)
        await self._end()

    async def inflate(self, coding: str, data: bytes, limit_bytes: int) -> bytes:
        """See `coding.inflate`.

        Raises:
            OpenAiError: 400, 413, 415.
        """
        if not coding:
            return data
        return await asyncio.get_running_loop().run_in_executor(self._inflating, inflate, coding, data, limit_bytes)

    async def read(self, path: str, data: bytes, parameters: frozenset[str]) -> Reading:
        """See `reading.read`.

        Raises:
            OpenAiError: 400, 413.
            ReaderError: the process ended, or took too long.
        """
        if len(data) <= MAX_BYTES_HERE and marks(data) <= MAX_MARKS_HERE:
            return read(path, data, parameters)
        async with self._turns.turn(len(data)):
            try:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    outcome = await self._ask(pickle.dumps((path, parameters)), data)
            except (OSError, EOFError, TimeoutError) as error:
                await self._end()
                raise ReaderError(f"the reading process: {type(error).__name__}") from None
            except BaseException:  # cancelled: its answer must not be taken for that to the next question
                await self._end()
                raise
        if isinstance(outcome, OpenAiError):
            raise outcome
        return outcome

    async def _ask(self, question: bytes, data: bytes) -> Reading | OpenAiError:
        if self._process is None:
            self._process = await _start()
        to, answers = self._process.stdin, self._process.stdout
        assert to is not None and answers is not None  # noqa: PT018, S101 - both are pipes
        to.write(LENGTH.pack(len(question)) + question + LENGTH.pack(len(data)))
        to.write(data)  # by itself: joined to the rest it would be copied
        await to.drain()
        (size,) = LENGTH.unpack(await answers.readexactly(LENGTH.size))
        outcome: Reading | OpenAiError = pickle.loads(await answers.readexactly(size))  # noqa: S301 - our own process
        return outcome

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()


async def _start() -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "gateway.openai.bodies.reading_process", stdin=pipe, stdout=pipe
    )
