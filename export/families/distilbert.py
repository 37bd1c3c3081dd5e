"""DistilBERT: multi-qa-distilbert."""

from triton_embed.export.families.family import Family

FAMILY = Family("distilbert")
