"""``POST /v1/embeddings``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fastapi import APIRouter, Request, Response

from contract.options import Options
from gateway import response, schema
from gateway.catalog import Catalog, Model
from gateway.state import state
from gateway.triton import Embedded, Triton

router = APIRouter(tags=["embeddings"])

REQUEST_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": schema.EmbeddingRequest.model_json_schema()}},
    }
}


@router.post("/v1/embeddings", summary="Embed texts", openapi_extra=REQUEST_BODY)
async def create_embeddings(request: Request) -> Response:
    """Return one vector per input, in input order."""
    shared = state(request)
    body = await answer(await request.body(), shared.catalog, shared.triton)
    return Response(body, media_type="application/json")


async def answer(body: bytes, catalog: Catalog, triton: Triton) -> bytes:
    """Return the answer to the request in `body`.

    Raises:
        EmbedError: the request is wrong, or Triton could not answer it.
    """
    asked = schema.parse(body)
    model, suffix = catalog.resolve(asked.model)
    options = asked.options(suffix)
    model.card.check(options)
    inputs = asked.inputs()
    asked.check_modality(len(inputs))
    chunks = await embed(triton, model, inputs, options)
    return response.encode(model.card.model_id, chunks, asked.encoding_format or "float")


async def embed(
    triton: Triton, model: Model, inputs: Sequence[bytes], options: Options
) -> list[Embedded]:
    """Embed `inputs` in as many concurrent Triton requests as the model's batch size asks for.

    Raises:
        EmbedError: one of them failed; the others are cancelled.
    """
    size = model.max_batch_size
    tasks = [
        asyncio.ensure_future(triton.embed(model.name, inputs[start : start + size], options))
        for start in range(0, len(inputs), size)
    ]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
