"""Checks that what people read is plain English: pages, docstrings, help texts and comments of the wire contract.

    python -m tools.prose [FILE …]        without files: everything that git knows

Two sources of rules: proselint (.proselintrc.json), and the project's own list of phrases that have to be decoded, each
with what to write instead. CONTRIBUTING.md explains them with examples.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
_KINDS = (".md", ".py", ".proto")
# History is left as it was written, generated reports repeat data, CONTRIBUTING.md quotes what not to write.
_LEFT_OUT = ("docs/log/", "docs/evaluation/", "docs/benchmarks/", "CHANGELOG.md", "CODE_OF_", "CONTRIBUTING.md")
_FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`[^`\n]+`|\]\([^)]*\)|https?://\S+")

RIDDLES = {
    r"\b[Ww]hoever\b": "name the person or the program: the caller, the operator, the client",
    r"\b[Aa]new\b": "again",
    r"\b(is|are|was|were|be) told\b": "say who passes what: the gateway gets the address from …",
    r"\bunder way\b": "in flight, running",
    r"\bheld against\b": "compared with, checked against",
    r"\b(of|on) (its|their) own accord\b": "by itself",
    r"\b[Ss]omebody else\b": "name it: another process, another caller",
    r"\bfor somebody\b": "for a caller",
    r"\bstands it\b": "tolerates, supports",
    r"\bbesides a request's own\b": "in addition to",
    r"\bno business of\b": "is not its concern: say what follows",
    r"\b(?:^|(?<=[.:;] ))Who \w+s? ": "begin with the subject: operators who …, a caller that …",
    r"\bto who\b|\bfor who\b|\bof who\b": "name the person: to operators who …",
    r"\bby now\b": "already, so far",
    r"\bin turns\b": "alternately, round-robin",
    r"\ball the same\b": "still, nevertheless",
    r"\bup to now\b": "so far",
    r"\bmay be had\b|\bcan be had\b": "is available",
    r"\bgoes without saying\b": "say it or leave it out",
    r"\bhas to do with\b": "concerns",
    r"\bat hand\b": "available, present",
    r"\bmeanwhile\b": "in the meantime, while …",
    r"\bwherever it is\b": "in any place",
    r"\bthe crowd\b": "load",
    r"\bpatience\b": "timeout, deadline",
    r"\bas it is now\b": "say what it is",
    r"\bhas the turn\b": "is picked",
    r"\bwhat became of\b": "how … ended",
    r"\bin the end of\b": "at the end of",
}


class Flaw(NamedTuple):
    """One place to rewrite."""

    file: Path
    line: int
    problem: str

    def __str__(self) -> str:
        """As compilers print it: FILE:LINE: PROBLEM."""
        return f"{self.file}:{self.line}: {self.problem}"


def passages(file: Path) -> Iterator[tuple[int, str]]:
    """Pieces of prose in `file` with the number of their first line."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        yield 1, _FENCED.sub(lambda match: "\n" * match[0].count("\n"), text)
    elif file.suffix == ".proto":
        yield from ((n, line.partition("//")[2]) for n, line in enumerate(text.splitlines(), 1) if "//" in line)
    else:
        yield from _docstrings(ast.parse(text))


def _docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            match first:
                case ast.Expr(value=ast.Constant(value=str() as text)):
                    yield first.lineno, text


def flaws(file: Path) -> list[Flaw]:
    """What is to be rewritten in `file`, in order."""
    found = []
    for first_line, text in passages(file):
        prose = _SPAN.sub(lambda match: " " * len(match[0]), text)
        for pattern, better in RIDDLES.items():
            for match in re.finditer(pattern, prose):
                line = first_line + prose.count("\n", 0, match.start())
                found.append(Flaw(file, line, f"{match[0]!r}: write {better}"))
    return sorted(found, key=lambda flaw: flaw.line)


def _files(names: list[str]) -> list[Path]:
    if not names:
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
        names = listed.stdout.splitlines()
    wanted = [name for name in names if name.endswith(_KINDS) and not name.startswith((*_LEFT_OUT, "tests/"))]
    return [path for name in wanted if (path := Path(name)).is_file() and "_pb2" not in name]


def _proselint(files: list[Path]) -> list[str]:
    pages = [str(file) for file in files if file.suffix == ".md"]
    if not pages:
        return []
    command = [sys.executable, "-m", "proselint", "--config", str(ROOT / ".proselintrc.json"), "check", *pages]
    return [
        line for line in subprocess.run(command, capture_output=True, text=True, check=False).stdout.split("\n") if line
    ]


def main() -> None:
    """Entry of `python -m tools.prose`; exits with 1 where something is to be rewritten."""
    files = _files([name for name in sys.argv[1:] if not name.startswith("-")])
    found = [str(flaw) for file in files for flaw in flaws(file)] + _proselint(files)
    if found:
        sys.exit("\n".join([*found, f"{len(found)} places to rewrite; CONTRIBUTING.md, Plain English, says how"]))


if __name__ == "__main__":
    main()
