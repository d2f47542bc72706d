"""Simultaneous and successive streams in Chinese."""

from __future__ import annotations

from collections.abc import Callable

from soundseam.annotators.grammar import scene
from soundseam.annotators.grammar.chinese.words import (
    SEVERAL_UNNAMED,
    StreamWords,
    join_words,
    place_word,
    plain_stream,
    stream_words,
)
from soundseam.annotators.grammar.engine import Pick, Rule, Values, in_chinese
from soundseam.annotators.grammar.events import ALL_OF_IT, Timeline, read_timeline
from soundseam.annotators.grammar.scene import Order, edge_of, middle_of, order_of


def _say_streams(timeline: Timeline, pick: Pick) -> str:
    if len(timeline.streams) > 2:
        return _say_mixture(timeline, pick)
    order, first, second = order_of(timeline)
    one, other = stream_words(first, pick), stream_words(second, pick)
    match order:
        case Order.WITHIN:
            middle = middle_of(first, timeline)
            return _say_within(one, other, "不时" if middle is None else place_word(middle), pick)
        case Order.TOGETHER:
            return _say_together(one, other, pick)
        case Order.THEN:
            return _say_sequence(one, other, pick)
        case Order.PARTLY:
            return pick(
                f"能听到{one.noun}和{other.noun}，两者有一部分重叠",
                f"{one.clause}，其间{other.clause}，两者部分重叠",
                f"录音里有{one.noun}和{other.noun}，有时同时出现",
            )
        case _:
            return pick(
                f"{one.noun}和{other.noun}交替出现",
                f"能听到{one.noun}和{other.noun}交替出现",
                f"录音里{one.noun}与{other.noun}此起彼落",
            )


def _say_mixture(timeline: Timeline, pick: Pick) -> str:
    nouns = join_words(list(dict.fromkeys(stream_words(stream, pick).noun for stream in timeline.streams)))
    return pick(f"能听到{nouns}", f"录音里有{nouns}", f"{nouns}交织在一起", f"传来{nouns}", f"{nouns}混在一起")


def _say_together(shorter: StreamWords, longer: StreamWords, pick: Pick) -> str:
    return pick(
        f"{longer.clause}，同时{shorter.clause}",
        f"{shorter.clause}，同时{longer.clause}",
        f"伴随着{longer.noun}，{shorter.clause}",
        f"能同时听到{shorter.noun}和{longer.noun}",
        f"{shorter.noun}和{longer.noun}同时出现",
        f"录音里同时有{longer.noun}和{shorter.noun}",
    )


def _say_within(shorter: StreamWords, longer: StreamWords, when: str, pick: Pick) -> str:
    return pick(
        f"{longer.clause}，{when}{shorter.clause}",
        f"伴随着{longer.noun}，{when}{shorter.clause}",
        f"能听到{longer.noun}，{when}还有{shorter.noun}",
        f"录音里有{longer.noun}，{when}能听到{shorter.noun}",
        f"{longer.noun}持续着，{when}出现{shorter.noun}",
    )


def _say_sequence(first: StreamWords, second: StreamWords, pick: Pick) -> str:
    return pick(
        f"先是{first.noun}，接着是{second.noun}",
        f"先听到{first.noun}，随后{second.then}",
        f"{first.clause}，之后{second.then}",
        f"{first.noun}过后，{second.then}",
        f"起初是{first.noun}，后来是{second.noun}",
    )


def _say_stream(timeline: Timeline, pick: Pick) -> str:
    stream = timeline.streams[0]
    words = stream_words(stream, pick) if len(timeline.streams) == 1 else SEVERAL_UNNAMED
    if stream.duration_ms >= ALL_OF_IT * timeline.duration_ms:
        return pick(
            f"从头到尾都能听到{words.noun}",
            f"自始至终都有{words.noun}",
            f"{words.noun}贯穿始终",
            f"整段录音里一直有{words.noun}",
        )
    return pick(f"能听到{words.noun}", f"{words.clause}", f"录音里有{words.noun}", f"可以听到{words.noun}")


def _say_extent(timeline: Timeline, pick: Pick) -> str:
    edge = edge_of(timeline)
    if edge is None:
        raise ValueError("the stream neither begins nor ends inside the segment")
    noun, place = plain_stream(timeline.streams[0]).noun.removeprefix("一个"), place_word(edge[1])
    if edge[0] == "begins":
        return pick(f"{noun}在{place}才开始", f"{place}，{noun}才开始", f"直到{place}，{noun}才出现")
    return pick(f"{noun}在{place}停止", f"{place}，{noun}停了下来", f"{noun}到{place}就结束了")


def _rule(rule: Rule, say: Callable[[Timeline, Pick], str], named: bool = False) -> Rule:
    table = "general" if named else "segments"

    def of_values(values: Values, pick: Pick) -> str:
        return say(read_timeline(values, table), pick)

    return in_chinese(rule, of_values)


RULES = (
    _rule(scene.STREAMS, _say_streams),
    _rule(scene.STREAM, _say_stream),
    _rule(scene.EXTENT, _say_extent),
    _rule(scene.NAMED_STREAMS, _say_streams, named=True),
    _rule(scene.NAMED_STREAM, _say_stream, named=True),
)
