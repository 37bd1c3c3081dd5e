"""Values of metrics in Prometheus' text format."""

from __future__ import annotations


def samples(text: str) -> dict[str, float]:
    """Return the value of each sample by its name with labels, as written.

    Args:
        text: A response of ``/metrics``.
    """
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}
