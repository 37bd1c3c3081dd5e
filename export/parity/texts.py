"""Texts for the parity gate: many languages and scripts, unusual characters, many lengths."""

from __future__ import annotations

SENTENCES = (
    "a",
    "Hello world",
    "What is the population of Pittsburgh?",
    "The encoder is the only thing that should cost time.",
    "Der schnelle braune Fuchs springt über den faulen Hund.",
    "Où se trouve la bibliothèque municipale, s'il vous plaît ?",
    "El perro de San Roque no tiene rabo.",
    "Gli esami non finiscono mai.",
    "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności.",
    "Все люди рождаются свободными и равными в своём достоинстве и правах.",
    "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι.",
    "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق.",
    "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם.",
    "सभी मनुष्य जन्म से स्वतंत्र हैं।",
    "人人生而自由,在尊严和权利上一律平等。",
    "すべての人間は、生まれながらにして自由である。",
    "모든 인간은 태어날 때부터 자유로우며 평등하다.",
    "มนุษย์ทั้งหลายเกิดมามีอิสระ",
    "Tất cả mọi người sinh ra đều được tự do và bình đẳng.",
    "🙂🚀 emoji 👩‍👩‍👧‍👦 and flags 🇨🇭🇯🇵",
    "   leading, trailing and   inner   blanks \t\n ",
    " ",
    "ＦＵＬＬ ｗｉｄｔｈ, ligatures ﬁ ﬂ, zero\u200bwidth and soft\u00adhyphen",
    "[CLS] [SEP] [MASK] <s> </s> <pad>",
    "def f(x: int) -> int:\n    return x ** 2  # squares\n",
    "SELECT id, name FROM users WHERE created_at > '2024-01-01' ORDER BY id DESC;",
    "E = mc², ∑ᵢ aᵢ ≤ ∞, 1e-12 ≠ 0.1 + 0.2",
    "https://example.org/path?query=1&other=two#fragment",
)


def parity_texts() -> list[str]:
    """Return the sentences, and texts of two sentences up to thousands of tokens."""
    prose = [text for text in SENTENCES if len(text) > 20]
    grown = [" ".join(prose[:count]) for count in range(2, len(prose), 3)]
    overlong = " ".join(prose * 12)
    return [*SENTENCES, *grown, overlong]
