"""Gemma 3: EmbeddingGemma. Some layers have a sliding window, which its layers define."""

from triton_embed.export.families.family import Family

FAMILY = Family("gemma3_text")
