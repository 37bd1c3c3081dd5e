from __future__ import annotations

from pathlib import Path

import pytest

from testing.checkpoints import edit_json, write_json
from triton_embed.export.checkpoint.chat_template import apply_chat_template, read_chat_template
from triton_embed.export.checkpoint.model import Checkpoint
from triton_embed.export.errors import ExportError

CONTENT = """
{%- for message in messages -%}
  {%- for part in message['content'] -%}
    {%- if part['type'] == 'image' -%}[IMG]{{ '\\n' }}{%- else -%}{{- part['text'] -}}{%- endif -%}
  {%- endfor -%}
{%- endfor -%}
"""
BY_TASK = "{{- bos_token }}{{ 'query: ' if task == 'query' else 'passage: ' }}" + CONTENT


def checkpoint(folder: Path, template: str, prompts: dict[str, str] | None = None) -> Checkpoint:
    write_json(folder / "tokenizer_config.json", {"bos_token": {"content": "<s>"}})
    edit_json(folder / "tokenizer_config.json", eos_token="</s>")
    (folder / "chat_template.jinja").write_text(template)
    return Checkpoint(folder, folder, {}, prompts=prompts or {}, renders_messages=True)


def test_prompts_are_the_text_before_an_input(tmp_path: Path) -> None:
    prompts = {"query": "query: ", "document": "passage: "}
    template = "{{- bos_token }}[INST]" + CONTENT + "{{ eos_token }}"
    applied = apply_chat_template(checkpoint(tmp_path, template, prompts), "[IMG]")
    assert applied.prompt_query == "[INST]query: "
    assert applied.prompt_passage == "[INST]passage: "
    assert applied.prompt_default == "[INST]"
    assert applied.image_separator == "\n"


def test_template_may_choose_prompts_by_task(tmp_path: Path) -> None:
    applied = apply_chat_template(checkpoint(tmp_path, BY_TASK), "[IMG]")
    assert (applied.prompt_query, applied.prompt_passage) == ("query: ", "passage: ")


def test_checkpoint_that_renders_no_messages_is_returned_as_it_is(tmp_path: Path) -> None:
    plain = Checkpoint(tmp_path, tmp_path, {}, prompts={"query": "q"})
    assert apply_chat_template(plain, "[IMG]") is plain


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (CONTENT + "[/INST]", "writes '[/INST]' after an input"),
        ("{{ raise_exception('no system message') }}", "no system message"),
        ("{% for %}", "cannot render"),
        ("{{ ''.__class__.__mro__ }}" + CONTENT, "cannot render"),
        ("{% for _ in range(10 ** 9) %}a{% endfor %}", "cannot render"),
        (CONTENT.replace("[IMG]", "<image>"), "before the text of an image"),
        ("{{ messages[-1]['content'][-1]['text'] }}", "before the text of an image"),
    ],
)
def test_unsupported_template_is_rejected(tmp_path: Path, template: str, message: str) -> None:
    with pytest.raises(ExportError) as error:
        apply_chat_template(checkpoint(tmp_path, template), "[IMG]")
    assert message in str(error.value)


def test_missing_template_is_rejected(tmp_path: Path) -> None:
    silent = Checkpoint(tmp_path, tmp_path, {}, renders_messages=True)
    with pytest.raises(ExportError, match=r"has no chat_template\.jinja"):
        apply_chat_template(silent, "[IMG]")


def test_template_is_found_in_each_of_its_files(tmp_path: Path) -> None:
    write_json(tmp_path / "tokenizer_config.json", {"chat_template": "a"})
    sources = []
    for name in ("", "chat_template.json", "chat_template.jinja"):
        if name.endswith("json"):
            write_json(tmp_path / name, {"chat_template": "b"})
        elif name:
            (tmp_path / name).write_text("c")
        template = read_chat_template(tmp_path)
        assert template
        sources.append(template.source)
    assert sources == ["a", "b", "c"]
