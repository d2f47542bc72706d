"""Separate sounds in Chinese, named or described by what is measured of them."""

from __future__ import annotations

from collections.abc import Sequence

from soundseam.annotators.grammar import narration, sounds
from soundseam.annotators.grammar.arrangement import (
    COUNTED,
    Beside,
    are_together,
    beside_stream,
    comes_late,
    do_overlap,
    has_no_place,
    louder_of,
    loudest_of,
    peak_of,
    spread_of,
)
from soundseam.annotators.grammar.chinese.words import (
    clauses,
    count_word,
    join_words,
    place_word,
    seconds_word,
    stream_words,
)
from soundseam.annotators.grammar.engine import Pick, Rule, Values, in_chinese
from soundseam.annotators.grammar.events import SURE, SegmentEvent, Stream, Timeline, read_timeline
from soundseam.annotators.grammar.narration import Part, beside_of, order_of_pair, parts_of, where_in
from soundseam.annotators.grammar.phrases import character, pitch, plain_size, shared, size, sound_phrase, strength
from soundseam.annotators.grammar.scene import Order
from soundseam.annotators.grammar.sounds import is_faint, steady_kind
from soundseam.schemas.event import EventClass

_NOUNS = {
    EventClass.HUMAN_VOICE: "人声",
    EventClass.ANIMAL: "动物叫声",
    EventClass.NATURE: "自然界的声音",
    EventClass.ENVIRONMENT: "环境声",
}
_MEASURES = {EventClass.ANIMAL: "声", EventClass.NATURE: "阵", EventClass.ENVIRONMENT: "阵"}
_ADJECTIVES = {
    "indistinct": "不太清晰",
    "very short": "极短",
    "short": "短促",
    "long": "较长",
    "hissing": "嘶嘶作响",
    "bright": "尖亮",
    "dull": "低闷",
}
_CLEAR_PITCH = "音高清晰"


def _is_certain(sound: SegmentEvent) -> bool:
    return sound.score >= SURE and sound.event_class in _NOUNS


def _phrase(sound: SegmentEvent, lasting: bool = False) -> str:
    """一个短促、尖亮的声音; with its length, if `lasting` and it is worth mentioning."""
    length = f"持续{seconds_word(sound.span.duration_ms)}" if lasting and sound.span.duration_ms >= 1_500 else ""
    words = (strength(sound), "" if length else size(sound), character(sound))
    measure, noun = _measure_and_noun(sound)
    return f"一{measure}{_described(words, bool(pitch(sound)), length)}{noun}"


def _measure_and_noun(sound: SegmentEvent) -> tuple[str, str]:
    if not _is_certain(sound):
        return "个", "声音"
    return _MEASURES.get(sound.event_class, "个"), _NOUNS[sound.event_class]


def _described(words: Sequence[str], has_pitch: bool, length: str = "") -> str:
    adjectives = [_ADJECTIVES[word] for word in words if word][:2] + [_CLEAR_PITCH] * has_pitch
    found = [part for part in (length, *adjectives) if part]
    return f"{'、'.join(found)}的" if found else ""


def _phrase_of_all(alike: Sequence[SegmentEvent]) -> str:
    """三个短促的声音: the number and what they have in common."""
    words = (shared(strength, alike), shared(plain_size, alike), shared(character, alike))
    names = {_measure_and_noun(one) for one in alike}
    measure, noun = names.pop() if len(names) == 1 else ("个", "声音")
    number = count_word(len(alike)) if len(alike) <= COUNTED else "好几"
    number = f"{number}{measure}" if len(alike) < 10 else "许多"
    return f"{number}{_described(words, bool(shared(pitch, alike)))}{noun}"


_BESIDE = {
    EventClass.SPEECH: ("有人说话时", "说话之前", "说话之后", "说话声"),
    EventClass.MUSIC: ("音乐播放时", "音乐响起之前", "音乐之后", "音乐"),
    EventClass.SINGING: ("有人唱歌时", "唱歌之前", "唱歌之后", "歌声"),
}
_BESIDE_OTHER = ("另一个声音持续期间", "一个较长的声音开始之前", "一个较长的声音过后", "一个较长的声音")


def _beside(alike: Sequence[SegmentEvent], timeline: Timeline, pick: Pick) -> str:
    """The position relative to the only stream; empty for none or several."""
    place = beside_stream(alike, timeline)
    if place is None:
        return ""
    during, before, after, noun = _beside_words(timeline.streams[0], pick)
    return {
        Beside.DURING: during,
        Beside.BEFORE: before,
        Beside.AFTER: after,
        Beside.GAP: f"在{noun}的间隙里",
        Beside.PARTLY: f"与{noun}部分重叠",
        Beside.ALONG: f"伴随着{noun}",
    }[place]


