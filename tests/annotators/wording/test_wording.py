"""Numbers, names, quotations and languages are found in words, in English and in Chinese."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseam.annotators.wording.names import keys_in, names_in
from soundseam.annotators.wording.normalise import quotations_in, unquoted, was_said
from soundseam.annotators.wording.numbers import numbers_in
from soundseam.annotators.wording.prose import is_in
from soundseam.pipeline.captions.caption_config import CaptionConfig
from soundseam.pipeline.captions.grounding import Reason
from soundseam.pipeline.captions.merge import merge_segment
from soundseam.pipeline.captions.plainness import wording_problems
from tests.support.caption_rows import plausible

UNITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["-", "-", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
HAN = "零一二三四五六七八九"


def in_english(number: int) -> str:
    if number < 20:
        return UNITS[number]
    if number < 100:
        return TENS[number // 10] + (f"-{UNITS[number % 10]}" if number % 10 else "")
    scale, name = (1_000, "thousand") if number >= 1_000 else (100, "hundred")
    rest = number % scale
    head = f"{in_english(number // scale)} {name}"
    return head if not rest else f"{head} and {in_english(rest)}" if rest < 100 else f"{head} {in_english(rest)}"


def in_chinese(number: int) -> str:
    for scale, name in ((1_000, "千"), (100, "百"), (10, "十")):
        if number >= scale:
            rest = number % scale
            head = HAN[number // scale] + name
            return head if not rest else head + ("零" if rest < scale // 10 else "") + in_chinese(rest)
    return HAN[number]


def told(text: str) -> list[float]:
    return [number.value for number in numbers_in(text)]


@given(st.integers(2, 9_999))
def test_a_number_is_found_as_it_is_spelled(number: int) -> None:
    assert told(f"after {number} beats") == [number]
    assert told(f"after {in_english(number)} beats") == [number]
    assert told(f"过了{in_chinese(number)}拍") == [number]


@given(st.integers(0, 999), st.integers(0, 9))
def test_a_decimal_is_found_with_its_precision(whole: int, tenth: int) -> None:
    (found,) = numbers_in(f"a pause of {whole}.{tenth} s")
    assert (found.value, found.decimals, found.is_seconds) == (float(f"{whole}.{tenth}"), 1, True)
    assert found.is_near(found.value + 0.04)
    assert not found.is_near(found.value + 0.06)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("a dog barks twice", [2]),
        ("half a dozen birds and a hundred people", [6, 100]),
        ("the third of five bells", [3, 5]),
        ("a duet over 1,200 claps", [1200, 2]),
        ("百分之四十六的时间", [46]),
        ("三点五秒后两个人说话", [3.5, 2]),
        ("第三次敲门，十分钟", [3, 10]),
        ("２５次", [25]),
    ],
)
def test_numbers_are_found_in_all_their_forms(text: str, numbers: list[float]) -> None:
    assert told(text) == numbers


@pytest.mark.parametrize(
    "text",
    [
        "one voice, and another one",
        "about a third of the way through, once more, at first",
        "dozens of birds in the second part",
        "二胡声十分清楚，四周一片安静，大家一起唱",
        "一个人在说话，远处有一些声音",
    ],
)
def test_what_tells_no_quantity_is_no_number(text: str) -> None:
    assert told(text) == []


def test_seconds_are_told_from_other_numbers() -> None:
    assert [number.is_seconds for number in numbers_in("three seconds, three dogs, 3 s, a three-second pause")] == [
        True,
        True,
        False,
        True,
    ]
    assert [number.is_seconds for number in numbers_in("五秒和五次")] == [True, False]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Beethoven is played", ["Beethoven"]),
        ("a man from New York greets O'Brien", ["New", "York", "O'Brien"]),
        ("someone speaks German", ["German"]),
        ("Someone speaks on TV, and I hear it", []),
        ("music in C sharp minor", []),
        ("someone says 你好", ["你好"]),
    ],
)
def test_english_names_are_found(text: str, names: list[str]) -> None:
    assert list(names_in(text, "en")) == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("王先生在说话", ["王"]),
        ("贝多芬的一首曲子", ["贝多芬"]),
        ("约翰·列侬在唱歌", ["约翰·列侬"]),
        ("歌手周杰伦唱歌", ["周杰"]),
        ("上海市的街头", ["上海"]),
        ("播放着《月光》", ["月光"]),
        ("BBC的新闻", ["BBC"]),
        ("城市里有人吹萨克斯风，雷声和钟声传来", []),
        ("D大调的音乐，高音很亮", []),
        ("有人在音乐声中慢慢地说话，大约三秒", []),
    ],
)
def test_chinese_names_are_found(text: str, names: list[str]) -> None:
    found = list(names_in(text, "zh"))
    assert [name[: len(wanted)] for name, wanted in zip(found, names, strict=True)] == names


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("in A minor", [(9, "minor")]),
        ("from C sharp major to D flat major", [(1, "major"), (1, "major")]),
        ("升C小调和降B大调", [(1, "minor"), (10, "major")]),
        ("a minor problem, a major one", []),
    ],
)
def test_keys_are_found_by_their_sound(text: str, keys: list[tuple[int, str]]) -> None:
    assert list(keys_in(text)) == keys


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ('someone says \u201chold on\u201d and "wait"', ["hold on", "wait"]),
        ("有人说「你好」和“再见”", ["你好", "再见"]),
        ("a voice says 'all right' loudly", []),
        ("a voice says \u2018all right\u2019 loudly", ["all right"]),
        ("the singer\u2019s voice", []),
        ('an open "quotation of all the rest', ["quotation of all the rest"]),
    ],
)
def test_quotations_are_found(text: str, quoted: list[str]) -> None:
    assert sorted(quotations_in(text)) == sorted(quoted)


def test_what_is_quoted_is_no_word_of_one_s_own() -> None:
    assert unquoted("he says \u201cthe detector\u201d now").split() == ["he", "says", "now"]


@given(
    st.lists(st.sampled_from(["Hold", "the", "line,", "please", "we're", "busy"]), min_size=1, max_size=8), st.data()
)
def test_any_run_of_what_was_said_may_be_quoted(words: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(words) - 1))
    end = data.draw(st.integers(start + 1, len(words)))
    assert was_said(" ".join(words[start:end]).upper(), ["nothing", " ".join(words)])


@pytest.mark.parametrize(
    ("quotation", "transcript", "said"),
    [
        ("hold the line", "please hold the line", True),
        ("hold line", "please hold the line", False),
        ("old the line", "please hold the line", False),
        ("你好", "大家，你好！", True),
        ("你坏", "大家，你好！", False),
        ("", "anything", False),
    ],
)
def test_a_quotation_is_held_against_what_was_said(quotation: str, transcript: str, said: bool) -> None:
    assert was_said(quotation, [transcript]) is said


@pytest.mark.parametrize(
    ("text", "language", "fits"),
    [
        ("Someone speaks at a brisk pace.", "en", True),
        ("一个男人在安静的房间里说话。", "zh", True),
        ("一个男人在安静的房间里说话。", "en", False),
        ("Someone speaks at a brisk pace.", "zh", False),
        ("Ein Mann spricht langsam in einem ruhigen Raum.", "en", False),
        ("Un homme parle lentement dans une pièce calme.", "en", False),
        ("Мужчина говорит.", "en", False),
        ("有人说“hello everybody out there”，声音很轻。", "zh", True),
    ],
)
def test_a_language_is_told_from_others(text: str, language: str, fits: bool) -> None:
    assert is_in(text, language) is fits


@given(st.integers(0, 10**9))
@settings(max_examples=80)
def test_whatever_the_grammar_writes_is_english_without_numbers_of_its_own(seed: int) -> None:
    one, rows = plausible(seed)
    for claim in merge_segment(one, rows, CaptionConfig(), "k").claims:
        assert list(wording_problems(claim.text, "en")) == []
        assert list(names_in(f"{claim.text[0].lower()}{claim.text[1:]}", "en")) == []


@pytest.mark.parametrize(
    ("text", "language", "reason"),
    [
        ("the detector hears speech", "en", Reason.TOOL_JARGON),
        ("检测器发现了人声", "zh", Reason.TOOL_JARGON),
        ("il y a de la musique", "en", Reason.WRONG_LANGUAGE),
        (f"there is {'a sound and ' * 20}a voice", "en", Reason.TOO_LONG),
        (f"有人{'慢慢地' * 40}说话", "zh", Reason.TOO_LONG),
    ],
)
def test_words_that_no_listener_would_use_are_wrong(text: str, language: str, reason: Reason) -> None:
    assert [problem.reason for problem in wording_problems(text, language)] == [reason]


def test_what_somebody_says_may_be_jargon() -> None:
    assert list(wording_problems("someone says \u201cthe detector is broken\u201d", "en")) == []
