"""mteb's OpenAIAPIEncodeWrapper; the suffix states the input type."""

from __future__ import annotations

import live
import mteb
import pytest
from datasets import Dataset
from mteb.models import OpenAIAPIEncodeWrapper
from mteb.types import PromptType
from torch.utils.data import DataLoader

TASK = mteb.get_task("SciFact").metadata


def encode(texts, model=live.MINILM, *, batch_size=32, prompt_type=PromptType.document, **options):
    # Its default, use_chat_template=True, sends chat messages that only vLLM accepts.
    wrapper = OpenAIAPIEncodeWrapper(live.URL, model, use_chat_template=False, **options)
    return wrapper.encode(
        DataLoader(Dataset.from_dict({"text": texts}), batch_size=batch_size),
        task_metadata=TASK,
        hf_split="test",
        hf_subset="default",
        prompt_type=prompt_type,
        batch_size=batch_size,
        show_progress_bar=False,
    )


def test_queries_and_documents():
    live.check(encode([live.QUERY], prompt_type=PromptType.query), [live.QUERY])
    live.check(encode(live.PASSAGES), live.PASSAGES)
    live.check(encode(live.PASSAGES, batch_size=3), live.PASSAGES)


@pytest.mark.parametrize("side", ["query", "passage"])
def test_sides(side):
    vectors = encode(live.PASSAGES, f"{live.ASYMMETRIC}-{side}")
    live.check(vectors, live.PASSAGES, live.ASYMMETRIC, side)
    with pytest.raises(RuntimeError, match=live.NO_INPUT_TYPE):
        encode(live.PASSAGES, live.ASYMMETRIC)


def test_errors():
    with pytest.raises(RuntimeError, match=live.OVER_LONG):
        encode([live.LONG])
    with pytest.raises(RuntimeError, match=live.NO_MODEL):
        encode([live.QUERY], "no/model")


def test_max_length_is_rejected_because_only_vllm_has_it():
    with pytest.raises(RuntimeError, match="'truncate_prompt_tokens': Extra inputs"):
        encode([live.LONG], max_length=256)
