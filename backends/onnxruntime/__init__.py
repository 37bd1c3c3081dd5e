"""Stands in for Triton's C++ onnxruntime backend where only the Python backend is installed."""
