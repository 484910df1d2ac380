"""Type stubs of the real TensorRT bindings, for `make check-tensorrt`.

    python -m tools.tensorrt_stubs VERSION FOLDER

The bindings of `tensorrt` are on PyPI, the libraries behind them are not. Empty libraries with the names and entry
points that the extension links against let Python import it (nothing can be called); pybind11-stubgen then reads every
signature. Needs gcc, nm and readelf. Result: FOLDER/tensorrt/__init__.pyi

VERSION rtx is the installed TensorRT for RTX, which has its libraries: FOLDER/tensorrt_rtx_bindings/__init__.pyi
"""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

RTX = "rtx"
RTX_EXTENSION = "tensorrt_rtx_bindings.tensorrt_rtx"
EXTENSION = "tensorrt_bindings.tensorrt"
PACKAGES = {"10": "tensorrt-cu12-bindings", "11": "tensorrt-cu13-bindings"}


def main() -> None:
    """Makes the stub of argument 1's version in argument 2's folder; does nothing where it is there already."""
    version, folder = sys.argv[1], Path(sys.argv[2])
    stub = folder / ("tensorrt_rtx_bindings" if version == RTX else "tensorrt") / "__init__.pyi"
    if stub.is_file():
        return
    with TemporaryDirectory() as temporary:
        work = Path(temporary)
        if version != RTX:
            fake_libraries(download(version, work), work / "lib")
        text = repaired(signatures(work, RTX_EXTENSION if version == RTX else EXTENSION))
    ast.parse(text)
    stub.parent.mkdir(parents=True, exist_ok=True)
    stub.write_text(text, encoding="utf-8")


def download(version: str, work: Path) -> Path:
    """The extension module of the bindings, unpacked as work/tensorrt_bindings/tensorrt.so."""
    package = f"{PACKAGES[version.partition('.')[0]]}=={version}"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"]
    subprocess.run([*pip, str(work), package], check=True)
    (work / "tensorrt_bindings/__init__.py").write_text("")  # its own looks for the vendor's libraries
    return next((work / "tensorrt_bindings").glob("tensorrt*.so"))


def fake_libraries(extension: Path, folder: Path) -> None:
    """An empty library for each of the vendor's; the first has every entry point that the extension misses."""
    folder.mkdir()
    needed = re.findall(r"NEEDED.*\[(libnv[^]]*)\]", _output("readelf", "-d", extension))
    missing = re.findall(r" U ((?:create|get|init)[A-Z]\w*)$", _output("nm", "-D", extension), re.MULTILINE)
    code = "\n".join(f"void *{name}(void) {{ return 0; }}" for name in missing)
    for name in needed:
        compiler = ["gcc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", str(folder / name), "-x", "c", "-"]
        subprocess.run(compiler, input=code, text=True, check=True)
        code = ""


def signatures(work: Path, extension: str = EXTENSION) -> str:
    """What pybind11-stubgen makes of the extension."""
    command = [sys.executable, "-m", "pybind11_stubgen", extension, "-o", str(work / "stubs")]
    environment = os.environ | {"LD_LIBRARY_PATH": str(work / "lib"), "PYTHONPATH": str(work)}
    subprocess.run([*command, "--ignore-all-errors"], env=environment, check=True, capture_output=True)
    return (work / "stubs" / Path(*extension.split("."))).with_suffix(".pyi").read_text(encoding="utf-8")


def repaired(text: str) -> str:
    """Valid Python: the module's public name, no parameter called `in`, defaults after all that have none."""
    text = text.replace("tensorrt_bindings.tensorrt.", "").replace("tensorrt_bindings.tensorrt", "tensorrt")
    text = re.sub(r"([(,] *)in: ", r"\1in_: ", text)
    return "\n".join(_with_defaults_last(line) for line in text.split("\n"))


def _with_defaults_last(line: str) -> str:
    match = re.match(r"(\s*def \w+\()(.*)(\) -> .*)$", line)
    if not match or " = " not in match[2]:
        return line
    optional = False
    fixed = []
    for parameter in _parameters(match[2]):
        name, default, _ = parameter.partition(" = ")
        optional = optional or bool(default)
        fixed.append(f"{name} = ..." if optional and not name.startswith("*") else name)
    return f"{match[1]}{', '.join(fixed)}{match[3]}"


def _parameters(text: str) -> Iterator[str]:
    """`text` split at the commas outside brackets."""
    depth = start = 0
    for i, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            yield text[start:i].strip()
            start = i + 1
    yield text[start:].strip()


def _output(*command: object) -> str:
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
