"""Exports Hugging Face checkpoints into a Triton model repository, or rejects them."""
