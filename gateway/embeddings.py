"""``POST /v1/embeddings``."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from time import perf_counter
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from contract.errors import ClientLeft, InvalidRequest, Unavailable
from gateway import response, schema
from gateway.state import State, state

router = APIRouter(tags=["embeddings"])

REQUEST_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": schema.EmbeddingRequest.model_json_schema()}},
    }
}


@router.post(
    "/v1/embeddings",
    summary="Embed texts",
    openapi_extra=REQUEST_BODY,
    response_model=schema.EmbeddingResponse,
)
async def create_embeddings(request: Request) -> Response:
    """Return one vector per input, in input order."""
    try:
        body = await request.body()
    except ClientDisconnect:
        raise ClientLeft from None
    answer = await _unless_client_leaves(request, _answer(body, state(request)))
    return Response(answer, media_type="application/json")


async def _answer(body: bytes, shared: State) -> bytes:
    """Return the answer to the request in `body`.

    Raises:
        EmbedError: the request is wrong, or cannot be answered now.
    """
    started = perf_counter()
    asked = schema.parse(body)
    model, suffix = shared.catalog.resolve(asked.model)
    model_id = model.card.model_id
    metrics = shared.metrics
    options = asked.options(suffix)
    model.card.check(options)
    inputs = asked.inputs(model.card)
    metrics.add_phase(model_id, "parse", perf_counter() - started)
    if len(inputs) > shared.settings.max_inputs:
        raise InvalidRequest(
            f"'input' has {len(inputs)} inputs, at most {shared.settings.max_inputs} are allowed",
            param="input",
        )
    try:
        with shared.admission.admit(len(inputs)) as on_answer:
            pieces = await shared.embedder.embed(model, inputs, options, on_answer)
    except Unavailable as error:
        metrics.rejected.labels(error.code).inc()
        raise
    metrics.inputs.labels(model_id).inc(len(inputs))
    metrics.request_inputs.labels(model_id).observe(len(inputs))
    metrics.tokens.labels(model_id).inc(sum(piece.tokens for piece in pieces))
    started = perf_counter()
    answer = response.encode(model_id, pieces, asked.encoding_format or "float")
    metrics.add_phase(model_id, "serialize", perf_counter() - started)
    return answer


async def _unless_client_leaves(request: Request, work: Coroutine[Any, Any, bytes]) -> bytes:
    """Return what `work` returns; cancel it if the client closes the connection before."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_until_client_leaves(request))
    try:
        await asyncio.wait([working, leaving], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            working.cancel()
            await asyncio.wait([working])
            raise ClientLeft
        return await working
    finally:
        leaving.cancel()
        working.cancel()


async def _until_client_leaves(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
