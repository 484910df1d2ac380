"""The command's root: fast help and completion, for people and shells."""

import json
import os
import resource
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from labelling.store.records import Answer, Cell, Grade
from labelling.store.store import Store
from tests.integration.labelling.test_collect import chats

ENTRIES = {entry.name: entry for entry in entry_points(group="routerdc.commands")}
BUNDLE = Path(__file__).parents[3] / "bundles/default"
HEAVY = ("torch", "transformers", "numpy", "sklearn", "matplotlib", "onnxruntime", "grpc", "aiohttp")


def routerdc(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "routerdc_triton", *arguments]
    environment = {**os.environ, "COLUMNS": "80", **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def loaded(*commands: str) -> dict[str, set[str]]:
    """Which of HEAVY have been imported after `--help` of each of `commands`, in one process; "" is the root's."""
    code = (
        "import json, sys; from cli.command import main\n"
        "for command in sys.argv[1:]:\n"
        "    main([*command.split(), '--help'], prog_name='routerdc', standalone_mode=False)\n"
        f"    print('loaded:' + json.dumps([command, [name for name in {HEAVY} if name in sys.modules]]))"
    )
    done = subprocess.run([sys.executable, "-c", code, *commands], capture_output=True, text=True, check=True)
    rows = [json.loads(line[7:]) for line in done.stdout.splitlines() if line.startswith("loaded:")]
    assert [command for command, _ in rows] == list(commands)
    return {command: set(names) for command, names in rows}


def test_help_names_every_command_with_a_sentence_within_80_columns() -> None:
    output = routerdc("--help").stdout
    rows = [line for line in output.partition("Commands:\n")[2].splitlines() if line[2] != " "]
    assert {row.split()[0] for row in rows} == set(ENTRIES)
    assert [row for row in rows if len(row.split()) < 4] == []
    assert max(map(len, output.splitlines())) <= 80


def test_help_imports_nothing_heavy() -> None:
    assert loaded("") == {"": set()}


def test_no_commands_help_needs_torch() -> None:
    """What one command imports, the next ones have, too: the first of those that are named is at fault."""
    imported = loaded(*sorted(ENTRIES))
    slow = {"torch", "transformers", "sklearn", "matplotlib"}
    assert {command: names & slow for command, names in imported.items() if names & slow} == {}


def test_commands_that_need_no_torch_run_without_it(tmp_path: Path) -> None:
    rows = [{"question": f"q {n}", "scores": {"a": 1.0, "b": 0.0}} for n in range(30)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "endpoints.yaml").write_text(
        'default: [a]\nllms: {a: {price: 1.0, endpoints: [{address: "http://127.0.0.1:9/v1", model: a}]}}\n'
    )
    with Store(tmp_path / "graded.db") as store:
        (prompt,) = chats(1)
        store.add_prompts([prompt])
        store.add_answer(Cell(prompt.key, "a", "a", {}), Answer(text="x"))
        (answer,) = store.answers()
        store.add_grade(answer.key, "people", Grade(1.0))
    calls = [
        "data check rows.jsonl",
        "check --offline endpoints.yaml",
        "collect --dry-run --endpoints endpoints.yaml rows.jsonl",
        "grade --store graded.db --out table.jsonl",
        "prior --example --out prior.yaml",
        f"export --bundle {BUNDLE}",
        "envoy-config --endpoints endpoints.yaml --gateway 127.0.0.1:9 --out envoy.yaml",
    ]
    code = (
        "import sys; from cli.command import main\n"
        "for call in sys.argv[1:]:\n"
        "    main(call.split(), prog_name='routerdc', standalone_mode=False)\n"
        "    assert not {'torch', 'transformers'} & sys.modules.keys(), call\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *calls], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("words", "found"), [("routerdc pub", {"publish"}), ("routerdc route --js", {"--json"})])
def test_a_shell_completes_commands_and_options(words: str, found: set[str]) -> None:
    done = routerdc(_ROUTERDC_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(words.count(" ")))
    assert {line.partition(",")[2] for line in done.stdout.splitlines()} == found


def test_exit_status_2_is_a_wrong_call() -> None:
    for arguments in (["no-such-command"], ["route"], ["gateway", "--no-such-option"]):
        assert routerdc(*arguments).returncode == 2
    assert routerdc("route", "hello", "--address=127.0.0.1:9").returncode == 1


def test_a_pipe_gets_no_colours() -> None:
    output = routerdc("route", "--help", NO_COLOR="1").stdout
    assert "\x1b" not in output


def test_what_the_machine_lacks_is_said_in_one_line_with_the_cure(tmp_path: Path) -> None:
    """No file may become longer than a few bytes, which is what a full disk does to a program."""
    (tmp_path / "endpoints.yaml").write_text(
        'default: [a]\nllms: {a: {endpoints: [{address: "http://127.0.0.1:9/v1", model: a}]}}\n'
    )
    out = tmp_path / "envoy.yaml"
    command = [sys.executable, "-m", "routerdc_triton", "envoy-config", f"--endpoints={tmp_path / 'endpoints.yaml'}"]
    done = subprocess.run(
        [*command, f"--out={out}"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (64, resource.RLIM_INFINITY)),
    )
    assert (done.returncode, done.stderr) == (1, f"Error: {out}: File too large: allow larger files (ulimit -f)\n")
    assert not out.exists()
