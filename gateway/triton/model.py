"""Exported models in Triton: the Triton models that each consists of, with their roles."""

from __future__ import annotations

from dataclasses import dataclass

from tritonclient.grpc import model_config_pb2

from triton_embed.contract.options import Options
from triton_embed.contract.pipeline import Role
from triton_embed.contract.pipelines import TOKENIZER
from triton_embed.contract.serialization import Identity, SpecError, spec_from_parameters
from triton_embed.contract.spec import ModelSpec

STEPS = (Role.TOKENIZE, Role.VISION, Role.ENCODE, Role.POSTPROCESS)


@dataclass(frozen=True)
class LoadedModel:
    """One Triton model of an exported model.

    Attributes:
        name: Its name in Triton.
        model_id: The id of the model that it belongs to.
        role: Its role in that model.
        exported_at: Time of the export, ISO 8601; sorts by time.
        max_batch_size: Maximum inputs per request.
        spec: The spec of the model; only the entry has one.
    """

    name: str
    model_id: str
    role: Role
    exported_at: str
    max_batch_size: int
    spec: ModelSpec | None

    @property
    def is_step(self) -> bool:
        """True if it computes, instead of passing inputs on to steps."""
        return self.role in STEPS

    @classmethod
    def from_config(cls, config: model_config_pb2.ModelConfig) -> LoadedModel | None:
        """Return the model with `config`; ``None`` if it was not exported by us.

        Raises:
            SpecError: the parameters of an export are malformed or of another version.
        """
        parameters = {key: item.string_value for key, item in config.parameters.items()}
        identity = Identity.from_parameters(parameters)
        if identity is None:
            return None
        identity.check_version()
        role = _role(identity)
        spec = spec_from_parameters(parameters) if role is Role.ENTRY else None
        return cls(
            config.name,
            identity.model_id,
            role,
            identity.exported_at,
            config.max_batch_size,
            spec,
        )


def _role(identity: Identity) -> Role:
    try:
        return Role(identity.role)
    except ValueError:
        raise SpecError(f"has the unknown role '{identity.role}'") from None


@dataclass(frozen=True)
class ServedModel:
    """A model that requests can name.

    Attributes:
        spec: Its limits, dimensions and prompts.
        name: Triton's name of the entry, which has all steps.
        text_name: Triton's name of the ensemble with all steps for texts.
        direct_name: Triton's name of the ensemble for texts that ends with the encoder.
        max_batch_size: Maximum inputs per request to Triton.
        exported_at: Time of the export, ISO 8601.
    """

    spec: ModelSpec
    name: str
    text_name: str
    direct_name: str
    max_batch_size: int
    exported_at: str = ""

    def triton_name(self, options: Options, *, has_images: bool = False) -> str:
        """Return the name of the step, or the shortest ensemble, that has all for a request."""
        if options.tokenize_only:
            return TOKENIZER.triton_name(self.name)
        if has_images:
            return self.name
        return self.text_name if options.needs_postprocess else self.direct_name
