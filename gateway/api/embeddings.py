"""``POST /v1/embeddings``."""

from __future__ import annotations

from functools import partial
from time import perf_counter

from fastapi import Request, Response

from triton_embed.contract.errors import InvalidRequest, UnsupportedEncoding
from triton_embed.gateway.api import request as schema
from triton_embed.gateway.api import response, routes
from triton_embed.gateway.api.validation import MAX_NAME
from triton_embed.gateway.request_details import RequestDetails, request_details
from triton_embed.gateway.scheduling.cancellation import cancel_on_disconnect
from triton_embed.gateway.services import Services, get_services
from triton_embed.gateway.triton.job import EmbedJob

router = routes.router("embeddings")

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
    response_model=response.EmbeddingResponse,
)
async def create_embeddings(request: Request) -> Response:
    """Return one vector per input, in input order."""
    body = await routes.read_body(request)
    responding = _respond(body, get_services(request), request_details(request.scope))
    try:
        content = await cancel_on_disconnect(responding, partial(_until_disconnect, request))
    except InvalidRequest:
        encoding = request.headers.get("content-encoding")
        # Some clients state an encoding, such as "identity", of an uncompressed body.
        if encoding and not body[:64].lstrip().startswith(b"{"):
            raise UnsupportedEncoding(
                f"The request body has the Content-Encoding '{encoding[:MAX_NAME]}'; "
                "send it uncompressed"
            ) from None
        raise
    return Response(content, media_type="application/json")


async def _respond(body: bytes, services: Services, details: RequestDetails) -> bytes:
    """Return the response to the request in `body`; `details` receives the facts about it.

    Raises:
        ApiError: the request is invalid, or cannot be served now.
    """
    started = perf_counter()
    job, encoding = _validate(body, services, details)
    model_id = job.model.spec.model_id
    counts = services.metrics.of_model(model_id)
    counts.phases.parse.observe(perf_counter() - started)
    inputs = len(job.inputs)
    batches = await services.scheduler.embed(job)
    details.tokens = tokens = sum(batch.tokens for batch in batches)
    counts.inputs.inc(inputs)
    counts.inputs_per_request.observe(inputs)
    counts.tokens.inc(tokens)
    started = perf_counter()
    content = response.encode(model_id, batches, tokens, encoding)
    counts.phases.serialize.observe(perf_counter() - started)
    return content


def _validate(
    body: bytes, services: Services, details: RequestDetails
) -> tuple[EmbedJob, schema.EncodingFormat]:
    """Return the job that `body` requests, and the encoding of its vectors.

    Raises:
        ApiError: the request is invalid, or no model is served.
    """
    requested = schema.parse(body)
    details.model, details.inputs = requested.model, requested.count
    model, suffix = services.catalog.resolve(requested.model)
    options, encoding = requested.options(suffix), requested.encoding()
    options = model.spec.validated_options(options, services.settings.default_side)
    limit = services.settings.max_inputs_per_request
    if requested.count > limit:
        raise InvalidRequest(
            f"'input' has {requested.count} inputs, at most {limit} are allowed", param="input"
        )
    estimator = services.scheduler.estimator(model.name)
    inputs = requested.inputs(model.spec, estimator, options.input_type)
    job = EmbedJob(model, inputs, options, services.trace_headers())
    details.tokens = job.tokens
    return job, encoding


async def _until_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
