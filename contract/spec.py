"""The model spec: the properties of a model that serving depends on.

`contract.serialization` keeps it in Triton's ``parameters``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.image_file import ImageFile
from triton_embed.contract.image_spec import ImageSpec
from triton_embed.contract.image_tokens import ImageTokens
from triton_embed.contract.messages import (
    dimensions_unsupported,
    missing_input_type,
    token_arrays_unsupported,
)
from triton_embed.contract.options import EmbeddingType, InputType, Modality, Options


@dataclass(frozen=True)
class ModelSpec:
    """Limits and features of a model.

    Attributes:
        model_id: The public id in requests, e.g. ``sentence-transformers/all-MiniLM-L6-v2``.
        max_tokens: Maximum tokens of an input, prompt and special tokens included.
        max_tokens_query: Maximum tokens of a query, at most `max_tokens`; ``None``: the same.
        max_tokens_passage: Maximum tokens of a passage, at most `max_tokens`; ``None``: the same.
        vocab_size: Number of token ids, which start at 0.
        dimension: Length of the model's own vectors.
        matryoshka_dimensions: Values of ``dimensions`` that a request may have; empty: any up to
            `dimension`; ``None``: the model does not support ``dimensions``.
        prompt_query: Text prepended to every query.
        prompt_passage: Text prepended to every passage.
        prompt_default: Text prepended to an input without a type.
        embedding_types: Element types of the vectors that clients may request.
        int8_absmax: Absolute value of a component that is mapped to 127; ``None``: not calibrated.
        modalities: Content that inputs may have.
        pooling: Names of the pooling modes, whose vectors are concatenated.
        pools_prompt: Whether the tokens of the prompt are pooled, too. If not, the tokenizer step
            sends the encoder the one's complement of their ids.
        normalized: Whether vectors are L2-normalized.
        requires_input_type: Whether a request must have an input type; ``None``: it must if the
            two prompts differ.
        accepts_token_ids: Whether inputs may be token ids.
        rejects_embedded_images: Whether a text that contains an image's data URL is rejected by a
            model for texts only; otherwise the URL is a part of the text.
        aliases: Further names of the model in requests; set by ``--served-model-name``, not at
            export.
        padding_id: Token with which each text is padded to `max_tokens`, and which is attended to;
            ``None``: texts are not padded.
        image: The preprocessing of images; ``None``: the model is `is_text_only`.
        image_tokens: The tokens of an image in the language model; ``None``: there are none,
            because images have vectors of their own.
    """

    model_id: str
    max_tokens: int
    vocab_size: int
    dimension: int
    matryoshka_dimensions: tuple[int, ...] | None = None
    prompt_query: str = ""
    prompt_passage: str = ""
    prompt_default: str = ""
    embedding_types: tuple[EmbeddingType, ...] = (EmbeddingType.FLOAT,)
    int8_absmax: float | None = None
    modalities: tuple[Modality, ...] = (Modality.TEXT,)
    requires_input_type: bool | None = None
    max_tokens_query: int | None = None
    max_tokens_passage: int | None = None
    pools_prompt: bool = True
    pooling: tuple[str, ...] = ("mean",)
    normalized: bool = True
    accepts_token_ids: bool = True
    rejects_embedded_images: bool = False
    aliases: tuple[str, ...] = ()
    padding_id: int | None = None
    image: ImageSpec | None = None
    image_tokens: ImageTokens | None = None

    @property
    def is_text_only(self) -> bool:
        """True if the model embeds no images."""
        return self.modalities == (Modality.TEXT,)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the model in requests: its id, and its aliases."""
        return self.model_id, *self.aliases

    @property
    def image_size(self) -> int:
        """Width and height of the tiles that the image tower takes, in pixels."""
        assert self.image
        return self.image.size

    @property
    def max_batch_tiles(self) -> int:
        """Maximum tiles of one execution of the image tower."""
        assert self.image
        return self.image.max_batch_tiles

    @property
    def tokens_per_tile(self) -> int:
        """Rows of features of one tile."""
        assert self.image
        return self.image.tokens_per_tile

    @property
    def feature_size(self) -> int:
        """Length of a row of features."""
        assert self.image_tokens
        return self.image_tokens.feature_size

    def count_image_tokens(self, file: ImageFile) -> int:
        """Return the number of tokens that stand for an image, with those around its features."""
        assert self.image
        grid = self.image.token_grid(file)
        if self.image_tokens is None:
            return grid.tiles
        return self.image_tokens.count(grid.rows, grid.columns)

    @property
    def is_input_type_required(self) -> bool:
        """True if a request must have an input type, query or passage."""
        if self.requires_input_type is None:
            return self.prompt_query != self.prompt_passage
        return self.requires_input_type

    @property
    def input_types(self) -> tuple[InputType, ...]:
        """The input types if the model distinguishes them; a symmetric model has none."""
        is_symmetric = (
            not self.is_input_type_required
            and self.prompt_query == self.prompt_passage == self.prompt_default
            and self.max_tokens_query == self.max_tokens_passage
        )
        return () if is_symmetric else tuple(InputType)

    def padded(self, ids: list[int]) -> list[int]:
        """Return the token ids of a text as the encoder takes them, see `padding_id`."""
        if self.padding_id is None:
            return ids
        return ids + [self.padding_id] * (self.max_tokens - len(ids))

    def prompt(self, input_type: InputType | None) -> str:
        """Return the text to prepend to an input.

        Raises:
            InvalidRequest: the model requires an input type, and `input_type` is ``None``.
        """
        if input_type is InputType.QUERY:
            return self.prompt_query
        if input_type is InputType.PASSAGE:
            return self.prompt_passage
        if self.is_input_type_required:
            raise missing_input_type(self.model_id)
        return self.prompt_default

    def token_limit(self, input_type: InputType | None) -> int:
        """Return the maximum tokens of an input, prompt and special tokens included."""
        limits = {
            InputType.QUERY: self.max_tokens_query,
            InputType.PASSAGE: self.max_tokens_passage,
        }
        limit = limits.get(input_type) if input_type else None
        return self.max_tokens if limit is None else limit

    def validated_options(
        self, options: Options, default_input_type: InputType | None = None
    ) -> Options:
        """Return `options` in their simplest form: the model's own dimension becomes ``None``.

        Args:
            options: The options of a request.
            default_input_type: The input type of a request without one, if the model requires one.

        Raises:
            InvalidRequest: the model does not support them.
        """
        if options.input_type is None and self.is_input_type_required:
            options = replace(options, input_type=default_input_type)
        self.prompt(options.input_type)
        if options.token_ids and not self.accepts_token_ids:
            raise token_arrays_unsupported()
        if options.embedding_type not in self.embedding_types:
            offered = ", ".join(f"'{kind.value}'" for kind in self.embedding_types)
            raise InvalidRequest(
                f"This model does not support embedding_type '{options.embedding_type.value}'; "
                f"it supports {offered}.",
                param="embedding_type",
            )
        if options.dimensions == self.dimension:
            return replace(options, dimensions=None)
        if options.dimensions is not None:
            self._check_dimensions(options.dimensions, options.embedding_type)
        return options

    def validate_modality(self, modality: Modality) -> None:
        """Raise `InvalidRequest` if the model does not support inputs of this modality."""
        if modality not in self.modalities:
            offered = ", ".join(f"'{kind.value}'" for kind in self.modalities)
            raise InvalidRequest(
                f"This model does not support modality '{modality.value}'; it supports {offered}. "
                "To embed text that contains a data URL, set 'modality' to 'text'.",
                param="modality",
            )

    def validate_image_options(self, options: Options) -> None:
        """Raise `InvalidRequest` if the model does not embed images with these options."""
        if self.image_tokens and options.input_type is InputType.QUERY:
            raise InvalidRequest(
                "This model embeds images as passages only: send them with input_type 'passage'.",
                param="input_type",
            )

    def _check_dimensions(self, dimensions: int, embedding_type: EmbeddingType) -> None:
        if self.matryoshka_dimensions is None:
            raise dimensions_unsupported(dimensions)
        if embedding_type is not EmbeddingType.FLOAT:
            raise InvalidRequest(
                "'dimensions' cannot be used in combination with 'embedding_type'.",
                param="dimensions",
            )
        if self.matryoshka_dimensions and dimensions not in self.matryoshka_dimensions:
            allowed = ", ".join(map(str, self.matryoshka_dimensions))
            raise InvalidRequest(
                f"'dimensions' must be one of {allowed}, not {dimensions}.", param="dimensions"
            )
        if not 1 <= dimensions <= self.dimension:
            raise InvalidRequest(
                f"'dimensions' must be between 1 and {self.dimension}, not {dimensions}.",
                param="dimensions",
            )
