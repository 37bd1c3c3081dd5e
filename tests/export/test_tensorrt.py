"""An export for TensorRT uses what TensorRT documents, and says how to build the engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
import pytest
