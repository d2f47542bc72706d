"""Answer specifications: what a right answer is, so that a program can tell."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.sft.timestamps import TimedText
from schemas.sample import AnswerSpan, AnswerSpec, Scoring


def exact(reference: str, *also: str) -> AnswerSpec:
    return AnswerSpec(scoring=Scoring.EXACT, reference=reference, accepted=(reference, *also))


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
    """`reference` has a line `name: words` for each turn; how speakers are named does not matter."""
    return AnswerSpec(scoring=Scoring.SPEAKER_WER, reference=reference)


def refusal(reference: str) -> AnswerSpec:
    return AnswerSpec(scoring=Scoring.REFUSAL, reference=reference)


def open_ended(reference: str) -> AnswerSpec:
    return AnswerSpec(scoring=Scoring.OPEN, reference=reference)


def choice(choices: Sequence[str], correct: int) -> AnswerSpec:
    return AnswerSpec(scoring=Scoring.CHOICE, reference=choices[correct], choices=tuple(choices), correct=correct)
