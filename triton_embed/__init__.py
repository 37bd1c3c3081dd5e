"""Open embedding server for retrieval and RAG on Triton Inference Server."""

__version__ = "0.1.0"
