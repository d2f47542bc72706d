"""Evaluates a whole chain of speech backends: what it keeps and its error rate, accuracy of word times, results per
language, and the effect of leaving out one of its recognisers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from statistics import fmean

import numpy as np
from pydantic import BaseModel, ConfigDict
from rapidfuzz.distance import Levenshtein

from soundseam.annotators.base import Clip
from soundseam.annotators.speech.agreement import TranscriptAgreement
from soundseam.annotators.wording.normalise import primary_language, unit_of, units_of
from soundseam.pipeline.evaluation.loop import ScoreTable, mean_of
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import ErrorUnit, Transcript, Word

FAR_MS = 200
"""Edges of words with a larger difference are wrong."""
SELECTED_SHARES = (0.3, 0.5, 0.7, 0.8, 0.9, 1.0)
NO_LANGUAGE = "?"


class SpokenSpan(BaseModel):
    """A word, or a phrase without a pause: its first word starts at `onset`, its last one ends at `offset`, in s."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    text: str
    onset: float
    offset: float


@dataclass(frozen=True)
class SpokenTruth:
    """The truth about one recording; `phrases` are empty if their times are unknown."""

    text: str
    language: str | None
    phrases: tuple[SpokenSpan, ...] = ()


@dataclass
class Outcome:
    """One recording: its truth, and the rows of all backends in order."""

    truth: SpokenTruth
    segment: Segment
    rows: list[SpeechAnnotation] = field(default_factory=list)

    @property
    def final(self) -> Transcript | None:
        """The agreed transcript if systems were compared, else the last one."""
        transcribed = [row for row in self.rows if row.transcript is not None]
        agreed = [row for row in transcribed if row.agreement is not None] or transcribed
        return agreed[-1].transcript if agreed else None

    @property
    def aligned(self) -> tuple[Word, ...]:
        """The words of the last aligner with an answer."""
        return next((row.alignment.words for row in reversed(self.rows) if row.alignment is not None), ())

    @property
    def detected_language(self) -> str | None:
        """The language from the first system that detects one in the audio."""
        transcripts = (row.transcript for row in self.rows if row.transcript is not None and row.agreement is None)
        return next(
            (
                transcript.language
                for transcript in transcripts
                if transcript.language and transcript.language_probability is not None
            ),
            None,
        )


@dataclass(frozen=True)
class Errors:
    """Edits and words of the truth; characters if it is written without spaces."""

    edits: int
    units: int


def errors_of(text: str, truth: SpokenTruth) -> Errors:
    unit = unit_of([truth.text])
    language = truth.language or "en"
    reference = units_of(truth.text, unit, language)
    return Errors(Levenshtein.distance(reference, units_of(text, unit, language)), len(reference))


@dataclass(frozen=True)
class EdgeErrors:
    """|difference| in ms of the starts of first words and ends of last words of phrases, if recognised correctly."""

    starts: tuple[float, ...]
    ends: tuple[float, ...]


def edge_errors(words: Sequence[Word], phrases: Sequence[SpokenSpan], language: str | None = "en") -> EdgeErrors:
    timed = [(unit, word) for word in words for unit in units_of(word.text, ErrorUnit.WORDS, language)]
    said = [(unit, index) for index, one in enumerate(phrases) for unit in _units(one.text, language)]
    matcher = SequenceMatcher(None, [unit for unit, _ in said], [unit for unit, _ in timed], autojunk=False)
    found = {a + k: b + k for a, b, size in matcher.get_matching_blocks() for k in range(size)}
    starts, ends = [], []
    for place, (_, index) in enumerate(said):
        if place not in found:
            continue
        word = timed[found[place]][1]
        if place == 0 or said[place - 1][1] != index:
            starts.append(abs(word.start_ms - 1000 * phrases[index].onset))
        if place + 1 == len(said) or said[place + 1][1] != index:
            ends.append(abs(word.end_ms - 1000 * phrases[index].offset))
    return EdgeErrors(tuple(starts), tuple(ends))


def _units(text: str, language: str | None) -> list[str]:
    return units_of(text, ErrorUnit.WORDS, language)


class Outcomes:
    """The recordings so far."""

    def __init__(self) -> None:
        self._by_file: dict[str, Outcome] = {}

    def add(self, file: str, truth: SpokenTruth, segment: Segment, row: SpeechAnnotation) -> None:
        self._by_file.setdefault(file, Outcome(truth, segment)).rows.append(row)

    def tables(self, agreement: TranscriptAgreement | None) -> Iterator[ScoreTable]:
        """What all systems together achieve; nothing if none transcribed."""
        transcribed = [outcome for outcome in self._by_file.values() if outcome.final is not None]
        if not transcribed:
            return
        yield ScoreTable(
            "Kept, best agreement first", [f"{share:.0%}" for share in SELECTED_SHARES], [_selection_curve(transcribed)]
        )
        languages = sorted({_language_of(outcome) for outcome in transcribed})
        by_language = [
            [outcome for outcome in transcribed if _language_of(outcome) == language] for language in languages
        ]
        columns = ["all", *languages] if len(languages) > 1 else languages
        groups = [transcribed, *by_language] if len(languages) > 1 else by_language
        measured = [_figures(group) for group in groups]
        yield ScoreTable("Languages", columns, [(name, [one[name] for one in measured]) for name in measured[0]])
        if agreement is not None:
            yield from _without_one(transcribed, agreement)


