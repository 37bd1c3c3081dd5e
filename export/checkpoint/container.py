"""Recognition of a container, where a folder of the host exists only if it is mounted."""

from __future__ import annotations

from pathlib import Path

MARKERS = (Path("/.dockerenv"), Path("/run/.containerenv"))
"""Files that Docker and Podman create in every container."""


def missing_folder(folder: str) -> str:
    """Return the part of an error that states that `folder` does not exist, and the remedy."""
    if not any(marker.exists() for marker in MARKERS):
        return f"there is no folder '{folder}'"
    return (
        f"there is no folder '{folder}' in the container (to export a folder of the host, mount "
        "it: docker compose run --rm -v /FOLDER/ON/THE/HOST:/checkpoint:ro export /checkpoint)"
    )
