"""Packs as the entries of an export: documents that fill a context together, with the audio of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import Field

from soundseam.pipeline.export.base import Item, Json, PartWriter
from soundseam.pipeline.export.counts import Amount, Counts
from soundseam.pipeline.export.documents import document_tokens
from soundseam.pipeline.export.packing import Entry, Pack, Packer
from soundseam.pipeline.export.recipe import Kind, PretrainRecipe
from soundseam.pipeline.export.tokens import text_counter
from soundseam.schemas.record import Record
from soundseam.schemas.sample import AnswerSpec, Message, MessageKind, Role, Sample, Scoring

PACK = "pack"
"""The task of packs."""
SEVERAL_LANGUAGES = "mul"
"""In BCP 47."""


class PackedDocument(Record):
    """A document in a pack."""

    kind: Kind = Field(description="asr, interleaved, caption or text")
    sample_id: str = Field(description="of the sample in OUT/sft; else the first segment's id and the kind")
    segment_ids: tuple[str, ...] = Field(description="the segments whose audio or transcript it contains")
    messages: int = Field(ge=1, description="number of its messages, with the separator")
    tokens: int = Field(ge=1, description="its length")
    license: str | None = Field(description="of its recording or text; null if unknown")


@dataclass(frozen=True)
class PackItem(Item):
    """A pack as an entry: `sample` has the messages of all its documents, one after the other."""

    documents: tuple[PackedDocument, ...] = ()

    @property
    def question(self) -> str:
        return ""

    @property
    def answer(self) -> str:
        """The whole text, with `<audio>` for each clip."""
        return "".join("<audio>" if kind is MessageKind.AUDIO else text for _, kind, text in self.turns())

    @property
    def tokens(self) -> int:
        return sum(document.tokens for document in self.documents)

    def fields(self) -> dict[str, Json]:
        documents = [document.model_dump(mode="json") for document in self.documents]
        return {**super().fields(), "tokens": self.tokens, "documents": documents}


class PackWriter(PartWriter):
    """Writes documents in packs with the writer of a format; documents that are too long are left out."""

    def __init__(self, inner: PartWriter, part: str, recipe: PretrainRecipe) -> None:
        self._inner, self._part, self._recipe = inner, part, recipe
        self._count_text = text_counter(recipe.tokenizer)
        self._packers: dict[str, Packer[Item]] = {}
        self._packs = self._tokens = 0

    def write(self, item: Item) -> str | None:
        tokens = document_tokens(item.sample, (clip.duration_ms for clip in item.clips), self._count_text)
        if tokens > self._recipe.context:
            return f"over_{self._recipe.context}_tokens"
        packer = self._packers.setdefault(item.sample.split, Packer(self._recipe.context, self._recipe.max_open))
        about = frozenset(item.sample.segment_ids or (item.sample.sample_id,))
        self._write(packer.add(Entry(item, tokens, about)))
        return None

    def close(self) -> None:
        for packer in self._packers.values():
            self._write(packer.close())
        self._inner.close()

    def counts(self) -> Counts:
        return Counts(packs=self._packs, packed_tokens=self._tokens)

    def _write(self, packs: Iterator[Pack[Item]]) -> None:
        for pack in packs:
            name = f"{self._part}-{self._packs:06d}"
            if reason := self._inner.write(_pack_item(name, pack, self._recipe)):
                raise ValueError(f"the format cannot hold a pack: {reason}")
            self._packs += 1
            self._tokens += pack.tokens


def _pack_item(name: str, pack: Pack[Item], recipe: PretrainRecipe) -> PackItem:
    items = [entry.document for entry in pack.entries]
    end = Message(role=Role.ASSISTANT, kind=MessageKind.TEXT, content=recipe.separator)
    documents = tuple(
        PackedDocument(
            kind=Kind(entry.document.sample.task),
            sample_id=entry.document.key,
            segment_ids=entry.document.sample.segment_ids,
            messages=len(entry.document.sample.messages) + 1,
            tokens=entry.tokens,
            license=entry.document.sample.license,
        )
        for entry in pack.entries
    )
    clips = tuple(clip for item in items for clip in item.clips)
    messages = tuple(message for item in items for message in (*item.sample.messages, end))
    return PackItem(name, _pack_sample(name, [item.sample for item in items], messages), clips, None, True, documents)


def _pack_sample(name: str, members: Sequence[Sample], messages: tuple[Message, ...]) -> Sample:
    languages = sorted({sample.language for sample in members})
    licenses = sorted({sample.license for sample in members if sample.license is not None})
    known = all(sample.license is not None for sample in members)
    return members[0].model_copy(
        update={
            "sample_id": name,
            "recording_id": "",
            "segment_ids": tuple(dict.fromkeys(one for sample in members for one in sample.segment_ids)),
            "task": PACK,
            "kind": "mix",
            "topic": "",
            "language": languages[0] if len(languages) == 1 else SEVERAL_LANGUAGES,
            "messages": messages,
            "reasoning": None,
            "answer_spec": AnswerSpec(scoring=Scoring.OPEN, reference=""),
            "text_only": None,
            "evidence": (),
            "verdicts": (),
            "event_class": None,
            "audio_ms": sum(sample.audio_ms for sample in members),
            "license": " AND ".join(licenses) if known and licenses else None,
            "config_key": "",
        }
    )


def shares_reached(recipe: PretrainRecipe, counts: Counts) -> dict[str, tuple[float, float, Amount]]:
    """kind → its share of the tokens as wanted and as reached, and its amount."""
    total = sum(amount.audio_tokens + amount.text_tokens for amount in counts.amounts.values())
    found: dict[str, tuple[float, float, Amount]] = {}
    for kind in Kind:
        amount = counts.amounts.get(kind, Amount())
        reached = (amount.audio_tokens + amount.text_tokens) / total if total else 0.0
        found[kind] = (recipe.share_of(kind, list(Kind)), reached, amount)
    return found


def packing_line(recipe: PretrainRecipe, counts: Counts) -> str:
    """The loss of packing, in one sentence."""
    room = counts.packs * recipe.context
    padding = 1 - counts.packed_tokens / room if room else 0.0
    return (
        f"{counts.packs:,} packs of {recipe.context:,} tokens hold {counts.packed_tokens:,}: {padding:.1%} is padding"
    )


def pack_notes(recipe: PretrainRecipe, counts: Counts) -> list[str]:
    """What the README of an export says about its packs."""
    counted = recipe.tokenizer or "a rule, without a tokenizer: leave a few percent of room"
    rows = [
        f"| {kind} | {wanted:.1%} | {reached:.1%} | {amount.audio_tokens + amount.text_tokens:,} |"
        for kind, (wanted, reached, amount) in shares_reached(recipe, counts).items()
    ]
    return [
        "",
        "## Packs",
        "",
        f"{packing_line(recipe, counts)}. Text is counted by {counted}; audio as 12.5 tokens a second, the digits of a "
        "time every two seconds, and two around each clip.",
        "",
        "| kind | wanted | reached | tokens |",
        "|---|---:|---:|---:|",
        *rows,
        "",
        f"A pack is a sequence of documents, each of which ends with `{recipe.separator}`: asr and caption are a clip, "
        "an instruction and its answer; interleaved is consecutive segments as audio and as text in turn; text has no "
        "audio. `documents`, if the format has fields of its own, says which messages and how many tokens belong to "
        "each. Train on all text, and on no audio. No two documents of a pack are about the same segment, so that none "
        "tells the answer of another; attention may still be reset at each document.",
    ]
