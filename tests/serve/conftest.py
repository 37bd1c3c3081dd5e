from __future__ import annotations

from pathlib import Path

import pytest

from testing.reconciling import reconciler_of
from testing.triton_admin import FakeTriton
from triton_embed.serve.reconciler import Reconciler


@pytest.fixture
def triton(stub_repository: Path) -> FakeTriton:
    return FakeTriton(stub_repository)


@pytest.fixture
async def reconciler(stub_repository: Path, triton: FakeTriton) -> Reconciler:
    """A reconciler that has loaded `tiny`; its requests so far are cleared."""
    reconciler = reconciler_of(stub_repository, triton)
    assert await reconciler.load_all() == ["tiny"]
    triton.requests.clear()
    return reconciler
