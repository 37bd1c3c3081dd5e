"""The settings of a tokenizer's components."""

from __future__ import annotations

import json
from typing import Any


def component_settings(component: Any) -> dict[str, Any]:
    """Return the settings of a component, as in tokenizer.json; empty without a component."""
    return {} if component is None else dict(json.loads(component.__getstate__()))
