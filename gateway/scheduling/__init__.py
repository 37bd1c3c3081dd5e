"""Decides when a request reaches Triton: admission, micro-batches and chunks."""
