"""A program that grades: started for one answer, with limits of time and memory, and never left behind."""

import asyncio
import contextlib
import os
import resource
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST_OUTPUT_BYTES = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What one run may take."""

    seconds: float = 10.0
    memory_mib: int = 1024


@dataclass(frozen=True)
class Ended:
    """How a run ended. `status` is None where it took too long; `output` is what it wrote to stdout."""

    status: int | None
    output: str


async def run(
    command: Sequence[str],
    given: bytes,
    limits: Limits,
    cwd: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Runs `command` with `given` on stdin; what it starts ends with it. `environment` None: this process's own.

    Raises:
        OSError: it cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        cwd=cwd,
        env=environment,
        preexec_fn=lambda: _limit(limits),
    )
    try:
        async with asyncio.timeout(limits.seconds):
            output = await _exchange(process, given)
            return Ended(await process.wait(), output.decode("utf-8", "replace"))
    except TimeoutError:
        return Ended(None, "")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _exchange(process: asyncio.subprocess.Process, given: bytes) -> bytes:
    """Writes and reads at once: a program may answer before it has read everything."""
    assert process.stdin is not None  # noqa: S101 - both are pipes
    assert process.stdout is not None  # noqa: S101
    feeding = asyncio.ensure_future(_feed(process.stdin, given))
    output = b""
    try:
        while piece := await process.stdout.read(1 << 16):
            output = (output + piece)[-MOST_OUTPUT_BYTES:]
    finally:
        feeding.cancel()
    return output


async def _feed(stdin: asyncio.StreamWriter, given: bytes) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stdin.write(given)
        await stdin.drain()
    stdin.close()


def _limit(limits: Limits) -> None:
    memory, seconds = limits.memory_mib << 20, max(1, round(limits.seconds) + 1)
    signal.alarm(seconds)  # it ends even if this process is killed and cannot end it
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 20, 64 << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
