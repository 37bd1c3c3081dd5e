"""Malformed settings of a checkpoint: a plan is made, or one line names the file or the key."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testing.checkpoints import edit_json, tiny_bert, tiny_checkpoint, write_json
from testing.plans import make_plan
from testing.tokenizers import write_tokenizer
from triton_embed.export import plan_view
from triton_embed.export.errors import ExportError
from triton_embed.export.families.checks import check_transformers

DEEP: Any = []
for _ in range(200):
    DEEP = [DEEP]

VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    3,
    10**12,
    10**40,
    1e30,
    float("nan"),
    float("-inf"),
    "",
    "x",
    "\ud83d",
    "\0",
    "../x",
    [],
    [None],
    ["x", 1],
    [[]],
    {},
    {"x": None},
    {"x": [1]},
    {"0": {"content": 1}},
    DEEP,
)
"""Values that replace each value of each file."""

CONTENTS = (
    b"",
    b"{",
    b"null",
    b"7",
    b'"text"',
    b"[[]]",
    b'{"a": ' * 100_000,
    b"\xff\xfe",
    b'{"a": ' + b"9" * 5000 + b"}",
)
"""Contents that replace each file."""

Path_ = tuple[str | int, ...]


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with every setting that an export reads."""
    folder = tmp_path_factory.mktemp("malformed")
    size = write_tokenizer(folder / "tokenizer", "wordpiece", "<first> $A <last>")
    config = tiny_bert(vocab_size=size)
    prompts = {"query": "q: ", "passage": "p: ", "plain": "t: "}
    folder = tiny_checkpoint(
        folder / "m", folder / "tokenizer", config=config, dense=16, prompts=prompts
    )
    edit_json(folder / "config.json", matryoshka_dimensions=[8, 16], is_matryoshka=True)
    edit_json(folder / "config.json", rope_parameters={"rope_type": "default"})
    edit_json(folder / "config.json", architectures=["BertModel"], tokenizer_class="BertTokenizer")
    edit_json(folder / "config_sentence_transformers.json", default_prompt_name="plain")
    edit_json(
        folder / "sentence_bert_config.json",
        query_length=32,
        document_length=48,
        do_lower_case=True,
        modality_config={"text": {}},
        tokenizer_args={"model_max_length": 64, "cls_token": "<first>"},
    )
    token = {"content": "<extra>", "special": True, "lstrip": False}
    edit_json(
        folder / "tokenizer_config.json",
        model_max_length=64,
        bos_token="<first>",
        sep_token={"content": "<last>"},
        additional_special_tokens=["<more>"],
        strip_accents=True,
        add_eos_token=True,
    )
    write_json(folder / "special_tokens_map.json", {"mask_token": token})
    write_json(folder / "added_tokens.json", {"<added>": size - 1})
    edit_json(folder / "1_Pooling" / "config.json", pooling_mode=["mean"], include_prompt=True)
    edit_json(folder / "2_Dense" / "config.json", module_input_name="sentence_embedding")
    return folder


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.json") if path.name != "tokenizer.json")


def paths(value: Any, above: Path_ = ()) -> Iterator[Path_]:
    """Yield the place of each value within a JSON value."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        yield (*above, key)
        yield from paths(item, (*above, key))


def replaced(value: Any, path: Path_, by: Any) -> Any:
    """Return a copy of a JSON value with one value replaced."""
    copy = json.loads(json.dumps(value))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = by
    return copy


def check(folder: Path, names: set[str]) -> None:
    """Plan an export; fail unless it succeeds, or one line has one of `names`."""
    try:
        plan = make_plan(folder).with_tokenizer()
        plan_view.details(plan).encode()
    except ExportError as error:
        message = str(error)
        assert len(message.splitlines()) == 1 and len(message) < 600, message
        assert any(name in message for name in names), (names, message)
    else:
        check_transformers(plan.checkpoint.config)
        assert 1 <= plan.spec.max_tokens <= 128


def names_of(file: Path, path: Path_ = ()) -> set[str]:
    keys = {key for key in path if isinstance(key, str) and key}
    folder = {file.parent.name} - {"m"}
    # The folder that modules.json names has no such file.
    return {file.name, *folder, *keys, *({"config.json"} if file.name == "modules.json" else ())}


def test_layout_is_valid(layout: Path) -> None:
    check(layout, set())


def test_malformed_value_is_an_error_of_one_line(layout: Path) -> None:
    failures = []
    for file in files(layout):
        before = file.read_text()
        for path in paths(json.loads(before)):
            for value in VALUES:
                write_json(file, replaced(json.loads(before), path, value))
                try:
                    check(layout, names_of(file, path))
                except Exception as error:
                    failures.append(f"{file.name}: {path} is {value!r:.40}: {error!r:.300}")
        file.write_text(before)
    assert not failures, "\n".join(failures)


def test_malformed_file_is_an_error_of_one_line(layout: Path) -> None:
    for file in (*files(layout), layout / "tokenizer.json"):
        before = file.read_bytes()
        for content in CONTENTS:
            file.write_bytes(content)
            try:
                check(layout, names_of(file))
            except Exception as error:
                raise AssertionError(f"{file.name}: {content[:20]!r}") from error
        file.write_bytes(before)


def test_several_malformed_values_are_an_error_of_one_line(layout: Path) -> None:
    generator = random.Random(20)
    before = {file: file.read_text() for file in files(layout)}
    for _ in range(300):
        names: set[str] = set()
        for file in generator.sample(list(before), 3):
            value = json.loads(before[file])
            path = generator.choice([*paths(value)])
            write_json(file, replaced(value, path, generator.choice(VALUES)))
            names |= names_of(file, path)
        check(layout, names)
        for file, text in before.items():
            file.write_text(text)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("post_processor", "special_tokens"), {}),
        (("post_processor", "single", 0, "SpecialToken", "id"), "x"),
        (("post_processor", "single"), 1),
        (("model", "vocab"), {}),
        (("model", "vocab"), None),
        (("added_tokens", 0, "id"), -1),
        (("normalizer", "type"), "x"),
        (("model", "unk_token"), "[NONE]"),
        (("post_processor", "special_tokens", "<last>", "ids"), [2_000_000_000]),
        # The library panics:
        (("normalizer",), {"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
        (
            ("model",),
            {
                "type": "BPE",
                "continuing_subword_prefix": "####",
                "vocab": {"a": 0, "b": 1, "ab": 2},
                "merges": [["a", "b"]],
            },
        ),
    ],
)
def test_malformed_tokenizer_json_is_an_error_of_one_line(
    layout: Path, path: Path_, value: Any
) -> None:
    file = layout / "tokenizer.json"
    before = file.read_text()
    write_json(file, replaced(json.loads(before), path, value))
    check(layout, {"tokenizer.json"})
    file.write_text(before)
