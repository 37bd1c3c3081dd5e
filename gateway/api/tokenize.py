"""``POST /v1/tokenize``: the tokens of texts, as the model reads them."""

from __future__ import annotations

from time import perf_counter
from typing import Annotated, Literal

import orjson
from fastapi import Request, Response
from pydantic import BaseModel, Field

from triton_embed.gateway.api import inference, routes
from triton_embed.gateway.api.response import Usage
from triton_embed.gateway.request_details import RequestDetails
from triton_embed.gateway.services import Services
from triton_embed.gateway.triton.batch import EmbeddingBatch
from triton_embed.gateway.triton.job import EmbedJob

router = routes.router("tokenize")


class Tokens(BaseModel):
    """The tokens of one text, prompt and special tokens included."""

    object: Literal["tokens"]
    index: Annotated[int, Field(description="Position of the input.")]
    token_ids: list[int]
    count: int


class TokenizeResponse(BaseModel):
    """The tokens of each text, in input order."""

    object: Literal["list"]
    data: list[Tokens]
    model: str
    max_tokens: Annotated[
        int, Field(description="Maximum tokens of a text that is embedded without truncation.")
    ]
    usage: Usage


# TEI and vLLM have this path without a version.
@router.post("/tokenize", include_in_schema=False)
@router.post(
    "/v1/tokenize",
    summary="Count the tokens of texts",
    openapi_extra=inference.REQUEST_BODY,
    response_model=TokenizeResponse,
)
async def tokenize(request: Request) -> Response:
    """Return the token ids of each text: all of them, unless `truncate` is `START` or `END`.

    The body is that of `/v1/embeddings`; options of the vectors have no effect.
    """
    return await inference.respond(request, _respond)


async def _respond(body: bytes, services: Services, details: RequestDetails) -> bytes:
    """Return the response to the request in `body`, and record the request in `details`.

    Raises:
        ApiError: the request is invalid, or cannot be served now.
    """
    started = perf_counter()
    job, _ = await inference.read_job(body, services, details, tokenize_only=True)
    phases = services.metrics.of_model(job.model.spec.model_id).phases
    phases.parse.observe(perf_counter() - started)
    batches = await services.scheduler.embed(job)
    details.tokens = sum(batch.tokens for batch in batches)
    started = perf_counter()
    content = _encode(job, batches, details.tokens)
    phases.serialize.observe(perf_counter() - started)
    return content


def _encode(job: EmbedJob, batches: list[EmbeddingBatch], tokens: int) -> bytes:
    rows = [row for batch in batches for row in batch.vectors]
    data = [
        {"object": "tokens", "index": index, "token_ids": row, "count": len(row)}
        for index, row in enumerate(rows)
    ]
    body = {
        "object": "list",
        "data": data,
        "model": job.model.spec.model_id,
        "max_tokens": job.token_limit,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
