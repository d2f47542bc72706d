"""How often each sample is used: weights by task, language and class, tempered by size, within quotas."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import NamedTuple

from pydantic import Field

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.sft.words import LANGUAGES
from soundseam.schemas.event import EventClass
from soundseam.schemas.record import Record, draw


class Stratum(NamedTuple):
    """Samples with the same task, language and class."""

    task: str
    language: str
    event_class: str


class MixConfig(Record):
    """Without `samples` and `quotas`, every sample is used once."""

    samples: int | None = Field(default=None, ge=1, description="total number of samples; null for each sample once")
    size_power: float = Field(
        default=0.5,
        ge=0.0,
        le=1.0,
        description="a stratum's weight is its size to this power; 0.5 as in arXiv 2606.01802",
    )
    tasks: dict[str, float] = Field(default={}, description="task → factor for its weight; 1 if not listed")
    languages: dict[str, float] = Field(default={}, description="language → factor")
    classes: dict[str, float] = Field(default={}, description="strongest class of the audio → factor")
    shares: dict[str, float] = Field(
        default={}, description="task → its share of all samples, instead of sizes and factors"
    )
    quotas: dict[str, int] = Field(default={}, description="task → maximum number of its samples")
    max_repeats: float = Field(
        alias="most_repeats", default=4.0, ge=1.0, description="how often a sample may be used on average"
    )
    seed: int = Field(default=0, description="another seed draws other samples")

    @property
    def takes_all(self) -> bool:
        return self.samples is None and not self.quotas


PRETRAIN_SHARES = {"caption": 0.4, "asr": 0.1, "asr_words": 0.1, "asr_sentences": 0.1}
"""From the report's sampling (arXiv 2606.01802): 40 captions, 30 ASR; the other 30 are text, which a corpus of audio
does not have. The division of ASR into three forms is ours.
"""


PRETRAIN_TASKS = frozenset({*PRETRAIN_SHARES, "long_caption"})
"""What pretraining uses: transcripts and whole captions, also of windows and recordings."""


def take_rates(counts: Mapping[Stratum, int], mix: MixConfig) -> dict[Stratum, float]:
    """How often each sample of a stratum is used, on average.

    With a total, weights are followed as far as `max_repeats` and `quotas` allow; what a full stratum cannot take goes
    to the others.
    """
    sizes = {stratum: count for stratum, count in counts.items() if count > 0}
    caps = _caps(sizes, mix)
    if mix.samples is None:
        return {stratum: min(1.0, caps[stratum] / size) for stratum, size in sizes.items()}
    weights = _weights(sizes, mix)
    targets: dict[Stratum, float] = {}
    left, open_ones = float(mix.samples), {stratum for stratum in sizes if weights[stratum] > 0}
    while open_ones and left > 0:
        total = sum(weights[stratum] for stratum in open_ones)
        full = {stratum for stratum in open_ones if left * weights[stratum] / total >= caps[stratum]}
        for stratum in full or open_ones:
            targets[stratum] = caps[stratum] if full else left * weights[stratum] / total
        if not full:
            break
        left -= sum(caps[stratum] for stratum in full)
        open_ones -= full
    return {stratum: targets.get(stratum, 0.0) / size for stratum, size in sizes.items()}


def copies_of(sample_id: str, rate: float, seed: int) -> int:
    """How often one sample is used: the integer part of `rate`, and once more with the probability of the rest."""
    whole = int(rate)
    digest = hashlib.sha256(f"{seed}/take/{sample_id}".encode()).digest()
    return whole + (int.from_bytes(digest[:8]) / 2**64 < rate - whole)


class EvenTaker:
    """How often each of a row of samples is used: at even distances, so that the number used of a stratum is at most
    one from `rate` times its size; drawn one by one, it would be about as far off as its own square root."""

    def __init__(self, rates: Mapping[Stratum, float], seed: int, name: str) -> None:
        self._rates, self._seed, self._name = rates, seed, name
        self._owed: dict[Stratum, float] = {}

    def copies(self, stratum: Stratum) -> int:
        """For the next sample of a stratum."""
        start = draw(self._seed, "begin", self._name, *stratum)
        owed = self._owed.get(stratum, start) + self._rates.get(stratum, 0.0)
        whole = math.floor(owed)
        self._owed[stratum] = owed - whole
        return whole


def _weights(sizes: Mapping[Stratum, int], mix: MixConfig) -> dict[Stratum, float]:
    weights = {
        stratum: size**mix.size_power
        * mix.tasks.get(stratum.task, 1.0)
        * mix.languages.get(stratum.language, 1.0)
        * mix.classes.get(stratum.event_class, 1.0)
        for stratum, size in sizes.items()
    }
    if not mix.shares:
        return weights
    totals: dict[str, float] = {}
    for stratum, weight in weights.items():
        totals[stratum.task] = totals.get(stratum.task, 0.0) + weight
    return {
        stratum: mix.shares.get(stratum.task, 0.0) * weight / totals[stratum.task] if totals[stratum.task] else 0.0
        for stratum, weight in weights.items()
    }


def _caps(sizes: Mapping[Stratum, int], mix: MixConfig) -> dict[Stratum, float]:
    """Maximum number of samples per stratum; a task's quota is divided among its strata by size."""
    of_task: dict[str, int] = {}
    for stratum, size in sizes.items():
        of_task[stratum.task] = of_task.get(stratum.task, 0) + size
    repeats = mix.max_repeats if mix.samples is not None else 1.0
    return {
        stratum: min(size * repeats, mix.quotas.get(stratum.task, float("inf")) * size / of_task[stratum.task])
        for stratum, size in sizes.items()
    }


def mix_from(samples: int | None, quotas: Sequence[str], weights: Sequence[str], seed: int) -> MixConfig:
    """`quotas` and `weights` as NAME=NUMBER. The name of a weight is a language, a class, or else a task.

    Raises SetupError for any other form.
    """
    factors: dict[str, dict[str, float]] = {"languages": {}, "classes": {}, "tasks": {}}
    for name, value in map(_pair, weights):
        if not (isfinite(value) and value >= 0):
            raise SetupError(f"--weight {name}={value:g}: a factor must be a number of at least 0")
        kind = "languages" if name in LANGUAGES else "classes" if name in set(EventClass) else "tasks"
        factors[kind][name] = value
    return MixConfig(samples=samples, quotas=dict(map(_quota, quotas)), seed=seed, **factors)


def _quota(text: str) -> tuple[str, int]:
    name, value = _pair(text)
    if not (value.is_integer() and value >= 0):
        raise SetupError(f"--quota {name}={value:g}: a quota must be an integer of at least 0")
    return name, int(value)


def _pair(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError as error:
        raise SetupError(f"{text}: write it as name=number, as in tempo=500") from error
