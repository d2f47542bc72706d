"""Words in quotation marks, and whether somebody is agreed to have said them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from annotators.wording.normalise import plain, unit_of
from schemas.speech import ErrorUnit

_QUOTED = re.compile(
    '\u201c([^\u201d]*)\u201d|"([^"]*)"|「([^」]*)」|『([^』]*)』|(?<!\\w)\u2018([^\u2019]*)\u2019(?!\\w)'
)
_MARKS = re.compile('[\u201c\u201d"「」『』]')


def quotations_in(text: str) -> Iterator[str]:
    """What stands between quotation marks; a mark without its fellow quotes all the rest."""
    yield from (next(part for part in match.groups() if part is not None) for match in _QUOTED.finditer(text))
    rest = _QUOTED.sub(" ", text)
    lone = _MARKS.search(rest)
    if lone is not None:
        yield rest[lone.end() :]


def unquoted(text: str) -> str:
    """`text` without what stands between quotation marks: the words that are its own."""
    return _QUOTED.sub(" ", text)


def was_said(quotation: str, transcripts: Sequence[str]) -> bool:
    """Whether `quotation` stands in one of `transcripts`, word for word, spelling of case and punctuation aside."""
    return any(_contains(transcript, quotation) for transcript in transcripts)


def _contains(transcript: str, quotation: str) -> bool:
    unit = unit_of([transcript, quotation])
    said, quoted = _units(transcript, unit), _units(quotation, unit)
    return bool(quoted) and any(said[at : at + len(quoted)] == quoted for at in range(len(said) - len(quoted) + 1))


def _units(text: str, unit: ErrorUnit) -> list[str]:
    words = plain(text).split()
    return words if unit is ErrorUnit.WORDS else [character for word in words for character in word]
