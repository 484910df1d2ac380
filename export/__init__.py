"""Bundle → ONNX graph → engine → filled model repository, with a parity check against torch after every step.

Rooms, each of which knows only those below it (checked by import-linter, see pyproject.toml):

    command, publish      the commands
    steps                 graph, engine, plan, openvino, repository
    onnx                  the encoder's graph
    artefacts             the files
    parity                comparison with torch
    triton, tensorrt      configuration files; plans
    domain                targets, precisions, errors
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
"""ONNX Runtime keeps a device id and calls its maker's host, unless this is set before it is imported."""
