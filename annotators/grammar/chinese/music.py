"""Rules about music in Chinese."""

from __future__ import annotations

from soundseam.annotators.grammar import music
from soundseam.annotators.grammar.chinese.words import clauses
from soundseam.annotators.grammar.engine import Pick, Values, in_chinese
from soundseam.annotators.grammar.music_character import (
    Character,
    colours,
    is_throughout,
    loudness_course,
    read_character,
)
from soundseam.schemas.music import Mode, key_name

_TEMPI = {
    "slow": ("缓慢", "节奏缓慢"),
    "unhurried": ("舒缓", "节奏舒缓"),
    "moderately fast": ("中速", "速度适中"),
    "lively": ("轻快", "节奏轻快"),
    "fast": ("快速", "节奏很快"),
}
"""Before 的音乐, and as a clause."""
_HEDGES = ("像是", "听起来像是", "好像是", "大概是")


def _key(values: Values, one: Character) -> str:
    """D小调; 小调 if only the mode is certain; empty if nothing is."""
    tonic, mode = values.text("music:tonality.tonic"), values.text("music:tonality.mode")
    if not one.key or tonic is None or mode is None:
        return ""
    name = key_name(tonic, Mode(mode), "zh")
    return name[-2:] if one.key.startswith("a ") else name


def _say_opening(values: Values, pick: Pick) -> str:
    one = read_character(values)
    key, tempo = _key(values, one), _TEMPI[one.tempo][0] if one.tempo else ""
    noun = f"{tempo}的{key}音乐" if tempo else f"{key}音乐"
    moves = _TEMPI[one.tempo][1] if one.tempo else ""
    if one.extent:
        return pick(
            f"{noun}贯穿始终",
            f"从头到尾都能听到{noun}",
            f"自始至终播放着{noun}",
            f"整段录音里一直有{noun}",
            *([f"一段{key}音乐从头响到尾，{moves}"] if moves else []),
        )
    return pick(
        f"能听到一段{noun}",
        f"播放着一段{noun}",
        f"录音里有一段{noun}",
        f"响起一段{noun}",
        *([f"一段{key}音乐响起，{moves}", f"能听到{key}音乐，{moves}"] if moves else []),
    )


def _say_character(values: Values, pick: Pick) -> str:
    one = read_character(values)
    key, moves = _key(values, one), _TEMPI[one.tempo][1] if one.tempo else ""
    if not key:
        return pick(f"音乐{moves}", f"这段音乐{moves}", f"其中的音乐{moves}")
    return clauses(pick(f"音乐是{key}的", f"音乐为{key}", f"这段音乐是{key}", f"曲调为{key}"), moves)


def _say_dynamics(values: Values, pick: Pick) -> str:
    course = loudness_course(
        values.number("music:dynamics.trend_db"), values.number("music:dynamics.loudness_range_db")
    )
    match course:
        case "louder":
            return pick("音乐越来越响", "音乐渐渐变响", "越到后面音乐越响")
        case "softer":
            return pick("音乐越来越轻", "音乐渐渐减弱", "越到后面音乐越轻")
        case "even":
            return pick("音乐的音量始终平稳", "音乐的响度几乎没有变化", "音乐没有明显的强弱变化")
        case _:
            return pick("音乐时轻时响", "音乐的强弱对比明显", "音乐的音量起伏很大")


def _say_timbre(values: Values, pick: Pick) -> str:
    percussive, bright = values.number("music:timbre.percussive_share"), values.number("music:timbre.brightness_hz")
    match colours(percussive or 0.0, bright or 0.0)[0]:
        case "percussive":
            return pick("音乐的打击感很强", "音乐中打击性的声响很突出", "短促有力的敲击贯穿音乐")
        case "sustained":
            return pick("音乐以绵长的持续音为主", "音乐里多是拉长的音", "音乐听起来平滑绵长")
        case "dark":
            return pick("音乐的音色偏暗", "音乐听起来比较暗沉", "音乐的色彩较暗")
        case _:
            return pick("音乐的音色明亮", "音乐听起来很明亮", "音乐的色彩较亮")


def _say_density(values: Values, pick: Pick) -> str:
    if (values.number("music:rhythm.onset_rate_hz") or 0.0) >= 7:
        return pick("音符密集而急促", "快速的音符接连不断", "音乐里有许多快速的音符")
    return pick("音符稀疏", "音乐里的音符不多", "隔很久才出现一个新的音")


def _say_doubtful(values: Values, pick: Pick) -> str:
    noun = f"{pick(*_HEDGES)}音乐的声音"
    if is_throughout(values):
        return pick(f"从头到尾都能听到{noun}", f"自始至终都有{noun}", f"整段录音里一直有{noun}")
    return pick(f"能听到{noun}", f"传来{noun}", f"录音里有{noun}")


RULES = (
    in_chinese(music.DOUBTFUL, _say_doubtful),
    in_chinese(music.OPENING, _say_opening),
    in_chinese(music.CHARACTER, _say_character),
    in_chinese(music.DYNAMICS, _say_dynamics),
    in_chinese(music.TIMBRE, _say_timbre),
    in_chinese(music.DENSITY, _say_density),
)
