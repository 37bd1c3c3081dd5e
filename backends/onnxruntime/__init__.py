"""Stand-in for Triton's C++ onnxruntime backend, which the server in nvidia-pytriton lacks."""
