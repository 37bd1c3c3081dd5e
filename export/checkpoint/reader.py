"""Reads a checkpoint in the sentence-transformers layout without running anything it contains."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from triton_embed.export.errors import ExportError

MODULES = ("Transformer", "Pooling", "Dense", "Normalize")
"""Module classes of sentence-transformers that the exporter can mirror."""

POOLING_MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
"""In the order in which sentence-transformers concatenates them."""

LEGACY_POOLING_KEYS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}

ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "SiLU", "Sigmoid")
"""Classes of ``torch.nn`` that may follow a Dense layer."""

TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json")

PASSAGE_PROMPTS = ("document", "passage", "parity_texts")
"""Names of the passage prompt in sentence-transformers, the first with a text counts."""

TRANSFORMER_SETTINGS = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
"""Where sentence-transformers looks for ``max_seq_length``, in this order."""


@dataclass(frozen=True)
class DenseConfig:
    """A linear layer after pooling.

    Attributes:
        folder: Where its ``model.safetensors`` lies.
        in_features: Length of the vectors that it takes.
        out_features: Length of those that it makes.
        bias: Whether it has one.
        activation: One of `ACTIVATIONS`.
    """

    folder: Path
    in_features: int
    out_features: int
    bias: bool
    activation: str


@dataclass(frozen=True)
class Checkpoint:
    """What the files of a checkpoint say.

    Attributes:
        folder: The checkpoint's root, the one with ``modules.json`` if there is one.
        transformer: The folder with ``config.json`` and the encoder's weights.
        config: ``config.json``.
        has_modules: Whether ``modules.json`` says what follows the transformer.
        pooling_modes: One or more of `POOLING_MODES`; several are concatenated.
        dense: Linear layers after pooling, in order.
        normalize: Whether vectors are L2-normalised at the end.
        prompts: Named prompts of ``config_sentence_transformers.json``.
        default_prompt_name: The prompt used when none is named.
        max_seq_length: Longest input in tokens, if the files of sentence-transformers say it.
        tokenizer_max_length: The same for those of the tokenizer; else `sys.maxsize`.
    """

    folder: Path
    transformer: Path
    config: dict[str, Any]
    has_modules: bool = False
    pooling_modes: tuple[str, ...] = ("mean",)
    dense: tuple[DenseConfig, ...] = ()
    normalize: bool = False
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt_name: str | None = None
    max_seq_length: int | None = None
    tokenizer_max_length: int = sys.maxsize

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that hold weights."""
        return (self.transformer, *(stage.folder for stage in self.dense))

    @property
    def prompt_query(self) -> str:
        """The text put before a query."""
        return self.prompts.get("query") or ""

    @property
    def prompt_passage(self) -> str:
        """The text put before a passage."""
        return next(filter(None, map(self.prompts.get, PASSAGE_PROMPTS)), "")

    @property
    def prompt_default(self) -> str:
        """The text put before an input of no stated type."""
        return self.prompts.get(self.default_prompt_name or "") or ""

    @property
    def has_prompts(self) -> bool:
        """Whether a prompt is put before any kind of text; those for single tasks do not count."""
        return bool(self.prompt_query or self.prompt_passage or self.prompt_default)

    @property
    def unused_prompts(self) -> tuple[str, ...]:
        """The names of prompts for single tasks, which a client cannot ask for by name."""
        used = {"query", *PASSAGE_PROMPTS, self.default_prompt_name}
        return tuple(name for name, text in self.prompts.items() if text and name not in used)


def read(folder: Path, files: Collection[str]) -> Checkpoint:
    """Read the checkpoint in `folder`.

    A folder without ``modules.json`` is a plain transformer; like sentence-transformers we then
    pool by the mean, or a causal language model by the last token.

    Args:
        folder: Where at least the settings lie.
        files: Paths of all files that the checkpoint has, relative to `folder`; the weights and
            the tokenizer need not have been downloaded yet.

    Raises:
        ExportError: a file is missing or malformed, or names a module that is not supported.
    """
    stages = modules(folder)
    transformer = folder / stages[0][1] if stages else folder
    config = _json(transformer / "config.json")
    pooling: tuple[str, ...] = () if stages else (_plain_pooling(config),)
    dense: list[DenseConfig] = []
    normalize = False
    for kind, path in stages[1:]:
        if normalize or (kind == "Dense" and not pooling) or (kind == "Pooling" and pooling):
            raise ExportError(f"modules.json has '{kind}' where it cannot be exported")
        if kind == "Pooling":
            pooling = _pooling(folder / path)
        elif kind == "Dense":
            dense.append(_dense(folder / path))
        elif kind == "Normalize":
            normalize = True
    if not pooling:
        raise ExportError("modules.json names no Pooling module")
    settings = _sentence_transformers_settings(folder)
    checkpoint = Checkpoint(
        folder=folder,
        transformer=transformer,
        config=config,
        has_modules=bool(stages),
        pooling_modes=pooling,
        dense=tuple(dense),
        normalize=normalize,
        prompts=settings.get("prompts") or {},
        default_prompt_name=settings.get("default_prompt_name"),
        max_seq_length=_max_seq_length(_transformer_settings(transformer)),
        tokenizer_max_length=_tokenizer_max_length(transformer),
    )
    _check_files(checkpoint, files)
    return checkpoint


