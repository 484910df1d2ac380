"""ONNX Runtime without its telemetry.

Imported as it comes, it keeps a device id in the home folder and sends events to its maker's host. Its variable has to
be set before it is imported, so every module that uses it imports it from here.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

onnxruntime.disable_telemetry_events()

__all__ = ["onnxruntime"]
