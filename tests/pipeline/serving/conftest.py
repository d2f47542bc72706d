"""The tiny checkpoint, as in the tests of the forward pass."""

from __future__ import annotations

from tests.annotators.moss.conftest import checkpoint, tiny

__all__ = ["checkpoint", "tiny"]
