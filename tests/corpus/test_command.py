from __future__ import annotations

import base64
import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from testing.corpora import outcome, read_output, write_texts
from testing.embedding_api import BAD, WIDTH, EmbeddingApi, rejection, vectors
from triton_embed.cli import main
from triton_embed.client.sender import CONTROL
from triton_embed.corpus.part_writer import PartWriter
from triton_embed.corpus.sinks.parquet import METADATA_KEY
from triton_embed.corpus.windows import Window, _window

TEXTS = [f"{'word ' * (index * 7 % 60)}{index}" for index in range(250)]
OURS = {"id": "m", "owned_by": "triton-embed", "exported_at": "2026-01-01", "max_tokens": 8}

Embed = Callable[..., int]


@pytest.fixture
def api() -> EmbeddingApi:
    return EmbeddingApi(model=dict(OURS))


@pytest.fixture
def embed(api: EmbeddingApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Embed]:
    """Runs the command in the folder `tmp_path`, with the output folder ``out``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("triton_embed.client.retry.FIRST_PAUSE_SECONDS", 0.001)
    with api.listening() as url:

        def run(*arguments: str) -> int:
            fixed = ("--output", "out", "--model", "m", "--url", url, "--part-rows", "100")
            return main(["embed", *fixed, *arguments])

        yield run


def column(table: pa.Table, name: str = "embedding") -> np.ndarray[Any, Any]:
    return np.array(table[name].to_pylist())


def test_texts_are_embedded_into_parts(
    embed: Embed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_texts(tmp_path / "a.jsonl", TEXTS)
    assert embed("a.jsonl") == 0
    assert outcome(capsys.readouterr().out) == (3, 0, 250, 250, 0)
    table = read_output(tmp_path / "out")
    assert table["id"].to_pylist() == [f"id-{index}" for index in range(250)]
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), WIDTH)
    np.testing.assert_array_equal(column(table), vectors(TEXTS))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("_manifest.json", "_parts", "_rejects"),
        *(f"part-00000-0000{number}.parquet" for number in range(3)),
    ]
    assert json.loads(table.schema.metadata[METADATA_KEY.encode()])["model_version"] == "2026-01-01"


def test_id_is_file_and_row_if_there_is_no_column(embed: Embed, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text(f"{name} one\n{name} two\n")
    assert embed("*.txt") == 0
    table = read_output(tmp_path / "out")
    assert table["id"].to_pylist() == ["a.txt:0", "a.txt:1", "b.txt:0", "b.txt:1"]
    np.testing.assert_array_equal(column(table), vectors(["a one", "a two", "b one", "b two"]))


def test_columns_and_options_are_those_of_the_command_line(
    embed: Embed, api: EmbeddingApi, tmp_path: Path
) -> None:
    pq.write_table(pa.table({"k": [7], "a": ["x"], "b": ["y"], "n": [1.5]}), tmp_path / "a.parquet")
    columns = "--text-column b --id-column k --keep n,a --embedding-column v"
    options = "--embedding-type int8 --truncate end --input-type query --dimensions 8"
    assert embed("a.parquet", *columns.split(), *options.split()) == 0
    table = read_output(tmp_path / "out")
    assert table.schema.names == ["id", "n", "a", "v"]
    assert table.schema.field("v").type == pa.list_(pa.int8(), WIDTH)
    assert table.to_pylist() == [
        {"id": 7, "n": 1.5, "a": "x", "v": vectors(["y"], np.int8)[0].tolist()}
    ]
    body = api.bodies[-1]
    assert (body["input_type"], body["truncate"], body["dimensions"]) == ("query", "END", 8)


def test_asymmetric_model_embeds_passages(
    embed: Embed, api: EmbeddingApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.model["input_type_required"] = True
    write_texts(tmp_path / "a.jsonl", TEXTS[:2])
    assert embed("a.jsonl") == 0
    assert {body["input_type"] for body in api.bodies} == {"passage"}
    assert "input type: passage" in capsys.readouterr().err


def test_second_run_skips_finished_parts(
    embed: Embed, api: EmbeddingApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_texts(tmp_path / "a.jsonl", TEXTS)
    assert embed("a.jsonl") == 0
    (tmp_path / "out" / "part-00000-00001.parquet").unlink()
    (tmp_path / "out" / "_parts" / "part-00000-00002.json").unlink()
    before = len(api.texts)
    capsys.readouterr()
    assert embed("a.jsonl") == 0
    assert outcome(capsys.readouterr().out) == (3, 1, 250, 250, 0)
    assert sorted(api.texts[before + len(CONTROL) :]) == sorted(TEXTS[100:])
    np.testing.assert_array_equal(column(read_output(tmp_path / "out")), vectors(TEXTS))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"option": "--truncate=END"}, 'truncate was null and is "END"'),
        ({"model": "2026-02-02"}, 'model_version was "2026-01-01" and is "2026-02-02"'),
        ({"text": "new"}, "the content of 'a.jsonl' has changed"),
        ({"file": "b.jsonl"}, "the input 'b.jsonl' is new"),
    ],
)
def test_another_manifest_is_an_error_with_the_difference(
    change: dict[str, str],
    message: str,
    embed: Embed,
    api: EmbeddingApi,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_texts(tmp_path / "a.jsonl", TEXTS[:5])
    assert embed("*.jsonl") == 0
    if "text" in change or "file" in change:
        write_texts(tmp_path / change.get("file", "a.jsonl"), ["new"])
    api.model["exported_at"] = change.get("model", "2026-01-01")
    assert embed("*.jsonl", *([change["option"]] if "option" in change else [])) == 2
    assert message in capsys.readouterr().err


def test_folder_of_other_files_is_an_error(
    embed: Embed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_texts(tmp_path / "a.jsonl", TEXTS[:5])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    assert embed("a.jsonl") == 2
    assert "'out' is not empty and has no _manifest.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("version", "message"),
    [("2026-02-02", "was replaced during the run"), ("", "does not serve 'm' any longer")],
)
def test_model_that_changes_during_the_run_is_an_error(
    version: str,
    message: str,
    embed: Embed,
    api: EmbeddingApi,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def change(body: dict[str, Any]) -> None:
        if len(api.bodies) > 1:
            api.model["exported_at"] = version

    api.first = change
    write_texts(tmp_path / "a.jsonl", TEXTS[:5])
    assert embed("a.jsonl") == 2
    assert message in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("part-*"))


def rejected_texts() -> list[str | None]:
    texts: list[str | None] = list(TEXTS)
    texts[10], texts[120], texts[130] = f"this is {BAD}", "", None
    return texts


def test_rejected_row_ends_the_run_by_default(
    embed: Embed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_texts(tmp_path / "a.jsonl", rejected_texts())  # type: ignore[arg-type]
    assert embed("a.jsonl") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"'a.jsonl', row 10: this text is {BAD}; set --on-error to skip or null")
    assert not [path for path in (tmp_path / "out").iterdir() if not path.name.startswith("_")]


@pytest.mark.parametrize("policy", ["skip", "null"])
def test_rejected_rows_are_listed_with_reasons(
    policy: str, embed: Embed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_texts(tmp_path / "a.jsonl", rejected_texts())  # type: ignore[arg-type]
    assert embed("a.jsonl", "--on-error", policy) == 1
    assert outcome(capsys.readouterr().out) == (3, 0, 250, 247, 3)
    files = sorted((tmp_path / "out" / "_rejects").iterdir())
    assert [path.name for path in files] == ["part-00000-00000.jsonl", "part-00000-00001.jsonl"]
    rejects = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    assert [(each["row"], each["id"], each["reason"]) for each in rejects] == [
        (10, "id-10", f"this text is {BAD}"),
        (120, "id-120", "the text is empty"),
        (130, "id-130", "the text is null"),
    ]
    rows = {row["id"]: row["embedding"] for row in read_output(tmp_path / "out").to_pylist()}
    found = {f"id-{index}": text for index, text in enumerate(TEXTS)}
    for index in (10, 120, 130):
        text = found.pop(f"id-{index}")
        assert text and rows.pop(f"id-{index}", None) is None
    assert len(rows) == 247
    np.testing.assert_array_equal(list(rows.values()), vectors(list(found.values())))
    assert embed("a.jsonl", "--on-error", policy) == 1, "the exit status counts earlier runs"


def test_two_shards_write_the_same_rows_as_one_run(
    embed: Embed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_texts(tmp_path / "a.jsonl", TEXTS)
    write_texts(tmp_path / "b.jsonl", TEXTS[:20])
    outcomes = []
    for shard in ("1/2", "0/2"):
        assert embed("a.jsonl", "b.jsonl", "--shard", shard) == 0
        outcomes.append(outcome(capsys.readouterr().out))
    assert outcomes == [(2, 0, 120, 120, 0), (2, 0, 150, 150, 0)]
    np.testing.assert_array_equal(
        column(read_output(tmp_path / "out")), vectors(TEXTS + TEXTS[:20])
    )


def test_npy_has_a_file_of_ids(embed: Embed, tmp_path: Path) -> None:
    write_texts(tmp_path / "a.jsonl", TEXTS[:100])
    assert embed("a.jsonl", "--format", "npy", "--keep", "text") == 0
    part = tmp_path / "out" / "part-00000-00000"
    np.testing.assert_array_equal(np.load(f"{part}.npy"), vectors(TEXTS[:100]))
    ids = [json.loads(line) for line in Path(f"{part}.ids.jsonl").read_text().splitlines()]
    assert ids[99] == {"id": "id-99", "text": TEXTS[99]}


def test_images_are_sent_as_data_urls(embed: Embed, api: EmbeddingApi, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    rows = [{"image": "a.png"}, {"image": "a.png", "text": "a cat"}, {"image": "b.png"}]
    (tmp_path / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    columns = ("--image-column", "image", "--text-column", "text")
    assert embed("a.jsonl", *columns, "--on-error", "null") == 1
    url = f"data:image/png;base64,{base64.b64encode(bytes([0x89]) + b'PNG').decode()}"
    assert sorted(api.texts[len(CONTROL) :]) == sorted([url, f"a cat\n{url}"])
    rejects = (tmp_path / "out" / "_rejects" / "part-00000-00000.jsonl").read_text()
    assert "b.png' cannot be read" in rejects


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.jsonl"], "there is no file 'none.jsonl'"),
        (["a.jsonl", "--shard", "2/2"], "must be I/N"),
        (["a.jsonl", "--format", "npy", "--on-error", "null"], "has no null"),
        (["a.jsonl", "--text-column", "body"], "has no column 'body'"),
    ],
)
def test_wrong_usage_has_the_exit_status_2(
    arguments: list[str],
    message: str,
    embed: Embed,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_texts(tmp_path / "a.jsonl", TEXTS[:5])
    assert embed(*arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "param", "message"),
    [
        (404, "model", "does not serve 'm': no; check --model and --url"),
        (401, None, "rejects the API key: no; set --api-key"),
        (400, "embedding_type", "rejects --embedding-type: no"),
        (400, "input", "rejects a request: no"),
    ],
)
def test_rejection_names_the_option_to_change(
    status: int,
    param: str | None,
    message: str,
    embed: Embed,
    api: EmbeddingApi,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    api.first = lambda body: rejection("no (input[0])", status, param)
    write_texts(tmp_path / "a.jsonl", TEXTS[:5])
    assert embed("a.jsonl") == 2
    assert message in capsys.readouterr().err


def test_ignored_embedding_type_has_the_exit_status_2(
    embed: Embed, api: EmbeddingApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.ignored = ("embedding_type",)
    write_texts(tmp_path / "a.jsonl", TEXTS[:5])
    assert embed("a.jsonl", "--embedding-type", "int8") == 2
    assert "it ignores 'embedding_type'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_row_that_reveals_a_defect_of_the_server_is_rejected(
    embed: Embed, api: EmbeddingApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.first = lambda body: (500, {}, {"message": "defect"}) if "7" in body["input"] else None
    write_texts(tmp_path / "a.jsonl", [*"0123456789"])
    assert embed("a.jsonl") == 1
    assert "'a.jsonl', row 7: " in capsys.readouterr().err
    assert embed("a.jsonl", "--on-error", "skip", "--output", "other") == 1
    assert outcome(capsys.readouterr().out) == (1, 0, 10, 9, 1)
    rejects = (tmp_path / "other" / "_rejects" / "part-00000-00000.jsonl").read_text()
    assert "HTTP status 500: defect" in rejects


def test_server_that_fails_with_all_texts_has_the_exit_status_3(
    embed: Embed, api: EmbeddingApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.first = lambda body: (500, {}, {"message": "defect"})
    write_texts(tmp_path / "a.jsonl", TEXTS[:5])
    assert embed("a.jsonl", "--on-error", "skip") == 3
    assert "the server fails with every text: " in capsys.readouterr().err


def test_unavailable_server_has_the_exit_status_3(
    embed: Embed, api: EmbeddingApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.first = lambda body: (503, {}, {"message": "down"}) if len(api.bodies) > 1 else None
    write_texts(tmp_path / "a.jsonl", TEXTS[:5])
    assert embed("a.jsonl", "--retry-seconds", "0") == 3
    assert "run the same command again to continue" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob(".*"))
    api.first = lambda body: None
    assert embed("a.jsonl") == 0


@pytest.mark.parametrize("calls", [0, 2], ids=["manifest", "part"])
def test_full_disk_is_an_error_with_the_folder(
    calls: int,
    embed: Embed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fsync, done = os.fsync, []

    def fail(file: int) -> None:
        done.append(file)
        if len(done) <= calls:
            return fsync(file)
        raise OSError(errno.ENOSPC, "No space left on device")

    write_texts(tmp_path / "a.jsonl", TEXTS[:5])
    monkeypatch.setattr(os, "fsync", fail)
    assert embed("a.jsonl") == 2
    assert "'out' cannot be written: No space left on device" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob(".*"))


def test_long_texts_are_read_ahead_up_to_a_size(
    embed: Embed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead: list[int] = []
    write = PartWriter.write

    def read(*arguments: Any) -> Window:
        ahead.append(len(ahead) + 1 - len(written))
        return _window(*arguments)

    def count(*arguments: Any) -> None:
        written.append(None)
        write(*arguments)

    written: list[None] = []
    monkeypatch.setattr("triton_embed.corpus.windows.WINDOW_BYTES", 1)
    monkeypatch.setattr("triton_embed.corpus.windows._window", read)
    monkeypatch.setattr("triton_embed.corpus.runner.AHEAD_CHARACTERS", 20)
    monkeypatch.setattr(PartWriter, "write", count)
    write_texts(tmp_path / "a.jsonl", ["ten chars."] * 12)
    assert embed("a.jsonl") == 0
    assert len(ahead) == 12 and max(ahead) == 2
