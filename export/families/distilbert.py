"""DistilBERT: multi-qa-distilbert."""

from triton_embed.export.families.family import Family

FAMILY = Family(
    "distilbert",
    setting_names={
        "hidden_size": "dim",
        "intermediate_size": "hidden_dim",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
    },
)
