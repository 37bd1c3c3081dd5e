"""Decides when a request reaches Triton: see docs/scheduling.md."""
