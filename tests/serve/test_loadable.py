"""The models that Triton may load."""

from __future__ import annotations

import os
from pathlib import Path

from triton_embed.serve.loadable import loadable_models


def test_folder_whose_name_no_request_can_contain_is_not_a_model(stub_repository: Path) -> None:
    folder = stub_repository / os.fsdecode(b"latin-\xe9")
    folder.mkdir()
    (folder / "config.pbtxt").write_text('backend: "python"')
    assert list(loadable_models(stub_repository)) == ["tiny"]
