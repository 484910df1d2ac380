"""Runs one's own Python function on an answer.

    python -m labelling.grade.programs.function_child FILE FUNCTION        JSON on stdin

The function is called with the fields of the JSON object as keyword arguments that it has; it returns a number from 0
to 1, or true or false.
"""

import inspect
import json
import runpy
import sys


def main(file: str, name: str) -> None:
    """Prints what the function returns for the answer on stdin."""
    given = json.load(sys.stdin)
    function = runpy.run_path(file)[name]
    parameters = inspect.signature(function).parameters
    anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    print(float(function(**{key: value for key, value in given.items() if anything or key in parameters})))


if __name__ == "__main__":
    main(*sys.argv[1:])
