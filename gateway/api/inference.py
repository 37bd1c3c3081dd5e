"""The steps from a body to a job that ``/v1/embeddings`` and ``/v1/tokenize`` share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from dataclasses import replace
from functools import partial

from fastapi import Request, Response

from triton_embed.contract.errors import InvalidRequest, UnsupportedEncoding
from triton_embed.contract.options import EmbeddingType, Options
from triton_embed.gateway.api import request as schema
from triton_embed.gateway.api import routes
from triton_embed.gateway.api.validation import MAX_NAME
from triton_embed.gateway.request_details import RequestDetails, request_details
from triton_embed.gateway.scheduling.cancellation import cancel_on_disconnect
from triton_embed.gateway.services import Services, get_services
from triton_embed.gateway.triton.job import EmbedJob

REQUEST_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": schema.EmbeddingRequest.model_json_schema()}},
    }
}
"""The description of the body in the OpenAPI document."""

MAX_UNORDERED_BYTES = 1 << 16
"""Maximum bytes of a body that is parsed immediately. Larger bodies take turns, so that other
requests are served between two of them."""

MAX_INLINE_BYTES = 4 << 20
"""Maximum bytes of a body that is parsed in the event loop. A body of texts takes 10 ms; for a
smaller body, waiting for the interpreter's lock would take longer than a thread saves."""

Respond = Callable[[bytes, Services, RequestDetails], Awaitable[bytes]]
"""Returns the response to a body, and records the request in the details."""


async def respond(request: Request, respond_to: Respond) -> Response:
    """Return the response to `request`; drop its unsent work if the client disconnects."""
    body = await routes.read_body(request)
    responding = respond_to(body, get_services(request), request_details(request.scope))
    try:
        content = await cancel_on_disconnect(responding, partial(_until_disconnect, request))
    except InvalidRequest:
        encoding = request.headers.get("content-encoding")
        # An uncompressed body is accepted whatever its header: some clients send "identity".
        if encoding and not body[:64].lstrip().startswith(b"{"):
            raise UnsupportedEncoding(
                f"The request body has the Content-Encoding '{encoding[:MAX_NAME]}'; "
                "send it uncompressed"
            ) from None
        raise
    return Response(content, media_type="application/json")


async def read_job(
    body: bytes, services: Services, details: RequestDetails, *, tokenize_only: bool = False
) -> tuple[EmbedJob, schema.EncodingFormat]:
    """Return the job that `body` requests, and the encoding of its vectors.

    Args:
        body: The JSON body.
        services: The services of the application.
        details: Records the request for the access log.
        tokenize_only: Whether the job returns token ids instead of vectors.

    Raises:
        ApiError: the request is invalid, or no model is served.
    """
    read = partial(_read_job, body, services, details, tokenize_only=tokenize_only)
    if len(body) <= MAX_UNORDERED_BYTES:
        return read()
    async with services.large_bodies.turn():
        if len(body) <= MAX_INLINE_BYTES:
            return read()
        # The thread needs the context, which has the span of the request.
        reading = partial(copy_context().run, read)
        return await asyncio.get_running_loop().run_in_executor(services.parser, reading)


def _read_job(
    body: bytes, services: Services, details: RequestDetails, *, tokenize_only: bool
) -> tuple[EmbedJob, schema.EncodingFormat]:
    requested = schema.parse(body)
    details.model, details.inputs = requested.model, requested.count
    model, suffix = services.catalog.resolve(requested.model)
    options, encoding = requested.options(suffix), requested.encoding()
    side = requested.default_input_type(model.spec) or services.settings.default_side
    options = model.spec.validated_options(options, side)
    if tokenize_only:
        options = _without_vectors(options)
    limit = services.settings.max_inputs_per_request
    if requested.count > limit:
        raise InvalidRequest(
            f"'input' has {requested.count} inputs, at most {limit} are allowed", param="input"
        )
    estimator = services.scheduler.estimator(model.name)
    max_image_bytes = services.settings.max_image_bytes
    inputs = requested.inputs(model.spec, estimator, options, max_image_bytes)
    job = EmbedJob(model, inputs, options, services.trace_headers())
    if tokenize_only and job.has_images:
        raise InvalidRequest("'input': images cannot be tokenized", param="input")
    details.tokens = job.tokens
    return job, encoding


def _without_vectors(options: Options) -> Options:
    """Return the options of a job that returns token ids.

    Raises:
        InvalidRequest: the inputs are token ids.
    """
    if options.token_ids:
        raise InvalidRequest("'input' must be a string or a list of strings", param="input")
    return replace(options, tokenize_only=True, dimensions=None, embedding_type=EmbeddingType.FLOAT)


async def _until_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
