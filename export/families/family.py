"""The properties in which model families differ.

A plan reads them without PyTorch and transformers, which are imported by the functions that need
them.

Causality and sliding windows are not among them: transformers' own layers pass both to the
attention function (see `towers.attention`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from triton_embed.export.checkpoint.model import Checkpoint
from triton_embed.export.checkpoint.settings import Settings
from triton_embed.export.errors import ExportError
from triton_embed.export.families.sizes import TransformerSizes, read_sizes
from triton_embed.export.families.vision import VisionFamily


@dataclass(frozen=True)
class FamilyDefaults:
    """The behavior of a family's official code, used if the checkpoint's own files are silent.

    Attributes:
        poolings: Our pooling mode for each value of ``pooling`` in ``config.json``; the first one
            is the default.
        normalize: Whether vectors are L2-normalized.
        prompts: Named prompts, as in ``config_sentence_transformers.json``.
    """

    poolings: Mapping[str, str] = field(default_factory=dict)
    normalize: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Family:
    """One ``model_type`` of transformers.

    Attributes:
        model_type: The value of ``model_type`` in ``config.json``.
        padding_id: Returns the token id after which positions begin, given config.json. As in
            RoBERTa, tokens of this id, which a text can contain, get it as their position and are
            not counted. ``None``: positions begin at 0 and count every token.
        token_types: Whether the transformer takes ``token_type_ids``.
        has_pooler: Whether its class has a pooling layer, which is left out.
        setting_names: The family's own names of sizes in config.json, by their common names.
        has_positions: Whether positions limit the length of a text.
        default_positions: Maximum tokens of a text if config.json does not define it.
        required_settings: Settings of official ``config.json`` files that the class of
            transformers does not read, and the values that it is built for.
        translated_settings: Returns the settings that an official ``config.json`` has under other
            names than the class of transformers expects.
        defaults: See `FamilyDefaults`.
        replaces_remote_code: Whether the class of transformers is known to compute the same as
            the code in official checkpoints.
        absolute_positions: Whether ``position_embedding_type`` has a meaning, and must be
            "absolute".
        model_class: Name of the class of transformers that loads the model.
        register: Registers our classes with transformers' Auto classes.
        build_packed: Makes a module that runs on packed tokens, given the model and the name of
            an attention function. ``None``: the model itself does, through transformers'
            attention interface.
        text_config: Name of the part of config.json that describes the text tower; ``None``: the
            model has no other tower.
        text_weights: Pattern of the beginning of the text tower's names of weights, which the
            class does not have; ``None``: the names are those of the class.
        text_sizes: Defaults of sizes of the text tower that config.json may omit.
        projection: Returns the linear layer of a loaded text tower that maps pooled states to
            vectors; ``None``: there is none.
        projection_size: Name of the setting with the length of projected vectors.
        pads_texts: Whether every text is padded to the maximum length, and the padding attended to.
        vision: The image tower; ``None``: the model takes texts only.
    """

    model_type: str
    padding_id: Callable[[Mapping[str, Any]], int] | None = None
    token_types: bool = False
    has_pooler: bool = False
    setting_names: Mapping[str, str] = field(default_factory=dict)
    has_positions: bool = True
    default_positions: int | None = None
    required_settings: Mapping[str, Any] = field(default_factory=dict)
    translated_settings: Callable[[Mapping[str, Any]], dict[str, Any]] = lambda config: {}
    defaults: FamilyDefaults = FamilyDefaults()
    replaces_remote_code: bool = False
    absolute_positions: bool = False
    model_class: str = "AutoModel"
    register: Callable[[], None] = lambda: None
    build_packed: Callable[[Any, str], Any] | None = None
    text_config: str | None = None
    text_weights: str | None = None
    text_sizes: Mapping[str, int] = field(default_factory=dict)
    projection: Callable[[Any], Any] | None = None
    projection_size: str | None = None
    pads_texts: bool = False
    vision: VisionFamily | None = None

    def load_config(self, config: Mapping[str, Any]) -> Any:
        """Return transformers' configuration of the text tower for the content of a config.json."""
        whole = self._load_whole_config(config)
        return getattr(whole, self.text_config) if self.text_config else whole

    def load_vision_config(self, config: Mapping[str, Any]) -> Any:
        """Return transformers' configuration of the image tower."""
        assert self.vision
        whole = self._load_whole_config(config)
        return getattr(whole, self.vision.tower_config) if self.vision.tower_config else whole

    def _load_whole_config(self, config: Mapping[str, Any]) -> Any:
        from transformers import CONFIG_MAPPING

        self.register()
        return CONFIG_MAPPING[self.model_type].from_dict(
            dict(config), **self.translated_settings(config)
        )

    def sizes(self, config: Mapping[str, Any]) -> TransformerSizes:
        """Return the sizes of the transformer of a config.json.

        Raises:
            ExportError: a size is missing or malformed.
        """
        return read_sizes(self.text_settings(config), self.setting_names)

    def vector_size(self, config: Mapping[str, Any]) -> int:
        """Return the length of one pooled and projected state.

        Raises:
            ExportError: a size is missing or malformed.
        """
        if self.projection_size is None:
            return self.sizes(config).hidden_size
        settings = self.text_settings(config)
        size = settings.integer(self.projection_size)
        return self.sizes(config).hidden_size if size is None else size

    def text_settings(self, config: Mapping[str, Any]) -> Settings:
        """Return the settings of the text tower."""
        if self.text_config is None:
            return Settings("config.json", config)
        settings = config.get(self.text_config) or {}
        if not isinstance(settings, Mapping):
            raise ExportError(f"config.json: {self.text_config} is not an object")
        return Settings(f"config.json: {self.text_config}", {**self.text_sizes, **settings})

    def max_positions(self, config: Mapping[str, Any]) -> int:
        """Return the maximum tokens of a text that the transformer has positions for.

        Raises:
            ExportError: config.json does not define it, or leaves no position for a token.
        """
        if not self.has_positions:
            return sys.maxsize
        positions = self.sizes(config).positions or self.default_positions
        if positions is None:
            raise ExportError("config.json does not define max_position_embeddings")
        reserved = self.padding_id(config) + 1 if self.padding_id else 0
        if positions <= reserved:
            raise ExportError(
                f"config.json: max_position_embeddings is {positions}, but {reserved} positions "
                "are reserved"
            )
        return positions - reserved

    def apply_defaults(self, checkpoint: Checkpoint) -> Checkpoint:
        """Return `checkpoint` with the family's defaults for what its own files do not define."""
        if not checkpoint.has_prompts:
            checkpoint = replace(checkpoint, prompts=dict(self.defaults.prompts))
        return checkpoint

    def pooling_mode(self, config: Mapping[str, Any]) -> str | None:
        """Return the pooling mode of the family's official code; ``None``: there is no such code.

        Args:
            config: The content of config.json.

        Raises:
            ExportError: the pooling that config.json names is not supported.
        """
        poolings = self.defaults.poolings
        if not poolings:
            return None
        pooling = Settings("config.json", config).text("pooling") or next(iter(poolings))
        if pooling not in poolings:
            raise ExportError(
                f"config.json: pooling '{pooling}' is not supported; supported are "
                f"{', '.join(poolings)}"
            )
        return poolings[pooling]


def configured_padding_id(config: Mapping[str, Any]) -> int:
    """Return the ``pad_token_id`` of a config.json, for `Family.padding_id`; by default RoBERTa's.

    Raises:
        ExportError: it is null or no token id.
    """
    padding_id = Settings("config.json", {"pad_token_id": 1, **config}).integer("pad_token_id", 0)
    if padding_id is None:
        raise ExportError("config.json has no pad_token_id, after which positions begin")
    return padding_id
