"""The steps of a round that are commands of `routerdc`, each in a process of its own.

Importing torch and Transformers takes five seconds, which every step would spend again. So one process imports them and
does nothing else, and the steps are forked from it: nothing that one of them computes or keeps is there for the next.
"""

import multiprocessing
from collections.abc import Sequence

IMPORTED = ["sklearn.cluster", "transformers.modeling_utils"]
"""What training and export import, with torch; a package that is not there is left to the step that needs it."""
_processes = multiprocessing.get_context("forkserver")


def run_step(arguments: Sequence[str]) -> int:
    """Runs `routerdc` with `arguments`, its output on ours; returns its exit status."""
    _processes.set_forkserver_preload(IMPORTED)
    step = _processes.Process(target=_routerdc, args=(tuple(arguments),))
    step.start()
    try:
        step.join()
    finally:  # whoever is told to stop leaves no step behind
        step.kill()
        step.join()
    assert step.exitcode is not None  # noqa: S101 - it has been waited for
    return step.exitcode


def _routerdc(arguments: Sequence[str]) -> None:
    from cli.command import main

    main(arguments, prog_name="routerdc")
