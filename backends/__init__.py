"""Code that runs inside Triton: the steps around the encoder, and a stand-in for its ONNX backend.

A folder with a ``model.py`` is a Triton *python-based backend* of that name: models say
``backend: "tokenizer"`` and hold data only. The logic lives beside it in modules that do not
need Triton, so that it can be tested without.
"""
