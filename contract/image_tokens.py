"""The tokens that stand for an image in the sequence of a language model.

Models of this kind are *fused*: the language model computes the vectors of texts and images alike.
Each token of an image is replaced by one row of features, which the image tower computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "image_tokens_"


@dataclass(frozen=True)
class ImageTokens:
    """The tokens of an image, and the text around them.

    Attributes:
        placeholder: Id of the token that a row of features replaces.
        before: Ids before the placeholders.
        between: Ids after each row of placeholders but the last.
        after: Ids after the placeholders.
        separator: Text between the image and the text that follows it, which may be empty.
        feature_size: Length of a row of features: the width of the language model.
    """

    placeholder: int
    before: tuple[int, ...]
    between: tuple[int, ...]
    after: tuple[int, ...]
    separator: str
    feature_size: int

    def sequence(self, rows: int, columns: int) -> list[int]:
        """Return the ids that stand for an image of `rows` × `columns` features."""
        row = [self.placeholder] * columns
        ids = [*self.before, *row]
        for _ in range(rows - 1):
            ids += [*self.between, *row]
        return [*ids, *self.after]

    def count(self, rows: int, columns: int) -> int:
        """Return the number of ids in `sequence`."""
        ends = len(self.before) + len(self.after)
        return ends + rows * columns + (rows - 1) * len(self.between)

    def to_parameters(self) -> dict[str, str]:
        """Return the tokens as Triton model parameters, whose names begin with `PREFIX`."""
        values = {
            "placeholder": str(self.placeholder),
            "before": _write(self.before),
            "between": _write(self.between),
            "after": _write(self.after),
            "separator": self.separator,
            "feature_size": str(self.feature_size),
        }
        return {f"{PREFIX}{name}": value for name, value in values.items()}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> ImageTokens | None:
        """Read the tokens back from Triton model parameters; ``None``: the model is not fused.

        Raises:
            KeyError: a parameter is missing.
            ValueError: a parameter is malformed.
        """
        if f"{PREFIX}placeholder" not in parameters:
            return None
        own = {name: parameters[f"{PREFIX}{name}"] for name in cls.__dataclass_fields__}
        return cls(
            placeholder=int(own["placeholder"]),
            before=_read(own["before"]),
            between=_read(own["between"]),
            after=_read(own["after"]),
            separator=own["separator"],
            feature_size=int(own["feature_size"]),
        )


def _write(ids: tuple[int, ...]) -> str:
    return ",".join(map(str, ids))


def _read(text: str) -> tuple[int, ...]:
    return tuple(map(int, filter(None, text.split(","))))
