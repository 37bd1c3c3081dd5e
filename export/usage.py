"""The commands that serve an exported model and request an embedding from it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from triton_embed.contract.options import InputType
from triton_embed.contract.spec import ModelSpec
from triton_embed.export.checkpoint.container import in_export_image


def usage(spec: ModelSpec, model_repository: Path) -> str:
    """Return the command that serves a model, and one that requests an embedding.

    Args:
        spec: The model's spec.
        model_repository: The folder that the model is installed in.
    """
    body = {"model": spec.model_id, "input": ["Hello, world"]}
    if spec.prompt_query != spec.prompt_passage or spec.is_input_type_required:
        body["input_type"] = InputType.QUERY.value
    serve = ["triton-embed", "serve", "--model-repository", str(model_repository.resolve())]
    request = ["curl", "http://127.0.0.1:8000/v1/embeddings", "-H"]
    request += ["Content-Type: application/json", "-d", json.dumps(body, ensure_ascii=False)]
    if in_export_image():
        serve = ["docker", "compose", "up", "-d", "--build"]
    return f"To serve it:\n  {shlex.join(serve)}\nTo request an embedding:\n  {shlex.join(request)}"
