"""The one place that writes a config.pbtxt: the ensembles of a model and its three steps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from triton_embed.contract import naming, tensors
from triton_embed.contract.spec import ModelSpec
from triton_embed.export.target import Target


def build(spec: ModelSpec, max_batch_size: int, target: Target) -> dict[str, str]:
    """Return the text of every config.pbtxt of a model, by Triton model name.

    The steps come before the ensembles: the order in which to install them.

    Args:
        spec: The model's spec. It goes into the ``parameters`` of the ensemble that clients ask
            for, of its alias, and of the steps that need it.
        max_batch_size: Most items of one execution, and of one request to the ensemble.
        target: What the encoder was exported for.
    """
    ensemble = naming.triton_model_name(spec.model_id)
    configs = [
        _tokenizer(naming.step_name(ensemble, naming.TOKENIZER), spec),
        _encoder(naming.step_name(ensemble, naming.ENCODER), spec, target),
        _postprocess(naming.step_name(ensemble, naming.POSTPROCESS), spec),
        _float_ensemble(naming.step_name(ensemble, naming.FLOAT), ensemble),
        _ensemble(ensemble, ensemble, spec),
    ]
    if (alias := naming.case_preserving_name(spec.model_id)) != ensemble:
        configs.append(_ensemble(alias, ensemble, spec))
    for config in configs:
        config.max_batch_size = max_batch_size
    return {config.name: text_format.MessageToString(config) for config in configs}


def read(model: Path) -> pb.ModelConfig:
    """Return the config.pbtxt in a model's folder.

    Raises:
        OSError: it cannot be read.
        ValueError: it is malformed.
    """
    text = (model / "config.pbtxt").read_text(encoding="utf-8")
    try:
        return text_format.Parse(text, pb.ModelConfig(), allow_unknown_field=True)
    except text_format.ParseError as error:
        raise ValueError(f"config.pbtxt is malformed: {error}") from error


def parameters(config: pb.ModelConfig) -> dict[str, str]:
    """Return the parameters in a model's configuration."""
    return {name: str(value.string_value) for name, value in config.parameters.items()}


def _input(name: str, dtype: int, dims: int, *, optional: bool = False) -> pb.ModelInput:
    return pb.ModelInput(name=name, data_type=dtype, dims=[dims], optional=optional)


def _output(name: str, dtype: int, dims: int) -> pb.ModelOutput:
    return pb.ModelOutput(name=name, data_type=dtype, dims=[dims])


def _text_inputs() -> list[pb.ModelInput]:
    return [
        _input(tensors.TEXT, pb.TYPE_STRING, 1),
        _input(tensors.MODALITY, pb.TYPE_STRING, 1, optional=True),
    ]


def _python(name: str, backend: str, spec: ModelSpec) -> pb.ModelConfig:
    config = pb.ModelConfig(name=name, backend=backend)
    config.instance_group.add(kind=pb.ModelInstanceGroup.KIND_CPU, count=1)
    config.dynamic_batching.SetInParent()
    _add_parameters(config, spec.to_parameters())
    return config


def _tokenizer(name: str, spec: ModelSpec) -> pb.ModelConfig:
    config = _python(name, naming.TOKENIZER, spec)
    config.input.extend(_text_inputs())
    config.output.append(_output(tensors.TOKEN_IDS, pb.TYPE_INT32, -1))
    config.output.append(_output(tensors.LENGTH, pb.TYPE_INT32, 1))
    config.output.append(_output(tensors.TOKEN_COUNT, pb.TYPE_INT32, 1))
    return config


def _encoder(name: str, spec: ModelSpec, target: Target) -> pb.ModelConfig:
    config = pb.ModelConfig(name=name, platform=target.platform, backend=target.backend)
    token_ids = _input(tensors.TOKEN_IDS, pb.TYPE_INT32, -1)
    token_ids.allow_ragged_batch = True
    config.input.extend([token_ids, _input(tensors.LENGTH, pb.TYPE_INT32, 1)])
    config.batch_input.add(
        kind=pb.BatchInput.BATCH_ITEM_SHAPE,
        target_name=[tensors.ROW_WIDTH],
        data_type=pb.TYPE_INT32,
        source_input=[tensors.TOKEN_IDS],
    )
    config.output.append(_output(tensors.EMBEDDINGS, pb.TYPE_FP32, spec.dimension))
    config.instance_group.add(kind=pb.ModelInstanceGroup.Kind.Value(target.kind), count=1)
    config.dynamic_batching.max_queue_delay_microseconds = target.queue_delay_microseconds
    return config


def _postprocess(name: str, spec: ModelSpec) -> pb.ModelConfig:
    config = _python(name, naming.POSTPROCESS, spec)
    # Not the spec's dimension: while a model is replaced by one of another dimension, requests
    # on their way from the old encoder still arrive here.
    config.input.append(_input(tensors.EMBEDDINGS, pb.TYPE_FP32, -1))
    config.output.append(_output(tensors.EMBEDDINGS, pb.TYPE_FP32, -1))
    return config


def _float_ensemble(name: str, steps_of: str) -> pb.ModelConfig:
    config = pb.ModelConfig(name=name, platform="ensemble")
    config.input.extend(_text_inputs())
    config.output.append(_output(tensors.TOKEN_COUNT, pb.TYPE_INT32, 1))
    config.output.append(_output(tensors.EMBEDDINGS, pb.TYPE_FP32, -1))
    config.ensemble_scheduling.step.add(
        model_name=naming.step_name(steps_of, naming.TOKENIZER),
        model_version=-1,
        input_map={tensors.TEXT: tensors.TEXT, tensors.MODALITY: tensors.MODALITY},
        output_map={tensors.TOKEN_IDS: tensors.TOKEN_IDS, tensors.LENGTH: tensors.TOKEN_COUNT},
    )
    config.ensemble_scheduling.step.add(
        model_name=naming.step_name(steps_of, naming.ENCODER),
        model_version=-1,
        input_map={tensors.TOKEN_IDS: tensors.TOKEN_IDS, tensors.LENGTH: tensors.TOKEN_COUNT},
        output_map={tensors.EMBEDDINGS: tensors.EMBEDDINGS},
    )
    return config


def _ensemble(name: str, steps_of: str, spec: ModelSpec) -> pb.ModelConfig:
    config = _float_ensemble(name, steps_of)
    vectors = "vectors"
    tokenizer, encoder = config.ensemble_scheduling.step
    # Triton drops an output with the steps that read it, and the count may be asked for alone.
    tokenizer.output_map.update(
        {tensors.LENGTH: tensors.LENGTH, tensors.TOKEN_COUNT: tensors.TOKEN_COUNT}
    )
    encoder.input_map[tensors.LENGTH] = tensors.LENGTH
    encoder.output_map[tensors.EMBEDDINGS] = vectors
    config.ensemble_scheduling.step.add(
        model_name=naming.step_name(steps_of, naming.POSTPROCESS),
        model_version=-1,
        input_map={tensors.EMBEDDINGS: vectors},
        output_map={tensors.EMBEDDINGS: tensors.EMBEDDINGS},
    )
    _add_parameters(config, spec.to_parameters())
    return config


def _add_parameters(config: pb.ModelConfig, parameters: Mapping[str, str]) -> None:
    for name, value in parameters.items():
        config.parameters[name].string_value = value
