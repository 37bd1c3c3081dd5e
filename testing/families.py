"""Small checkpoints of every model family, each exported once a run into one repository."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from transformers import (
    AutoModel,
    BertConfig,
    CamembertConfig,
    DistilBertConfig,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaModel,
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

from testing import nomic
from testing.checkpoints import edit_json, tiny_checkpoint, write_json
from testing.vocabularies import write_tokenizer
from triton_embed.contract.naming import triton_model_name
from triton_embed.export.__main__ import main
from triton_embed.export.families.registry import LlamaBidirectionalConfig

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 130,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
GROUPED = {**SIZES, "num_key_value_heads": 2}
LAYERS = ["sliding_attention", "full_attention"]

BOTH, FIRST, LAST = "<first> $A <last>", "<first> $A", "$A <last>"

Encoder = Callable[[list[int]], torch.Tensor]
"""Makes hidden states [1, tokens, hidden] of token ids."""


@dataclass(frozen=True)
class Case:
    """A small checkpoint.

    Attributes:
        config: Of the transformer.
        tokenizer: See `write_tokenizer`, as `template`.
        template: See `tokenizer`.
        pooling: A pooling mode.
        dense: Sizes of the Dense layers.
        max_seq_length: What the checkpoint's files say.
        max_tokens: What the model spec must say.
        query: Prompt of queries.
        passage: Prompt of passages.
        plain: Prompt of a text of no stated type.
        matryoshka: Value of the flag.
        edit: Makes the folder what official ones look like.
        encoder: Loads the reference, to be followed by mean pooling and L2 normalisation; by
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


def _as_nvidias(folder: Path) -> None:
    """Make a Llama what NVIDIA's are: its code is named in ``auto_map``, and must never run."""
    config = json.loads((folder / "config.json").read_text())
    del config["is_causal"]
    module = "llama_bidirectional_model"
    config |= {
        "architectures": ["LlamaBidirectionalModel"],
        "auto_map": {
            "AutoConfig": f"{module}.LlamaBidirectionalConfig",
            "AutoModel": f"{module}.LlamaBidirectionalModel",
        },
        "pooling": "avg",
    }
    write_json(folder / "config.json", config)
    marker = folder / "executed"
    (folder / f"{module}.py").write_text(f"open({str(marker)!r}, 'w')\nraise SystemExit\n")


MODULES = ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json")


def _as_nvidias_without_modules(folder: Path) -> None:
    _as_nvidias(folder)
    for name in MODULES:
        (folder / name).unlink()


def _llama_seeing_everything(folder: Path) -> Encoder:
    """Return plain Llama with a mask that hides nothing."""
    settings = json.loads((folder / "config.json").read_text())
    for name in ("model_type", "auto_map", "architectures"):
        settings.pop(name)
    model = LlamaModel.from_pretrained(
        folder, config=LlamaConfig(**settings), dtype=torch.float32, attn_implementation="eager"
    )

    def encode(ids: list[int]) -> torch.Tensor:
        mask = torch.zeros(1, 1, len(ids), len(ids))
        return model(torch.tensor([ids]), attention_mask=mask).last_hidden_state

    return encode


NOMIC = NomicBertConfig(**{**SIZES, "intermediate_size": 256, "max_position_embeddings": 2048})


def _as_nomics(folder: Path) -> None:
    """Write ``config.json`` as in nomic-embed-text-v1: GPT-2's names, and code on the hub."""
    repository = "nomic-ai/nomic-bert-2048"
    vocabulary = json.loads((folder / "config.json").read_text())["vocab_size"]
    official = {
        "architectures": ["NomicBertModel"],
        "auto_map": {
            "AutoConfig": f"{repository}--configuration_hf_nomic_bert.NomicBertConfig",
            "AutoModel": f"{repository}--modeling_hf_nomic_bert.NomicBertModel",
        },
        "model_type": "nomic_bert",
        "activation_function": "swiglu",
        "causal": False,
        "layer_norm_epsilon": 1e-12,
        "max_trained_positions": 2048,
        "mlp_fc1_bias": False,
        "mlp_fc2_bias": False,
        "n_embd": NOMIC.hidden_size,
        "n_head": NOMIC.num_attention_heads,
        "n_inner": NOMIC.intermediate_size,
        "n_layer": NOMIC.num_hidden_layers,
        "n_positions": 8192,
        "pad_vocab_size_multiple": 1,
        "parallel_block": False,
        "prenorm": False,
        "qkv_proj_bias": False,
        "rotary_emb_base": 1000,
        "rotary_emb_fraction": 1.0,
        "rotary_emb_interleaved": False,
        "rotary_emb_scale_base": None,
        "rotary_scaling_factor": None,
        "type_vocab_size": 2,
        "use_flash_attn": True,
        "use_rms_norm": False,
        "vocab_size": vocabulary,
    }
    write_json(folder / "config.json", official)


def _as_plain_causal(folder: Path) -> None:
    edit_json(folder / "config.json", architectures=["LlamaForCausalLM"])
    for name in MODULES:
        (folder / name).unlink()


