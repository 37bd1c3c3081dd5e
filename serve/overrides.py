"""Settings of a deployment that override model configurations at load, without a new export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from google.protobuf.json_format import MessageToJson
from tritonclient.grpc import model_config_pb2 as pb

from triton_embed.contract.pipeline import Role
from triton_embed.contract.pipelines import ROUTER_INSTANCES
from triton_embed.contract.serialization import Identity
from triton_embed.repository.config import parameters
from triton_embed.runtime.cores import has_quota, usable_cores
from triton_embed.serve.settings import Settings

MAX_THROUGHPUT_INSTANCES = 4
"""Maximum encoder instances in throughput mode. Each holds its own copy of the weights, and beyond
four, on the machines measured so far, memory grows but throughput does not."""

THROUGHPUT_QUEUE_DELAY_MICROSECONDS = 1000
"""Time in µs that an encoder waits for more requests in throughput mode: long enough for requests
that clients send together, short compared with an execution on a CPU."""

MAX_ROUTER_INSTANCES = 16
"""Maximum instances of the router of a model that takes images. Each decodes one image at a time,
and takes about 100 MB, or 200 MB more while it decodes an image of 16 million pixels."""

ENCODERS = (Role.ENCODE.value, Role.VISION.value)
"""Roles of the steps to which the settings for encoders apply."""


@dataclass(frozen=True)
class Overrides:
    """Changes to the configurations of our models; ``None`` leaves a value as exported.

    Attributes:
        max_batch_size: Maximum inputs per execution and per request.
        served_model_names: Public model id, and further names of the model.
        tokenizer_instances: Instances of each tokenizer.
        router_instances: Instances of each router, each of which decodes one image at a time.
        encoder_instances: Instances of each encoder.
        encoder_threads: Threads of one encoder instance.
        max_queue_delay_microseconds: Time that an encoder waits for more requests.
        spec_parameters: Parameters of the model spec.
    """

    max_batch_size: int | None = None
    served_model_names: tuple[str, ...] = ()
    tokenizer_instances: int | None = None
    router_instances: int | None = None
    encoder_instances: int | None = None
    encoder_threads: int | None = None
    max_queue_delay_microseconds: int | None = None
    spec_parameters: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def from_settings(settings: Settings, cores: int | None = None) -> Overrides:
        """Return the overrides in `settings` for `cores` cores, by default all usable ones."""
        is_limited = cores is None and has_quota()
        cores = cores or usable_cores()
        instances = settings.encoder_instances
        delay = settings.max_queue_delay_microseconds
        if settings.performance_mode == "throughput":
            instances = instances or min(cores, MAX_THROUGHPUT_INSTANCES)
            delay = THROUGHPUT_QUEUE_DELAY_MICROSECONDS if delay is None else delay
        # By default ONNX Runtime uses all cores, whatever the quota is.
        threads = max(1, cores // (instances or 1)) if instances or is_limited else None
        return Overrides(
            max_batch_size=settings.max_batch_size,
            served_model_names=settings.served_model_name,
            tokenizer_instances=settings.tokenizer_instances,
            router_instances=(
                min(cores, MAX_ROUTER_INSTANCES) if cores > ROUTER_INSTANCES else None
            ),
            encoder_instances=instances,
            encoder_threads=settings.encoder_threads or threads,
            max_queue_delay_microseconds=delay,
            spec_parameters=_spec_parameters(settings),
        )

    def overridden_config(self, config: pb.ModelConfig) -> str | None:
        """Return `config` with the overrides as JSON, or ``None`` if none of them changes it."""
        changed = pb.ModelConfig()
        changed.CopyFrom(config)
        self._apply(changed)
        return None if changed == config else to_json(changed)

    def _apply(self, config: pb.ModelConfig) -> None:
        identity = Identity.from_parameters(parameters(config))
        if identity is None:
            return  # The user's own model.
        # The items of an image tower are tiles, not inputs.
        if self.max_batch_size is not None and identity.role != Role.VISION.value:
            config.max_batch_size = self.max_batch_size
        for name, value in self.spec_parameters.items():
            config.parameters[name].string_value = value
        if self.served_model_names:
            model_id, *aliases = self.served_model_names
            config.parameters["model_id"].string_value = model_id
            if aliases and identity.role == Role.ENTRY.value:
                config.parameters["aliases"].string_value = ",".join(aliases)
        if identity.role == Role.TOKENIZE.value and self.tokenizer_instances is not None:
            _set_instances(config, self.tokenizer_instances)
        if identity.role == Role.ROUTE.value and self.router_instances is not None:
            _set_instances(config, self.router_instances)
        if identity.role in ENCODERS:
            self._apply_to_encoder(config)

    def _apply_to_encoder(self, config: pb.ModelConfig) -> None:
        if self.max_queue_delay_microseconds is not None:
            delay = self.max_queue_delay_microseconds
            config.dynamic_batching.max_queue_delay_microseconds = delay
        if self.encoder_instances is not None:
            _set_instances(config, self.encoder_instances)
        if self.encoder_threads is not None:
            threads = str(self.encoder_threads)
            config.parameters["intra_op_thread_count"].string_value = threads


def _spec_parameters(settings: Settings) -> dict[str, str]:
    """Return the parameters of the model spec that `settings` change."""
    changed = {}
    if not settings.token_arrays:
        changed["accepts_token_ids"] = "false"
    if settings.reject_embedded_images:
        changed["rejects_embedded_images"] = "true"
    return changed


def to_json(config: pb.ModelConfig) -> str:
    """Return a configuration in the form in which Triton's API takes it."""
    return MessageToJson(config, preserving_proto_field_name=True)


def _set_instances(config: pb.ModelConfig, count: int) -> None:
    groups = config.instance_group
    # A user may have edited the file.
    (groups[0] if groups else groups.add()).count = count
