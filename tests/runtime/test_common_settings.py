from __future__ import annotations

from pathlib import Path

import pytest

from triton_embed.repository.scanner import scan
from triton_embed.runtime.common_settings import HttpAddress, RepositorySettings


def test_model_repository_follows_a_link_that_is_replaced(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name / name).mkdir(parents=True)
    link = tmp_path / "current"
    link.symlink_to("old")
    repository = RepositorySettings(model_repository=link).repository
    assert [model.name for model in scan(repository)] == ["old"]
    link.unlink()
    link.symlink_to("new")
    assert [model.name for model in scan(repository)] == ["new"]


@pytest.mark.parametrize(
    ("host", "reached"),
    [("0.0.0.0", "127.0.0.1"), ("10.1.2.3", "10.1.2.3"), ("::", "[::1]"), ("fe80::1", "[fe80::1]")],
)
def test_url_is_reachable_from_this_machine(host: str, reached: str) -> None:
    assert HttpAddress(host=(host,), port=9000).url == f"http://{reached}:9000"
    tls = HttpAddress(host=(host,), port=9000, tls_certificate="c", tls_key="k")
    assert tls.url == f"https://{reached}:9000"


@pytest.mark.parametrize("files", [{"tls_key": "key.pem"}, {"tls_certificate": "chain.pem"}])
def test_certificate_and_key_must_be_set_together(files: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="--tls-certificate and --tls-key must be set together"):
        HttpAddress(**files)  # type: ignore[arg-type]
