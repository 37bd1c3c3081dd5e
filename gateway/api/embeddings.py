"""``POST /v1/embeddings``."""

from __future__ import annotations

from time import perf_counter

from fastapi import Request, Response

from triton_embed.gateway.api import inference, response, routes
from triton_embed.gateway.request_details import RequestDetails
from triton_embed.gateway.services import Services

router = routes.router("embeddings")


@router.post(
    "/v1/embeddings",
    summary="Embed texts",
    openapi_extra=inference.REQUEST_BODY,
    response_model=response.EmbeddingResponse,
)
async def create_embeddings(request: Request) -> Response:
    """Return one vector per input, in input order."""
    return await inference.respond(request, _respond)


async def _respond(body: bytes, services: Services, details: RequestDetails) -> bytes:
    """Return the response to the request in `body`, and record the request in `details`.

    Raises:
        ApiError: the request is invalid, or cannot be served now.
    """
    started = perf_counter()
    job, encoding = await inference.read_job(body, services, details)
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
    images = None if job.model.spec.is_text_only else job.images
    content = response.encode(model_id, batches, response.usage(tokens, images), encoding)
    counts.phases.serialize.observe(perf_counter() - started)
    return content
