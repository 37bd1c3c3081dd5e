"""MPNet: all-mpnet-base-v2. Absolute positions and a relative bias."""

from __future__ import annotations

from typing import Any

from triton_embed.export.families.family import Family

PADDING_ID = 1
"""A constant in the code of transformers' ``MPNetEmbeddings``."""


def build_packed(model: Any, attention: str) -> Any:
    """Return MPNet on packed tokens."""
    from triton_embed.export.families.networks.mpnet import PackedMPNet

    return PackedMPNet(model, attention)


FAMILY = Family(
    "mpnet", padding_id=lambda config: PADDING_ID, has_pooler=True, build_packed=build_packed
)
