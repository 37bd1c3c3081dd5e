"""One run of Triton: its admin token, its shared memory and the clean-up after it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class ServerInstance:
    """Secrets and names of one run of Triton.

    Attributes:
        admin_token: Clients that send it may load and unload models.
        memory_prefix: Start of the names of this run's segments in /dev/shm. A killed server
            cannot remove its segments; the supervisor finds them by this prefix.
    """

    admin_token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    memory_prefix: str = field(default_factory=lambda: f"triton_embed_{secrets.token_hex(6)}_")

    def remove_memory(self) -> None:
        """Remove the shared memory of a Triton that has ended."""
        for segment in SHARED_MEMORY.glob(f"{self.memory_prefix}*"):
            segment.unlink(missing_ok=True)
