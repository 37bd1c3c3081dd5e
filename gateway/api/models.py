"""``/v1/models`` and ``/v1/models/{id}``."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from triton_embed.contract.errors import Unavailable
from triton_embed.contract.options import InputType, Modality
from triton_embed.contract.spec import ModelSpec
from triton_embed.gateway.api import routes
from triton_embed.gateway.services import get_services
from triton_embed.gateway.settings import Settings
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
    """A model in OpenAI's format, with fields of our own.

    Attributes:
        id: A name that requests can use.
        object: Type of this object.
        created: Not known.
        owned_by: Not known.
        root: The model's id. NIM's clients treat a model as a base model only if its root is its
            own id.
        dimension: Length of the vectors.
        max_tokens: Maximum tokens of an input, prompt and special tokens included. The name
            ``max_model_len`` would make mteb send a field that is unknown here.
        input_types: Values of ``input_type`` that make a difference.
        modalities: Content that inputs may have.
        input_type_required: Whether a request must state the input type.
        exported_at: Time of the export, ISO 8601; the vectors of another export may differ.
    """

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "triton-embed"
    root: str
    dimension: int
    max_tokens: int
    input_types: list[InputType]
    modalities: list[Modality]
    input_type_required: bool
    exported_at: str


class ModelList(BaseModel):
    """The models that a request can name."""

    object: Literal["list"] = "list"
    data: list[ModelDescription]


@router.get("/v1/models", summary="List the models", response_model=ModelList)
async def list_models(request: Request) -> JSONResponse:
    """Return the models that a request can name."""
    services = get_services(request)
    models = services.catalog.models
    if not models:
        # Clients that pick the first model treat an empty list as final but retry on 503.
        raise Unavailable(NO_MODEL)
    described = [
        _describe(name, model, suffix, services.settings)
        for model in models
        for name in model.spec.names
        for suffix in (None, *_listed_suffixes(model.spec, services.settings))
    ]
    return JSONResponse(ModelList(data=described).model_dump())


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
    services = get_services(request)
    requested = request.path_params["model_id"]
    model, suffix = services.catalog.resolve(requested)
    stem = requested.lower().removesuffix(f"-{suffix.value}" if suffix else "")
    name = next(name for name in model.spec.names if name.lower() == stem)
    return JSONResponse(_describe(name, model, suffix, services.settings).model_dump())


def _listed_suffixes(spec: ModelSpec, settings: Settings) -> tuple[InputType, ...]:
    return spec.input_types if settings.list_suffixed_models else ()


def _describe(
    name: str, model: ServedModel, suffix: InputType | None, settings: Settings
) -> ModelDescription:
    """Return the description of a model under one of its names.

    Args:
        name: The name.
        model: The model.
        suffix: The side that the suffix of the name states, for an asymmetric model.
        settings: The gateway's settings.
    """
    spec = model.spec
    if suffix not in spec.input_types:
        suffix = None
    is_required = spec.is_input_type_required and not settings.default_input_type
    return ModelDescription(
        id=f"{name}-{suffix.value}" if suffix else name,
        root=spec.model_id,
        dimension=spec.dimension,
        max_tokens=spec.token_limit(suffix),
        input_types=[suffix] if suffix else list(spec.input_types),
        modalities=list(spec.modalities),
        input_type_required=is_required and suffix is None,
        exported_at=model.exported_at,
    )
