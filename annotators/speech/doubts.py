"""Signs that a recogniser made a transcript up, or left speech out: each rule gives a flag or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.speech import ErrorUnit, Transcript
from schemas.timespan import TimeSpan, covered_ms, union_spans

_JOIN_MS = 600
"""Words further apart than this leave the time between them uncovered."""
_LONGEST_PHRASE = 12
_LEAST_SPEECH_MS = 3_000
"""In less of it, one short word may be all that was said."""


@dataclass(frozen=True)
class Limits:
    """Where doubt begins. Letters are counted as written, without spaces."""

    least_coverage: float
    longest_tail_ms: int
    most_no_speech_probability: float
    most_letters_per_second: float
    least_letters_per_second: float


@dataclass(frozen=True)
class Figures:
    """What the rules look at; None where it cannot be told."""

    coverage: float | None
    tail_ms: int | None
    letters_per_second: float | None
    speech_ms: int


def measure(transcript: Transcript, stretches: Sequence[TimeSpan]) -> Figures:
    speech_ms = covered_ms(stretches)
    letters = sum(character.isalnum() for character in transcript.text)
    rate = round(1000 * letters / speech_ms, 2) if speech_ms else None
    if not transcript.words or not speech_ms:
        return Figures(None, None, rate, speech_ms)
    spoken = union_spans(TimeSpan(word.start_ms, word.end_ms + _JOIN_MS) for word in transcript.words)
    covered = covered_ms([span.intersection(stretch) for span in spoken for stretch in stretches])
    last_ms = max(word.end_ms for word in transcript.words)
    tail_ms = sum(TimeSpan(max(last_ms, span.start_ms), span.end_ms).duration_ms for span in stretches)
    return Figures(round(covered / speech_ms, 3), tail_ms, rate, speech_ms)


def doubts(
    transcript: Transcript, units: Sequence[str], unit: ErrorUnit, figures: Figures, limits: Limits
) -> tuple[str, ...]:
    """Flags, in a fixed order. `units` are the transcript's, normalised; `unit` says which kind they are."""
    dense = 0.5 if unit is ErrorUnit.CHARACTERS else 1.0  # a Chinese character holds a syllable, two or three letters
    signs = {
        "no_words": not units,
        "no_speech": bool(units) and figures.letters_per_second is None,
        "system_doubts_speech": bool(units)
        and (transcript.no_speech_probability or 0.0) > limits.most_no_speech_probability,
        "repetition": repeats_endlessly(units),
        "impossible_rate": (figures.letters_per_second or 0.0) > limits.most_letters_per_second * dense,
        "too_little_text": bool(units)
        and figures.speech_ms >= _LEAST_SPEECH_MS
        and (figures.letters_per_second or 0.0) < limits.least_letters_per_second * dense,
        "untranscribed_speech": figures.coverage is not None and figures.coverage < limits.least_coverage,
        "untranscribed_tail": figures.tail_ms is not None and figures.tail_ms > limits.longest_tail_ms,
    }
    return tuple(flag for flag, raised in signs.items() if raised)


def repeats_endlessly(units: Sequence[str]) -> bool:
    """Whether a phrase of up to 12 units comes again and again, at once: four times, six for a single unit.

    People say "no, no, no"; a recogniser that is stuck does not stop.
    """
    for length in range(1, min(_LONGEST_PHRASE, len(units) // 2) + 1):
        needed = (6 if length == 1 else 4) * length - length
        run = 0
        for earlier, later in zip(units, units[length:], strict=False):
            run = run + 1 if earlier == later else 0
            if run >= needed:
                return True
    return False
