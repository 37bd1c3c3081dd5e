"""XLM-RoBERTa: bge-m3, multilingual-e5."""

from triton_embed.export.families.family import Family, configured_padding_id

FAMILY = Family(
    "xlm-roberta",
    padding_id=configured_padding_id,
    token_types=True,
    has_pooler=True,
    absolute_positions=True,
)