def modules(folder: Path) -> list[tuple[str, str]]:
    """Return (class name, sub-folder) of each module that ``modules.json`` lists."""
    stages: list[tuple[str, str]] = []
    for module in _json(folder / "modules.json", default=[]):
        package, _, kind = str(module.get("type", "")).rpartition(".")
        if kind not in MODULES or package.split(".")[0] != "sentence_transformers":
            raise ExportError(
                f"modules.json names '{module.get('type')}'; supported are {', '.join(MODULES)} "
                "of sentence-transformers"
            )
        path = PurePosixPath(module.get("path", ""))
        if path.is_absolute() or ".." in path.parts:
            raise ExportError(f"modules.json names '{path}', which is outside the checkpoint")
        stages.append((kind, "" if path == PurePosixPath() else str(path)))
    if stages and stages[0][0] != "Transformer":
        raise ExportError("modules.json does not begin with a Transformer")
    return stages


def _sentence_transformers_settings(folder: Path) -> dict[str, Any]:
    name = "config_sentence_transformers.json"
    settings: dict[str, Any] = _json(folder / name, default={})
    if (size := settings.get("truncate_dim")) is not None:
        raise ExportError(
            f"{name}: truncate_dim {size} is not supported: take it out, and use --matryoshka so "
            "that clients can ask for shorter vectors"
        )
    return settings


def _plain_pooling(config: dict[str, Any]) -> str:
    architectures = config.get("architectures") or [""]
    causal = architectures[0].endswith("ForCausalLM") and config.get("is_causal", True)
    return "lasttoken" if causal else "mean"


def _pooling(folder: Path) -> tuple[str, ...]:
    config = _json(folder / "config.json")
    if config.get("include_prompt") is False:
        raise ExportError(f"{folder.name}: include_prompt=false is not supported")
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for key, mode in LEGACY_POOLING_KEYS.items() if config.get(key)] or ["mean"]
    modes = (modes,) if isinstance(modes, str) else tuple(modes)
    if unknown := set(modes) - set(POOLING_MODES):
        raise ExportError(f"{folder.name}: unknown pooling mode '{unknown.pop()}'")
    return modes


def _dense(folder: Path) -> DenseConfig:
    config = _json(folder / "config.json")
    if config.get("use_residual") or config.get("module_input_name", "sentence_embedding") != (
        config.get("module_output_name") or "sentence_embedding"
    ):
        raise ExportError(f"{folder.name}: a residual or renamed Dense layer is not supported")
    if lacking := {"in_features", "out_features"} - config.keys():
        raise ExportError(f"{folder.name}: config.json does not say {min(lacking)}")
    named = config.get("activation_function", "torch.nn.modules.activation.Tanh")
    package, _, activation = str(named).rpartition(".")
    if not package.startswith("torch.nn") or activation not in ACTIVATIONS:
        raise ExportError(
            f"{folder.name}: activation '{named}' is not supported; supported are "
            f"{', '.join(ACTIVATIONS)}"
        )
    return DenseConfig(
        folder=folder,
        in_features=config["in_features"],
        out_features=config["out_features"],
        bias=config.get("bias", True),
        activation=activation,
    )


def _transformer_settings(transformer: Path) -> dict[str, Any]:
    for name in TRANSFORMER_SETTINGS:
        settings: dict[str, Any] = _json(transformer / name, default={})
        if "message" in (settings.get("modality_config") or {}):
            raise ExportError(
                f"{name}: modality_config has 'message': the model embeds texts as the chat "
                "template of its tokenizer renders them, which is not supported"
            )
        if settings:
            return settings
    return {}


def _max_seq_length(settings: dict[str, Any]) -> int | None:
    arguments = settings.get("processor_kwargs") or settings.get("tokenizer_args") or {}
    return arguments.get("model_max_length", settings.get("max_seq_length"))


def _tokenizer_max_length(transformer: Path) -> int:
    length = _json(transformer / "tokenizer_config.json", default={}).get("model_max_length")
    # transformers writes 1e30 for "unlimited".
    return int(min(length or sys.maxsize, sys.maxsize))


def _check_files(checkpoint: Checkpoint, files: Collection[str]) -> None:
    for folder in checkpoint.folders:
        if not any(name.endswith(".safetensors") for name in _names(checkpoint, folder, files)):
            raise ExportError(
                f"'{folder}' has no *.safetensors file (pickled weights are refused: loading "
                "them can run code; on the hub a pull request may have converted them: "
                "--revision refs/pr/N; else use sentence-transformers' save_pretrained)"
            )
    names = _names(checkpoint, checkpoint.transformer, files)
    if not names.intersection(TOKENIZER_FILES):
        raise ExportError(
            f"'{checkpoint.transformer}' has no tokenizer that can be read: it needs "
            f"tokenizer.json, else {' or '.join(TOKENIZER_FILES[1:])}"
        )


def _names(checkpoint: Checkpoint, folder: Path, files: Collection[str]) -> set[str]:
    """Return the names of the files that lie directly in `folder`."""
    where = PurePosixPath(folder.relative_to(checkpoint.folder))
    return {path.name for path in map(PurePosixPath, files) if path.parent == where}


def _json(path: Path, default: Any = None) -> Any:
    if not path.is_file():
        if default is None:
            raise ExportError(f"'{path}' is missing: this is not a checkpoint folder")
        return default
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExportError(f"'{path}' cannot be read: {error}") from error
    kind, name = (list, "a list") if isinstance(default, list) else (dict, "an object")
    if not isinstance(value, kind):
        raise ExportError(f"'{path}' cannot be read: it is not {name}")
    return value
