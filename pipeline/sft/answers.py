"""Answer specifications for automatic scoring."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

import numpy as np
from pydantic import Field, model_validator
from rapidfuzz.distance import Levenshtein

from soundseam.schemas.record import Record
from soundseam.schemas.sample import AnswerSpan, AnswerSpec, Scoring

_SLOTS = ("{start}", "{end}", "{text}")


class TimedText(Record):
    """Some text with its time, counted from the beginning of the audio."""

    segment_start_ms: int
    segment_end_ms: int
    text: str


class TimestampFormat(Record):
    """The format of timed text. Everything that is written can be parsed again, to the precision of `decimals`."""

    line: str = Field(
        default="{start} - {end}: {text}", description="one entry, with {start}, {end} and {text} once each"
    )
    joiner: str = Field(default="\n", description="between entries; may be empty")
    decimals: int = Field(default=2, ge=0, le=3, description="of a second")

    @model_validator(mode="after")
    def _can_be_read_back(self) -> TimestampFormat:
        if any(self.line.count(slot) != 1 for slot in _SLOTS):
            raise ValueError("timestamps.line must hold {start}, {end} and {text} once each")
        sample = (
            TimedText(segment_start_ms=0, segment_end_ms=1000, text="one"),
            TimedText(segment_start_ms=12000, segment_end_ms=13000, text="2 two"),
        )
        if _parsed(self, _joined(self, sample)) != sample:
            raise ValueError(
                f"timestamps.line {self.line!r} cannot be parsed again: separate its parts, as in 0.00 - 1.00: x"
            )
        return self


class AmbiguousTextError(ValueError):
    """A text contains what would be parsed as the format's own marks."""


def write_timed(entries: Sequence[TimedText], style: TimestampFormat) -> str:
    """`entries` as text. White space inside a text becomes single spaces.

    Raises AmbiguousTextError if parsing would give something else.
    """
    written = _joined(style, entries)
    if _parsed(style, written) != tuple(rounded(entry, style) for entry in entries):
        raise AmbiguousTextError(f"cannot be parsed again: {written[:80]!r}")
    return written


def read_timed(text: str, style: TimestampFormat) -> tuple[TimedText, ...]:
    """The entries of text by `write_timed`, or by a model in the same format. Raises ValueError for anything else."""
    parsed = _parsed(style, text.strip("\n"))
    if parsed is None:
        raise ValueError(f"not timed text of the form {style.line!r}: {text[:80]!r}")
    return parsed


def rounded(entry: TimedText, style: TimestampFormat) -> TimedText:
    """`entry` after writing and parsing."""
    unit = 10 ** (3 - style.decimals)
    start, end = (round(ms / unit) * unit for ms in (entry.segment_start_ms, entry.segment_end_ms))
    return TimedText(segment_start_ms=start, segment_end_ms=end, text=" ".join(entry.text.split()))


def _joined(style: TimestampFormat, entries: Sequence[TimedText]) -> str:
    return style.joiner.join(_line(style, rounded(entry, style)) for entry in entries)


def _line(style: TimestampFormat, entry: TimedText) -> str:
    values = {
        "{start}": f"{entry.segment_start_ms / 1000:.{style.decimals}f}",
        "{end}": f"{entry.segment_end_ms / 1000:.{style.decimals}f}",
        "{text}": entry.text,
    }
    return "".join(values.get(part, part) for part in _parts(style.line))


def _parts(line: str) -> list[str]:
    return [part for part in re.split(r"(\{start\}|\{end\}|\{text\})", line) if part]


@cache
def _pattern(style: TimestampFormat) -> re.Pattern[str]:
    number = r"\d+" + (rf"\.\d{{{style.decimals}}}" if style.decimals else "")
    groups = {"{start}": f"(?P<start>{number})", "{end}": f"(?P<end>{number})", "{text}": r"(?P<text>[^\n]*?)"}
    entry = "".join(groups.get(part, re.escape(part)) for part in _parts(style.line))
    # A separator only ends an entry if another one follows: it may also be inside a text.
    following = re.sub(r"\?P<\w+>", "?:", entry)
    return re.compile(rf"{entry}(?:{re.escape(style.joiner)}(?={following})|\Z)")


