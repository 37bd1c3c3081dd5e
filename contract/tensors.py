"""Names of tensors: of the inputs and outputs of a model's ensembles, and between its steps.

Source of the interface: the gRPC reference of NVIDIA's NeMo Retriever Embedding NIM.
"""

from __future__ import annotations

TEXT = "text"
"""Ensemble input, BYTES [n, 1]: UTF-8 text (or token ids, see `contract.options.Options`)."""
MODALITY = "modality"
"""Optional ensemble input, BYTES [n, 1]."""
TOKEN_COUNT = "token_count"
"""Ensemble output, INT32 [n, 1]: tokens of each input, prompt and special tokens included."""
EMBEDDINGS = "embeddings"
"""Ensemble output, [n, d]: FP32 unless the request's ``embedding_type`` names another type."""

TOKEN_IDS = "token_ids"
"""Tokenizer to encoder, INT32 [n, L]: rows padded to the longest of the request."""
LENGTH = "length"
"""Tokenizer to encoder, INT32 [n, 1]: ids of each row that are not padding."""
ROW_WIDTH = "row_width"
"""Encoder, INT32 [items, 1]: L of the request that each item came with (Triton's batch_input)."""
PIXELS = "pixels"
"""Router to vision step, UINT8 [tiles, 3, size, size]: RGB."""
TILE_POSITION = "tile_position"
"""Router to vision step, INT32 [tiles, 3]: row and column of each tile in its image, and 1 for the
last tile of an image, otherwise 0. Only for towers that take images of any size."""
IMAGE_GRID = "image_grid"
"""Router to tokenizer, optional, INT32 [n, 2]: rows and columns of the tokens of each image."""
FEATURES = "features"
"""To the encoder of a fused model, FP32 [n, rows, H]: the rows that replace the tokens of an image.
From the vision step, FP32 [tiles, rows, H]; from the tokenizer, one row of zeros for each text."""
FEATURE_SHAPE = "feature_shape"
"""Encoder, INT32 [items, 2]: rows and H of the request that each item came with (batch_input)."""
VECTORS = "vectors"
"""Encoder to postprocess step, FP32 [n, d]: the model's own vectors."""
