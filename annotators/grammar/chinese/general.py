"""Rules about the sound as a whole, in Chinese."""

from __future__ import annotations

from soundseam.annotators.grammar import general
from soundseam.annotators.grammar.chinese.words import seconds_word
from soundseam.annotators.grammar.engine import Pick, Values, in_chinese
from soundseam.annotators.grammar.events import read_timeline


def _rate(period_ms: float) -> str:
    if period_ms < 300:
        return "每秒好几次"
    if period_ms < 700:
        return "大约每秒两次"
    return "大约每秒一次" if period_ms < 1_500 else f"间隔{seconds_word(period_ms)}"


def _say_repetition(values: Values, pick: Pick) -> str:
    rate = _rate(values.number("general:repetition.period_ms") or 0.0)
    if values.text("general:repetition.label") is None:
        return pick(f"声音均匀地起伏，{rate}", f"能听到均匀的脉动，{rate}", f"声音一阵一阵，十分均匀，{rate}")
    return pick(f"同一个声音有规律地重复，{rate}", f"一个声音均匀地反复出现，{rate}", f"声音的重复很均匀，{rate}")


def _say_quiet(values: Values, pick: Pick) -> str:
    timeline = read_timeline(values, "segments")
    several = len(timeline.sounds) >= 2 and not timeline.streams
    return pick(
        "其余时间很安静",
        "除此之外很安静",
        "此外几乎听不到别的声音",
        "其余时候几乎没有声音",
        *(["各个声音之间很安静"] if several else []),
    )


def _say_steady(_: Values, pick: Pick) -> str:
    return pick("声音从头到尾几乎没有变化", "声音一直很平稳", "整段声音没有明显的变化", "前后的声音几乎一样")


def _say_decay(_: Values, pick: Pick) -> str:
    return pick("声音的余音较长", "声音慢慢消散", "余音持续了一会儿才消失")


def _say_dull(_: Values, pick: Pick) -> str:
    return pick("整段录音听起来发闷", "声音听起来闷闷的", "录音听起来像隔着一层东西")


def _say_level(values: Values, pick: Pick) -> str:
    height = "偏低" if (values.number("general:acoustics.level_dbfs") or 0.0) < -50 else "很高"
    return pick(f"录音音量{height}", f"整段录音的音量{height}", f"录音的音量{height}")


RULES = (
    in_chinese(general.REPETITION, _say_repetition),
    in_chinese(general.QUIET, _say_quiet),
    in_chinese(general.STEADY, _say_steady),
    in_chinese(general.DECAY, _say_decay),
    in_chinese(general.DULL, _say_dull),
    in_chinese(general.LEVEL, _say_level),
)
