"""Recognition of the export image, where a folder of the host exists only if it is mounted."""

from __future__ import annotations

import os

VARIABLE = "TRITON_EMBED_EXPORT_IMAGE"
"""Environment variable that ``docker/export.Dockerfile`` sets, and the Helm chart empties. Other
containers do not count: there, folders and commands are those of the user's own environment."""


def in_export_image() -> bool:
    """Return whether compose runs this process in the export image."""
    return bool(os.environ.get(VARIABLE))


def missing_folder(folder: str) -> str:
    """Return the error for a missing `folder`, with the remedy if it must be mounted."""
    if not in_export_image():
        return f"there is no folder '{folder}'"
    return (
        f"there is no folder '{folder}' in the container (to export a folder of the host, mount "
        "it: docker compose run --rm -v /FOLDER/ON/THE/HOST:/checkpoint:ro export /checkpoint)"
    )
