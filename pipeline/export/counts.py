"""The numbers of an export."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from pydantic import Field

from soundseam.pipeline.export.base import Item
from soundseam.pipeline.export.tokens import TextCounter, audio_tokens, text_tokens
from soundseam.schemas.record import Record
from soundseam.schemas.sample import MessageKind


class Amount(Record):
    """The amount of data of one task. Text tokens are an estimate, without a tokenizer."""

    audio_ms: int = 0
    """Length of audio, counted once per sample."""
    audio_tokens: int = 0
    text_tokens: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(**{name: getattr(self, name) + getattr(other, name) for name in Amount.model_fields})


class Counts(Record):
    """Numbers of samples and amounts of data."""

    samples: dict[str, int] = Field(default={})
    """task/split → number of samples."""
    languages: dict[str, int] = Field(default={})
    licenses: dict[str, int] = Field(default={})
    skipped: dict[str, int] = Field(default={})
    """reason → samples that the format does not support."""
    lost: int = 0
    """Samples whose audio is missing."""
    clips_ms: int = 0
    """Total length of the clips, each counted once."""
    amounts: dict[str, Amount] = Field(default={})
    """task → its amount."""
    packs: int = 0
    packed_tokens: int = 0
    """Of all packs, without padding."""

    @property
    def total(self) -> int:
        return sum(self.samples.values())

    @property
    def amount(self) -> Amount:
        """The amount of all tasks."""
        return sum(self.amounts.values(), Amount())

    def plus(self, other: Counts) -> Counts:
        return Counts(
            samples=_sum(self.samples, other.samples),
            languages=_sum(self.languages, other.languages),
            licenses=_sum(self.licenses, other.licenses),
            skipped=_sum(self.skipped, other.skipped),
            lost=self.lost + other.lost,
            clips_ms=self.clips_ms + other.clips_ms,
            amounts={
                task: self.amounts.get(task, Amount()) + other.amounts.get(task, Amount())
                for task in sorted(self.amounts.keys() | other.amounts.keys())
            },
            packs=self.packs + other.packs,
            packed_tokens=self.packed_tokens + other.packed_tokens,
        )


class Tally:
    """Counts the items of one part; the ids of its clips are in memory."""

    def __init__(self, count_text: TextCounter = text_tokens) -> None:
        self._count_text = count_text
        self._samples: Counter[str] = Counter()
        self._languages: Counter[str] = Counter()
        self._licenses: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()
        self._clips: dict[str, int] = {}
        self._amounts: dict[str, Amount] = {}

    def add(self, item: Item, skipped: str | None) -> None:
        if skipped is not None:
            self._skipped[skipped] += 1
            return
        sample = item.sample
        self._samples[f"{sample.task}/{sample.split}"] += 1
        self._languages[sample.language] += 1
        self._licenses[sample.license or "unknown"] += 1
        self._clips.update((clip.segment_id, clip.duration_ms) for clip in item.clips)
        self._amounts[sample.task] = self._amounts.get(sample.task, Amount()) + amount_of(item, self._count_text)

    def counts(self, lost: int) -> Counts:
        return Counts(
            samples=dict(self._samples),
            languages=dict(self._languages),
            licenses=dict(self._licenses),
            skipped=dict(self._skipped),
            lost=lost,
            clips_ms=sum(self._clips.values()),
            amounts=dict(self._amounts),
        )


def amount_of(item: Item, count_text: TextCounter) -> Amount:
    """The amount of data of one sample."""
    texts = [content for _, kind, content in item.turns() if kind is MessageKind.TEXT]
    return Amount(
        audio_ms=sum(clip.duration_ms for clip in item.clips),
        audio_tokens=sum(audio_tokens(clip.duration_ms) for clip in item.clips),
        text_tokens=sum(map(count_text, texts)),
    )


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted((Counter(one) + Counter(other)).items()))
