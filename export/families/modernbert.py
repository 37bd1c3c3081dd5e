"""ModernBERT: modernbert-embed, gte-modernbert. Some layers have a sliding window."""

from triton_embed.export.families.family import Family

FAMILY = Family("modernbert")