def _language_of(one: Outcome) -> str:
    return primary_language(one.truth.language) or NO_LANGUAGE


def _selection_curve(outcomes: Sequence[Outcome]) -> tuple[str, list[float | None]]:
    """The word error rate of the recordings with the highest agreement, for each share of them."""
    ranked = sorted(outcomes, key=lambda one: -((one.final.agreement if one.final else None) or 0.0))
    errors = [errors_of(one.final.text if one.final else "", one.truth) for one in ranked]
    selected = [errors[: max(1, round(share * len(errors)))] for share in SELECTED_SHARES]
    return "word_error_rate", [_rate(some) for some in selected]


def _rate(errors: Sequence[Errors]) -> float | None:
    units = sum(error.units for error in errors)
    return round(sum(error.edits for error in errors) / units, 4) if units else None


def _figures(outcomes: Sequence[Outcome]) -> Mapping[str, float | None]:
    usable = [outcome for outcome in outcomes if outcome.final is not None and outcome.final.usable_for_training]
    edges = [edge_errors(one.aligned, one.truth.phrases, one.truth.language or "en") for one in usable]
    starts = [error for edge in edges for error in edge.starts]
    ends = [error for edge in edges for error in edge.ends]
    own = [error for one in outcomes for error in _own_edges(one).starts]
    perfect = [one.final for one in outcomes if one.final and not errors_of(one.final.text, one.truth).edits]
    agreements = [
        outcome.final.agreement for outcome in outcomes if outcome.final and outcome.final.agreement is not None
    ]
    right = [
        _language_of(outcome) == primary_language(outcome.detected_language)
        for outcome in outcomes
        if outcome.detected_language
    ]
    return {
        "recordings": float(len(outcomes)),
        "word_error_rate": _errors(outcomes),
        "agreement": mean_of(agreements),
        "usable_share": round(len(usable) / len(outcomes), 4),
        "word_error_rate_of_usable": _errors(usable),
        "perfect_but_not_usable": mean_of([not text.usable_for_training for text in perfect]),
        "language_right": mean_of(right),
        "usable_with_word_times": mean_of([bool(one.aligned) for one in usable]),
        "first_word_off_ms": round(fmean(starts), 1) if starts else None,
        "first_word_off_median_ms": round(float(np.median(starts)), 1) if starts else None,
        "first_word_far_off": mean_of([error > FAR_MS for error in starts]),
        "last_word_off_ms": round(fmean(ends), 1) if ends else None,
        "last_word_far_off": mean_of([error > FAR_MS for error in ends]),
        "recogniser_first_word_off_ms": round(fmean(own), 1) if own else None,
        "recogniser_first_word_far_off": mean_of([error > FAR_MS for error in own]),
    }


def _own_edges(outcome: Outcome) -> EdgeErrors:
    """Those of the recogniser's own times, in any recording: all there is in languages without an aligner."""
    words = outcome.final.words if outcome.final else ()
    return edge_errors(words, outcome.truth.phrases, outcome.truth.language or "en")


def _errors(outcomes: Sequence[Outcome]) -> float | None:
    return _rate([errors_of(outcome.final.text if outcome.final else "", outcome.truth) for outcome in outcomes])


def _without_one(outcomes: Sequence[Outcome], agreement: TranscriptAgreement) -> Iterator[ScoreTable]:
    """The scores with all recognisers, and with each of them left out."""
    systems = list(
        dict.fromkeys(
            row.backend for outcome in outcomes for row in outcome.rows if row.transcript and row.agreement is None
        )
    )
    if len(systems) < 3:
        return
    annotator = agreement.load()
    columns: list[list[Transcript | None]] = []
    for left_out in ("", *systems):
        clips = [
            Clip(
                outcome.segment,
                np.zeros(0, np.float32),
                16_000,
                tuple(row for row in outcome.rows if row.backend != left_out and row.agreement is None),
            )
            for outcome in outcomes
        ]
        columns.append([facts.transcript for facts in annotator.annotate(clips)])
    rows: list[tuple[str, list[float | None]]] = []
    for name, only_usable in (("word_error_rate", False), ("word_error_rate_of_usable", True)):
        rows.append((name, [_rate(list(_judged(outcomes, column, only_usable))) for column in columns]))
    shares = [[bool(one and one.usable_for_training) for one in column] for column in columns]
    rows.append(("usable_share", [mean_of(column) for column in shares]))
    yield ScoreTable("Agreement", ["all", *(f"without {system}" for system in systems)], rows)


def _judged(
    outcomes: Sequence[Outcome], transcripts: Sequence[Transcript | None], only_usable: bool
) -> Iterator[Errors]:
    for one, transcript in zip(outcomes, transcripts, strict=True):
        if not only_usable or (transcript is not None and transcript.usable_for_training):
            yield errors_of(transcript.text if transcript else "", one.truth)
