"""Names of the files and folders in a model repository."""

from __future__ import annotations

from pathlib import Path

from triton_embed.contract.pipeline import Step

CONFIG_FILE = "config.pbtxt"
"""Configuration of a Triton model, in its folder."""

VERSION_FOLDER = "1"
"""The version of a Triton model; an export writes one, and replaces the whole model."""

PROVENANCE_FILE = "provenance.json"
"""Next to the encoder's model: the checkpoint it was made from."""

PARITY_FILE = "parity.json"
"""Next to the encoder's model: its deviation from the reference, measured at export."""

STAGING_PREFIX = ".export-"
"""Start of a staging folder's name. Triton and the scanner skip names that start with a dot."""


def version_folder(repository: Path, model: str) -> Path:
    """Return the folder with the files of the Triton model `model`."""
    return repository / model / VERSION_FOLDER


def step_file(repository: Path, entry: str, step: Step) -> Path:
    """Return where an export writes the data of a step of the model with the entry `entry`."""
    return version_folder(repository, step.triton_name(entry)) / step.files[0]
