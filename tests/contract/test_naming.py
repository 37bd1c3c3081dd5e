from __future__ import annotations

import pytest

from triton_embed.contract.naming import default_model_id, hub_id

CACHED = "/home/me/.cache/huggingface/hub/models--intfloat--e5-small-v2/snapshots/ffb93f3b"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("intfloat/e5-small-v2", "intfloat/e5-small-v2"),
        (CACHED, "intfloat/e5-small-v2"),
        ("https://huggingface.co/intfloat/e5-small-v2", "intfloat/e5-small-v2"),
        ("https://hf.co/intfloat/e5-small-v2/tree/main?x=1", "intfloat/e5-small-v2"),
        ("huggingface.co/intfloat/e5-small-v2/blob/main/config.json", "intfloat/e5-small-v2"),
        ("https://example.org/intfloat/e5-small-v2", "https://example.org/intfloat/e5-small-v2"),
        (f"{CACHED}/onnx", "onnx"),
        ("/models/models--intfloat--e5-small-v2", "intfloat/e5-small-v2"),
        ("/models/models--mine", "models--mine"),
        ("/models/Mine 1.0", "Mine 1.0"),
    ],
)
def test_default_id_is_the_hub_id_or_the_name_of_the_folder(source: str, expected: str) -> None:
    assert default_model_id(source) == expected


def test_folder_outside_the_hub_cache_has_no_hub_id() -> None:
    assert hub_id(CACHED) == "intfloat/e5-small-v2"
    assert hub_id("/models/e5-small-v2") is None
