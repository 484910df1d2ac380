"""Generates the Python code of router.proto beside it; `--check` fails when the code that stands differs.

python -m routerdc_contract.generate [--check]
"""

import filecmp
import sys
import tempfile
from importlib import resources
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROTO = "routerdc_contract/v1/router.proto"
GENERATED = ("router_pb2.py", "router_pb2.pyi", "router_pb2_grpc.py", "router_pb2_grpc.pyi")


def generate(out: Path) -> None:
    """Writes the four generated files under `out/routerdc_contract/v1`.

    Raises:
        RuntimeError: protoc refused the file.
    """
    from google.rpc import status_pb2  # googleapis-common-protos ships its .proto files beside the code
    from grpc_tools import protoc

    includes = [ROOT, resources.files("grpc_tools") / "_proto", Path(status_pb2.__file__).parents[2]]
    bin_folder = Path(sys.executable).parent
    plugins = [f"--plugin=protoc-gen-{name}={bin_folder}/protoc-gen-{name}" for name in ("mypy", "mypy_grpc")]
    outputs = [f"--{kind}_out={out}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    arguments = ["protoc", *(f"-I{folder}" for folder in includes), *plugins, *outputs, PROTO]
    if status := protoc.main(arguments):
        raise RuntimeError(f"protoc failed with status {status}")


def stale_files() -> list[str]:
    """Names of generated files that differ from what router.proto gives now."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh, standing = Path(folder) / "routerdc_contract/v1", ROOT / "routerdc_contract/v1"
        _, different, missing = filecmp.cmpfiles(fresh, standing, GENERATED, shallow=False)
        return different + missing


def main() -> None:
    """Entry of `python -m routerdc_contract.generate`."""
    if "--check" not in sys.argv[1:]:
        generate(ROOT)
    elif stale := stale_files():
        sys.exit(f"generated code is stale: {', '.join(stale)}; run `make proto`")


if __name__ == "__main__":
    main()