def _parsed(style: TimestampFormat, text: str) -> tuple[TimedText, ...] | None:
    entries, position = [], 0
    while position < len(text):
        match = _pattern(style).match(text, position)
        if match is None or match.end() == position:
            return None
        start, end = (round(float(match[name]) * 1000) for name in ("start", "end"))
        entries.append(TimedText(segment_start_ms=start, segment_end_ms=end, text=match["text"]))
        position = match.end()
    return tuple(entries)


def exact(reference: str, *also: str, offered: Sequence[str] = ()) -> AnswerSpec:
    """`offered` are the answers that the question itself names, the right one among them."""
    return AnswerSpec(
        scoring=Scoring.EXACT, reference=reference, accepted=(reference, *also), choices=tuple(sorted(offered))
    )


def number(value: float, tolerance: float, unit: str | None, decimals: int = 0) -> AnswerSpec:
    """`value` within `tolerance`; both in `unit`, None for a count."""
    return AnswerSpec(
        scoring=Scoring.NUMBER,
        reference=f"{value:.{decimals}f}",
        value=round(value, 3),
        unit=unit,
        tolerance=round(tolerance, 3),
    )


def labels(found: Sequence[str]) -> AnswerSpec:
    """All of `found`, each once, in any order."""
    unique = tuple(dict.fromkeys(found))
    return AnswerSpec(scoring=Scoring.LABELS, reference=", ".join(unique), accepted=unique)


def spans(entries: Sequence[TimedText], reference: str, tolerance_ms: int) -> AnswerSpec:
    return AnswerSpec(
        scoring=Scoring.SPANS,
        reference=reference,
        spans=tuple(
            AnswerSpan(segment_start_ms=entry.segment_start_ms, segment_end_ms=entry.segment_end_ms, text=entry.text)
            for entry in entries
        ),
        tolerance_ms=tolerance_ms,
    )


def wer(reference: str) -> AnswerSpec:
    return AnswerSpec(scoring=Scoring.WER, reference=reference)


def speaker_wer(reference: str) -> AnswerSpec:
    """`reference` has one line `name: words` per turn; the names of speakers do not matter."""
    return AnswerSpec(scoring=Scoring.SPEAKER_WER, reference=reference)


def refusal(reference: str) -> AnswerSpec:
    return AnswerSpec(scoring=Scoring.REFUSAL, reference=reference)


def open_ended(reference: str) -> AnswerSpec:
    return AnswerSpec(scoring=Scoring.OPEN, reference=reference)


def choice(choices: Sequence[str], correct: int) -> AnswerSpec:
    return AnswerSpec(scoring=Scoring.CHOICE, reference=choices[correct], choices=tuple(choices), correct=correct)


LETTERS = "ABCDEF"
"""Letters of choices, in order."""
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_LETTER = re.compile(r"^\W*([A-F])(?![A-Za-z])")
_TURN = re.compile(r"^\s*(?:(\[S\d+\])|([^:\uff1a]{1,60})[:\uff1a])(.*)$")
_YES_OR_NO = frozenset({"yes", "no", "有", "没有"})
_DENIED = re.compile(r"\b(not|nor|than|isn't|before|after)\b|不|比")
"""Words before an answer that mean the other one is given."""
MAX_SPEAKERS = 20
"""Maximum number of speakers in a scored answer: one with more is wrong anyway."""
_SPACELESS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


def score_answer(spec: AnswerSpec, answer: str, style: TimestampFormat) -> float | None:
    """The score of `answer`, in [0, 1]; None if it cannot be scored automatically (open and refusal)."""
    score: float | None = None
    match spec.scoring:
        case Scoring.EXACT:
            score = any(_gives(answer, accepted) for accepted in spec.accepted)
        case Scoring.CHOICE:
            score = letter_of(answer) == LETTERS[spec.correct or 0]
        case Scoring.NUMBER:
            score = _is_near(spec, answer)
        case Scoring.LABELS:
            named = [label for label in spec.accepted if _plain(label) in _plain(answer)]
            score = len(named) / max(len(spec.accepted), 1)
        case Scoring.SPANS:
            score = _span_score(spec, answer, style)
        case Scoring.WER:
            score = max(0.0, 1.0 - error_rate(spec.reference, answer))
        case Scoring.SPEAKER_WER:
            score = max(0.0, 1.0 - speaker_error_rate(spec.reference, answer))
    return None if score is None else float(score)


