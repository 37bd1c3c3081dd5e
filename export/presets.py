"""Published values of well-known models, for settings that a checkpoint's files do not define."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from triton_embed.contract import naming
from triton_embed.export.precedence import SpecOverrides

SEARCH = "Represent this sentence for searching relevant passages: "
SEARCH_ZH = "为这个句子生成表示以用于检索相关文章："
WEB_SEARCH = (
    "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: "
)

MEAN = SpecOverrides(pooling=("mean",), normalize=True)
CLS = SpecOverrides(pooling=("cls",), normalize=True)
LAST = SpecOverrides(pooling=("lasttoken",), normalize=True)

E5 = SpecOverrides(**MEAN, prompt_query="query: ", prompt_passage="passage: ")
NOMIC = SpecOverrides(**MEAN, prompt_query="search_query: ", prompt_passage="search_document: ")
# The instruction is optional: requests without an input type omit it.
BGE = SpecOverrides(**CLS, prompt_query=SEARCH, requires_input_type=False)
BGE_ZH = SpecOverrides(**CLS, prompt_query=SEARCH_ZH, requires_input_type=False)
ARCTIC = SpecOverrides(**CLS, prompt_query=SEARCH)
# The family defines pooling and normalization.
NEMOTRON = SpecOverrides(prompt_query="query: ", prompt_passage="passage: ", max_tokens=8192)

PRESETS: tuple[tuple[str, SpecOverrides], ...] = (
    (
        "intfloat/multilingual-e5-large-instruct",
        SpecOverrides(**MEAN, prompt_query=WEB_SEARCH),
    ),
    ("intfloat/e5-mistral-7b-instruct", SpecOverrides(**LAST, prompt_query=WEB_SEARCH)),
    ("intfloat/multilingual-e5-*", E5),
    ("intfloat/e5-small*", E5),
    ("intfloat/e5-base*", E5),
    ("intfloat/e5-large*", E5),
    ("baai/bge-*-en", BGE),
    ("baai/bge-*-en-v1.5", BGE),
    ("baai/bge-*-zh", BGE_ZH),
    ("baai/bge-*-zh-v1.5", BGE_ZH),
    ("baai/bge-m3", CLS),
    ("snowflake/snowflake-arctic-embed-m-v1.5", SpecOverrides(**ARCTIC, matryoshka=(256, 768))),
    ("snowflake/snowflake-arctic-embed-m-v2.0", SpecOverrides(**CLS, prompt_query="query: ")),
    (
        "snowflake/snowflake-arctic-embed-l-v2.0",
        SpecOverrides(**CLS, prompt_query="query: ", matryoshka=(256, 1024)),
    ),
    ("snowflake/snowflake-arctic-embed-*", ARCTIC),
    ("snowflake/arctic-embed-*", ARCTIC),
    ("nomic-ai/nomic-embed-text-v1", NOMIC),
    ("nomic-ai/nomic-embed-text-v1.5", SpecOverrides(**NOMIC, matryoshka=(64, 128, 256, 512, 768))),
    ("nomic-ai/modernbert-embed-base", SpecOverrides(**NOMIC, matryoshka=(256, 768))),
    (
        # Whether its vectors are normalized is not stated where its usage is published.
        "mixedbread-ai/mxbai-embed-large-v1",
        SpecOverrides(
            prompt_query=SEARCH, requires_input_type=False, matryoshka=(), pooling=("cls",)
        ),
    ),
    ("qwen/qwen3-embedding-*", SpecOverrides(**LAST, matryoshka=())),
    # Its dense layers are defined by modules.json only, so that pooling alone would be wrong.
    ("google/embeddinggemma-300m", SpecOverrides(matryoshka=(128, 256, 512, 768))),
    (
        "nvidia/llama-3.2-nv-embedqa-1b-v2",
        SpecOverrides(**NEMOTRON, matryoshka=(384, 512, 768, 1024, 2048)),
    ),
    (
        "nvidia/llama-nemotron-embed-1b-v2",
        SpecOverrides(**NEMOTRON, matryoshka=(384, 512, 768, 1024, 2048)),
    ),
    # The maximum for an image with a text; NVIDIA documents vectors that can be shortened.
    (
        "nvidia/llama-3.2-nemoretriever-1b-vlm-embed-v1",
        SpecOverrides(**{**NEMOTRON, "max_tokens": 10240}, matryoshka=()),
    ),
    (
        "nvidia/llama-nemotron-embed-vl-1b-v2",
        SpecOverrides(**{**NEMOTRON, "max_tokens": 10240}, matryoshka=()),
    ),
    ("nvidia/llama-3.2-nemoretriever-300m-embed-v1", NEMOTRON),
    ("nvidia/llama-3.2-nemoretriever-300m-embed-v2", SpecOverrides(**NEMOTRON, matryoshka=())),
    ("nvidia/llama-nemotron-embed-300m-v2", SpecOverrides(**NEMOTRON, matryoshka=())),
    (
        "nvidia/nemotron-3-embed-*",
        SpecOverrides(**MEAN, prompt_query="query: ", prompt_passage="document: "),
    ),
    (
        "nvidia/nemotron-3.5-embed-*",
        SpecOverrides(**MEAN, prompt_query="query: ", prompt_passage="passage: ", matryoshka=()),
    ),
    ("sentence-transformers/all-minilm-*", MEAN),
    ("sentence-transformers/all-mpnet-*", MEAN),
    ("sentence-transformers/all-distilroberta-*", MEAN),
    ("sentence-transformers/multi-qa-*-cos-v1", MEAN),
    ("thenlper/gte-*", MEAN),
    ("ibm-granite/granite-embedding-*", CLS),
)
"""Patterns of hub ids in lower case; the first match is used."""

SENTENCE_TRANSFORMERS = tuple(
    f"sentence-transformers/{pattern}"
    for pattern in (
        *("all-*", "distiluse-*", "gtr-t5-*", "labse", "msmarco-*", "multi-qa-*", "paraphrase-*"),
        *("sentence-t5-*", "stsb-*"),
    )
)
"""Patterns of ids that are often written without their owner."""

OWNERS = {"baai": "BAAI", "qwen": "Qwen", "snowflake": "Snowflake"}
"""Owners whose names have capital letters."""


@dataclass(frozen=True)
class Preset:
    """The published values for a model.

    Attributes:
        values: The values; empty if the model is not known.
        folder_id: The known id, in lower case, that the name of a folder matches; ``None``: the
            values were found by the model's own id.
    """

    values: SpecOverrides
    folder_id: str | None = None


def preset_for(hub_id: str) -> SpecOverrides:
    """Return the published values for `hub_id`, in any case; none if no pattern matches."""
    name = hub_id.lower()
    return next(
        (values for pattern, values in PRESETS if fnmatchcase(name, pattern)), SpecOverrides()
    )


def find_preset(source: str, model_id: str) -> Preset:
    """Return the published values for a checkpoint.

    They are looked up by its hub id, which may be part of its path, then by its public id, then by
    the name of its folder.

    Args:
        source: The hub id, or the absolute path of a folder.
        model_id: The public id.
    """
    for known in filter(None, (naming.hub_id(source), model_id)):
        if values := preset_for(known):
            return Preset(values)
    if naming.hub_id(source) is None:
        for known in _ids_of_folder(PurePosixPath(source)):
            if values := preset_for(known):
                return Preset(values, known)
    return Preset(SpecOverrides())


def suggested_ids(name: str) -> list[str]:
    """Return the hub ids of well-known models that have `name` after their owner's name."""
    owners = [*_owners(name.lower()), *_owners(name.lower(), SENTENCE_TRANSFORMERS)]
    return [f"{OWNERS.get(owner, owner)}/{name}" for owner in dict.fromkeys(owners)]


def _owners(name: str, patterns: Iterable[str] | None = None) -> Iterator[str]:
    """Yield the owners of the patterns, by default those of `PRESETS`, that `name` matches."""
    for each in patterns or (pattern for pattern, _ in PRESETS):
        owner, _, pattern = each.partition("/")
        if fnmatchcase(name, pattern):
            yield owner


def _ids_of_folder(folder: PurePosixPath) -> Iterator[str]:
    """Yield the hub ids that a folder may have been downloaded from, the most probable first.

    Downloads name their folders ``owner/name``, ``owner--name`` or ``owner_name``, and the cache of
    ModelScope writes dots as ``___``.
    """
    name = folder.name.lower().replace("___", ".")
    yield f"{folder.parent.name}/{name}".lower()
    for separator in re.finditer("--|__|_", name):
        yield f"{name[: separator.start()]}/{name[separator.end() :]}"
    for owner in _owners(name):
        yield f"{owner}/{name}"