def _beside_words(stream: Stream, pick: Pick) -> tuple[str, str, str, str]:
    if stream.is_sure:
        return _BESIDE.get(stream.event_class, _BESIDE_OTHER)
    if stream.score < SURE or stream.event_class not in _BESIDE:
        return _BESIDE_OTHER
    noun = stream_words(stream, pick).noun
    return f"伴随着{noun}", f"在{noun}之前", f"在{noun}之后", noun


def _say_sounds(timeline: Timeline, pick: Pick) -> str:
    found = timeline.sounds
    if len(found) == 1:
        return _say_one(found[0], timeline, pick)
    if len(found) == 2 and sound_phrase(found[0]) != sound_phrase(found[1]):
        return _say_two(found[0], found[1], timeline, pick)
    return _say_alike(found, timeline, pick)


def _say_one(sound: SegmentEvent, timeline: Timeline, pick: Pick) -> str:
    lasting = _phrase(sound, lasting=True)
    if has_no_place(sound, timeline):
        how = {"start": "开头最响", "end": "越接近末尾越响", None: ""}[peak_of(sound)]
        heard = pick(f"能听到{lasting}", f"传来{lasting}", f"录音里有{lasting}", f"响起{lasting}")
        return clauses(heard, how)
    place = place_word((sound.span.start_ms + sound.span.end_ms) / 2 / timeline.duration_ms)
    beside = _beside([sound], timeline, pick)
    heard = pick(
        f"{place}传来{lasting}",
        f"{place}能听到{lasting}",
        f"{place}有{lasting}",
        f"{place}出现{lasting}",
        f"{place}响起{lasting}",
    )
    is_partly = beside_stream([sound], timeline) is Beside.PARTLY
    return clauses(heard, beside) if is_partly else clauses(beside, heard)


def _say_two(first: SegmentEvent, second: SegmentEvent, timeline: Timeline, pick: Pick) -> str:
    one, other = _phrase(first), _phrase(second)
    if one == other:
        other = f"另{other}"
    beside = _beside([first, second], timeline, pick)
    if first.span.overlap_ms(second.span) > 0:
        how = "同时出现" if are_together(first, second) else "相互重叠"
        return clauses(beside, pick(f"{one}和{other}{how}", f"能听到{one}和{other}{how}", f"传来{one}，与{other}{how}"))
    loud = louder_of(first, second)
    louder = "" if loud is None else ("前一个明显更响", "后一个明显更响")[loud]
    then = "过了一会儿是" if comes_late(first, second) else "接着是"
    told = pick(
        f"先是{one}，{then}{other}",
        f"传来{one}，{then}{other}",
        f"先听到{one}，{then}{other}",
        f"先后传来两个声音，先是{one}，{then}{other}",
    )
    return clauses(beside, told, louder)


def _say_alike(alike: Sequence[SegmentEvent], timeline: Timeline, pick: Pick) -> str:
    phrase, spread, loudest = _phrase_of_all(alike), spread_of(alike, timeline), loudest_of(alike)
    where = place_word(spread) if isinstance(spread, float) else ""
    heard = pick(f"{where}传来{phrase}", f"{where}能听到{phrase}", f"{where or '录音里'}有{phrase}")
    if not do_overlap(alike):
        heard = pick(heard, heard, f"{where}先后响起{phrase}", f"{where}先后传来{phrase}")
    how = {"quick": "接连不断", "whole": "散布在整段时间里"}.get(spread, "") if isinstance(spread, str) else ""
    loud = ""
    if loudest is not None:
        which = "最后一个" if loudest == len(alike) - 1 and len(alike) > 2 else f"第{'一二三'[loudest]}个"
        loud = f"{which}{'更响' if len(alike) == 2 else '最响'}"
    return clauses(_beside(alike, timeline, pick), heard, how, loud)


_STEADY = {
    "steady hum": "平稳的嗡嗡声",
    "steady tone": "平稳的长音",
    "steady hiss": "平稳的嘶嘶声",
    "low, steady noise": "低沉而平稳的噪声",
    "steady noise": "平稳的噪声",
}


def _say_steady(values: Values, pick: Pick) -> str:
    (sound,) = read_timeline(values, "general").sounds
    noun = f"{'微弱、' if is_faint(sound) else ''}{_STEADY[steady_kind(sound) or '']}"
    return pick(
        f"从头到尾都能听到{noun}",
        f"{noun}贯穿始终",
        f"自始至终只有{noun}",
        f"整段录音里只能听到{noun}",
        f"{noun}一直没有间断",
    )


def _part_noun(part: Part) -> str:
    if part.name is not None:
        return part.name.zh_noun
    return _phrase(part.sounds[0]) if len(part.sounds) == 1 else _phrase_of_all(part.sounds)


def _part_clause(part: Part) -> str:
    """What happens, and how often: 一只狗在叫, 狗叫声响了三次, 断断续续传来狗叫声."""
    noun = _part_noun(part)
    if part.name is None:
        return f"传来{noun}"
    if part.times == 1:
        return part.name.zh_clause
    if isinstance(part.times, int):
        return f"{noun}响了{count_word(part.times)}次"
    return f"断断续续传来{noun}" if part.times == "on and off" else f"反复传来{noun}"


