"""One small checkpoint per model family: its architecture, tokenizer, prompts and limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import (
    BertConfig,
    CamembertConfig,
    DistilBertConfig,
    Gemma3TextConfig,
    LlamaConfig,
    Ministral3Config,
    MistralConfig,
    ModernBertConfig,
    MPNetConfig,
    NomicBertConfig,
    PretrainedConfig,
    Qwen3Config,
    RobertaConfig,
    T5Config,
    XLMRobertaConfig,
)

from testing import family_layouts as layouts
from testing import references
from testing.references import Encoder
from triton_embed.export.families.networks.llama_bidirec import LlamaBidirectionalConfig

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 130,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
GROUPED: dict[str, Any] = {**SIZES, "num_key_value_heads": 2}
LAYERS = ["sliding_attention", "full_attention"]

BOTH, FIRST, LAST = "<first> $A <last>", "<first> $A", "$A <last>"


@dataclass(frozen=True)
class Case:
    """A small checkpoint.

    Attributes:
        config: The transformer's config.
        tokenizer: Kind of tokenizer, see `write_tokenizer`.
        template: Special tokens around a text, see `write_tokenizer`.
        pooling: Pooling mode.
        dense: Sizes of the Dense layers.
        max_seq_length: Limit in the checkpoint's files, in tokens.
        max_tokens: Limit that the model spec must have, in tokens.
        query: Prompt of queries.
        passage: Prompt of passages.
        plain: Prompt of a text without an input type.
        matryoshka: Value of ``--matryoshka``; ``None``: not set.
        edit: Rewrites the files in the layout of official checkpoints.
        encoder: Loads the reference, to be followed by mean pooling and L2 normalization; by
            default the reference is sentence-transformers.
    """

    config: PretrainedConfig
    tokenizer: str = "bytes"
    template: str = BOTH
    pooling: str = "mean"
    dense: tuple[int, ...] = ()
    max_seq_length: int = 100
    max_tokens: int = 100
    query: str = ""
    passage: str = ""
    plain: str = ""
    matryoshka: str | None = None
    edit: Callable[[Path], None] = lambda folder: None
    encoder: Callable[[Path], Encoder] | None = None


NOMIC = NomicBertConfig(**{**SIZES, "intermediate_size": 256, "max_position_embeddings": 2048})

CASES: dict[str, Case] = {
    "bert": Case(
        BertConfig(**SIZES),
        "wordpiece",
        max_tokens=90,
        max_seq_length=90,
        query="query: ",
        passage="passage: ",
    ),
    "camembert": Case(CamembertConfig(**SIZES), "unigram"),
    "distilbert": Case(
        DistilBertConfig(
            dim=32,
            n_layers=2,
            n_heads=4,
            hidden_dim=64,
            max_position_embeddings=80,
            pad_token_id=1,
        ),
        "wordpiece",
        pooling="cls",
        max_seq_length=200,
        max_tokens=80,
    ),
    "embedding-gemma": Case(
        Gemma3TextConfig(
            **{**GROUPED, "num_key_value_heads": 1},
            head_dim=16,
            query_pre_attn_scalar=16,
            sliding_window=16,
            layer_types=LAYERS,
            use_bidirectional_attention=True,
        ),
        dense=(48, 24),
        matryoshka="24,8",
        query="task: search result | query: ",
        passage="title: none | text: ",
    ),
    "llama-without-modules": Case(
        LlamaConfig(**GROUPED),
        template=LAST,
        pooling="lasttoken",
        max_tokens=130,
        edit=layouts.plain_causal_llama,
    ),
    "llama-bidirectional-by-flag": Case(
        LlamaConfig(**{**GROUPED, "is_causal": False}), template=FIRST
    ),
    "llama-nemotron-embed": Case(
        LlamaBidirectionalConfig(**GROUPED),
        template=FIRST,
        matryoshka="8,16,32",
        query="query: ",
        passage="passage: ",
        edit=layouts.nvidia,
        encoder=references.bidirectional_llama,
    ),
    "llama-nemotron-embed-without-modules": Case(
        LlamaBidirectionalConfig(**GROUPED),
        template=FIRST,
        max_tokens=130,
        query="query: ",
        passage="passage: ",
        edit=layouts.nvidia_without_modules,
        encoder=references.bidirectional_llama,
    ),
    "mistral-bidirectional-by-flag": Case(
        MistralConfig(**{**GROUPED, "is_causal": False}, sliding_window=None), template=FIRST
    ),
    "mistral-sliding": Case(
        MistralConfig(**GROUPED, sliding_window=8),
        pooling="lasttoken",
        edit=layouts.sharded,
    ),
    "modernbert": Case(
        ModernBertConfig(**SIZES, local_attention=16, layer_types=LAYERS),
        query="search_query: ",
        passage="search_document: ",
        matryoshka="any",
    ),
    "mpnet": Case(MPNetConfig(**SIZES), "wordpiece", plain="text: "),
    "nemotron-3-embed": Case(
        Ministral3Config(**{**GROUPED, "is_causal": False}, head_dim=16),
        template=FIRST,
        query="query: ",
        passage="document: ",
    ),
    "nomic-embed-text": Case(
        NOMIC,
        "wordpiece",
        max_seq_length=8192,
        max_tokens=2048,
        query="search_query: ",
        passage="search_document: ",
        edit=layouts.nomic,
        encoder=references.nomic,
    ),
    "qwen3-embedding": Case(
        Qwen3Config(**GROUPED, head_dim=16),
        template=LAST,
        pooling="lasttoken",
        max_seq_length=120,
        max_tokens=120,
        matryoshka="any",
        query="Instruct: Find what answers the question\nQuery:",
        edit=layouts.half_precision,
    ),
    "roberta": Case(RobertaConfig(**SIZES)),
    "gtr": Case(
        T5Config(d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, pad_token_id=1),
        "unigram",
        template=LAST,
        dense=(16,),
        max_seq_length=64,
        max_tokens=64,
    ),
    "bge-m3": Case(XLMRobertaConfig(**SIZES), "unigram", pooling="cls"),
}
"""The cases, by model id."""
