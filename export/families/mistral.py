"""Mistral: nv-embedqa-mistral-7b-v2. Causal, or bidirectional if ``is_causal`` is false."""

from triton_embed.export.families.family import Family

FAMILY = Family("mistral")
