"""Building TensorRT plans from ONNX graphs."""