def _part_phrase(part: Part) -> str:
    """The same as a noun phrase: 三次狗叫声, 断断续续的狗叫声."""
    noun = _part_noun(part)
    if part.name is None or part.times == 1:
        return noun
    if isinstance(part.times, int):
        return f"{count_word(part.times)}次{noun}"
    return f"断断续续的{noun}" if part.times == "on and off" else f"反复出现的{noun}"


def _say_named(timeline: Timeline, pick: Pick, opens: bool) -> str:
    parts = parts_of(timeline.sounds)
    if timeline.streams and opens:
        return _say_beside(parts, timeline.streams[0], pick)
    if not timeline.streams and len(parts) == 1:
        return _say_part(parts[0], timeline, pick)
    return _say_parts(parts, timeline, pick)


def _say_part(part: Part, timeline: Timeline, pick: Pick) -> str:
    where, phrase, clause = where_in(part, timeline), _part_phrase(part), _part_clause(part)
    if isinstance(where, str):
        return pick(f"从头到尾都能听到{phrase}", f"{phrase}贯穿始终", f"自始至终都有{phrase}")
    place = "" if where is None else place_word(where)
    return pick(f"{place}{clause}", f"{place}能听到{phrase}", f"{place}传来{phrase}", f"{place}{clause}")


def _say_parts(parts: Sequence[Part], timeline: Timeline, pick: Pick) -> str:
    if len(parts) == 1:
        return _say_part(parts[0], timeline, pick)
    told, nouns = [_part_clause(part) for part in parts], [_part_phrase(part) for part in parts]
    if len(parts) == 2:
        return _say_pair(told, nouns, order_of_pair(*parts), pick)
    if narration.are_in_turn(parts):
        between = "，".join(f"接着{clause}" for clause in told[1:-1])
        return pick(
            f"先是{nouns[0]}，接着是{'，然后是'.join(nouns[1:-1])}，最后是{nouns[-1]}",
            f"{told[0]}，{between}，最后{told[-1]}",
            f"先后传来{join_words(nouns)}",
        )
    return pick(f"{join_words(nouns)}交织在一起", f"能听到{join_words(nouns)}", f"录音里有{join_words(nouns)}")


def _say_pair(told: Sequence[str], nouns: Sequence[str], order: Order, pick: Pick) -> str:
    (one, other), (first, second) = told, nouns
    if order is Order.TOGETHER:
        return pick(
            f"{one}，同时{other}", f"{first}和{second}同时出现", f"能同时听到{first}和{second}", f"{other}，同时{one}"
        )
    if order is Order.THEN:
        return pick(
            f"先是{first}，接着是{second}",
            f"{one}，随后{other}",
            f"{one}，接着{other}",
            f"{first}过后，{other}",
            f"先听到{first}，再听到{second}",
        )
    return pick(f"{first}和{second}交替出现", f"能听到{first}和{second}交替出现", f"{one}，其间{other}")


def _say_beside(parts: Sequence[Part], stream: Stream, pick: Pick) -> str:
    place, words = beside_of(parts, stream), stream_words(stream, pick)
    told, nouns = "，".join(map(_part_clause, parts)), join_words([_part_phrase(part) for part in parts])
    if place is Beside.DURING:
        return pick(
            f"{words.clause}，同时{told}",
            f"伴随着{words.noun}，{told}",
            f"{words.clause}，其间能听到{nouns}",
            f"{words.noun}中夹杂着{nouns}",
        )
    if place is Beside.BEFORE:
        return pick(f"先是{nouns}，接着{words.then}", f"{told}，随后{words.then}", f"{nouns}过后，{words.then}")
    if place is Beside.AFTER:
        return pick(f"先是{words.noun}，接着{told}", f"{words.clause}，随后{told}", f"{words.noun}过后，{told}")
    return pick(f"{words.clause}，还能听到{nouns}", f"除了{words.noun}，还能听到{nouns}", f"{words.clause}，另外{told}")


def _rule(rule: Rule, table: str) -> Rule:
    return in_chinese(rule, lambda values, pick: _say_sounds(read_timeline(values, table), pick))


def _named_rule(rule: Rule, opens: bool) -> Rule:
    return in_chinese(rule, lambda values, pick: _say_named(read_timeline(values, "general"), pick, opens))


RULES = (
    _rule(sounds.OPENING, "general"),
    _rule(sounds.PLAIN_OPENING, "segments"),
    _rule(sounds.SOUNDS, "general"),
    _rule(sounds.PLAIN_SOUNDS, "segments"),
    in_chinese(sounds.STEADY_SOUND, _say_steady),
    _named_rule(narration.NAMED_OPENING, opens=True),
    _named_rule(narration.NAMED, opens=False),
)
