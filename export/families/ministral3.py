"""Ministral 3: nemotron-3-embed, bidirectional because its ``is_causal`` is false."""

from triton_embed.export.families.family import Family

FAMILY = Family("ministral3")
