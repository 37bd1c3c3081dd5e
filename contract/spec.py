"""The model spec: what the serving side must know of a model, kept in Triton's ``parameters``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from triton_embed.contract.errors import InvalidRequest, dimensions_unsupported, missing_input_type
from triton_embed.contract.options import EmbeddingType, InputType, Modality, Options


class SpecError(ValueError):
    """A Triton model's parameters do not hold a spec, or hold a broken one."""


@dataclass(frozen=True)
class ModelSpec:
    """What a model can do.

    Attributes:
        model_id: The public id that clients name, e.g. ``sentence-transformers/all-MiniLM-L6-v2``.
        max_tokens: Longest input in tokens, prefix and special tokens included.
        vocab_size: Token ids lie in ``[0, vocab_size)``.
        dimension: Length of the model's own vectors.
        matryoshka: Values of ``dimensions`` a client may ask for; empty: any up to `dimension`;
            ``None``: the model does not support ``dimensions``.
        prompt_query: Text put before every query.
        prompt_passage: Text put before every passage.
        prompt_default: Text put before an input whose type the client did not say.
        embedding_types: Element types that the model offers.
        int8_absmax: Absolute value of a component that is mapped to 127; ``None``: not calibrated.
        modalities: What inputs may consist of.
        requires_input_type: Whether a client must say query or passage; ``None``: it must if the
            two prompts differ.
    """

    model_id: str
    max_tokens: int
    vocab_size: int
    dimension: int
    matryoshka: tuple[int, ...] | None = None
    prompt_query: str = ""
    prompt_passage: str = ""
    prompt_default: str = ""
    embedding_types: tuple[EmbeddingType, ...] = (EmbeddingType.FLOAT,)
    int8_absmax: float | None = None
    modalities: tuple[Modality, ...] = (Modality.TEXT,)
    requires_input_type: bool | None = None

    @property
    def asymmetric(self) -> bool:
        """Whether a client must say if an input is a query or a passage."""
        if self.requires_input_type is None:
            return self.prompt_query != self.prompt_passage
        return self.requires_input_type

    def prompt(self, input_type: InputType | None) -> str:
        """Return the text to put before an input.

        Raises:
            InvalidRequest: the model is asymmetric and `input_type` is ``None``.
        """
        if input_type is InputType.QUERY:
            return self.prompt_query
        if input_type is InputType.PASSAGE:
            return self.prompt_passage
        if self.asymmetric:
            raise missing_input_type()
        return self.prompt_default

    def check(self, options: Options) -> None:
        """Raise `InvalidRequest` if the model cannot do what `options` ask for."""
        self.prompt(options.input_type)
        if options.embedding_type not in self.embedding_types:
            offered = ", ".join(f"'{kind.value}'" for kind in self.embedding_types)
            raise InvalidRequest(
                f"This model does not support embedding_type '{options.embedding_type.value}'; "
                f"it supports {offered}.",
                param="embedding_type",
            )
        if options.dimensions is not None:
            self._check_dimensions(options.dimensions, options.embedding_type)

    def check_modality(self, modality: Modality) -> None:
        """Raise `InvalidRequest` if the model cannot take an input of this modality."""
        if modality not in self.modalities:
            offered = ", ".join(f"'{kind.value}'" for kind in self.modalities)
            raise InvalidRequest(
                f"This model does not support modality '{modality.value}'; it supports {offered}. "
                "To embed text that holds a data URL, set 'modality' to 'text'.",
                param="modality",
            )

    def _check_dimensions(self, dimensions: int, embedding_type: EmbeddingType) -> None:
        if self.matryoshka is None:
            raise dimensions_unsupported(dimensions)
        if embedding_type is not EmbeddingType.FLOAT:
            raise InvalidRequest(
                "'dimensions' cannot be used in combination with 'embedding_type'.",
                param="dimensions",
            )
        if self.matryoshka and dimensions not in self.matryoshka:
            allowed = ", ".join(map(str, self.matryoshka))
            raise InvalidRequest(
                f"'dimensions' must be one of {allowed}, not {dimensions}.", param="dimensions"
            )
        if not 1 <= dimensions <= self.dimension:
            raise InvalidRequest(
                f"'dimensions' must be between 1 and {self.dimension}, not {dimensions}.",
                param="dimensions",
            )

    def to_parameters(self) -> dict[str, str]:
        """Return the spec as Triton model parameters (string values)."""
        parameters = {
            "model_id": self.model_id,
            "max_tokens": str(self.max_tokens),
            "vocab_size": str(self.vocab_size),
            "dimension": str(self.dimension),
            "embedding_types": ",".join(kind.value for kind in self.embedding_types),
            "modalities": ",".join(modality.value for modality in self.modalities),
            "prompt_query": self.prompt_query,
            "prompt_passage": self.prompt_passage,
            "prompt_default": self.prompt_default,
        }
        if self.matryoshka is not None:
            parameters["matryoshka"] = ",".join(map(str, self.matryoshka)) or "any"
        if self.int8_absmax is not None:
            parameters["int8_absmax"] = repr(self.int8_absmax)
        if self.requires_input_type is not None:
            parameters["requires_input_type"] = str(self.requires_input_type).lower()
        return parameters

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> ModelSpec:
        """Read a spec back from Triton model parameters.

        Raises:
            SpecError: a parameter is missing or malformed; the message names it.
        """
        try:
            matryoshka = parameters.get("matryoshka")
            int8_absmax = parameters.get("int8_absmax")
            requires_input_type = parameters.get("requires_input_type")
            return cls(
                model_id=parameters["model_id"],
                max_tokens=int(parameters["max_tokens"]),
                vocab_size=int(parameters["vocab_size"]),
                dimension=int(parameters["dimension"]),
                matryoshka=None if matryoshka is None else _integers(matryoshka),
                prompt_query=parameters.get("prompt_query", ""),
                prompt_passage=parameters.get("prompt_passage", ""),
                prompt_default=parameters.get("prompt_default", ""),
                embedding_types=tuple(map(EmbeddingType, parameters["embedding_types"].split(","))),
                int8_absmax=None if int8_absmax is None else float(int8_absmax),
                modalities=tuple(map(Modality, parameters["modalities"].split(","))),
                requires_input_type=(
                    None if requires_input_type is None else _boolean(requires_input_type)
                ),
            )
        except KeyError as error:
            raise SpecError(f"model parameter {error} is missing") from None
        except ValueError as error:
            raise SpecError(f"a model parameter is malformed: {error}") from None


def _integers(text: str) -> tuple[int, ...]:
    return () if text == "any" else tuple(map(int, text.split(",")))


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"'{text}' is neither 'true' nor 'false'")
    return text == "true"
