"""The tokenizer classes of transformers 4, as far as they change the tokens of tokenizer.json.

Published checkpoints were trained and are used with these classes, so a setting that
tokenizer_config.json leaves out has its class's default. The facts are those of transformers
4.57, ``models/*/tokenization_*_fast.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

ROLES = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)
"""Settings that name one special token each, in the order in which missing tokens get their ids."""


@dataclass(frozen=True)
class TokenizerClass:
    """The behavior of one class.

    Attributes:
        special: Special tokens of `ROLES` that the class has by default.
        additional: Further special tokens by default.
        keeps_additional: Whether it has them in addition to those of a file that lists none of
            them, and not in place of a file's.
        mask_takes_space: Whether the mask token includes the blank before it.
        has_own_flags: Whether its special tokens replace the flags that tokenizer.json gives them.
        template: Defaults of ``add_bos_token`` and ``add_eos_token``, if the class puts these
            tokens around a text in place of tokenizer.json's own template; ``None``: it reads
            neither setting.
        normalizer: The keys of a BertNormalizer that the class sets, with the name of the setting
            and its default.
        add_prefix_space: The default of this setting; ``None``: the class does not apply it.
    """

    special: Mapping[str, str] = field(default_factory=dict)
    additional: tuple[str, ...] = ()
    keeps_additional: bool = False
    mask_takes_space: bool = False
    has_own_flags: bool = False
    template: tuple[bool, bool] | None = None
    normalizer: Mapping[str, tuple[str, bool | None]] = field(default_factory=dict)
    add_prefix_space: bool | None = False


def _special(**tokens: str) -> dict[str, str]:
    return {f"{role}_token": token for role, token in tokens.items()}


GENERIC = TokenizerClass()
"""``PreTrainedTokenizerFast``, and every class that adds nothing to it."""

BERT = TokenizerClass(
    _special(unk="[UNK]", sep="[SEP]", pad="[PAD]", cls="[CLS]", mask="[MASK]"),
    normalizer={
        "lowercase": ("do_lower_case", True),
        "strip_accents": ("strip_accents", None),
        "handle_chinese_chars": ("tokenize_chinese_chars", True),
    },
)

ROBERTA = TokenizerClass(
    _special(bos="<s>", eos="</s>", unk="<unk>", sep="</s>", pad="<pad>", cls="<s>", mask="<mask>"),
    mask_takes_space=True,
)

MPNET = replace(
    ROBERTA,
    special={**ROBERTA.special, "unk_token": "[UNK]"},
    normalizer={key: BERT.normalizer[key] for key in ("lowercase", "strip_accents")},
    has_own_flags=True,
)

CAMEMBERT = replace(ROBERTA, additional=("<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"))

LLAMA = TokenizerClass(
    _special(bos="<s>", eos="</s>", unk="<unk>"), template=(True, False), add_prefix_space=None
)

GEMMA = TokenizerClass(
    _special(bos="<bos>", eos="<eos>", unk="<unk>", pad="<pad>"), template=(True, False)
)

END_OF_TEXT = "<|endoftext|>"

GPT2 = TokenizerClass(_special(bos=END_OF_TEXT, eos=END_OF_TEXT, unk=END_OF_TEXT))

GPT_NEOX = replace(GPT2, template=(False, False))

QWEN2 = TokenizerClass(
    _special(eos=END_OF_TEXT, unk=END_OF_TEXT, pad=END_OF_TEXT), has_own_flags=True
)

T5 = TokenizerClass(
    _special(eos="</s>", unk="<unk>", pad="<pad>"),
    additional=tuple(f"<extra_id_{index}>" for index in range(100)),
    keeps_additional=True,
    add_prefix_space=None,
)

CLASSES: Mapping[str, TokenizerClass] = {
    "BertTokenizer": BERT,
    "CamembertTokenizer": CAMEMBERT,
    "CodeLlamaTokenizer": replace(LLAMA, add_prefix_space=False),
    "ConvBertTokenizer": BERT,
    "DistilBertTokenizer": BERT,
    "ElectraTokenizer": BERT,
    "GPT2Tokenizer": GPT2,
    "GPTNeoXTokenizer": GPT_NEOX,
    "GemmaTokenizer": GEMMA,
    "LlamaTokenizer": LLAMA,
    "MPNetTokenizer": MPNET,
    "MobileBertTokenizer": BERT,
    "Qwen2Tokenizer": QWEN2,
    "RobertaTokenizer": ROBERTA,
    "T5Tokenizer": T5,
    "XLMRobertaTokenizer": ROBERTA,
}
"""By name, without ``Fast`` at its end. Any other class is treated as `GENERIC`."""

CLASS_BY_MODEL_TYPE: Mapping[str, str] = {
    "bert": "BertTokenizer",
    "camembert": "CamembertTokenizer",
    "distilbert": "DistilBertTokenizer",
    "gemma3_text": "GemmaTokenizer",
    "llama": "LlamaTokenizer",
    "mistral": "LlamaTokenizer",
    "mpnet": "MPNetTokenizer",
    "qwen3": "Qwen2Tokenizer",
    "roberta": "RobertaTokenizer",
    "t5": "T5Tokenizer",
    "xlm-roberta": "XLMRobertaTokenizer",
}
"""The class that transformers 4.57 uses if no file names one."""

PYTHON_ONLY = frozenset(
    (
        "BartphoTokenizer",
        "BertGenerationTokenizer",
        "BertJapaneseTokenizer",
        "BertweetTokenizer",
        "BioGptTokenizer",
        "ByT5Tokenizer",
        "CTRLTokenizer",
        "CanineTokenizer",
        "CpmAntTokenizer",
        "ErnieMTokenizer",
        "EsmTokenizer",
        "FSMTTokenizer",
        "FlaubertTokenizer",
        "GPTSw3Tokenizer",
        "LukeTokenizer",
        "M2M100Tokenizer",
        "MLukeTokenizer",
        "MarianTokenizer",
        "MyT5Tokenizer",
        "PLBartTokenizer",
        "PerceiverTokenizer",
        "PhobertTokenizer",
        "ProphetNetTokenizer",
        "RoCBertTokenizer",
        "Speech2TextTokenizer",
        "TransfoXLTokenizer",
        "XLMProphetNetTokenizer",
        "XLMTokenizer",
    )
)
"""Classes that tokenize in Python: no tokenizer.json gives their tokens."""
