"""Chinese for quantities, lists, places in time, and continuous sounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from soundseam.annotators.grammar.engine import Pick
from soundseam.annotators.grammar.events import Stream
from soundseam.annotators.grammar.scene import UNNAMED, stream_name
from soundseam.annotators.grammar.words import PLACES
from soundseam.schemas.event import EventClass

_NUMBERS = ("零", "一", "两", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二")
_LONGER = ((60, "约一分钟"), (45, "四五十秒"), (30, "约半分钟"), (20, "二十多秒"), (13, "十几秒"))
_PLACES = ("一开始", "靠近开头处", "大约三分之一处", "大约一半处", "大约三分之二处", "临近结尾处", "最末尾处")
"""One for each of the English PLACES; each of them stands at the beginning of a clause, or after 在."""
_HEDGES = ("听起来像是", "像是", "好像是")
_HEDGED = {EventClass.SPEECH: "说话", EventClass.MUSIC: "音乐", EventClass.SINGING: "唱歌"}


def count_word(count: int) -> str:
    """Before a measure word: 两 for 2; up to twelve."""
    return _NUMBERS[count]


def seconds_word(duration_ms: float) -> str:
    """An approximate duration, from one second upwards."""
    seconds = int(duration_ms / 1000 + 0.2)
    if seconds < len(_NUMBERS):
        return f"约{_NUMBERS[max(1, seconds)]}秒"
    return next(words for least, words in _LONGER if seconds >= least)


def place_word(share: float) -> str:
    """The words for a position in the segment, `share` in [0, 1]."""
    index = next((index for index, (below, _) in enumerate(PLACES) if share < below), len(PLACES) - 1)
    return _PLACES[index]


def join_words(parts: Sequence[str]) -> str:
    """甲, 甲和乙, 甲、乙和丙."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{'、'.join(parts[:-1])}和{parts[-1]}"


def clauses(*parts: str) -> str:
    """Clauses with a comma between them, without the empty ones."""
    return "，".join(part for part in parts if part)


@dataclass(frozen=True)
class StreamWords:
    """The words for a continuous sound: a noun phrase, and a clause that says that it goes on."""

    noun: str
    clause: str
    begins: str = ""
    """A clause that says that it begins; empty for none of its own."""

    @property
    def then(self) -> str:
        """The clause after 接着."""
        return self.begins or f"传来{self.noun}"


_NAMES = {
    EventClass.SPEECH: StreamWords("说话声", "有人在说话", "有人开始说话"),
    EventClass.MUSIC: StreamWords("音乐", "音乐在播放", "音乐响起"),
    EventClass.SINGING: StreamWords("歌声", "有人在唱歌", "有人开始唱歌"),
    EventClass.HUMAN_VOICE: StreamWords("不成言语的人声", "有人发出不成言语的声音"),
    EventClass.NATURE: StreamWords("自然界的声音", "传来自然界的声音"),
    EventClass.ANIMAL: StreamWords("动物的声音", "传来动物的声音"),
    EventClass.ENVIRONMENT: StreamWords("环境声", "一直有环境声"),
}
_UNNAMED = StreamWords("一个持续的声音", "一个声音持续着")
SEVERAL_UNNAMED = StreamWords("一些持续的声音", "一些声音持续着")


def plain_stream(stream: Stream) -> StreamWords:
    """The words for a stream without a hedge."""
    if stream_name(stream) is UNNAMED:
        return _UNNAMED
    if stream.name is not None:
        return StreamWords(stream.name.zh_noun, stream.name.zh_clause)
    return _NAMES.get(stream.event_class, _UNNAMED)


def stream_words(stream: Stream, pick: Pick) -> StreamWords:
    """The words for a stream, hedged if the detector is not sure of it."""
    words = plain_stream(stream)
    if stream.is_sure or words is _UNNAMED:
        return words
    noun = f"{pick(*_HEDGES)}{_HEDGED.get(stream.event_class, words.noun)}的声音"
    return StreamWords(noun, f"传来{noun}")
