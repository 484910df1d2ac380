"""Grades by commands, functions and unit tests, in real processes."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from labelling.errors import GradingError
from labelling.grade.programs.code import CodeGrader, code_grader
from labelling.grade.programs.command import of_command, of_function
from labelling.grade.programs.process import Limits
from labelling.prompts.prompt import Prompt
from labelling.store.records import Grade

LIMITS = Limits(seconds=20, memory_mib=2048)
PROMPT = Prompt(({"role": "user", "content": "Add 2 and 3."},), reference="assert add(2, 3) == 5")


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("print(0.25)", Grade(0.25)),
        ("print(float('5' in json.load(sys.stdin)['answer']))", Grade(1.0)),
        ("sys.exit(1)", Grade(0.0)),
        ("pass", Grade(1.0)),
        ("sys.exit(3)", Grade(None, "the grader failed with exit status 3")),
        ("print('x')", Grade(None, "the grader's last word is no number")),
        ("print(7)", Grade(None, "the grader's number is not in [0, 1]")),
    ],
)
async def test_a_commands_output_or_exit_status_is_the_grade(program: str, expected: Grade) -> None:
    grader = of_command(f'{sys.executable} -c "import json, sys; {program}"', LIMITS)
    assert (await grader.grade(PROMPT, {"a": "It is 5."}))["a"] == expected


async def test_a_command_that_does_not_end_is_ended_with_its_children(tmp_path: Path) -> None:
    script = tmp_path / "slow.sh"
    script.write_text("sleep 60 & echo $! > pid; wait\n")
    begun = time.monotonic()
    grader = of_command(f"sh -c 'cd {tmp_path} && . {script}'", Limits(seconds=0.5))
    grade = (await grader.grade(PROMPT, {"a": "5"}))["a"]
    assert grade == Grade(None, "the grader took too long")
    assert time.monotonic() - begun < 10
    child = Path("/proc") / (tmp_path / "pid").read_text().strip()
    assert not child.exists() or "Z" in (child / "stat").read_text().split()[2]


async def test_a_command_may_answer_before_it_has_read(tmp_path: Path) -> None:
    grader = of_command("cat", LIMITS)
    assert (await grader.grade(PROMPT, {"a": "5" * (1 << 20)}))["a"].reason == "the grader's last word is no number"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (None, "needs a sandbox"),
        ("exit 1", "user namespaces are not allowed here"),
        ("echo the kernel has no Landlock: Operation not supported; exit 97", "the kernel has no Landlock: Operation"),
    ],
)
async def test_without_a_sandbox_nothing_runs_and_the_reason_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, reason: str
) -> None:
    if script is not None:
        (unshare := tmp_path / "unshare").write_text(f"#!/bin/sh\n{script}\n")
        unshare.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GradingError, match=reason):
        await code_grader(LIMITS)


async def test_code_that_never_ends_is_wrong(boxed: CodeGrader) -> None:
    grades = await replace(boxed, limits=Limits(seconds=1)).grade(PROMPT, {"a": "while True: pass"})
    assert grades["a"].score == 0


async def test_nothing_runs_on_when_the_grader_itself_is_killed(tmp_path: Path, boxed: CodeGrader) -> None:
    program = """import asyncio
from labelling.grade.programs.code import sandboxed
from labelling.grade.programs.process import Limits
asyncio.run(sandboxed("import time\\nopen('x', 'w')\\ntime.sleep(600)", Limits(seconds=2)))"""
    parent = subprocess.Popen([sys.executable, "-c", program], env=os.environ | {"TMPDIR": str(tmp_path)})  # noqa: ASYNC220
    while not (inside := [pid for pid in _children(parent.pid) for pid in _children(pid)]):
        assert parent.poll() is None
        await asyncio.sleep(0.05)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 60
    while any(map(_runs, inside)):
        assert time.monotonic() < deadline, "the sandbox outlives its time limit"
        await asyncio.sleep(0.1)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


async def test_a_function_of_ones_own_grades(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def good(answer, question):\n    return 'Add' in question and '5' in answer\n")
    grader = of_function(f"{tmp_path / 'mine.py'}:good", LIMITS)
    grades = await grader.grade(PROMPT, {"a": "5", "b": "6"})
    assert (grades["a"].score, grades["b"].score) == (1.0, 0.0)


def test_a_function_that_is_not_there_is_named() -> None:
    with pytest.raises(GradingError, match="no such file"):
        of_function("nowhere.py:good", LIMITS)


@pytest.fixture
async def boxed() -> CodeGrader:
    try:
        return await code_grader(LIMITS)
    except GradingError as error:
        pytest.skip(str(error))


async def test_code_is_graded_by_its_tests_and_locked_in(
    tmp_path: Path, boxed: CodeGrader, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, socket_of_host = tmp_path / "secret", tmp_path / "s"
    secret.write_text("x")
    monkeypatch.setenv("SOME_API_KEY", "x")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(socket_of_host))
    listening.listen()
    add = "\ndef add(a, b): return a + b\n"
    answers = {
        "right": f"Here:\n```python{add}```\nDone.",
        "wrong": "def add(a, b): return a - b",
        "leaves before the tests": "import os; os._exit(0)",
        "reads files": f"open({str(secret)!r}).read(){add}",
        "writes files": f"open({str(tmp_path / 'new')!r}, 'w'){add}",
        "uses the network": f"import socket; socket.create_connection(('127.0.0.1', 9)){add}",
        "sends datagrams": f"import socket; socket.socket(2, 2).sendto(b'x', ('10.0.0.1', 9)){add}",
        "takes memory": f"x = bytearray(1 << 33){add}",
        "talks to a service of the machine": f"import socket; socket.socket(1).connect({str(socket_of_host)!r}){add}",
        "fills the disk": f"for name in 'ab': open(name, 'wb').write(bytes(60 << 20)){add}",
        "reads keys": f"import os; os.environ['SOME_API_KEY']{add}",
        "ends its parents": f"import os; os.kill(os.getppid(), 9); os.kill(1, 15); open('/proc/1/environ'){add}",
        "starts a program": f"import subprocess; subprocess.run(['true']){add}",
        "is a fork bomb": f"import os\nwhile True: os.fork(){add}",
        "uses the library and its own folder": f"import json, re, math; open('own', 'w').write('x'){add}",
        "uses threads and asyncio": "import asyncio, threading; asyncio.run(asyncio.to_thread(threading.get_ident))"
        f"{add}",
    }
    grades = await boxed.grade(PROMPT, answers)
    listening.close()
    right = {name for name, grade in grades.items() if grade.score == 1.0}
    assert right == {"right", "uses the library and its own folder", "uses threads and asyncio"}
    assert {name: grade.reason for name, grade in grades.items() if grade.score is None} == dict.fromkeys(
        ("starts a program", "is a fork bomb"), "the code starts another process, which the sandbox does not allow"
    )
    assert not (tmp_path / "new").exists()
