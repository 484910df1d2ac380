"""The project's Markdown pages."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")


def pages() -> list[Path]:
    """Every Markdown file that git knows, or would."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def without_code(text: str) -> str:
    """The prose."""
    return _SPAN.sub("", _FENCED.sub("", text))


def code(text: str) -> list[str]:
    """Lines of fenced blocks of the shell, continued lines joined, and code spans."""
    blocks = [body for language, body in _FENCED.findall(text) if language in {"", "sh", "bash", "shell"}]
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return lines + _SPAN.findall(_FENCED.sub("", text))
