"""Formats of one JSON object a line: written part by part, and joined to one file a split at the end."""

from __future__ import annotations

import base64
import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import IO, ClassVar

from soundseam.pipeline.export.base import (
    EXPORT_FOLDER,
    SAMPLE_RATE_HZ,
    SPLITS,
    AudioFolder,
    Container,
    Finished,
    Format,
    Item,
    Json,
    PartWriter,
    Place,
    audio_bytes,
    num_samples,
)
from soundseam.pipeline.export.shards import RollingName
from soundseam.schemas.sample import MessageKind, Role

LINES = f"{EXPORT_FOLDER}/lines"


class LinesFormat(Format):
    """Lines that name audio files."""

    container: ClassVar[Container]
    indexes: ClassVar[tuple[str, ...]] = tuple(f"{split}.jsonl" for split in SPLITS)

    @abstractmethod
    def line(self, item: Item, audio: Sequence[str]) -> Mapping[str, Json] | str:
        """A sample as a JSON object, `audio` being the names of its files; a reason where it has no such form."""

    def writer(self, place: Place) -> PartWriter:
        return LinesWriter(self, place)

    def finish(self, finished: Finished) -> Mapping[str, str]:  # noqa: ARG002 - some formats need no index
        return {}

    def joined(self, finished: Finished) -> Mapping[str, Sequence[str]]:
        parts = {f"{split}.jsonl": finished.under(f"{LINES}/", f".{split}.jsonl") for split in SPLITS}
        return {name: members for name, members in parts.items() if members}


class LinesWriter(PartWriter):
    def __init__(self, form: LinesFormat, place: Place) -> None:
        self._form, self._place = form, place
        self._audio = AudioFolder(place, form.container)
        self._files: dict[str, IO[str]] = {}

    def write(self, item: Item) -> str | None:
        line = self._form.line(item, self._audio.names(item.clips))
        if isinstance(line, str):
            return line
        split = item.sample.split
        if split not in self._files:
            path = self._place.path(LINES, f"{self._place.part}.{split}.jsonl")
            self._files[split] = path.open("w", encoding="utf-8")
        self._files[split].write(json.dumps(line, ensure_ascii=False) + "\n")
        return None

    def close(self) -> None:
        for file in self._files.values():
            file.close()


def question_and_answer(item: Item) -> list[dict[str, str]]:
    """Messages whose user turn holds an `<audio>` mark for each clip before the question."""
    marks = "<audio>" * len(item.clips)
    return [
        {"role": "user", "content": f"{marks}{item.sample.question}"},
        {"role": "assistant", "content": item.answer},
    ]


class Swift(LinesFormat):
    """`{"messages": [{"role", "content"}], "audios": [path]}`, with as many `<audio>` marks as audios."""

    name: ClassVar[str] = "swift"
    reader: ClassVar[str] = "ms-swift"
    container: ClassVar[Container] = "flac"

    def line(self, item: Item, audio: Sequence[str]) -> Mapping[str, Json]:
        return {"messages": question_and_answer(item), "audios": list(audio)}


_TAGS = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}


class LlamaFactory(Swift):
    """ms-swift's lines; each split is a dataset of its own, `soundseam_train` and `soundseam_validation`."""

    name: ClassVar[str] = "llamafactory"
    reader: ClassVar[str] = "LLaMA-Factory"
    indexes: ClassVar[tuple[str, ...]] = (*Swift.indexes, "dataset_info.json")

    def finish(self, finished: Finished) -> Mapping[str, str]:
        entries = {
            f"soundseam_{name.removesuffix('.jsonl')}": {
                "file_name": name,
                "formatting": "sharegpt",
                "columns": {"messages": "messages", "audios": "audios"},
                "tags": _TAGS,
            }
            for name in self.joined(finished)
        }
        return {"dataset_info.json": json.dumps(entries, indent=2) + "\n"}


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


class Nemo(LinesFormat):
    """`{"audio_filepath", "duration", "offset", "text"}` in seconds, `text` being the answer, with the question and
    what else is known beside it. One file a line: samples that play two clips have no such form."""

    name: ClassVar[str] = "nemo"
    reader: ClassVar[str] = "NeMo"
    container: ClassVar[Container] = "flac"

    def line(self, item: Item, audio: Sequence[str]) -> Mapping[str, Json] | str:
        if len(audio) != 1:
            return "several_audios"
        return {
            "audio_filepath": audio[0],
            "duration": num_samples(item.clips[0]) / SAMPLE_RATE_HZ,
            "offset": 0.0,
            "text": item.answer,
            "lang": item.sample.language,
            "question": item.sample.question,
            "answer": item.answer,
            "taskname": item.sample.task,
            "id": item.key,
        }


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
