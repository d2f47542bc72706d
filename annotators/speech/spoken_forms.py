"""How a written English word is spoken: numbers in words, symbols by name, and letters as sounds.

For aligners with phones and a dictionary: they find the time of a word, so a rough pronunciation is enough.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from enum import StrEnum

from soundseam.annotators.wording.numbers import ONES, TENS


class Reading(StrEnum):
    """How digits are read: 1984 is a number, one nine eight four, or nineteen eighty-four."""

    NUMBER = "number"
    DIGITS = "digits"
    PAIRS = "pairs"


_SCALES = ((10**9, "billion"), (10**6, "million"), (1_000, "thousand"), (100, "hundred"))
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_LARGEST = 10**12
_SYMBOLS = {"%": "percent", "&": "and", "+": "plus", "=": "equals", "@": "at"}
_CURRENCIES = {"$": "dollars", "€": "euros", "£": "pounds"}
_PIECE = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?(?:st|nd|rd|th)?|[a-z']*[a-z][a-z']*|[%&+=@$€£]")


def spoken_pieces(written: str, reading: Reading) -> tuple[str, ...]:
    """The dictionary words for `written`, one word of a text; empty for letters that are not Latin."""
    folded = _plain_letters(written)
    pieces = _PIECE.findall(folded)
    currency = [_CURRENCIES[piece] for piece in pieces if piece in _CURRENCIES]
    spoken: list[str] = []
    for piece in pieces:
        if piece[0].isdigit():
            spoken += _number(piece, reading)
        elif piece in _SYMBOLS:
            spoken.append(_SYMBOLS[piece])
        elif piece not in _CURRENCIES and (word := piece.strip("'")):
            spoken.append(word)
    return (*spoken, *currency)


def has_digits(text: str) -> bool:
    return any(character.isdigit() for character in text)


def _plain_letters(text: str) -> str:
    """`text` in lower case, without accents and with straight apostrophes."""
    split = unicodedata.normalize("NFKD", text.replace("\u2019", "'")).casefold()
    return "".join(character for character in split if not unicodedata.combining(character))


def _number(piece: str, reading: Reading) -> list[str]:
    digits = piece.rstrip("stndrh").replace(",", "")
    whole, point, decimals = digits.partition(".")
    if piece[-1].isalpha():
        return _ordinal(_cardinal(int(whole)))
    words = _whole(whole, reading)
    return [*words, "point", *(ONES[int(digit)] for digit in decimals)] if point else words


def _whole(digits: str, reading: Reading) -> list[str]:
    if reading is Reading.DIGITS or (digits[0] == "0" and len(digits) > 1) or int(digits) >= _LARGEST:
        return [ONES[int(digit)] for digit in digits]
    if reading is Reading.PAIRS and len(digits) in {3, 4}:
        high, low = divmod(int(digits), 100)
        small = ["hundred"] if low == 0 else ["oh", ONES[low]] if low < 10 else _cardinal(low)
        return [*_cardinal(high), *small]
    return _cardinal(int(digits))


def _cardinal(number: int) -> list[str]:
    if number < 20:
        return [ONES[number]]
    if number < 100:
        tens, ones = divmod(number, 10)
        return [TENS[tens], *([ONES[ones]] if ones else [])]
    size, name = next((size, name) for size, name in _SCALES if number >= size)
    high, low = divmod(number, size)
    return [*_cardinal(high), name, *(_cardinal(low) if low else [])]


def _ordinal(words: list[str]) -> list[str]:
    last = words[-1]
    regular = f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th"
    return [*words[:-1], _ORDINALS.get(last, regular)]


_SOUNDS = dict(
    pair.replace("_", " ").split(":")
    for line in (
        "tion:SH_AH_N sion:ZH_AH_N ough:AO augh:AO eigh:EY tch:CH igh:AY dge:JH ch:CH sh:SH th:TH ph:F",
        "wh:W ck:K ng:NG qu:K_W gh:G kn:N wr:R ee:IY ea:IY oo:UW ou:AW ow:OW oi:OY oy:OY ai:EY ay:EY",
        "au:AO aw:AO ie:IY ei:EY ey:IY oa:OW ue:UW ew:Y_UW ar:AA_R er:ER ir:ER or:AO_R ur:ER a:AE b:B",
        "c:K d:D e:EH f:F g:G h:HH i:IH j:JH k:K l:L m:M n:N o:AA p:P q:K r:R s:S t:T u:AH v:V w:W x:K_S",
        "y:IY z:Z",
    )
    for pair in line.split()
)
"""Letters to phones (ARPABET), the most common ones in English."""
_LONG = {"a": "EY", "e": "IY", "i": "AY", "o": "OW", "u": "Y UW"}
_LONGEST = max(map(len, _SOUNDS))

PHONES = (
    "AA",
    "AE",
    "AH",
    "AO",
    "AW",
    "AY",
    "B",
    "CH",
    "D",
    "DH",
    "EH",
    "ER",
    "EY",
    "F",
    "G",
    "HH",
    "IH",
    "IY",
    "JH",
    "K",
    "L",
    "M",
    "N",
    "NG",
    "OW",
    "OY",
    "P",
    "R",
    "S",
    "SH",
    "T",
    "TH",
    "UH",
    "UW",
    "V",
    "W",
    "Y",
    "Z",
    "ZH",
)
"""The phones of General American, in ARPABET."""


def phones_of(word: str) -> tuple[str, ...]:
    """The phones of `word`, by rough spelling rules."""
    return tuple(phone for sounds in _sounds_of(word.replace("'", "")) for phone in sounds.split())


def _sounds_of(letters: str) -> Iterator[str]:
    position = 0
    while position < len(letters):
        if letters[position] in _LONG and re.fullmatch(r"[^aeiouywx]e", letters[position + 1 :]):
            # A vowel, a consonant and a silent e at the end, as in tone.
            yield _LONG[letters[position]]
            yield _SOUNDS[letters[position + 1]]
            return
        length = next(n for n in range(_LONGEST, 0, -1) if n == 1 or letters[position : position + n] in _SOUNDS)
        piece = letters[position : position + length]
        soft = piece == "c" and letters[position + 1 : position + 2] in {"e", "i", "y"}
        doubled = position > 0 and length == 1 and letters[position - 1] == piece and piece not in _LONG
        if not doubled:
            yield "S" if soft else _SOUNDS.get(piece, "")
        position += length
