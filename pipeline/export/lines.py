"""Formats with one JSON object per line: written part by part, and joined to one file per split at the end."""

from __future__ import annotations

import base64
import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import IO, ClassVar

from soundseam.pipeline.export.base import (
    EXPORT_FOLDER,
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
)
from soundseam.pipeline.export.shards import RollingName
from soundseam.pipeline.export.tokens import audio_tokens, text_tokens
from soundseam.schemas.sample import MessageKind, Role

LINES = f"{EXPORT_FOLDER}/lines"


class LinesFormat(Format):
    """Lines that refer to audio files."""

    container: ClassVar[Container]
    indexes: ClassVar[tuple[str, ...]] = tuple(f"{split}.jsonl" for split in SPLITS)
    stems: ClassVar[tuple[str, ...]] = ("",)
    """Prefixes of its file names: `<stem>train.jsonl`."""
    max_clips: ClassVar[int | None] = None
    """Maximum number of clips in one line; None for any number."""
    max_tokens: ClassVar[int | None] = None
    """Maximum length that the trainer takes without cutting it off; None for any length."""

    @abstractmethod
    def line(self, item: Item, audio: Sequence[str]) -> Mapping[str, Json]:
        """A sample as a JSON object; `audio` are the names of its files."""

    def lines(self, item: Item, audio: Sequence[str]) -> Mapping[str, Mapping[str, Json]]:
        """stem of a file → its line."""
        return {"": self.line(item, audio)}

    def writer(self, place: Place) -> PartWriter:
        return LinesWriter(self, place)

    def finish(self, finished: Finished) -> Mapping[str, str]:  # noqa: ARG002 - some formats need no index
        return {}

    def joined(self, finished: Finished) -> Mapping[str, Sequence[str]]:
        names = [f"{stem}{split}.jsonl" for stem in self.stems for split in SPLITS]
        parts = {name: finished.under(f"{LINES}/", f".{name}") for name in names}
        return {name: members for name, members in parts.items() if members}


class LinesWriter(PartWriter):
    def __init__(self, form: LinesFormat, place: Place) -> None:
        self._form, self._place = form, place
        self._audio = AudioFolder(place, form.container)
        self._files: dict[str, IO[str]] = {}

    def write(self, item: Item) -> str | None:
        most = self._form.max_clips
        if most is not None and len(item.clips) > most:
            return "several_audios"
        longest = self._form.max_tokens
        if longest is not None and tokens_of(item) > longest:
            return f"over_{longest}_tokens"
        for stem, line in self._form.lines(item, self._audio.names(item.clips)).items():
            name = f"{stem}{item.sample.split}.jsonl"
            if name not in self._files:
                path = self._place.path(LINES, f"{self._place.part}.{name}")
                self._files[name] = path.open("w", encoding="utf-8")
            self._files[name].write(json.dumps(line, ensure_ascii=False) + "\n")
        return None

    def close(self) -> None:
        for file in self._files.values():
            file.close()


def spoken_turns(item: Item) -> Iterator[tuple[Role, list[tuple[MessageKind, str]]]]:
    """The conversation as (role, its parts), merging consecutive parts of one role."""
    for role, parts in groupby(item.turns(), key=lambda turn: turn[0]):
        yield role, [(kind, content) for _, kind, content in parts]


def marked_messages(item: Item) -> list[dict[str, str]]:
    """Messages with an `<audio>` mark per clip before the question."""
    return [
        {
            "role": str(role),
            "content": "".join("<audio>" if kind is MessageKind.AUDIO else text for kind, text in parts),
        }
        for role, parts in spoken_turns(item)
    ]


_FRAME_TOKENS = 32
"""Of the system prompt and the marks of turns; MOSS-Audio's script has 22."""


def tokens_of(item: Item) -> int:
    """Approximate length of a sample in a chat template."""
    texts = sum(text_tokens(content) for _, kind, content in item.turns() if kind is MessageKind.TEXT)
    return _FRAME_TOKENS + texts + sum(audio_tokens(clip.duration_ms) for clip in item.clips)


class Swift(LinesFormat):
    """`{"messages": [{"role", "content"}], "audios": [path]}`, with as many `<audio>` marks as audios."""

    name: ClassVar[str] = "swift"
    reader: ClassVar[str] = "ms-swift"
    command: ClassVar[str] = (
        "swift sft --model Qwen/Qwen2.5-Omni-7B --dataset {target}/train.jsonl --val_dataset {target}/validation.jsonl"
    )
    container: ClassVar[Container] = "flac"
    holds_packs: ClassVar[bool] = True
    pack_command: ClassVar[str] = (
        "swift pt --model Qwen/Qwen2.5-Omni-7B --dataset {target}/train.jsonl --max_length {context}"
    )

    def line(self, item: Item, audio: Sequence[str]) -> Mapping[str, Json]:
        return {"messages": marked_messages(item), "audios": list(audio)}


