from __future__ import annotations

from pathlib import Path

import pytest

from testing.triton_admin import FakeTriton
from triton_embed.repository.model import InstalledModel
from triton_embed.repository.scanner import find
from triton_embed.serve.retirement import MAX_RETIREMENT_SECONDS, MIN_IDLE_CHECKS, Retirement


@pytest.fixture
def model(stub_repository: Path) -> InstalledModel:
    return find(stub_repository, "tiny")


async def test_removed_model_is_unloaded_once_its_requests_have_finished(
    triton: FakeTriton, model: InstalledModel
) -> None:
    retirement = Retirement(triton)
    await retirement.add(model)
    for count in range(1, 6):
        triton.executions["tiny_encoder"] = count
        assert not await retirement.finished()
    for _ in range(MIN_IDLE_CHECKS - 1):
        assert not await retirement.finished()
    assert await retirement.finished() == [model]
    assert not await retirement.finished(at_once=True)


async def test_removed_model_in_use_is_unloaded_at_the_deadline(
    triton: FakeTriton, model: InstalledModel
) -> None:
    now = 0.0
    retirement = Retirement(triton, lambda: now)
    await retirement.add(model)
    triton.executions["tiny_encoder"] = 1
    assert not await retirement.finished()
    triton.executions["tiny_encoder"] = 2
    now = MAX_RETIREMENT_SECONDS
    assert await retirement.finished() == [model]


async def test_removed_model_is_unloaded_immediately_before_another_is_loaded(
    triton: FakeTriton, model: InstalledModel
) -> None:
    retirement = Retirement(triton)
    await retirement.add(model)
    assert await retirement.finished(at_once=True) == [model]
