"""The classes of NVIDIA's bidirectional Llama, without its remote code."""

from __future__ import annotations

from transformers import AutoConfig, AutoModel, LlamaConfig, LlamaModel


class LlamaBidirectionalConfig(LlamaConfig):
    """The configuration of NVIDIA's text embedders."""

    model_type = "llama_bidirec"
    # transformers then builds no causal mask, and passes the value to the attention function.
    is_causal: bool = False


class LlamaBidirectionalModel(LlamaModel):
    """The model of NVIDIA's text embedders."""

    config_class = LlamaBidirectionalConfig


def register() -> None:
    """Register both classes with ``AutoConfig`` and ``AutoModel``."""
    AutoConfig.register("llama_bidirec", LlamaBidirectionalConfig, exist_ok=True)
    AutoModel.register(LlamaBidirectionalConfig, LlamaBidirectionalModel, exist_ok=True)
