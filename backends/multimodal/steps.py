"""Calls of a model's steps, from within its router."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from triton_embed.contract.options import Options
from triton_embed.contract.step_error import read_step_error

Embedded = tuple[int, NDArray[np.float32]]
"""Tokens and vector, float32 [dimension], of one input."""


class StepFailed(Exception):
    """A step could not respond: it is being loaded, or its process has ended."""


async def infer(
    model: str,
    inputs: dict[str, NDArray[np.generic]],
    outputs: Sequence[str],
    options: Options | None = None,
) -> list[NDArray[np.float32]]:
    """Return the outputs of a step.

    Raises:
        InvalidRequest: the step rejected its input.
        StepFailed: it could not respond.
    """
    request = pb_utils.InferenceRequest(
        model_name=model,
        requested_output_names=list(outputs),
        inputs=[pb_utils.Tensor(name, value) for name, value in inputs.items()],
        parameters=options.to_parameters() if options else {},
    )
    try:
        response = await request.async_exec()
    except pb_utils.TritonModelException as error:
        raise StepFailed(f"{model} is not available: {error}") from None
    if response.has_error():
        message = response.error().message()
        raise read_step_error(message) or StepFailed(message)
    return [pb_utils.get_output_tensor_by_name(response, name).as_numpy() for name in outputs]
