"""NVIDIA's AIPerf: its three forms of requests with images, and texts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import live
import pytest

PROGRAM = Path(sys.executable).with_name("aiperf")
REQUESTS = 4

# If it is offline, AIPerf loads tokenizers only from the cache of the hub, not from a folder.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}


WITH_TOKENS = ("--tokenizer", live.TOKENIZER)


def profile(folder, endpoint, model, *flags, **content):
    """Run AIPerf, and return the bodies of the responses to its requests."""
    dataset = folder / "dataset.jsonl"
    dataset.write_text(json.dumps(content) + "\n", encoding="utf-8")
    command = [
        *(PROGRAM, "profile", "--ui", "none", "--url", live.URL),
        *("--endpoint-type", endpoint, "--model", model),
        *("--input-file", dataset, "--custom-dataset-type", "single_turn"),
        *("--request-count", str(REQUESTS), "--concurrency", "2"),
        *("--export-level", "raw", "--output-artifact-dir", folder),
        *("--no-gpu-telemetry", "--no-server-metrics", *flags),
    ]
    subprocess.run(list(map(str, command)), check=True, timeout=240, env=ENVIRONMENT)
    summary = json.loads((folder / "profile_export_aiperf.json").read_text(encoding="utf-8"))
    assert summary["request_count"]["avg"] == REQUESTS
    records = (folder / "profile_export_raw.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(json.loads(record)["responses"][0]["text"]) for record in records]


def check(responses, inputs, model):
    assert len(responses) == REQUESTS
    for response in responses:
        live.check([item["embedding"] for item in response["data"]], inputs, model)


@pytest.mark.parametrize("model", [live.IMAGES, live.FUSED])
def test_strings(tmp_path, model):
    flags = ("--extra-inputs", "input_type:passage", "--extra-inputs", "modality:image")
    responses = profile(tmp_path, "nim-embeddings", model, *flags, *WITH_TOKENS, image=live.IMAGE)
    check(responses, [live.IMAGE], model)


def test_strings_with_text(tmp_path):
    flags = ("--extra-inputs", "input_type:passage")
    content = {"text": live.PASSAGES[0], "image": live.IMAGE}
    responses = profile(tmp_path, "nim-embeddings", live.FUSED, *flags, *WITH_TOKENS, **content)
    check(responses, [live.PAIR], live.FUSED)


def test_chat_messages(tmp_path):
    content = {"text": live.PASSAGES[0], "image": live.IMAGE}
    responses = profile(tmp_path, "chat-embeddings", live.FUSED, *WITH_TOKENS, **content)
    check(responses, [live.PAIR], live.FUSED)


def test_parts(tmp_path):
    # Without these flags it requests /v1/infer, and sends no model.
    flags = ("--custom-endpoint", "/v1/embeddings", "--extra-inputs", f"model:{live.IMAGES}")
    responses = profile(tmp_path, "image-retrieval", live.IMAGES, *flags, image=live.IMAGE)
    check(responses, [live.IMAGE], live.IMAGES)


def test_texts(tmp_path):
    responses = profile(tmp_path, "embeddings", live.MINILM, *WITH_TOKENS, texts=live.PASSAGES)
    check(responses, live.PASSAGES, live.MINILM)
