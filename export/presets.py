"""Published usage of well-known models whose files do not define it."""

from __future__ import annotations

from fnmatch import fnmatchcase

from triton_embed.export.precedence import SpecOverrides

SEARCH = "Represent this sentence for searching relevant passages: "
SEARCH_ZH = "为这个句子生成表示以用于检索相关文章："
WEB_SEARCH = (
    "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: "
)

E5 = SpecOverrides(prompt_query="query: ", prompt_passage="passage: ")
NOMIC = SpecOverrides(prompt_query="search_query: ", prompt_passage="search_document: ")
# The instruction is optional: requests without an input type omit it.
BGE = SpecOverrides(prompt_query=SEARCH, requires_input_type=False)
BGE_ZH = SpecOverrides(prompt_query=SEARCH_ZH, requires_input_type=False)
NEMOTRON = SpecOverrides(**E5, max_tokens=8192)

PRESETS: tuple[tuple[str, SpecOverrides], ...] = (
    ("intfloat/multilingual-e5-large-instruct", SpecOverrides(prompt_query=WEB_SEARCH)),
    ("intfloat/e5-mistral-7b-instruct", SpecOverrides(prompt_query=WEB_SEARCH)),
    ("intfloat/multilingual-e5-*", E5),
    ("intfloat/e5-small*", E5),
    ("intfloat/e5-base*", E5),
    ("intfloat/e5-large*", E5),
    ("baai/bge-*-en", BGE),
    ("baai/bge-*-en-v1.5", BGE),
    ("baai/bge-*-zh", BGE_ZH),
    ("baai/bge-*-zh-v1.5", BGE_ZH),
    (
        "snowflake/snowflake-arctic-embed-m-v1.5",
        SpecOverrides(prompt_query=SEARCH, matryoshka=(256, 768)),
    ),
    ("snowflake/snowflake-arctic-embed-m-v2.0", SpecOverrides(prompt_query="query: ")),
    (
        "snowflake/snowflake-arctic-embed-l-v2.0",
        SpecOverrides(prompt_query="query: ", matryoshka=(256, 1024)),
    ),
    ("snowflake/snowflake-arctic-embed-*", SpecOverrides(prompt_query=SEARCH)),
    ("snowflake/arctic-embed-*", SpecOverrides(prompt_query=SEARCH)),
    ("nomic-ai/nomic-embed-text-v1", NOMIC),
    ("nomic-ai/nomic-embed-text-v1.5", SpecOverrides(**NOMIC, matryoshka=(64, 128, 256, 512, 768))),
    ("nomic-ai/modernbert-embed-base", SpecOverrides(**NOMIC, matryoshka=(256, 768))),
    ("mixedbread-ai/mxbai-embed-large-v1", SpecOverrides(**BGE, matryoshka=())),
    ("qwen/qwen3-embedding-*", SpecOverrides(matryoshka=())),
    ("google/embeddinggemma-300m", SpecOverrides(matryoshka=(128, 256, 512, 768))),
    (
        "nvidia/llama-3.2-nv-embedqa-1b-v2",
        SpecOverrides(**NEMOTRON, matryoshka=(384, 512, 768, 1024, 2048)),
    ),
    (
        "nvidia/llama-nemotron-embed-1b-v2",
        SpecOverrides(**NEMOTRON, matryoshka=(384, 512, 768, 1024, 2048)),
    ),
    ("nvidia/llama-3.2-nemoretriever-300m-embed-v1", NEMOTRON),
    ("nvidia/llama-3.2-nemoretriever-300m-embed-v2", SpecOverrides(**NEMOTRON, matryoshka=())),
    ("nvidia/llama-nemotron-embed-300m-v2", SpecOverrides(**NEMOTRON, matryoshka=())),
    (
        "nvidia/nemotron-3-embed-*",
        SpecOverrides(prompt_query="query: ", prompt_passage="document: "),
    ),
)
"""Patterns of hub ids in lower case; the first match is used."""


def preset_for(model_id: str) -> SpecOverrides:
    """Return the published values for `model_id`, in any case; none if no pattern matches."""
    name = model_id.lower()
    return next(
        (values for pattern, values in PRESETS if fnmatchcase(name, pattern)), SpecOverrides()
    )
