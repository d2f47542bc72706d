"""Messages and audios, as ms-swift reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pipeline.export.audio import Container
from pipeline.export.base import Item, Json
from pipeline.export.lines import LinesFormat, question_and_answer


class Swift(LinesFormat):
    """`{"messages": [{"role", "content"}], "audios": [path]}`, with as many `<audio>` marks as audios."""

    name: ClassVar[str] = "swift"
    reader: ClassVar[str] = "ms-swift"
    container: ClassVar[Container] = "flac"

    def line(self, item: Item, audio: Sequence[str]) -> Mapping[str, Json]:
        return {"messages": question_and_answer(item), "audios": list(audio)}
