"""Which models Triton serves, kept up to date while it serves them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from triton_embed.contract.errors import ApiError, NotFound, Unavailable
from triton_embed.contract.options import InputType, Options, shorten
from triton_embed.contract.pipeline import Role
from triton_embed.contract.serialization import Identity, SpecError, spec_from_parameters
from triton_embed.contract.spec import ModelSpec
from triton_embed.gateway.metrics import Phase
from triton_embed.gateway.triton.client import InferenceClient

logger = logging.getLogger("gateway")

StatisticDuration = Mapping[str, int]
"""Of Triton's statistics: how often (``count``) and how long in all (``ns``)."""

RELOAD_SECONDS = 60.0
"""A Triton that has come back may take so long to load its models again; until then asking
for one that it had is answered with "try again" and not with "unknown"."""

ANSWER_SECONDS = 30.0
"""A Triton that has not said for so long what it serves is taken for gone."""

STEP_ROLES = {Role.TOKENIZE.value, Role.ENCODE.value, Role.POSTPROCESS.value}

NO_MODEL = "There is no model yet: none is loaded, or none was exported."


@dataclass(frozen=True)
class ServedModel:
    """A model as the gateway calls it.

    Attributes:
        spec: What it can do.
        name: Triton's name of its ensemble.
        direct_name: Triton's name of the ensemble that ends with the encoder.
        max_batch_size: Most inputs of one request to Triton.
        steps: Triton's names of its steps, by role.
    """

    spec: ModelSpec
    name: str
    direct_name: str
    max_batch_size: int
    steps: Mapping[str, str]

    def ensemble(self, options: Options) -> str:
        """Return Triton's name of the ensemble to ask: the shortest that does all of `options`."""
        return self.name if options.converts else self.direct_name


