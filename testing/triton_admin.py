"""Triton's administrative API and the health probe in memory, for tests of the supervisor."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from tritonclient.grpc import model_config_pb2 as pb

from triton_embed.repository import config as configs
from triton_embed.serve.errors import TritonError
from triton_embed.serve.probe import ProbeResult


class FakeTriton:
    """`serve.admin_client.TritonAdmin` that serves a folder, and records the requests.

    Args:
        repository: Loaded ensembles load their steps from here, as in Triton.

    Attributes:
        requests: Each request to load, unload or drain, as text such as ``load tiny``.
        loaded: Names of the loaded models.
        aliases: Configurations of loaded ensembles that the repository does not have.
        rejected: Names of models that cannot be loaded.
        inference_errors: The error of each model whose inferences fail.
        executions: Number of finished executions of each step.
        server_version: The version that it reports.
        failing_listings: Number of requests for the ready models that will fail.
    """

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self.requests: list[str] = []
        self.loaded: set[str] = set()
        self.aliases: dict[str, pb.ModelConfig] = {}
        self.rejected: set[str] = set()
        self.inference_errors: dict[str, TritonError] = {}
        self.executions: dict[str, int] = {}
        self.failing_listings = 0
        self.server_version = "2.60.0"

    async def is_live(self) -> bool:
        """Return that the server responds."""
        return True

    async def version(self) -> str:
        """Return a version."""
        return self.server_version

    async def load(self, model: str, config: str | None = None) -> None:
        """Load a model of the repository, and its steps."""
        self.requests.append(f"load {model}")
        found = self._config(model)
        if model in self.rejected or found is None:
            raise TritonError(f"failed to load '{model}'", "INTERNAL")
        self.loaded |= {model, *configs.steps(found)}

    async def load_alias(self, model: str, config: str) -> None:
        """Load an ensemble; like Triton's, its steps must be loaded."""
        self.requests.append(f"load {model}")
        self.aliases[model] = json_format.Parse(config, pb.ModelConfig())
        assert self.loaded.issuperset(configs.steps(self.aliases[model]))
        self.loaded.add(model)

    async def unload(self, model: str) -> None:
        """Unload a model."""
        self.requests.append(f"unload {model}")
        if model not in self.loaded:
            raise TritonError(f"'{model}' is not loaded", "NOT_FOUND")
        self.loaded.remove(model)

    async def drain(self, models: Collection[str]) -> None:
        """Record the request."""
        self.requests.append(f"drain {' '.join(models)}")

    async def ready_configs(self) -> Mapping[str, pb.ModelConfig]:
        """Return the configurations of the loaded models that the repository still has."""
        if self.failing_listings:
            self.failing_listings -= 1
            raise TritonError("connection reset", "UNAVAILABLE")
        found = {model: self._config(model) for model in sorted(self.loaded)}
        return {model: config for model, config in found.items() if config}

    def _config(self, model: str) -> pb.ModelConfig | None:
        try:
            return configs.read(self._repository / model)
        except (OSError, ValueError):
            return None

    async def execution_count(self, model: str) -> int:
        """Return the number in `executions`."""
        return self.executions.get(model, 0)

    async def infer(self, model: str, inputs: Sequence[Any]) -> None:
        """Raise the model's error if it has one."""
        if model in self.inference_errors:
            raise self.inference_errors[model]


class ScriptedProbe:
    """`serve.probe.HealthProbe` with results from a test; after the last, all models are healthy.

    Args:
        results: The result of each probe, in order.
    """

    def __init__(self, *results: ProbeResult) -> None:
        self.results = list(results)

    async def run(self, ensembles: Collection[str] | None = None) -> ProbeResult:
        """Return the next result."""
        return self.results.pop(0) if self.results else ProbeResult()
