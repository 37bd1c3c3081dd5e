"""The served models, as Prometheus metrics."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from triton_embed.gateway.triton.catalog import Catalog


class CatalogCollector(Collector):
    """Reports the readiness and the properties of the known models.

    Args:
        catalog: The models.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        ready = GaugeMetricFamily(
            "triton_embed_model_ready",
            "1 if requests for the model are served, 0 while it is being loaded.",
            labels=["model"],
        )
        for model_id, is_ready in self._catalog.readiness().items():
            ready.add_metric([model_id], is_ready)
        yield ready
        info = GaugeMetricFamily(
            "triton_embed_model_info",
            "Properties of the served models, as labels.",
            labels=["model", "dimension", "max_tokens", "exported_at"],
        )
        for model in self._catalog.models:
            spec = model.spec
            labels = [spec.model_id, str(spec.dimension), str(spec.max_tokens), model.exported_at]
            info.add_metric(labels, 1)
        yield info
