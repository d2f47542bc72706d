"""The numbers in a sentence, in digits and in words, in English and Chinese.

Words that are not quantities do not count: the pronoun one and 一, first and second (a second is a unit too), vague
words (a few, dozens, half, a third of the way), and Chinese words that only contain a numeral (一起, 二胡, 十分).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple


class Number(NamedTuple):
    """A number as written: 3.5 has one decimal, three has none."""

    value: float
    decimals: int
    text: str
    is_seconds: bool = False
    """Whether it is a time in seconds."""

    def is_near(self, value: float) -> bool:
        """Whether `value`, rounded to this number's decimals, equals it."""
        return abs(self.value - value) <= 0.5 * 10.0**-self.decimals + 1e-9


def numbers_in(text: str) -> Iterator[Number]:
    """Every number in `text`, digits first."""
    plain = unicodedata.normalize("NFKC", text)
    for match in _DIGITS.finditer(plain):
        digits = match.group().replace(",", "")
        seconds = _SECONDS.match(plain, match.end()) is not None
        yield Number(float(digits), len(digits.partition(".")[2]), match.group(), seconds)
    yield from _english(plain.lower())
    yield from _chinese(plain)


_SECONDS = re.compile(r"[\s-]*(?:s\b|secs?\b|seconds?\b|秒)", re.IGNORECASE)
_DIGITS = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")

ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
"""The words of 0 to 19."""
TENS = ("zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
"""The words of 0, 10, ..., 90."""
_UNITS = {name: value for value, name in enumerate(ONES)}
_TENS = {name: 10 * value for value, name in enumerate(TENS) if value > 1}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000}
_WORDS = {"twice": 2, "thrice": 3, "dozen": 12, "duet": 2, "duo": 2, "trio": 3, "quartet": 4, "quintet": 5}
_ORDINALS = {
    name: value
    for value, name in enumerate(
        ("third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"), start=3
    )
}
_FRACTION = re.compile(r"\b(?:an?|one|two|three)[ -](?:third|quarter|fourth|fifth)s?\b|\bhalf a dozen\b")
_ONE_SCALE = re.compile(r"\ba (hundred|thousand|million)\b")
_ENGLISH_WORD = re.compile(r"[a-z]+")


def _english(text: str) -> Iterator[Number]:
    if "half a dozen" in text:
        yield Number(6.0, 0, "half a dozen")
    spoken = _ONE_SCALE.sub(r"one \1", _FRACTION.sub(" ", text))
    words = [(match.group(), match.end()) for match in _ENGLISH_WORD.finditer(spoken)]
    at = 0
    while at < len(words):
        run = _numeral([word for word, _ in words[at:]])
        word, end = words[at + max(0, len(run) - 1)]
        seconds = _SECONDS.match(spoken, end) is not None
        if run and run not in (["one"], ["zero"]):
            yield Number(float(_value_of(run)), 0, " ".join(run), seconds)
        elif not run and (value := _WORDS.get(word) or _ORDINALS.get(word)):
            yield Number(float(value), 0, word)
        at += max(1, len(run))


def _numeral(words: list[str]) -> list[str]:
    """The longest numeral at the beginning of `words`."""
    length = 0
    while length < len(words) and _continues(words[: length + 1]):
        length += 1
    return words[: length - 1] if length and words[length - 1] == "and" else words[:length]


def _continues(run: list[str]) -> bool:
    """Whether `run` is the beginning of a numeral: twenty five, one hundred and six."""
    last = run[-1]
    if len(run) == 1:
        return last in _UNITS or last in _TENS
    before = run[-2]
    if last in _SCALES:
        return before in _UNITS or before in _TENS or before == "hundred"
    if last == "and":
        return before in _SCALES
    if last in _TENS:
        return before in _SCALES or before == "and"
    return last in _UNITS and (before in _SCALES or before == "and" or (before in _TENS and 0 < _UNITS[last] < 10))


def _value_of(run: list[str]) -> int:
    total = part = 0
    for word in run:
        if word == "hundred":
            part *= 100
        elif word in _SCALES:
            total, part = total + part * _SCALES[word], 0
        elif word != "and":
            part += _UNITS[word] if word in _UNITS else _TENS[word]
    return total + part


_HAN_DIGITS = {
    "零": 0,
    "〇": 0,
    "一": 1,
    "二": 2,
    "两": 2,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
    "七": 7,
    "八": 8,
    "九": 9,
}
_HAN_SCALES = {"十": 10, "百": 100, "千": 1_000}
_HAN = re.compile("(?:百分之)?[零〇一二两三四五六七八九十百千万]+(?:点[零〇一二三四五六七八九]+)?")
_HAN_IDIOMS = re.compile(
    "十分(?![钟之])|一[些起直般样切定旦边面时会下阵段种]|万一|千万(?!个|次|只)|[二三]胡|三弦|三角[铁琴]?|四[周处面旁]|"
    "五声|八音盒|八度|七弦|两[旁侧边]|百[叶灵]|第[一二](?![十百])|"
    "[三二]分之[一二]"
)


def _chinese(text: str) -> Iterator[Number]:
    spoken = _HAN_IDIOMS.sub(" ", text)
    for match in _HAN.finditer(spoken):
        numeral = match.group()
        whole, _, fraction = numeral.removeprefix("百分之").partition("点")
        if numeral != "一" and whole:
            value = _han_value(whole) + sum(_HAN_DIGITS[digit] * 10.0**-n for n, digit in enumerate(fraction, 1))
            yield Number(value, len(fraction), numeral, spoken.startswith("秒", match.end()))


def _han_value(numeral: str) -> int:
    """二十五, 一百零六, 二零二五, 三万."""
    if len(numeral) > 1 and all(digit in _HAN_DIGITS for digit in numeral):
        return int("".join(str(_HAN_DIGITS[digit]) for digit in numeral))
    total = part = digit = 0
    for character in numeral:
        if character == "万":
            total, part, digit = (total + max(1, part + digit)) * 10_000, 0, 0
        elif character in _HAN_SCALES:
            part, digit = part + max(1, digit) * _HAN_SCALES[character], 0
        else:
            digit = _HAN_DIGITS[character]
    return total + part + digit
