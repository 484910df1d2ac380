"""An application that wants decisions installs the extra `client`: the package imports nothing else."""

import subprocess
import sys

ALLOWED = {"cython_runtime", "google", "grpc", "grpc_status", "routerdc_client", "routerdc_contract"}
# grpc itself imports those of its sister packages that are installed.
OF_GRPC = {"grpc_health", "grpc_reflection", "grpc_tools"}


def test_the_client_imports_grpc_and_protobuf_and_nothing_of_the_server() -> None:
    script = (
        "import sys; before = set(sys.modules); import routerdc_client; "
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    answer = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    third_party = {name for name in answer.stdout.split() if name not in sys.stdlib_module_names}
    assert {name for name in third_party if not name.startswith("_")} <= ALLOWED | OF_GRPC
