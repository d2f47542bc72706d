"""Text cut into sentences."""

from __future__ import annotations

import re

_SHORT = "Mr|Mrs|Ms|Dr|St|vs|etc|approx|ca|cf|Nr|No|e\\.g|i\\.e"
_CLOSING = "\"')\\]\u201d\u2019\u300d\u300f"
_END = re.compile(
    rf"(?<=[.!?])(?<!\b[A-Z]\.)[{_CLOSING}]*\s+(?=[\"'(\[\u201c\u2018]*[A-Z0-9\u4e00-\u9fff])"
    rf"|(?<=[\u3002\uff01\uff1f])[{_CLOSING}]*\s*"
)
_AFTER_SHORT = re.compile(rf"\b(?:{_SHORT})\.$")


def sentences_in(text: str) -> tuple[str, ...]:
    """The sentences of English or Chinese `text`, in order, without the space between them.

    A full stop ends a sentence where a capital, a digit or a Chinese character follows, unless it ends a usual
    abbreviation or an initial.
    """
    sentences: list[str] = []
    begun = 0
    plain = " ".join(text.split())
    for end in _END.finditer(plain):
        sentence = plain[begun : end.end()].strip()
        if sentence and not _AFTER_SHORT.search(sentence):
            sentences.append(sentence)
            begun = end.end()
    rest = plain[begun:].strip()
    return (*sentences, rest) if rest else tuple(sentences)
