"""Embed the texts of a file with another client, and print the seconds that it takes.

``python corpus_rivals.py NAME URL MODEL FILE`` runs in the environment of the client, so that it
imports only the standard library and the client.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

LIST_SIZE = 32
"""Texts of each request in a plain loop, as in most examples."""

IN_FLIGHT = 8
"""Requests in flight of the asynchronous loop."""


def openai_loop(url: str, model: str, texts: list[str]) -> None:
    """Send one request after the other."""
    from openai import OpenAI

    client = OpenAI(base_url=f"{url}/v1", api_key="unused")
    for start in range(0, len(texts), LIST_SIZE):
        chunk = texts[start : start + LIST_SIZE]
        client.embeddings.create(model=model, input=chunk, extra_body={"truncate": "END"})


def openai_async(url: str, model: str, texts: list[str]) -> None:
    """Keep `IN_FLIGHT` requests in flight."""
    from openai import AsyncOpenAI

    async def run() -> None:
        client = AsyncOpenAI(base_url=f"{url}/v1", api_key="unused")
        limit = asyncio.Semaphore(IN_FLIGHT)

        async def send(chunk: list[str]) -> None:
            async with limit:
                extra = {"truncate": "END"}
                await client.embeddings.create(model=model, input=chunk, extra_body=extra)

        starts = range(0, len(texts), LIST_SIZE)
        await asyncio.gather(*(send(texts[each : each + LIST_SIZE]) for each in starts))

    asyncio.run(run())


def langchain(url: str, model: str, texts: list[str]) -> None:
    """Embed all documents in one call."""
    from langchain_openai import OpenAIEmbeddings

    OpenAIEmbeddings(
        model=model,
        base_url=f"{url}/v1",
        api_key="unused",
        check_embedding_ctx_length=False,
        model_kwargs={"extra_body": {"truncate": "END"}},
    ).embed_documents(texts)


RIVALS: dict[str, Callable[[str, str, list[str]], None]] = {
    "openai": openai_loop,
    "openai-async": openai_async,
    "langchain": langchain,
}


def main(name: str, url: str, model: str, file: str) -> None:
    """Embed a few texts, so that everything is imported and connected, then all of them."""
    texts = Path(file).read_text(encoding="utf-8").splitlines()
    RIVALS[name](url, model, texts[:2])
    start = perf_counter()
    RIVALS[name](url, model, texts)
    print(perf_counter() - start)


if __name__ == "__main__":
    main(*sys.argv[1:])
