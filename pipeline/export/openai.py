"""Chat messages with the audio inside, as OpenAI-compatible servers and their fine-tuning read them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import IO, ClassVar

from pipeline.export.audio import audio_bytes
from pipeline.export.base import Finished, Format, Item, Json, PartWriter, Place
from pipeline.export.rolling import RollingName
from schemas.sample import MessageKind, Role


class OpenAi(Format):
    """`{"messages": [...]}`; a user turn is a list of `input_audio` parts, base64 WAV, and one `text` part."""

    # The interface knows WAV and MP3 alone: vLLM would take FLAC, others would not.

    name: ClassVar[str] = "openai"
    reader: ClassVar[str] = "OpenAI-compatible servers, such as vLLM"

    def writer(self, place: Place) -> PartWriter:
        return OpenAiWriter(place)

    def finish(self, finished: Finished) -> Mapping[str, str]:  # noqa: ARG002 - needs no index
        return {}


class OpenAiWriter(PartWriter):
    def __init__(self, place: Place) -> None:
        self._place = place
        self._names: dict[str, RollingName] = {}
        self._files: dict[str, IO[str]] = {}

    def write(self, item: Item) -> str | None:
        split = item.sample.split
        name = self._names.setdefault(split, RollingName(self._place, "data", split, "jsonl"))
        if split not in self._files or name.is_full:
            self._close(split)
            self._files[split] = name.next_path().open("w", encoding="utf-8")
        name.bytes += self._files[split].write(json.dumps(_line(item), ensure_ascii=False) + "\n")
        return None

    def close(self) -> None:
        for split in list(self._files):
            self._close(split)

    def _close(self, split: str) -> None:
        if split in self._files:
            self._files.pop(split).close()


def _line(item: Item) -> Mapping[str, Json]:
    clips = iter(item.clips)
    parts: list[Json] = []
    for role, kind, content in item.turns():
        if role is not Role.USER:
            continue
        if kind is MessageKind.AUDIO:
            data = base64.b64encode(audio_bytes(next(clips), "wav")).decode()
            parts.append({"type": "input_audio", "input_audio": {"data": data, "format": "wav"}})
        else:
            parts.append({"type": "text", "text": content})
    return {"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": item.answer}]}
