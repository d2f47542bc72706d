"""Formats of one JSON object a line: written part by part, and joined to one file a split at the end."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import IO, ClassVar

from pipeline.export.audio import AudioFolder, Container
from pipeline.export.base import EXPORT_FOLDER, SPLITS, Finished, Format, Item, Json, PartWriter, Place

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
