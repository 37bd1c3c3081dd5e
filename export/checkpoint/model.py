"""The settings of a checkpoint, independent of its files."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PASSAGE_PROMPTS = ("document", "passage", "corpus")
"""Names that sentence-transformers gives to the passage prompt, in order of precedence."""


@dataclass(frozen=True)
class DenseConfig:
    """A linear layer after pooling.

    Attributes:
        folder: The folder with its ``model.safetensors``.
        in_features: Length of its input vectors.
        out_features: Length of its output vectors.
        bias: Whether it adds a bias.
        activation: One of `head.ACTIVATIONS`.
    """

    folder: Path
    in_features: int
    out_features: int
    bias: bool
    activation: str


@dataclass(frozen=True)
class LayerNormConfig:
    """A layer normalization after pooling.

    Attributes:
        folder: The folder with its ``model.safetensors``.
        dimension: Length of its vectors.
    """

    folder: Path
    dimension: int


@dataclass(frozen=True)
class NormalizeConfig:
    """An L2 normalization after pooling."""


HeadModule = DenseConfig | LayerNormConfig | NormalizeConfig
"""A module after pooling."""


@dataclass(frozen=True)
class Checkpoint:
    """A model in the sentence-transformers layout.

    Attributes:
        folder: The root, with ``modules.json`` if there is one.
        transformer: The folder with ``config.json`` and the transformer's weights.
        config: The content of ``config.json``, without `transformer_settings.CALLER_SETTINGS`.
        has_modules: Whether ``modules.json`` defines the stages after the transformer.
        pooling_modes: One or more of `pooling.POOLING_MODES`; several are concatenated.
        pools_prompt: Whether the tokens of the prompt are pooled, too.
        head: Modules after pooling, in order.
        prompts: Named prompts of ``config_sentence_transformers.json``.
        default_prompt_name: Name of the prompt for texts of no stated type.
        max_seq_length: Maximum tokens of a text by the files of sentence-transformers.
        query_length: Maximum tokens of a query; ``None``: that of any text.
        document_length: Maximum tokens of a passage; ``None``: that of any text.
        renders_messages: Whether texts are rendered by the chat template of the tokenizer.
        image_separator: Text that the chat template writes between an image and the text that
            follows it; ``None``: there is no template.
        tokenizer_max_length: Maximum tokens of a text by the tokenizer's files; `sys.maxsize` if
            they set none.
    """

    folder: Path
    transformer: Path
    config: dict[str, Any]
    has_modules: bool = False
    pooling_modes: tuple[str, ...] = ("mean",)
    pools_prompt: bool = True
    head: tuple[HeadModule, ...] = ()
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt_name: str | None = None
    max_seq_length: int | None = None
    query_length: int | None = None
    document_length: int | None = None
    renders_messages: bool = False
    image_separator: str | None = None
    tokenizer_max_length: int = sys.maxsize

    @property
    def weight_folders(self) -> tuple[Path, ...]:
        """The folders that hold weights."""
        folders = (module.folder for module in self.head if not isinstance(module, NormalizeConfig))
        return (self.transformer, *folders)

    @property
    def is_normalized(self) -> bool:
        """True if the vectors are L2-normalized."""
        return bool(self.head) and isinstance(self.head[-1], NormalizeConfig)

    @property
    def prompt_query(self) -> str:
        """The prompt of queries."""
        return self.prompts.get("query") or ""

    @property
    def prompt_passage(self) -> str:
        """The prompt of passages."""
        return next(filter(None, map(self.prompts.get, PASSAGE_PROMPTS)), "")

    @property
    def prompt_default(self) -> str:
        """The prompt of texts of no stated type."""
        return self.prompts.get(self.default_prompt_name or "") or ""

    @property
    def has_prompts(self) -> bool:
        """True if any kind of text has a prompt; prompts for single tasks do not count."""
        return bool(self.prompt_query or self.prompt_passage or self.prompt_default)

    @property
    def unused_prompts(self) -> tuple[str, ...]:
        """Names of the prompts for single tasks, which no request can select."""
        used = {"query", *PASSAGE_PROMPTS, self.default_prompt_name}
        return tuple(name for name, text in self.prompts.items() if text and name not in used)
