"""A manifest of files and texts, as NeMo reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pipeline.export.audio import Container, num_samples
from pipeline.export.base import SAMPLE_RATE_HZ, Item, Json
from pipeline.export.lines import LinesFormat


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
