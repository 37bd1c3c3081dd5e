from __future__ import annotations

import logging

import pytest

from triton_embed.gateway.settings import Settings as GatewaySettings
from triton_embed.runtime.settings import setting_fields, variables
from triton_embed.runtime.variables import NIM_VARIABLES, OWN_VARIABLES, log_unknown_variables
from triton_embed.serve.settings import Settings as ServeSettings


def test_every_known_variable_sets_something() -> None:
    used = {
        name
        for kind in (GatewaySettings, ServeSettings)
        for item in setting_fields(kind)
        for name in variables(item)
    }
    assert used == NIM_VARIABLES | OWN_VARIABLES


def test_unknown_variables_are_logged_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        log_unknown_variables(
            {
                "NIM_CACHE_PATH": "/x",
                "NIM_LOG_LEVEL": "INFO",
                "TRITON_EMBED_API_KEY": "misspelt",
                "TRITON_EMBED_PORT": "8000",
            }
        )
    assert [record.getMessage() for record in caplog.records] == [
        "ignoring NIM_CACHE_PATH, TRITON_EMBED_API_KEY: unknown to triton-embed"
    ]