def letter_of(answer: str) -> str | None:
    """The letter of a choice at the beginning of an answer; None if there is none."""
    found = _LETTER.match(answer)
    return found[1] if found else None


def error_rate(reference: str, answer: str) -> float:
    """Word error rate, with each character of scripts without spaces as a word, ignoring punctuation and case."""
    wanted, given = _tokens(reference), _tokens(answer)
    return Levenshtein.distance(wanted, given) / max(len(wanted), 1)


def speaker_error_rate(reference: str, answer: str) -> float:
    """The same over turns `name: words`, per speaker with the best assignment: cpWER (arXiv 2004.09249)."""
    from scipy.optimize import linear_sum_assignment  # takes a second, and most commands import this module

    wanted, given = (list(_by_speaker(text).values()) for text in (reference, answer))
    size = max(len(wanted), len(given))
    padded = [[*side, *([[]] * (size - len(side)))] for side in (wanted, given)]
    costs = np.array([[Levenshtein.distance(one, other) for other in padded[1]] for one in padded[0]])
    rows, columns = linear_sum_assignment(costs)
    return float(costs[rows, columns].sum()) / max(sum(map(len, wanted)), 1)


def _by_speaker(text: str) -> dict[str, list[str]]:
    """speaker → the words of all lines with that name; a line without a name continues the last one."""
    words: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        turn = _TURN.match(line)
        name, said = ((turn[1] or turn[2]).strip(), turn[3]) if turn else (name, line)
        if len(words) >= MAX_SPEAKERS:
            name = next(iter(words))
        words.setdefault(name, []).extend(_tokens(said))
    return words or {"": []}


def _gives(answer: str, accepted: str) -> bool:
    """Whether an answer begins with the accepted one, or, unless that is yes or no, contains it without a denial."""
    text, wanted = _plain(answer), _plain(accepted)
    edges = [r"(?<![a-z0-9])" if wanted[:1].isascii() else "", r"(?![a-z0-9])" if wanted[-1:].isascii() else ""]
    pattern = f"{edges[0]}{re.escape(wanted)}{edges[1]}"
    if wanted in _YES_OR_NO:
        return re.match(pattern, text) is not None
    found = re.search(pattern, text)
    return found is not None and not _DENIED.search(text[: found.start()])


def _is_near(spec: AnswerSpec, answer: str) -> bool:
    found = _NUMBER.search(answer)
    if found is None or spec.value is None:
        return False
    # Half of the last digit of an answer is rounding, not an error of the model.
    slack = (spec.tolerance or 0.0) + 0.051 * (spec.unit == "s")
    return abs(float(found[0]) - spec.value) <= max(slack, 0.5 if spec.unit == "bpm" else 0.0)


def _span_score(spec: AnswerSpec, answer: str, style: TimestampFormat) -> float:
    """Number of the reference's spans that occur in the answer in order, divided by the longer list's length."""
    try:
        given = [AnswerSpan(**entry.model_dump()) for entry in read_timed(answer, style)]
    except ValueError:
        numbers = [round(float(found) * 1000) for found in _NUMBER.findall(answer)]
        if len(spec.spans) != 1 or len(numbers) != 2:
            return 0.0
        given = [AnswerSpan(segment_start_ms=numbers[0], segment_end_ms=numbers[1], text=spec.spans[0].text)]
    right = sum(_same(one, other, spec.tolerance_ms or 0) for one, other in zip(spec.spans, given, strict=False))
    return right / max(len(spec.spans), len(given), 1)


def _same(one: AnswerSpan, other: AnswerSpan, tolerance_ms: int) -> bool:
    edges: Sequence[tuple[int, int]] = (
        (one.segment_start_ms, other.segment_start_ms),
        (one.segment_end_ms, other.segment_end_ms),
    )
    return _plain(one.text) == _plain(other.text) and all(abs(a - b) <= tolerance_ms for a, b in edges)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().rstrip(".。!?").lower()


def _tokens(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", text).lower()
    spaced = _SPACELESS.sub(lambda found: f" {found[0]} ", plain)
    cleaned = "".join(
        char for char in spaced if char.isspace() or char == "'" or unicodedata.category(char)[0] in "LNM"
    )
    return cleaned.split()
