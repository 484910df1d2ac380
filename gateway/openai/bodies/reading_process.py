"""The process that reads large bodies: questions come on stdin, answers go to stdout, and it ends with stdin.

It is started, and asked, by reader.py alone.
"""

import gc
import os
import pickle
import signal
import sys
from typing import BinaryIO

from gateway.openai.bodies.answers import OpenAiError
from gateway.openai.bodies.reader import LENGTH
from gateway.openai.bodies.reading import Reading, read

_NICENESS = 5  # the event loops, which everybody waits for, come first


def main() -> None:
    """Answers until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the gateway, which ends this process
    os.nice(_NICENESS)
    gc.disable()  # JSON has no cycles, and looking for them takes half of the time
    while (question := _take(sys.stdin.buffer)) is not None and (data := _take(sys.stdin.buffer)) is not None:
        path, parameters = pickle.loads(question)  # noqa: S301 - from our parent
        answer = pickle.dumps(_outcome(path, parameters, data))
        sys.stdout.buffer.write(LENGTH.pack(len(answer)) + answer)
        sys.stdout.buffer.flush()


def _outcome(path: str, parameters: frozenset[str], data: bytes) -> Reading | OpenAiError:
    try:
        return read(path, data, parameters)
    except OpenAiError as error:
        return error


def _take(source: BinaryIO) -> bytes | None:
    length = source.read(LENGTH.size)
    return source.read(*LENGTH.unpack(length)) if len(length) == LENGTH.size else None


if __name__ == "__main__":
    main()
