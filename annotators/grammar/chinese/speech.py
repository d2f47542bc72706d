"""Rules about speech in Chinese."""

from __future__ import annotations

from itertools import pairwise

from soundseam.annotators.grammar import speech
from soundseam.annotators.grammar.chinese.words import clauses, count_word, seconds_word
from soundseam.annotators.grammar.engine import Pick, Values, in_chinese
from soundseam.annotators.grammar.speech import BRIEF_MS, quoted_part
from soundseam.annotators.grammar.speech_manner import FAINT_DBFS, background, pitch_range_semitones, read_manner

_PACES = {
    "slow": ("缓慢", "缓慢地"),
    "unhurried": ("不紧不慢", "不紧不慢地"),
    "moderately paced": ("适中", "以适中的语速"),
    "brisk": ("较快", "较快地"),
    "rapid": ("很快", "飞快地"),
}
"""As a predicate of 语速, and before 说话."""
_PITCHES = {
    "low in pitch": ("低沉", "低沉的嗓音"),
    "fairly low in pitch": ("偏低", "偏低的嗓音"),
    "of medium pitch": ("高低适中", "高低适中的嗓音"),
    "fairly high in pitch": ("偏高", "偏高的嗓音"),
    "high in pitch": ("很高", "很高的嗓音"),
}
"""As a predicate of 音调, and as a noun phrase."""
_PAUSES = {
    "for a moment": "中间停顿了一下",
    "a few times": "中间停顿了几次",
    "several times": "中间多次停顿",
    "again and again": "不断停顿",
}


def _manner(values: Values) -> tuple[str, str, str]:
    """The pace, the pitch and the pauses, each a clause; empty if nothing can be said."""
    manner = read_manner(values, Pick())
    pace = f"语速{_PACES[manner.adjective][0]}" if manner.adjective else ""
    pitch = f"音调{_PITCHES[manner.predicate][0]}" if manner.predicate else ""
    return pace, pitch, _PAUSES.get(manner.pauses, "")


def _say_opening(values: Values, pick: Pick) -> str:
    manner, (pace, pitch, pauses) = read_manner(values, Pick()), _manner(values)
    speech_ms = values.number("speech:voice.speech_ms") or 0.0
    briefly = "简短地" if speech_ms < BRIEF_MS else ""
    frames = [
        clauses(f"有人{briefly}在说话" if not briefly else "有人简短地说了话", pace, pitch, pauses),
        clauses("能听到一小段说话声" if briefly else "能听到说话声", pace, pitch, pauses),
        clauses("传来短短的说话声" if briefly else "传来说话声", pace, pitch, pauses),
        clauses("录音里有人说话", pace, pitch, pauses),
        clauses("可以听到有人说话", pace, pitch, pauses),
    ]
    if not briefly:
        frames.append(clauses(f"有{seconds_word(speech_ms)}的说话声", pace, pitch, pauses))
    if manner.adjective:
        adverb = _PACES[manner.adjective][1]
        frames += [clauses(f"有人{adverb}说着话", pitch, pauses), clauses(f"能听到有人{adverb}说话", pitch, pauses)]
    if manner.predicate:
        voice = _PITCHES[manner.predicate][1]
        frames += [clauses(f"有人用{voice}说话", pace, pauses), clauses(f"传来{voice}，有人在说话", pace, pauses)]
    return pick(*frames)


def _say_manner(values: Values, pick: Pick) -> str:
    pace, pitch, pauses = _manner(values)
    if not pace and not pitch:
        return f"{pick('说话声', '讲话', '这番话')}{pauses}"
    subject = pick("说话的人", "说话者", "讲话的人")
    return pick(
        clauses(f"{subject}{pace or pitch}", pitch if pace else "", pauses),
        clauses("说话时" + (pace or pitch), pitch if pace else "", pauses),
    )


def _say_melody(values: Values, pick: Pick) -> str:
    if (pitch_range_semitones(values) or 0.0) < 3.0:
        return pick("语调几乎没有起伏", "嗓音的高低几乎不变", "说话的语调很平", "语调一直很平")
    return pick("语调起伏很大", "语调富于变化", "嗓音高低起伏明显", "说话的语调很生动")


def _say_background(values: Values, pick: Pick) -> str:
    if background(values.number("speech:voice.snr_db")) == "quiet":
        return pick("背景很安静", "说话声清晰，背景安静", "除了说话声，几乎听不到别的声音", "背景里几乎没有别的声音")
    return pick("背景声几乎和说话声一样响", "说话声只比背景声略响", "背景声很大", "说话声几乎淹没在背景声里")


def _say_level(values: Values, pick: Pick) -> str:
    if (values.number("speech:voice.level_dbfs") or 0.0) < FAINT_DBFS:
        return pick("录音音量偏低", "说话声很轻", "说话声录得很轻")
    return pick("说话声很响", "录音音量很高", "说话声录得很响")


def _say_long_pause(values: Values, pick: Pick) -> str:
    length = seconds_word(values.number("speech:voice.longest_pause_ms") or 0.0)
    return pick(
        f"有一次停了{length}",
        f"其间说话中断了{length}",
        f"其中一次停顿持续{length}",
        f"有{length}没有人说话",
    )


def _say_speakers(values: Values, pick: Pick) -> str:
    people = count_word(int(values.number("speech:speakers.count") or 0))
    order = values.texts("speech:speakers.turns.*.speaker")
    if sum(before != after for before, after in pairwise(order)) == 1:
        return pick("先是一个人说话，接着另一个人说话", "一个人说完，另一个人接着说", "两个人先后说话")
    return pick(
        f"{people}个人轮流说话",
        f"能听到{people}个人轮流说话",
        f"有{people}个人在交替说话",
        f"说话的有{people}个人，轮流开口",
    )


def _say_words(values: Values, pick: Pick) -> str:
    words, is_whole = quoted_part(values)
    if is_whole:
        return pick(f"所说的话是“{words}”", f"说话的内容是“{words}”", f"说的是“{words}”", f"原话是“{words}”")
    return pick(f"所说的话以“{words}”开头", f"开头说的是“{words}”", f"说话的内容以“{words}”开始")


RULES = (
    in_chinese(speech.OPENING, _say_opening),
    in_chinese(speech.MANNER, _say_manner),
    in_chinese(speech.WORDS, _say_words),
    in_chinese(speech.SPEAKERS, _say_speakers),
    in_chinese(speech.LONG_PAUSE, _say_long_pause),
    in_chinese(speech.MELODY, _say_melody),
    in_chinese(speech.BACKGROUND, _say_background),
    in_chinese(speech.LEVEL, _say_level),
)
