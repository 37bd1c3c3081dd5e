"""``python -m triton_embed``: the same as the console script ``triton-embed``."""

from __future__ import annotations

import sys

from triton_embed.cli import main

if __name__ == "__main__":
    sys.exit(main())
