"""Which language a caption is in, as far as that decides whether it is the one asked for, and how long it is."""

from __future__ import annotations

import re

from annotators.wording.quotations import unquoted

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_LETTER = re.compile(r"[^\W\d_]")
_TITLE = re.compile("《[^》]*》")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_ENGLISH = frozenset(
    re.findall(
        r"\w+",
        """
    the a an of and in is are to it with on at as by for from while then there this that its be or no not one two some
    we what who someone something throughout over after before during but more than into up down out like
    """,
    )
)
_OTHERS = frozenset(
    re.findall(
        r"\w+",
        """
    der die das den dem ein eine einem einen einer und ist sind mit nicht auf im zu von es wird sich
    le la les un une des du de est sont dans avec et au aux par pour sur qui que il elle
    el los las una con por del se y en lo su al
    gli di che con per nel della è sono si
    o os as um uma com no na em do da é são para
    het een van en met op te zijn wordt
    """,
    )
)
"""The little words of German, French, Spanish, Italian, Portuguese and Dutch."""
_HAN_SHARE = 0.5
_ASCII_SHARE = 0.9


def is_in(text: str, language: str) -> bool:
    """Whether `text`, quotations aside, is in `language` (en or zh); True for what is too short to tell.

    Chinese by its characters; English by its letters, and by little words of which it must have no fewer than of other
    languages that are written with the same letters.
    """
    own = _TITLE.sub(" ", unquoted(text))
    letters, han = _LETTER.findall(own), len(_HAN.findall(own))
    if not letters:
        return True
    if language == "zh":
        return han >= _HAN_SHARE * len(letters)
    if han or sum(letter.isascii() for letter in letters) < _ASCII_SHARE * len(letters):
        return False
    words = [word.lower() for word in _WORD.findall(own)]
    return sum(word in _ENGLISH for word in words) >= sum(word in _OTHERS for word in words)


def length_of(text: str, language: str) -> int:
    """Words of English, characters of Chinese (letters and digits, no punctuation)."""
    if language == "zh":
        return sum(character.isalnum() for character in text)
    return len(text.split())
