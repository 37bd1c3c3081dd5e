"""Health of each model by a real inference.

The readiness that Triton reports is not enough: the bundled server (2.51) stays ready after the
Python process of a step has died.

Time until an unhealthy model restarts Triton, with two failures in a row:

- A crashed step fails its next probe: at most `PROBE_INTERVAL` + `CONFIRMATION_INTERVAL`, about
  3 s.
- A step that hangs fails its probe after `stall.PROBE_GRACE_SECONDS` + `STALL_TIMEOUT_SECONDS`:
  about 2 x 121 s + 3 s, or 4 minutes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import tritonclient.grpc.aio as grpc
from tritonclient.grpc import model_config_pb2 as pb

from triton_embed.contract import tensors
from triton_embed.contract.pipeline import Role
from triton_embed.contract.serialization import Identity, SpecError, spec_from_parameters
from triton_embed.contract.spec import ModelSpec
from triton_embed.repository import config as configurations
from triton_embed.serve.admin_client import TritonAdmin
from triton_embed.serve.errors import TritonError
from triton_embed.serve.stall import STALL_TIMEOUT_SECONDS, StallDetector

PROBE_INTERVAL = 3.0
"""Seconds between two probes of a healthy Triton. A probe costs each model one short text."""

CONFIRMATION_INTERVAL = 0.2
"""Seconds between a failed probe and the next one, which decides on a restart."""

UNHEALTHY_STATUS = frozenset({"INTERNAL", "UNAVAILABLE", "UNKNOWN", "DEADLINE_EXCEEDED"})
"""gRPC statuses of a broken model. With another status, the model works but rejects the probe."""


@dataclass(frozen=True)
class ProbeTarget:
    """A loaded embedding model.

    Attributes:
        ensemble: Triton's name of the ensemble to embed a text with.
        spec: The model's spec.
        steps: Names of the steps that a text passes in the ensemble.
        postprocess: Name of the step that is probed separately, because requests that need no
            conversion do not use it; ``None`` for an ensemble without this step.
    """

    ensemble: str
    spec: ModelSpec
    steps: tuple[str, ...]
    postprocess: str | None


@dataclass(frozen=True)
class ProbeResult:
    """Outcome of one probe.

    Attributes:
        server: The reason why Triton itself is unhealthy, if it is.
        models: The reason for each unhealthy model, by the name of its ensemble.
    """

    server: str | None = None
    models: Mapping[str, str] = field(default_factory=dict)

    def without(self, ensembles: Collection[str]) -> ProbeResult:
        """Return the result of all other models."""
        models = {name: reason for name, reason in self.models.items() if name not in ensembles}
        return replace(self, models=models)

    def repeats(self, before: ProbeResult) -> str | None:
        """Return the reason of a failure that is also in the result `before`, if there is one.

        A Triton that does not respond counts as a failure of each of its models.
        """
        for name, reason in self.models.items():
            if before.server or name in before.models:
                return reason
        return self.server if before.server or before.models else None


class HealthProbe(Protocol):
    """Checks the health of loaded models."""

    async def run(self, ensembles: Collection[str] | None = None) -> ProbeResult:
        """Probe the loaded models, or those of the given ensembles."""


class Probe:
    """`HealthProbe` that embeds a word with each model.

    Args:
        client: The Triton to probe.
        stall: Distinguishes a busy step from a stalled step.
    """

    def __init__(self, client: TritonAdmin, stall: StallDetector | None = None) -> None:
        self._client = client
        self._stall = stall or StallDetector(client.execution_count)

    async def run(self, ensembles: Collection[str] | None = None) -> ProbeResult:
        """See `HealthProbe.run`."""
        try:
            configs = await asyncio.wait_for(self._client.ready_configs(), STALL_TIMEOUT_SECONDS)
        except asyncio.TimeoutError:
            return ProbeResult(f"it has not responded for {STALL_TIMEOUT_SECONDS:.0f} s")
        except TritonError as error:
            return ProbeResult(f"it does not respond: {error.message}")
        probed = [
            target
            for target in probe_targets(configs)
            if ensembles is None or target.ensemble in ensembles
        ]
        reasons = await asyncio.gather(*map(self._failure, probed))
        return ProbeResult(
            models={
                target.ensemble: reason
                for target, reason in zip(probed, reasons, strict=True)
                if reason
            }
        )

    async def _failure(self, target: ProbeTarget) -> str | None:
        """Return the reason why a model is unhealthy, if it is."""
        if target.postprocess:
            vector = grpc.InferInput(tensors.EMBEDDINGS, [1, target.spec.dimension], "FP32")
            vector.set_data_from_numpy(np.zeros((1, target.spec.dimension), np.float32))
            steps = (target.postprocess,)
            reason = await self._inference_failure(target.postprocess, vector, steps)
            if reason:
                return reason
        text = grpc.InferInput(tensors.TEXT, [1, 1], "BYTES")
        text.set_data_from_numpy(np.array([[b"ready?"]], dtype=np.object_))
        return await self._inference_failure(target.ensemble, text, target.steps)

    async def _inference_failure(
        self, model: str, tensor: grpc.InferInput, steps: Sequence[str]
    ) -> str | None:
        """Return the reason why `model`, which consists of `steps`, is unhealthy, if it is."""
        request = asyncio.ensure_future(self._client.infer(model, [tensor]))
        try:
            if not await self._stall.wait(request, steps):
                return f"{model} has not responded for {STALL_TIMEOUT_SECONDS:.0f} s"
            await request
        except TritonError as error:
            return f"{model}: {error.message}" if error.status in UNHEALTHY_STATUS else None
        finally:
            request.cancel()
        return None


def probe_targets(configs: Mapping[str, pb.ModelConfig]) -> list[ProbeTarget]:
    """Return the embedding models among loaded Triton models.

    Args:
        configs: The configuration of each, by name.
    """
    entries: dict[str, ModelSpec] = {}
    postprocess: dict[str, str] = {}
    for name, config in configs.items():
        values = configurations.parameters(config)
        identity = Identity.from_parameters(values)
        if identity is None:
            continue
        if identity.role in (Role.ENTRY.value, Role.ALIAS.value):
            with suppress(SpecError):
                entries[name] = spec_from_parameters(values)
        elif identity.role == Role.POSTPROCESS.value:
            postprocess[identity.model_id] = name
    return [
        ProbeTarget(name, spec, configurations.steps(configs[name]), postprocess.get(spec.model_id))
        for name, spec in entries.items()
    ]


async def wait_unhealthy(probe: Callable[[], Awaitable[ProbeResult]]) -> str:
    """Probe at intervals until the same failure occurs twice in a row, and return its reason.

    One failure is not enough because a model may be reloading during a probe.
    """
    before = ProbeResult()
    while True:
        failed = before.server or before.models
        await asyncio.sleep(CONFIRMATION_INTERVAL if failed else PROBE_INTERVAL)
        result = await probe()
        if reason := result.repeats(before):
            return reason
        before = result
