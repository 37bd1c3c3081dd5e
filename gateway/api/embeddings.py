"""``POST /v1/embeddings``."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from time import perf_counter
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from triton_embed.contract.errors import ClientDisconnected, InvalidRequest, Unavailable
from triton_embed.gateway.api import request as schema
from triton_embed.gateway.api import response
from triton_embed.gateway.api.errors import RESPONSES
from triton_embed.gateway.api.routes import RawRoute
from triton_embed.gateway.services import Services, get_services

UNWATCHED_SECONDS = 0.1
"""Whether the client is still there is not asked sooner: most requests are answered by then."""


router = APIRouter(tags=["embeddings"], responses=RESPONSES, route_class=RawRoute)

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
        raise ClientDisconnected from None
    answer = await _unless_client_leaves(request, _answer(body, get_services(request)))
    return Response(answer, media_type="application/json")


async def _answer(body: bytes, shared: Services) -> bytes:
    """Return the answer to the request in `body`.

    Raises:
        ApiError: the request is wrong, or cannot be answered now.
    """
    started = perf_counter()
    asked = schema.parse(body)
    model, suffix = shared.catalog.resolve(asked.model)
    model_id = model.spec.model_id
    metrics = shared.metrics
    counts = metrics.of_model(model_id)
    options, encoding = asked.options(suffix), asked.encoding()
    model.spec.check(options)
    if asked.count > shared.settings.max_inputs:
        raise InvalidRequest(
            f"'input' has {asked.count} inputs, at most {shared.settings.max_inputs} are allowed",
            param="input",
        )
    inputs = asked.inputs(model.spec)
    counts.parse_seconds.observe(perf_counter() - started)
    try:
        with (
            shared.admission.admit(len(inputs)) as on_answer,
            metrics.embedding(len(inputs)),
        ):
            pieces = await shared.embedder.embed(model, inputs, options, on_answer)
    except Unavailable as error:
        metrics.requests_rejected.labels(error.code).inc()
        raise
    tokens = sum(piece.tokens for piece in pieces)
    counts.inputs.inc(len(inputs))
    counts.inputs_per_request.observe(len(inputs))
    counts.tokens.inc(tokens)
    started = perf_counter()
    answer = response.encode(model_id, pieces, tokens, encoding)
    counts.serialize_seconds.observe(perf_counter() - started)
    return answer


async def _unless_client_leaves(request: Request, work: Coroutine[Any, Any, bytes]) -> bytes:
    """Return what `work` returns; cancel it if the client closes the connection before."""
    working = asyncio.current_task()
    assert working
    leaving: asyncio.Future[None] | None = None

    def leave(_: asyncio.Future[None]) -> None:
        working.cancel()

    def watch() -> None:
        nonlocal leaving
        leaving = asyncio.ensure_future(_until_client_leaves(request))
        leaving.add_done_callback(leave)

    timer = asyncio.get_running_loop().call_later(UNWATCHED_SECONDS, watch)
    try:
        return await work
    except asyncio.CancelledError:
        if leaving and leaving.done():
            raise ClientDisconnected from None
        raise
    finally:
        timer.cancel()
        if leaving:
            leaving.remove_done_callback(leave)
            leaving.cancel()


async def _until_client_leaves(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
