"""The model of a run, as its server describes it, checked by the vector of a word."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from triton_embed.client.connection import Connection
from triton_embed.client.options import EmbedOptions
from triton_embed.client.sender import CONTROL, Sender

OWNER = "triton-embed"
"""Value of ``owned_by`` of our servers; only their descriptions have more than an id."""


@dataclass(frozen=True)
class Model:
    """A model that has embedded a word with the options of a run.

    Attributes:
        options: The options, completed.
        version: Time of its export; empty: the server does not state it.
        width: Length of the vectors, in elements.
        max_tokens: Maximum tokens of a text; ``None``: unknown.
    """

    options: EmbedOptions
    version: str
    width: int
    max_tokens: int | None


async def describe(connection: Connection, options: EmbedOptions) -> Model:
    """Return the model of a server.

    An asymmetric model gets the input type ``passage`` if the options have none.

    Raises:
        RequestRejected: the server has no such model, or rejects the options or the key.
        ServerUnavailable: it does not respond.
        InvalidResponse: it has another API, or ignores an option.
    """
    description = await connection.describe(options.model)
    if description.get("owned_by") != OWNER:
        description = {}
    if description.get("input_type_required") and not options.input_type:
        options = replace(options, input_type="passage")
    probe = await Sender(connection, options).embed(CONTROL)
    width = probe.vectors.shape[1]
    return Model(options, version_of(description), width, description.get("max_tokens"))


def version_of(description: dict[str, Any]) -> str:
    """Return the version of a model; empty if the server does not state it."""
    return str(description.get("exported_at") or "")
