"""The encoder as an ONNX graph: weights put into it, constants folded, precision lowered."""
