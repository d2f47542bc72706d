"""A mix from what a command line says."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from pipeline.errors import SetupError
from pipeline.export.mixing import MixConfig
from pipeline.sft.words import LANGUAGES
from schemas.event import EventClass


def mix_from(samples: int | None, quotas: Sequence[str], weights: Sequence[str], seed: int) -> MixConfig:
    """`quotas` and `weights` as NAME=NUMBER. A weight's name is a language's, a class's, or else a task's.

    Raises SetupError for what is not of that form.
    """
    factors: dict[str, dict[str, float]] = {"languages": {}, "classes": {}, "tasks": {}}
    for name, value in map(_pair, weights):
        if not (isfinite(value) and value >= 0):
            raise SetupError(f"--weight {name}={value:g}: a factor is a number that is not negative")
        kind = "languages" if name in LANGUAGES else "classes" if name in set(EventClass) else "tasks"
        factors[kind][name] = value
    return MixConfig(samples=samples, quotas=dict(map(_quota, quotas)), seed=seed, **factors)


def _quota(text: str) -> tuple[str, int]:
    name, value = _pair(text)
    if not (value.is_integer() and value >= 0):
        raise SetupError(f"--quota {name}={value:g}: a quota is a whole number that is not negative")
    return name, int(value)


def _pair(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError as error:
        raise SetupError(f"{text}: write it as name=number, as in tempo=500") from error
