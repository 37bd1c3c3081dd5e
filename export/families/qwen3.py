"""Qwen 3: Qwen3-Embedding. Causal, or bidirectional if ``is_causal`` is false."""

from triton_embed.export.families.family import Family

FAMILY = Family("qwen3")
