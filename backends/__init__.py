"""Code that runs inside Triton: the steps around the encoder, and a stand-in for its ONNX backend.

A folder with a ``model.py`` is a Triton *python-based backend* of that name: a model names it with
``backend: "tokenizer"`` and holds data only. The other modules do not need Triton, so that they can
be tested without it.
"""
