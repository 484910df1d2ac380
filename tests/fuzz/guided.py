"""Coverage-guided fuzzing (atheris, libFuzzer) of one entrance, in a process of its own.

python -m tests.fuzz.guided ENTRANCE CASES CORPUS
"""

import sys

import atheris

with atheris.instrument_imports(
    include=["gateway", "routerdc_contract", "routerdc.data.table", "routerdc.data.formats.rows"]
):
    from gateway.telemetry import logs
    from tests.fuzz.entrances import ENTRANCES

LONGEST_BYTES = 4096


def main() -> None:
    """Exits with a status other than 0 where the entrance raised; the input is then written beside the corpus."""
    name, cases, corpus = sys.argv[1:]
    logs.configure("error")
    entrance = next(entrance for entrance in ENTRANCES if entrance.name == name)
    flags = [
        f"-runs={cases}",
        f"-max_len={LONGEST_BYTES}",
        "-timeout=10",
        f"-artifact_prefix={corpus}.",
        "-verbosity=0",
    ]
    atheris.Setup([sys.argv[0], *flags, "-print_final_stats=1", corpus], entrance.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
