"""Conversations with WAV files, as MOSS-Audio's finetune script reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pipeline.export.audio import Container
from pipeline.export.base import Item, Json
from pipeline.export.lines import LinesFormat
from schemas.sample import MessageKind


class Moss(LinesFormat):
    """`{"conversation": [{"role", "message_type", "content"}]}`, an audio message's content being its path."""

    name: ClassVar[str] = "moss"
    reader: ClassVar[str] = "MOSS-Audio's finetune script"
    container: ClassVar[Container] = "wav"

    def line(self, item: Item, audio: Sequence[str]) -> Mapping[str, Json]:
        paths = iter(audio)
        return {
            "conversation": [
                {
                    "role": str(role),
                    "message_type": str(kind),
                    "content": next(paths) if kind is MessageKind.AUDIO else content,
                }
                for role, kind, content in item.turns()
            ]
        }
