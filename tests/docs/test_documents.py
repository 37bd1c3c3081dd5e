"""Every fenced block of README and docs/ is run by a test, or states why it is not."""

from __future__ import annotations

import pytest

from testing.documents import DOCUMENTS, LANGUAGES, Block, blocks, main
from testing.paths import ROOT

MAX_NOT_RUN = 15
"""Blocks that no test runs; no test checks their claims."""

ALL = [block for path in DOCUMENTS for block in blocks(path)]


@pytest.mark.parametrize("block", ALL, ids=[block.place for block in ALL])
def test_block_is_run_or_states_why_it_is_not(block: Block) -> None:
    if block.checked_by:
        assert block.path.name in (ROOT / block.checked_by).read_text(encoding="utf-8")
        return
    assert block.not_run or block.language in LANGUAGES, (
        f"{block.place}: a block of '{block.language}' is neither run nor the output of the block"
        " before it; put <!-- not run: REASON --> in the line before it"
    )


def test_few_blocks_are_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == sum(bool(block.not_run) for block in ALL)
    assert len(printed) <= MAX_NOT_RUN, "\n".join(printed)
