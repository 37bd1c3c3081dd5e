"""The state of the models that a supervisor publishes over HTTP, and its JSON form.

``GET /v1/status?after=N`` on the status port of ``triton-embed serve`` responds immediately if the
generation is not `N`, otherwise when it changes, or after `LONG_POLL_SECONDS`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

STATUS_PATH = "/v1/status"
"""Path of the published state."""

READY_PATH = "/v1/health/ready"
"""Path that responds with status 200 while a model is served, otherwise with 503."""

LONG_POLL_SECONDS = 25.0
"""Maximum time in seconds until a response without a change: below the idle timeouts of common
proxies (30 s and more)."""


class ModelState(str, Enum):
    """State of one model in a running Triton."""

    LOADING = "LOADING"
    """It is being loaded, possibly again after a crash, or is not yet verified: not served."""

    READY = "READY"
    """It is loaded and has embedded a text."""

    REPLACING = "REPLACING"
    """Its new version is being loaded or verified; the old one was served until now."""

    FAILED = "FAILED"
    """It was rejected, could not be loaded, or failed its first inference. An older version may
    still be served."""


@dataclass(frozen=True)
class PublishedModel:
    """One model of the repository.

    Attributes:
        model_id: Its public id.
        state: Its state.
        exported_at: Time of the export, ISO 8601; empty for a user's own model.
        reason: Explanation of a state other than READY, for an operator; may be empty.
        serves_older: Whether an older version is served in the state REPLACING or FAILED.
    """

    model_id: str
    state: ModelState
    exported_at: str = ""
    reason: str = ""
    serves_older: bool = False

    @property
    def is_served(self) -> bool:
        """True if a version of it is served."""
        return self.state is ModelState.READY or self.serves_older


@dataclass(frozen=True)
class PublishedState:
    """The models of one Triton.

    Attributes:
        generation: Increases with every change, also across restarts of the supervisor.
        models: The models in the repository, by id.
    """

    generation: int
    models: tuple[PublishedModel, ...] = ()

    def to_json(self) -> str:
        """Return the body of a response."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> PublishedState:
        """Read the body of a response; unknown fields are ignored.

        Raises:
            ValueError: it is not of this form.
        """
        try:
            fields = json.loads(text)
            return cls(int(fields["generation"]), tuple(map(_model, fields["models"])))
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a published state: {error!r}") from error


def _model(fields: dict[str, Any]) -> PublishedModel:
    return PublishedModel(
        str(fields["model_id"]),
        ModelState(fields["state"]),
        str(fields.get("exported_at", "")),
        str(fields.get("reason", "")),
        bool(fields.get("serves_older", False)),
    )
