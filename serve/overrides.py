"""Changes configurations as they are loaded, so that a deployment's settings need no new export."""

from __future__ import annotations

import os
from pathlib import Path

from google.protobuf.json_format import MessageToJson
from tritonclient.grpc import model_config_pb2

from triton_embed.contract import naming
from triton_embed.repository.scanner import read_config
from triton_embed.serve.settings import Settings

THROUGHPUT_INSTANCES = 4
"""Most encoders side by side in throughput mode; each holds the weights in memory once."""

THROUGHPUT_QUEUE_DELAY_MICROSECONDS = 1000


def configuration(model: Path, settings: Settings) -> str | None:
    """Return the configuration of the model in folder `model` as `settings` want it, as JSON.

    ``None`` if it is to be loaded as it is: nothing changes it, or it cannot be read, which Triton
    says best itself.
    """
    config = read_config(model)
    if config is None:
        return None
    before = config.SerializeToString(deterministic=True)
    if not config.instance_group and not config.HasField("ensemble_scheduling"):
        # Not one of ours.
        return None
    if settings.max_batch_size is not None:
        config.max_batch_size = settings.max_batch_size
    if settings.served_model_name and "model_id" in config.parameters:
        config.parameters["model_id"].string_value = settings.served_model_name
    if config.backend == naming.TOKENIZER and settings.tokenizers is not None:
        config.instance_group[0].count = settings.tokenizers
    if config.batch_input:
        _tune_encoder(config, settings)
    if config.SerializeToString(deterministic=True) == before:
        return None
    return MessageToJson(config, preserving_proto_field_name=True)


def _tune_encoder(config: model_config_pb2.ModelConfig, settings: Settings) -> None:
    """Set instances, their threads and the queue delay of a model with ragged input."""
    instances = settings.model_instances
    delay = settings.max_queue_delay_microseconds
    cores = len(os.sched_getaffinity(0))
    if settings.performance_mode == "throughput":
        instances = instances or min(cores, THROUGHPUT_INSTANCES)
        delay = THROUGHPUT_QUEUE_DELAY_MICROSECONDS if delay is None else delay
    if delay is not None:
        config.dynamic_batching.max_queue_delay_microseconds = delay
    if instances is not None:
        config.instance_group[0].count = instances
        threads = str(max(1, cores // instances))
        config.parameters["intra_op_thread_count"].string_value = threads
