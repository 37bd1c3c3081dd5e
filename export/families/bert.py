"""BERT: all-MiniLM, E5, BGE, GTE (v1), arctic-embed, nv-embedqa-e5-v5."""

from triton_embed.export.families.family import Family

FAMILY = Family("bert", token_types=True, has_pooler=True, absolute_positions=True)
