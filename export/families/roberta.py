"""RoBERTa: all-distilroberta."""

from triton_embed.export.families.family import Family, configured_padding_id

FAMILY = Family(
    "roberta",
    padding_id=configured_padding_id,
    token_types=True,
    has_pooler=True,
    absolute_positions=True,
)
