"""Checkpoints in the sentence-transformers layout, in a folder or on the hub."""
