"""Checkpoints: hub snapshots and folders in the sentence-transformers layout."""