def _in_half_precision(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    halves = {name: value.to(torch.bfloat16) for name, value in weights.items()}
    save_file(halves, folder / "model.safetensors", {"format": "pt"})
    edit_json(folder / "config.json", dtype="bfloat16")


def _in_shards(folder: Path) -> None:
    model = AutoModel.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="50KB")
    assert len(list(folder.glob("*.safetensors"))) > 1


CASES = {
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
        edit=_as_plain_causal,
    ),
    "llama-bidirectional-by-flag": Case(LlamaConfig(**GROUPED, is_causal=False), template=FIRST),
    "llama-nemotron-embed": Case(
        LlamaBidirectionalConfig(**GROUPED),
        template=FIRST,
        matryoshka="8,16,32",
        query="query: ",
        passage="passage: ",
        edit=_as_nvidias,
        encoder=_llama_seeing_everything,
    ),
    "llama-nemotron-embed-without-modules": Case(
        LlamaBidirectionalConfig(**GROUPED),
        template=FIRST,
        max_tokens=130,
        query="query: ",
        passage="passage: ",
        edit=_as_nvidias_without_modules,
        encoder=_llama_seeing_everything,
    ),
    "mistral-bidirectional-by-flag": Case(
        MistralConfig(**GROUPED, is_causal=False, sliding_window=None), template=FIRST
    ),
    "mistral-sliding": Case(
        MistralConfig(**GROUPED, sliding_window=8),
        pooling="lasttoken",
        edit=_in_shards,
    ),
    "modernbert": Case(
        ModernBertConfig(**SIZES, local_attention=16, layer_types=LAYERS),
        query="search_query: ",
        passage="search_document: ",
        matryoshka="any",
    ),
    "mpnet": Case(MPNetConfig(**SIZES), "wordpiece", plain="text: "),
    "nemotron-3-embed": Case(
        Ministral3Config(**GROUPED, head_dim=16, is_causal=False),
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
        edit=_as_nomics,
        encoder=nomic.load,
    ),
    "qwen3-embedding": Case(
        Qwen3Config(**GROUPED, head_dim=16),
        template=LAST,
        pooling="lasttoken",
        max_seq_length=120,
        max_tokens=120,
        matryoshka="any",
        query="Instruct: Find what answers the question\nQuery:",
        edit=_in_half_precision,
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
"""By model id."""


class Families:
    """Makes and exports each of `CASES` when it is first asked for.

    Args:
        folder: Where everything is written; several processes may have the same.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.repository = folder / "repository"
        self._folder = folder

    @contextmanager
    def _alone(self, work: str) -> Iterator[None]:
        """Keep other processes from doing the same `work`."""
        with open(self._folder / f"{work}.lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def checkpoint(self, name: str) -> Path:
        """Return the checkpoint's folder."""
        folder = self._folder / name
        with self._alone(name):
            if not folder.exists():
                self._write(folder, CASES[name])
        return folder

    def _write(self, folder: Path, case: Case) -> None:
        tokenizer = self._folder / "tokenizers" / folder.name
        case.config.vocab_size = write_tokenizer(tokenizer, case.tokenizer, case.template)
        prompts = {"query": case.query, "document": case.passage, "plain": case.plain}
        tiny_checkpoint(
            folder,
            tokenizer,
            config=case.config,
            pooling=(case.pooling,),
            dense=case.dense,
            max_seq_length=case.max_seq_length,
            prompts={name: prompt for name, prompt in prompts.items() if prompt},
        )
        if case.plain:
            edit_json(folder / "config_sentence_transformers.json", default_prompt_name="plain")
        case.edit(folder)

    def exported(self, name: str) -> Path:
        """Return the model repository, which from now on holds the model `name`."""
        arguments = [str(self.checkpoint(name)), "--model-repository", str(self.repository)]
        if (matryoshka := CASES[name].matryoshka) is not None:
            arguments += ["--matryoshka", matryoshka]
        with self._alone(f"{name}.export"):
            if not (self.repository / triton_model_name(name)).exists():
                assert main(arguments) == 0, name
        return self.repository

    def reference(
        self, name: str, texts: Sequence[str], prompts: Sequence[str]
    ) -> list[NDArray[np.float32]]:
        """Return what the reference makes of `texts` with each of `prompts`."""
        folder, load = self.checkpoint(name), CASES[name].encoder
        if load is None:
            model = SentenceTransformer(
                str(folder), device="cpu", model_kwargs={"dtype": torch.float32}
            )
            model.max_seq_length = CASES[name].max_tokens
            return [model.encode(list(texts), prompt=prompt) for prompt in prompts]
        encoder = load(folder)
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.enable_truncation(CASES[name].max_tokens)
        return [
            np.stack([_mean(encoder, tokenizer.encode(prompt + text).ids) for text in texts])
            for prompt in prompts
        ]


def _mean(encoder: Encoder, ids: list[int]) -> NDArray[np.float32]:
    with torch.no_grad():
        mean = encoder(ids)[0].mean(0)
    return np.asarray(torch.nn.functional.normalize(mean, dim=0))
