"""Turns a Hugging Face checkpoint into an entry of a Triton model repository, or into nothing."""
