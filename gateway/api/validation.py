"""Converts pydantic's errors into one API error, with the field and the index of the input."""

from __future__ import annotations

from pydantic import ValidationError

from triton_embed.contract.errors import InvalidRequest

MAX_ERRORS = 1000
"""Maximum errors of one body for which the first is reported; above it, only their number."""

MAX_NAME = 100
"""Maximum characters of an unknown field's name in a message."""


def invalid_request(failure: ValidationError, body: bytes) -> InvalidRequest:
    """Return the error that reports the first of the failures.

    Args:
        failure: All failures.
        body: The body in which they were found.
    """
    if failure.error_count() > MAX_ERRORS:
        # Reading the first error would create all of them.
        return InvalidRequest(f"The request body has {failure.error_count()} errors")
    errors = failure.errors(include_url=False, include_input=False)
    first = errors[0]
    if first["type"] == "json_invalid":
        try:
            body.decode()
        except UnicodeDecodeError as error:
            return InvalidRequest(f"The request body is not valid UTF-8: {error}")
        return InvalidRequest(f"The request body is not valid JSON: {first['ctx']['error']}")
    if not first["loc"]:
        return InvalidRequest("The request body must be a JSON object")
    field = str(first["loc"][0])[:MAX_NAME]
    if field == "input" and first["type"] != "missing":
        # The list type that accepted the most elements is the intended type.
        places = [
            part
            for error in errors
            for part in error["loc"][2:3]
            if error["loc"][0] == "input" and isinstance(part, int)
        ]
        return InvalidRequest(
            "'input' must be a string, a list of strings, or a list of token ids (integers)",
            param="input",
            index=max(places) if any(places) else None,
        )
    return InvalidRequest(f"'{field}': {first['msg']}", param=field)
