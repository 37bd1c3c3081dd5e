"""Reads a checkpoint in the sentence-transformers layout without running anything it contains."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from export.errors import ExportError

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

TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "sentencepiece.bpe.model")

HUB_FILES = ("*.json", "*.safetensors", "*.txt", "*.model")


@dataclass(frozen=True)
class DenseStage:
    """A linear layer after pooling; `folder` holds its ``model.safetensors``."""

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
    """

    folder: Path
    transformer: Path
    config: dict[str, Any]
    has_modules: bool = False
    pooling_modes: tuple[str, ...] = ("mean",)
    dense: tuple[DenseStage, ...] = ()
    normalize: bool = False
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt_name: str | None = None

    @property
    def prompt_query(self) -> str:
        """The text put before a query."""
        return self.prompts.get("query") or ""

    @property
    def prompt_passage(self) -> str:
        """The text put before a passage: sentence-transformers knows three names for it."""
        named = (self.prompts.get(name) for name in ("document", "passage", "corpus"))
        return next(filter(None, named), "")

    @property
    def prompt_default(self) -> str:
        """The text put before an input of no stated type."""
        return self.prompts.get(self.default_prompt_name or "") or ""


def locate(checkpoint: str) -> Path:
    """Return the folder of `checkpoint`, downloading it first if it is a hub id.

    Hub access follows ``huggingface_hub``: its cache, ``HF_TOKEN`` and ``HF_HUB_OFFLINE``.

    Raises:
        ExportError: there is no such folder and no such repository on the hub.
    """
    folder = Path(checkpoint).expanduser()
    if folder.is_dir():
        return folder.resolve()
    if folder.is_absolute() or checkpoint.startswith((".", "~")) or checkpoint.count("/") != 1:
        raise ExportError(f"there is no folder '{checkpoint}', and it is not a hub id (owner/name)")
    try:
        return Path(snapshot_download(checkpoint, allow_patterns=list(HUB_FILES)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ExportError(
            f"there is no folder '{checkpoint}', and it could not be had from the hub: {reason}"
        ) from error


def read(folder: Path) -> Checkpoint:
    """Read the checkpoint in `folder`.

    A folder without ``modules.json`` is a plain transformer; like sentence-transformers we then
    pool by the mean, or a causal language model by the last token.

    Raises:
        ExportError: a file is missing or malformed, or names a module that is not supported.
    """
    stages = _stages(folder)
    transformer = folder / stages[0][1] if stages else folder
    config = _json(transformer / "config.json")
    pooling: tuple[str, ...] = () if stages else (_plain_pooling(config),)
    dense: list[DenseStage] = []
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
    settings = _json(folder / "config_sentence_transformers.json", default={})
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
    )
    _check_files(checkpoint)
    return checkpoint


def _stages(folder: Path) -> list[tuple[str, str]]:
    """Return (class name, sub-folder) of each module that ``modules.json`` lists."""
    stages: list[tuple[str, str]] = []
    for module in _json(folder / "modules.json", default=[]):
        package, _, kind = str(module.get("type", "")).rpartition(".")
        if kind not in MODULES or package.split(".")[0] != "sentence_transformers":
            raise ExportError(
                f"modules.json names '{module.get('type')}'; supported are {', '.join(MODULES)} "
                "of sentence-transformers"
            )
        stages.append((kind, module.get("path", "")))
    if stages and stages[0][0] != "Transformer":
        raise ExportError("modules.json does not begin with a Transformer")
    return stages


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


def _dense(folder: Path) -> DenseStage:
    config = _json(folder / "config.json")
    if config.get("use_residual") or config.get("module_input_name", "sentence_embedding") != (
        config.get("module_output_name") or "sentence_embedding"
    ):
        raise ExportError(f"{folder.name}: a residual or renamed Dense layer is not supported")
    return DenseStage(
        folder=folder,
        in_features=config["in_features"],
        out_features=config["out_features"],
        bias=config.get("bias", True),
        activation=config.get("activation_function", "torch.nn.modules.activation.Tanh"),
    )


def _check_files(checkpoint: Checkpoint) -> None:
    for folder in (checkpoint.transformer, *(stage.folder for stage in checkpoint.dense)):
        if not any(folder.glob("*.safetensors")):
            raise ExportError(
                f"'{folder}' has no *.safetensors file (pickled weights are refused: loading "
                "them can run code; convert them with sentence-transformers' save_pretrained)"
            )
    if not any((checkpoint.transformer / name).is_file() for name in TOKENIZER_FILES):
        raise ExportError(
            f"'{checkpoint.transformer}' has no tokenizer (none of {', '.join(TOKENIZER_FILES)})"
        )


def _json(path: Path, default: Any = None) -> Any:
    if not path.is_file():
        if default is None:
            raise ExportError(f"'{path}' is missing: this is not a checkpoint folder")
        return default
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExportError(f"'{path}' cannot be read: {error}") from error
