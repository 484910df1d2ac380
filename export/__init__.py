"""Bundle → ONNX graph → engine → filled model repository, with a parity check against torch after every step."""
