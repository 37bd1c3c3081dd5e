"""``/v1/models`` and ``/v1/models/{id}``."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from triton_embed.contract.errors import Unavailable
from triton_embed.gateway.api import routes
from triton_embed.gateway.services import get_services
from triton_embed.gateway.triton.catalog import NO_MODEL
from triton_embed.gateway.triton.model import ServedModel

router = routes.router("models")

# If this were a function argument, FastAPI would document a 422 response that does not exist.
MODEL_ID: dict[str, Any] = {
    "parameters": [
        {"name": "model_id", "in": "path", "required": True, "schema": {"type": "string"}}
    ]
}


class ModelDescription(BaseModel):
    """A model in OpenAI's format."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "triton-embed"
    root: str


class ModelList(BaseModel):
    """The models that a request can name."""

    object: Literal["list"] = "list"
    data: list[ModelDescription]


@router.get("/v1/models", summary="List the models", response_model=ModelList)
async def list_models(request: Request) -> JSONResponse:
    """Return the models that a request can name."""
    models = get_services(request).catalog.models
    if not models:
        # Clients that pick the first model treat an empty list as final but retry on 503.
        raise Unavailable(NO_MODEL)
    body = ModelList(data=[_describe(model) for model in models])
    return JSONResponse(body.model_dump())


@router.get(
    "/v1/models/{model_id:path}",
    summary="Describe a model",
    openapi_extra=MODEL_ID,
    response_model=ModelDescription,
)
async def get_model(request: Request) -> JSONResponse:
    """Return one model; slashes in its id may be plain or encoded as ``%2F``.

    The path may contain any name that a request may use, including a name with a suffix.
    """
    model, _ = get_services(request).catalog.resolve(request.path_params["model_id"])
    return JSONResponse(_describe(model).model_dump())


def _describe(model: ServedModel) -> ModelDescription:
    # NIM's clients treat a model as a base model only if its root is its own id.
    return ModelDescription(id=model.spec.model_id, root=model.spec.model_id)
