"""The form in which a model is declared: its steps, their tensors, and how ensembles wire them.

A model consists of several Triton models: steps that compute, and ensembles that pass tensors from
step to step. Code that must find these Triton models reads a `Pipeline` (see `contract.pipelines`)
or the ``role`` in a Triton model's parameters, never a name or a position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from triton_embed.contract import naming
from triton_embed.contract.spec import ModelSpec


class Role(str, Enum):
    """The purpose of one Triton model within an exported model."""

    ENTRY = "entry"
    """The ensemble with all steps, for every option."""
    DIRECT = "direct"
    """The ensemble that ends with the encoder, for requests that need no conversion."""
    ALIAS = "alias"
    """The entry again, under the name that keeps the capitals of the model id."""

    TEXT = "text"
    """The ensemble with all steps for texts, of a model whose entry also takes images."""

    ROUTE = "route"
    """The step that passes each input of a request to the steps that it needs."""
    TOKENIZE = "tokenize"
    VISION = "vision"
    ENCODE = "encode"
    POSTPROCESS = "postprocess"


class DType(str, Enum):
    """The element type of a tensor, as in Triton's requests."""

    BYTES = "BYTES"
    INT32 = "INT32"
    FP32 = "FP32"
    UINT8 = "UINT8"


@dataclass(frozen=True)
class Tensor:
    """An input or output of a Triton model.

    Attributes:
        name: Triton's name of it.
        dtype: Its element type.
        dims: Its shape without the batch dimension. -1: any length. A string: the length that
            the attribute of this name has in the model's `ModelSpec`.
        optional: Whether a request may leave it out.
        ragged: Whether requests with other lengths share a batch: items are then concatenated
            instead of stacked.
        width_name: Name of an additional input, INT32 [items, dimensions], that Triton computes
            for a ragged tensor: its shape in the request of each item.
    """

    name: str
    dtype: DType
    dims: tuple[int | str, ...]
    optional: bool = False
    ragged: bool = False
    width_name: str | None = None

    def shape(self, spec: ModelSpec) -> list[int]:
        """Return the shape without the batch dimension for the model that `spec` describes."""
        return [getattr(spec, size) if isinstance(size, str) else size for size in self.dims]


@dataclass(frozen=True)
class Step:
    """A Triton model that computes.

    Attributes:
        name: Ends the Triton name, after the model's name and ``_``.
        role: Its purpose.
        backend: Triton's backend; ``None``: the one of the export's target.
        inputs: Its input tensors.
        outputs: Its output tensors.
        files: Names of the files that it requires in its version folder.
        needs_spec: Whether its parameters hold the whole spec, not only the identity.
        instances: Number of instances.
        batches: Whether Triton joins requests into one execution.
        max_batch_size: Name of the attribute of `ModelSpec` with the maximum items of an execution;
            ``None``: that of the model.
    """

    name: str
    role: Role
    backend: str | None
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    files: tuple[str, ...] = ()
    needs_spec: bool = False
    instances: int = 1
    batches: bool = True
    max_batch_size: str | None = None

    def triton_name(self, model: str) -> str:
        """Return Triton's name of this step of the model with the entry `model`."""
        return f"{model}_{self.name}"

    def entry_name(self, triton_name: str) -> str:
        """Return Triton's name of the model's entry, given that of this step.

        Unlike the public model id, it does not change with ``--served-model-name``.
        """
        return triton_name.removesuffix(f"_{self.name}")


@dataclass(frozen=True)
class Stage:
    """One use of a step in an ensemble.

    Attributes:
        step: The step.
        inputs: The ensemble's tensor that feeds an input of the step, by the step's name of it.
        outputs: The ensemble's tensor that each output of the step becomes, by the same names.
    """

    step: Step
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


@dataclass(frozen=True)
class Ensemble:
    """A Triton model that passes tensors from step to step.

    Attributes:
        role: Its purpose.
        suffix: Ends its Triton name, after the model's name.
        inputs: Tensors of a request.
        outputs: Tensors that a response can hold.
        stages: Its steps in order.
        needs_spec: Whether its parameters hold the whole spec, not only the identity.
    """

    role: Role
    suffix: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    stages: tuple[Stage, ...]
    needs_spec: bool = False

    def triton_name(self, model: str) -> str:
        """Return Triton's name of this ensemble of the model with the entry `model`."""
        return f"{model}{self.suffix}"


@dataclass(frozen=True)
class Pipeline:
    """The Triton models that a model consists of.

    Attributes:
        name: The kind of model, e.g. ``text``.
        steps: The models that compute.
        ensembles: The models that clients can name, the entry last.
    """

    name: str
    steps: tuple[Step, ...]
    ensembles: tuple[Ensemble, ...]

    def declaration(self, role: Role) -> Step | Ensemble:
        """Return the step or ensemble with `role`; the alias is declared like the entry."""
        declared: tuple[Step | Ensemble, ...] = self.steps + self.ensembles
        role = Role.ENTRY if role is Role.ALIAS else role
        return next(each for each in declared if each.role is role)

    def triton_models(self, model_id: str) -> dict[str, Role]:
        """Return the role of each Triton model of the model `model_id`, by Triton name.

        In an order in which they can be installed: an ensemble comes after its steps.
        """
        model = naming.triton_model_name(model_id)
        models = {step.triton_name(model): step.role for step in self.steps}
        models.update({each.triton_name(model): each.role for each in self.ensembles})
        if (alias := naming.case_preserving_name(model_id)) != model:
            models[alias] = Role.ALIAS
        return models
