"""The ONNX graph of a packed encoder."""
