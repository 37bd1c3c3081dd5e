"""The modules after the transformer: Pooling, then Dense, LayerNorm, Normalize and Dropout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from triton_embed.export.checkpoint.files import read_json
from triton_embed.export.checkpoint.model import (
    DenseConfig,
    HeadModule,
    LayerNormConfig,
    NormalizeConfig,
)
from triton_embed.export.checkpoint.modules import CLIP, Module
from triton_embed.export.checkpoint.pooling import pools_prompt, read_pooling
from triton_embed.export.checkpoint.settings import Settings
from triton_embed.export.errors import ExportError

ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "SiLU", "Sigmoid")
"""Classes of ``torch.nn`` that may follow a Dense layer."""


@dataclass(frozen=True)
class Head:
    """The modules after the transformer.

    Attributes:
        pooling_modes: One or more of `pooling.POOLING_MODES`.
        pools_prompt: Whether the tokens of the prompt are pooled, too.
        modules: The modules after pooling, in order.
    """

    pooling_modes: tuple[str, ...]
    pools_prompt: bool = True
    modules: tuple[HeadModule, ...] = ()


def read_head(folder: Path, modules: Sequence[Module]) -> Head:
    """Return the modules after the transformer.

    Args:
        folder: The checkpoint's root.
        modules: All modules, the transformer first.

    Raises:
        ExportError: Pooling is not the second module or not the only one, or a module is malformed.
    """
    transformer, *others = modules
    if transformer.kind == CLIP:
        # It pools the end token.
        return Head(("lasttoken",), modules=_read_modules(folder, others))
    if not others or others[0].kind != "Pooling":
        raise ExportError("modules.json names no Pooling module after the Transformer")
    pooling = folder / others[0].path
    return Head(read_pooling(pooling), pools_prompt(pooling), _read_modules(folder, others[1:]))


def _read_modules(folder: Path, modules: Sequence[Module]) -> tuple[HeadModule, ...]:
    """Return the modules after pooling, without Dropout, which does nothing at inference."""
    head: list[HeadModule] = []
    for module in modules:
        if module.kind == "Dense":
            head.append(_read_dense(folder / module.path))
        elif module.kind == "LayerNorm":
            head.append(_read_layer_norm(folder / module.path))
        elif module.kind == "Normalize":
            head.append(NormalizeConfig())
        elif module.kind != "Dropout":
            raise ExportError(f"modules.json has '{module.kind}' at an unsupported position")
    return tuple(head)


def _read_layer_norm(folder: Path) -> LayerNormConfig:
    return LayerNormConfig(folder, _required_size(_settings(folder), "dimension"))


def _read_dense(folder: Path) -> DenseConfig:
    settings = _settings(folder)
    name = settings.text("module_input_name") or "sentence_embedding"
    output = settings.text("module_output_name") or "sentence_embedding"
    if settings.flag("use_residual") or name != output:
        raise ExportError(f"{folder.name}: a residual or renamed Dense layer is not supported")
    function = settings.text("activation_function") or "torch.nn.modules.activation.Tanh"
    package, _, activation = function.rpartition(".")
    if not package.startswith("torch.nn") or activation not in ACTIVATIONS:
        raise ExportError(
            f"{folder.name}: activation '{function}' is not supported; supported are "
            f"{', '.join(ACTIVATIONS)}"
        )
    return DenseConfig(
        folder=folder,
        in_features=_required_size(settings, "in_features"),
        out_features=_required_size(settings, "out_features"),
        bias=settings.flag("bias") is not False,
        activation=activation,
    )


def _settings(folder: Path) -> Settings:
    return Settings(f"{folder.name}/config.json", read_json(folder / "config.json"))


def _required_size(settings: Settings, key: str) -> int:
    size = settings.integer(key)
    if size is None:
        raise ExportError(f"{settings.file} does not define {key}")
    return size
