"""Turns a declared pipeline and a model's spec into Triton's configurations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tritonclient.grpc import model_config_pb2 as pb

from triton_embed.contract import naming
from triton_embed.contract.pipeline import DType, Ensemble, Pipeline, Step, Tensor
from triton_embed.contract.pipelines import TEXT
from triton_embed.contract.serialization import SPEC_VERSION, Identity, spec_to_parameters
from triton_embed.contract.spec import ModelSpec

DTYPES = {
    DType.BYTES: pb.TYPE_STRING,
    DType.INT32: pb.TYPE_INT32,
    DType.FP32: pb.TYPE_FP32,
    DType.UINT8: pb.TYPE_UINT8,
}

LATEST_VERSION = -1
"""Makes an ensemble use the newest version of a step; there is only one."""


@dataclass(frozen=True)
class StepRuntime:
    """The runtime of a step.

    Attributes:
        backend: Triton's backend.
        platform: Triton's platform, for a backend that has several.
        instance_kind: Name of a ``ModelInstanceGroup.Kind``: the device of the instances.
        queue_delay_microseconds: Time that a request may wait for others to share its batch.
    """

    backend: str
    platform: str = ""
    instance_kind: str = "KIND_CPU"
    queue_delay_microseconds: int = 0


def render(
    spec: ModelSpec,
    *,
    exported_at: str,
    max_batch_size: int,
    encoder: StepRuntime,
    pipeline: Pipeline = TEXT,
) -> dict[str, pb.ModelConfig]:
    """Return the configuration of every Triton model of a model, by Triton name.

    Steps come before the ensembles that use them: the order in which to install them.

    Args:
        spec: The model's spec.
        exported_at: Time of the export, see `Identity`.
        max_batch_size: Maximum number of items of one execution, and of one request.
        encoder: The runtime of the steps whose backend depends on the export's target.
        pipeline: The kind of model.
    """
    configs: dict[str, pb.ModelConfig] = {}
    for name, role in pipeline.triton_models(spec.model_id).items():
        declared = pipeline.declaration(role)
        if isinstance(declared, Step):
            runtime = StepRuntime(declared.backend) if declared.backend else encoder
            config = _step(declared, spec, runtime)
        else:
            config = _ensemble(declared, spec)
        config.name = name
        limit = getattr(declared, "max_batch_size", None)
        config.max_batch_size = getattr(spec, limit) if limit else max_batch_size
        identity = Identity(spec.model_id, SPEC_VERSION, exported_at, pipeline.name, role.value)
        _add_parameters(config, identity.to_parameters())
        if declared.needs_spec:
            _add_parameters(config, spec_to_parameters(spec))
        configs[name] = config
    return configs


def _step(step: Step, spec: ModelSpec, runtime: StepRuntime) -> pb.ModelConfig:
    config = pb.ModelConfig(
        backend=runtime.backend,
        platform=runtime.platform,
        input=[_input(tensor, spec) for tensor in step.inputs],
        output=[_output(tensor, spec) for tensor in step.outputs],
        batch_input=[
            pb.BatchInput(
                kind=pb.BatchInput.BATCH_ITEM_SHAPE,
                target_name=[tensor.width_name],
                data_type=pb.TYPE_INT32,
                source_input=[tensor.name],
            )
            for tensor in step.inputs
            if tensor.width_name
        ],
    )
    kind = pb.ModelInstanceGroup.Kind.Value(runtime.instance_kind)
    config.instance_group.add(kind=kind, count=step.instances)
    if step.batches:
        config.dynamic_batching.max_queue_delay_microseconds = runtime.queue_delay_microseconds
    return config


def _ensemble(ensemble: Ensemble, spec: ModelSpec) -> pb.ModelConfig:
    entry = naming.triton_model_name(spec.model_id)
    config = pb.ModelConfig(
        platform="ensemble",
        input=[_input(tensor, spec) for tensor in ensemble.inputs],
        output=[_output(tensor, spec) for tensor in ensemble.outputs],
    )
    for stage in ensemble.stages:
        config.ensemble_scheduling.step.add(
            model_name=stage.step.triton_name(entry),
            model_version=LATEST_VERSION,
            input_map=stage.inputs,
            output_map=stage.outputs,
        )
    return config


def _input(tensor: Tensor, spec: ModelSpec) -> pb.ModelInput:
    return pb.ModelInput(
        name=tensor.name,
        data_type=DTYPES[tensor.dtype],
        dims=tensor.shape(spec),
        optional=tensor.optional,
        allow_ragged_batch=tensor.ragged,
    )


def _output(tensor: Tensor, spec: ModelSpec) -> pb.ModelOutput:
    return pb.ModelOutput(name=tensor.name, data_type=DTYPES[tensor.dtype], dims=tensor.shape(spec))


def _add_parameters(config: pb.ModelConfig, parameters: Mapping[str, str]) -> None:
    for name, value in parameters.items():
        config.parameters[name].string_value = value
