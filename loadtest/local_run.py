"""Runs the locust test against the service on this machine: the one that runs, or one of its own.

    python -m loadtest.local_run [LOCUST'S OPTIONS AND USER CLASSES …]

Without options: all kinds of users for a minute, at a load that a laptop carries. Reports go to build/loadtest. Ends
with locust's status: 1 where calls failed.
"""

import subprocess
import sys
from pathlib import Path

from loadtest.servers import stack

_OUT = Path("build/loadtest")
_LOCUSTFILE = Path(__file__).with_name("locustfile.py")
_DEFAULTS = {
    "--locustfile": _LOCUSTFILE,
    "--users": 12,
    "--spawn-rate": 12,
    "--run-time": "60s",
    "--csv": _OUT / "loadtest",
    "--html": _OUT / "report.html",
    "--think-seconds": 0.5,
    "--burst-calls": 3,
    "--batch-queries": 16,
    "--stream-queries": 16,
    "--stream-in-flight": 4,
}


def command(running: stack.Stack, arguments: list[str]) -> list[str]:
    """Locust's command line; of what is given twice, `arguments` count."""
    flags = {
        "--gateway-address": running.gateway_address,
        "--triton-address": running.triton_address,
        "--openai-url": running.openai_url,
        **_DEFAULTS,
    }
    return [
        sys.executable,
        "-m",
        "locust",
        "--headless",
        *(f"{name}={value}" for name, value in flags.items()),
        *arguments,
    ]


def main() -> None:
    """Starts what is missing, runs locust, and stops what it started."""
    try:
        with stack.running_or_own(_OUT / "stack") as running:
            print(f"load on {running.gateway_address}, {running.triton_address} and {running.openai_url}", flush=True)
            status = subprocess.run(command(running, sys.argv[1:]), check=False).returncode
    except stack.StackError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    print(f"reports: {_OUT}/report.html, {_OUT}/loadtest_*.csv")
    sys.exit(status)


if __name__ == "__main__":
    main()
