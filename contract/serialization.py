"""The form of a model's identity and spec in the ``parameters`` of Triton's config.pbtxt.

Every exported Triton model carries an `Identity`, and models that need it also the whole
`ModelSpec`. A change that older readers would misread must increase `SPEC_VERSION`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from triton_embed.contract.booleans import read_boolean, write_boolean
from triton_embed.contract.image_spec import ImageSpec
from triton_embed.contract.image_tokens import ImageTokens
from triton_embed.contract.options import EmbeddingType, Modality
from triton_embed.contract.spec import ModelSpec

SPEC_VERSION = "1"
"""Version of the parameters that this code writes and reads."""

ANY_DIMENSION = "any"
"""Value of ``matryoshka_dimensions`` for a model that supports every length."""


class SpecError(ValueError):
    """A Triton model's parameters hold no spec, a broken one, or one of another version."""


@dataclass(frozen=True)
class Identity:
    """The parameters that identify a Triton model as part of an exported model.

    Attributes:
        model_id: The public id of the model.
        spec_version: `SPEC_VERSION` of the code that wrote the parameters; empty if there is none.
        exported_at: Time of the export: UTC, ISO 8601, e.g. ``2026-11-29T03:20:58Z``.
        pipeline: The kind of model, a key of `contract.pipelines.PIPELINES`.
        role: The purpose of the Triton model, a value of `contract.pipeline.Role`.
    """

    model_id: str
    spec_version: str
    exported_at: str
    pipeline: str
    role: str

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> Identity | None:
        """Read the identity; ``None``: the model is the user's own.

        Parameters that are missing are read as empty strings.
        """
        if not {"model_id", "spec_version"} & parameters.keys():
            return None
        return cls(**{name: parameters.get(name, "") for name in cls.__dataclass_fields__})

    def to_parameters(self) -> dict[str, str]:
        """Return the identity as Triton model parameters."""
        return asdict(self)

    @property
    def export_command(self) -> str:
        """The command that exports the model again."""
        return f"triton-embed export CHECKPOINT --model-id {shlex.quote(self.model_id)}"

    def check_version(self) -> None:
        """Check that this code can read the parameters.

        Raises:
            SpecError: they are of another version; the message names the remedy.
        """
        if self.spec_version == SPEC_VERSION:
            return
        if self.spec_version.isdecimal() and int(self.spec_version) > int(SPEC_VERSION):
            raise SpecError(
                f"was exported by a newer triton-embed (spec_version {self.spec_version}, "
                f"supported is {SPEC_VERSION}): upgrade triton-embed"
            )
        version = f"spec_version {self.spec_version}" if self.spec_version else "no spec_version"
        raise SpecError(
            f"was exported by an older triton-embed ({version}, supported is {SPEC_VERSION}): "
            f"export it again with '{self.export_command}'"
        )


def spec_to_parameters(spec: ModelSpec) -> dict[str, str]:
    """Return the spec as Triton model parameters, `SPEC_VERSION` included."""
    parameters = {
        "spec_version": SPEC_VERSION,
        "model_id": spec.model_id,
        "max_tokens": str(spec.max_tokens),
        "vocab_size": str(spec.vocab_size),
        "dimension": str(spec.dimension),
        "embedding_types": ",".join(kind.value for kind in spec.embedding_types),
        "modalities": ",".join(modality.value for modality in spec.modalities),
        "prompt_query": spec.prompt_query,
        "prompt_passage": spec.prompt_passage,
        "prompt_default": spec.prompt_default,
        "pooling": ",".join(spec.pooling),
        "normalized": write_boolean(spec.normalized),
    }
    if spec.aliases:
        parameters["aliases"] = ",".join(spec.aliases)
    if spec.matryoshka_dimensions is not None:
        sizes = ",".join(map(str, spec.matryoshka_dimensions))
        parameters["matryoshka_dimensions"] = sizes or ANY_DIMENSION
    if spec.int8_absmax is not None:
        parameters["int8_absmax"] = repr(spec.int8_absmax)
    if spec.max_tokens_query is not None:
        parameters["max_tokens_query"] = str(spec.max_tokens_query)
    if spec.max_tokens_passage is not None:
        parameters["max_tokens_passage"] = str(spec.max_tokens_passage)
    if not spec.pools_prompt:
        parameters["pools_prompt"] = "false"
    if not spec.accepts_token_ids:
        parameters["accepts_token_ids"] = "false"
    if spec.rejects_embedded_images:
        parameters["rejects_embedded_images"] = "true"
    if spec.requires_input_type is not None:
        parameters["requires_input_type"] = write_boolean(spec.requires_input_type)
    if spec.padding_id is not None:
        parameters["padding_id"] = str(spec.padding_id)
    if spec.image:
        parameters |= spec.image.to_parameters()
    if spec.image_tokens:
        parameters |= spec.image_tokens.to_parameters()
    return parameters


def spec_from_parameters(parameters: Mapping[str, str]) -> ModelSpec:
    """Read a spec back from Triton model parameters.

    Raises:
        SpecError: a parameter is missing or malformed, or the parameters have another version;
            the message is a sentence about the model without its subject.
    """
    identity = Identity.from_parameters(parameters)
    if identity is None:
        raise SpecError("has no model spec: it has neither 'model_id' nor 'spec_version'")
    identity.check_version()
    matryoshka_dimensions = parameters.get("matryoshka_dimensions")
    int8_absmax = parameters.get("int8_absmax")
    requires_input_type = parameters.get("requires_input_type")
    try:
        return ModelSpec(
            model_id=parameters["model_id"],
            max_tokens=int(parameters["max_tokens"]),
            vocab_size=int(parameters["vocab_size"]),
            dimension=int(parameters["dimension"]),
            matryoshka_dimensions=(
                None if matryoshka_dimensions is None else _integers(matryoshka_dimensions)
            ),
            prompt_query=parameters.get("prompt_query", ""),
            prompt_passage=parameters.get("prompt_passage", ""),
            prompt_default=parameters.get("prompt_default", ""),
            embedding_types=tuple(map(EmbeddingType, parameters["embedding_types"].split(","))),
            int8_absmax=None if int8_absmax is None else float(int8_absmax),
            modalities=tuple(map(Modality, parameters["modalities"].split(","))),
            requires_input_type=(
                None if requires_input_type is None else read_boolean(requires_input_type)
            ),
            pools_prompt=read_boolean(parameters.get("pools_prompt", "true")),
            pooling=tuple(parameters["pooling"].split(",")),
            normalized=read_boolean(parameters["normalized"]),
            accepts_token_ids=read_boolean(parameters.get("accepts_token_ids", "true")),
            rejects_embedded_images=read_boolean(
                parameters.get("rejects_embedded_images", "false")
            ),
            max_tokens_query=_optional_integer(parameters.get("max_tokens_query")),
            max_tokens_passage=_optional_integer(parameters.get("max_tokens_passage")),
            aliases=tuple(filter(None, parameters.get("aliases", "").split(","))),
            padding_id=_optional_integer(parameters.get("padding_id")),
            image=ImageSpec.from_parameters(parameters) if "image_size" in parameters else None,
            image_tokens=ImageTokens.from_parameters(parameters),
        )
    except KeyError as error:
        raise SpecError(f"has no model spec: parameter {error} is missing") from None
    except ValueError as error:
        raise SpecError(f"has no model spec: a parameter is malformed: {error}") from None


def _integers(text: str) -> tuple[int, ...]:
    return () if text == ANY_DIMENSION else tuple(map(int, text.split(",")))


def _optional_integer(text: str | None) -> int | None:
    return None if text is None else int(text)