class Catalog:
    """The models of one Triton.

    Args:
        triton: The server.
    """

    def __init__(self, triton: InferenceClient) -> None:
        self._triton = triton
        self._models: dict[str, ServedModel] = {}
        self._connected = False
        self._askable = False
        self._failure = ""
        self._back_since = float("-inf")
        self._expected: set[str] = set()
        self._statistics: dict[str, Any] = {}

    @property
    def models(self) -> list[ServedModel]:
        """The models served when we last looked, by id."""
        return [self._models[model_id] for model_id in sorted(self._models)]

    @property
    def ready(self) -> bool:
        """Whether Triton answered when we last looked, and had a model."""
        return self._connected and self._askable

    async def keep_fresh(self, pause: float) -> None:
        """Look at Triton for ever, `pause` seconds apart."""
        while True:
            await self.refresh()
            await asyncio.sleep(pause)

    async def refresh(self) -> None:
        """Look at Triton once; while it does not answer the known models are kept."""
        try:
            seen = await asyncio.wait_for(self._look(), ANSWER_SECONDS)
        except asyncio.TimeoutError:
            self._fail(f"nothing came within {ANSWER_SECONDS:.0f} s")
        except ApiError as error:
            self._fail(str(error))
        except Exception as error:
            # Something else may listen there: the models known so far are better than none.
            self._fail(f"it is not understood: {error!r}")
        else:
            self._update(*seen)

    def _fail(self, failure: str) -> None:
        if failure != self._failure:
            logger.error("Triton does not answer: %s", failure)
        self._failure = failure
        self._connected = False

    def _update(
        self, statistics: dict[str, Any], models: dict[str, ServedModel], stepped: set[str]
    ) -> None:
        """Take over what `_look` returned."""
        self._failure = ""
        self._askable = bool(models)
        # While a model is replaced Triton has no ensemble of it, and asking for it gives a 503.
        models = {**{key: self._models[key] for key in stepped & self._models.keys()}, **models}
        if self._models and (not self._connected or self._restarted(statistics)):
            self._back_since = monotonic()
        self._connected = True
        for model_id in models.keys() - self._models.keys():
            logger.info("serving %s", model_id)
        for model_id in self._models.keys() - models.keys():
            logger.info("no longer serving %s", model_id)
        reloading = monotonic() < self._back_since + RELOAD_SECONDS
        self._expected = (self._expected if reloading else set()) | models.keys() | stepped
        self._statistics = statistics
        self._models = models

    def _restarted(self, statistics: Mapping[str, Any]) -> bool:
        """Whether Triton began anew since we last looked: it has nothing, or counts from 0."""
        counts = [
            (item["inference_count"], self._statistics[name]["inference_count"])
            for name, item in statistics.items()
            if name in self._statistics
        ]
        used = [(now, before) for now, before in counts if before]
        return not statistics or (bool(used) and all(now < before for now, before in used))

    async def _look(self) -> tuple[dict[str, Any], dict[str, ServedModel], set[str]]:
        """Return Triton's statistics, the models it serves, and the ids of which it has steps."""
        statistics = {item["name"]: item for item in await self._triton.statistics()}
        specs: dict[str, tuple[ModelSpec, int]] = {}
        names: dict[str, dict[str, str]] = {}
        for name in statistics:
            config = await self._triton.config(name)
            if config is None:
                continue
            parameters = {
                key: item["string_value"] for key, item in config.get("parameters", {}).items()
            }
            identity = Identity.from_parameters(parameters)
            if identity is None:
                continue
            names.setdefault(identity.model_id, {})[identity.role] = name
            if identity.role == Role.ENTRY.value:
                try:
                    spec = spec_from_parameters(parameters)
                except SpecError as error:
                    logger.debug("%s %s", name, error)
                    continue
                specs[identity.model_id] = spec, config["max_batch_size"]
        models = {
            model_id: ServedModel(
                spec,
                names[model_id][Role.ENTRY.value],
                names[model_id].get(Role.DIRECT.value, names[model_id][Role.ENTRY.value]),
                max_batch_size,
                {role: name for role, name in names[model_id].items() if role in STEP_ROLES},
            )
            for model_id, (spec, max_batch_size) in specs.items()
        }
        stepped = {
            model_id for model_id, roles in names.items() if not STEP_ROLES.isdisjoint(roles)
        }
        return statistics, models, stepped

    def phases(self) -> list[Phase]:
        """Return how long requests spent in Triton's queues, tokenizers and encoders, so far."""
        phases: list[Phase] = []
        for model in self.models:
            steps = [
                self._statistics[name]["inference_stats"]
                for role in (Role.TOKENIZE, Role.ENCODE, Role.POSTPROCESS)
                if (name := model.steps.get(role.value, "")) in self._statistics
            ]
            if len(steps) == 3:
                tokenizer, encoder, _ = steps
                phases += [
                    _phase(model, "queue", encoder["queue"], *(step["queue"] for step in steps)),
                    _phase(model, "tokenize", tokenizer["success"], *_compute(tokenizer)),
                    _phase(model, "infer", encoder["success"], *_compute(encoder)),
                ]
        return phases

    def resolve(self, name: str) -> tuple[ServedModel, InputType | None]:
        """Return the model that a request names, and the input type that its suffix states.

        A model whose id itself ends in ``-query`` or ``-passage`` goes before the suffix rule.

        Raises:
            NotFound: there is none; the message lists those there are.
            Unavailable: Triton was not reached yet, has no model, or is about to load this one.
        """
        if name in self._models:
            return self._models[name], None
        for input_type in InputType:
            model = self._models.get(name.removesuffix(f"-{input_type.value}"))
            if model:
                return model, input_type
        raise self._missing(name)

    def _missing(self, name: str) -> ApiError:
        expected = self._expected - self._models.keys()
        meant = {name, *(name.removesuffix(f"-{input_type.value}") for input_type in InputType)}
        if meant & expected:
            return Unavailable("The model is being loaded; try again soon.")
        if not self._models:
            return Unavailable(NO_MODEL)
        known = ", ".join(f"'{model_id}'" for model_id in sorted(self._models))
        return NotFound(
            f"The model {shorten.repr(name)} does not exist. Available models are: {known}.",
            param="model",
            code="model_not_found",
        )


def _compute(step: Mapping[str, StatisticDuration]) -> tuple[StatisticDuration, ...]:
    return step["compute_input"], step["compute_infer"], step["compute_output"]


def _phase(
    model: ServedModel, name: str, counted: StatisticDuration, *durations: StatisticDuration
) -> Phase:
    seconds = sum(item["ns"] for item in durations) / 1e9
    return Phase(model.spec.model_id, name, counted["count"], seconds)
