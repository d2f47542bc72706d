"""Chance that depends on names alone: the same on every machine and in every order."""

from __future__ import annotations

import hashlib


def draw(seed: int, *names: str) -> float:
    """A number in [0, 1) that depends on nothing but its arguments."""
    digest = hashlib.sha256("/".join([str(seed), *names]).encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
