"""Llama: causal, or bidirectional if ``is_causal`` is false in ``config.json``."""

from triton_embed.export.families.family import Family

FAMILY = Family("llama")