_TAGS = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}


class LlamaFactory(Swift):
    """ms-swift's lines; each split is a separate dataset, `soundseam_train` and `soundseam_validation`."""

    name: ClassVar[str] = "llamafactory"
    reader: ClassVar[str] = "LLaMA-Factory"
    command: ClassVar[str] = (
        "llamafactory-cli train --stage sft --do_train --model_name_or_path Qwen/Qwen2-Audio-7B-Instruct "
        "--template qwen2_audio --finetuning_type lora --dataset_dir {target} --dataset soundseam_train "
        "--eval_dataset soundseam_validation --output_dir saves"
    )
    indexes: ClassVar[tuple[str, ...]] = (*Swift.indexes, "dataset_info.json")
    # Its turns must alternate between user and assistant.
    holds_packs: ClassVar[bool] = False

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
    """`{"conversation": [{"role", "message_type", "content"}]}`; the content of an audio message is its path. The
    script only trains on the first audio of a line, so samples with two clips are not supported; and it joins all
    questions and all answers of a line, so each line has one of each. It cuts off what is longer than 8,192 tokens,
    such as the answer to ten minutes of audio: such samples are left out.
    """

    name: ClassVar[str] = "moss"
    reader: ClassVar[str] = "MOSS-Audio's finetune script"
    command: ClassVar[str] = (
        "PYTHONPATH=MOSS-Audio accelerate launch MOSS-Audio/finetune/finetune.py --model_dir weights/moss-audio "
        "--data_path {target}/train.jsonl --eval_data_path {target}/validation.jsonl --output_dir output/lora "
        "--use_lora --bf16 --per_device_train_batch_size 1 --per_device_eval_batch_size 1 --eval_strategy epoch"
    )
    max_clips: ClassVar[int | None] = 1
    max_tokens: ClassVar[int | None] = 8192
    holds_conversations: ClassVar[bool] = False
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


class Qwen(LinesFormat):
    """`{"messages": [...]}` whose contents are lists of `audio` and `text` parts, for `apply_chat_template` of the
    processors of Qwen's Omni and Audio models."""

    name: ClassVar[str] = "qwen"
    reader: ClassVar[str] = "apply_chat_template of Qwen-Omni and Qwen-Audio processors, TRL"
    container: ClassVar[Container] = "wav"
    holds_packs: ClassVar[bool] = True
    command: ClassVar[str] = (
        "python -c \"import datasets; print(datasets.load_dataset('json', data_files='{target}/train.jsonl'))\""
    )

    def line(self, item: Item, audio: Sequence[str]) -> Mapping[str, Json]:
        paths = iter(audio)
        return {
            "messages": [
                {
                    "role": str(role),
                    "content": [
                        {"type": "audio", "audio": next(paths)}
                        if kind is MessageKind.AUDIO
                        else {"type": "text", "text": text}
                        for kind, text in parts
                    ],
                }
                for role, parts in spoken_turns(item)
            ]
        }


class OpenAi(Format):
    """`{"messages": [...]}`; a user turn is a list of `input_audio` parts, base64 WAV, and one `text` part."""

    # The interface only supports WAV and MP3: vLLM would accept FLAC, others would not.

    name: ClassVar[str] = "openai"
    reader: ClassVar[str] = "OpenAI-compatible servers, such as vLLM"
    command: ClassVar[str] = (
        "head -qn 1 {target}/data/*.jsonl | head -n 1 | jq '{{model: \"NAME\", messages: .messages[:1]}}' | "
        "curl http://localhost:8000/v1/chat/completions -H 'Content-Type: application/json' -d @-"
    )

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
    messages: list[Json] = []
    for role, parts in spoken_turns(item):
        if role is Role.ASSISTANT:
            messages.append({"role": str(role), "content": "".join(text for _, text in parts)})
            continue
        content: list[Json] = []
        for kind, text in parts:
            if kind is MessageKind.AUDIO:
                data = base64.b64encode(audio_bytes(next(clips), "wav")).decode()
                content.append({"type": "input_audio", "input_audio": {"data": data, "format": "wav"}})
            else:
                content.append({"type": "text", "text": text})
        messages.append({"role": str(role), "content": content})
    return {"messages": messages}
