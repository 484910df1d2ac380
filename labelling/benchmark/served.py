"""The stand-ins in a process of their own, for the length of a benchmark."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROUTERDC = Path(sys.executable).with_name("routerdc")


@contextmanager
def stand_ins(folder: Path, prompts: int) -> Iterator[None]:
    """Serves them; prompts.jsonl, endpoints.yaml and judge.yaml are written into `folder`."""
    command = [str(ROUTERDC), "stand-ins", "--folder", str(folder), "--prompts", str(prompts)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            while not (folder / "endpoints.yaml").exists():
                if process.poll() is not None:
                    raise RuntimeError("the stand-ins have not started")
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
