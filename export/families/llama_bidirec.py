"""NVIDIA's bidirectional Llama: llama-nemotron-embed, llama-nv-embedqa."""

from __future__ import annotations

from triton_embed.export.families.family import Family, FamilyDefaults


def register() -> None:
    """Register our classes with ``AutoConfig`` and ``AutoModel``."""
    from triton_embed.export.families.networks import llama_bidirec

    llama_bidirec.register()


FAMILY = Family(
    "llama_bidirec",
    defaults=FamilyDefaults(
        poolings={"avg": "mean", "cls": "cls", "last": "lasttoken"},
        normalize=True,
        prompts={"query": "query: ", "passage": "passage: "},
    ),
    replaces_remote_code=True,
    register=register,
)
