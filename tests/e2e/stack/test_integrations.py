"""Every example of docs/how-to/integrations.md runs as it stands there, against the whole stack.

The packages of `make check-integrations` lie in .cache/integrations, apart from ours. Without them an example is
skipped, which pytest -rs names.
"""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from deploy.local.command import SHIPPED_BUNDLE
from routerdc_contract.bundle import Manifest
from tests.e2e.conftest import Stack

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/how-to/integrations.md"
BASE_URL = "http://127.0.0.1:10000/v1"
INSTALLED = ROOT / ".cache/integrations"
EXAMPLES = re.findall(r"^## ([^\n]+)\n+```(python|js)\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def command(language: str, code: str, folder: Path) -> list[str]:
    """The command that runs `code`, written to a file in `folder`; skips the test where its packages are missing."""
    if language == "js":
        if not (INSTALLED / "node_modules/ai").is_dir() or not shutil.which("node"):
            pytest.skip("no node, or its packages are missing: make check-integrations")
        (folder / "node_modules").symlink_to(INSTALLED / "node_modules")
        (folder / "example.mjs").write_text(code)
        return ["node", "example.mjs"]
    (folder / "example.py").write_text(code)
    python = INSTALLED / "bin/python"
    if python.exists():
        return [str(python), "example.py"]
    package = re.findall(r"^(?:from|import) (\w+)", code, re.MULTILINE)[0]
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed: make check-integrations")
    return [sys.executable, "example.py"]


def test_the_page_has_an_example_of_each_tool() -> None:
    assert [name for name, _, _ in EXAMPLES] == ["OpenAI SDK", "LangChain", "LlamaIndex", "LiteLLM", "Vercel AI SDK"]


@pytest.mark.parametrize(("language", "code"), [example[1:] for example in EXAMPLES], ids=[e[0] for e in EXAMPLES])
def test_an_example_is_answered_by_an_llm_of_the_pool(language: str, code: str, stack: Stack, tmp_path: Path) -> None:
    assert BASE_URL in code
    run = command(language, code.replace(BASE_URL, stack.service.openai_base_url), tmp_path)
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    text, _, llm = done.stdout.rpartition("answered by ")
    assert llm.strip() in Manifest.read(SHIPPED_BUNDLE).llm_names
    assert f"standing in for {llm.strip()}" in text
