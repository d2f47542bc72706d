"""Chooses among several transcripts the one with which the others agree most: `agreement`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field
from rapidfuzz.distance import Levenshtein

from soundseam.annotators.base import Annotator, Backend, Clip
from soundseam.annotators.speech.alignment import with_known_speakers
from soundseam.annotators.speech.transcripts import (
    Limits,
    doubts,
    is_in_another_language,
    language_of,
    measure,
    sentences_of,
    speech_stretches,
)
from soundseam.annotators.wording.normalise import unit_of, units_of
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.event import Branch
from soundseam.schemas.record import Record
from soundseam.schemas.speech import Agreement, ErrorUnit, PairError, SpeechFacts, Transcript

_SHARPNESS = 4
"""Exponent of a system's agreement with the most similar one in its vote: 0.5 counts a sixteenth of 1."""
_MIN_WEIGHT = 0.01


class SystemWeight(Record):
    """The prior weight of a recogniser."""

    system: str = Field(description="a backend")
    weight: float = Field(ge=0.0, le=1.0, description="0 leaves it out")


class TranscriptAgreement(Backend[SpeechFacts]):
    """Compares the transcripts of earlier backends pair by pair, keeps the one with which trusted systems agree most,
    and flags those that are unfit for training."""

    kind: Literal["agreement"] = "agreement"
    systems: tuple[str, ...] = ()
    """Backends that take part; empty for all earlier ones with transcripts."""
    weights: tuple[SystemWeight, ...] = ()
    """Prior weights of backends, as in {system: pocketsphinx, weight: 0.1}; the default is 1."""
    min_agreement: float = Field(alias="least_agreement", default=0.8, ge=0.0, le=1.0)
    """Below this the transcript is stored but unusable for training."""
    trusted: tuple[str, ...] = ("manifest_transcript",)
    """Backends whose transcript is taken, the first that has one, unless recognisers differ too much from it; with no
    recogniser it is usable for training as it is."""
    trust_single_system: bool = False
    """If true, the transcript of a single system is usable for training unless it has other flags."""
    min_coverage: float = Field(alias="least_coverage", default=0.6, ge=0.0, le=1.0)
    """Minimum share of the detected speech that words cover, if the system gives word times."""
    longest_tail_ms: int = Field(default=2_000, ge=0)
    """Maximum speech after the last word: a missing tail is the most common silent failure."""
    max_no_speech_probability: float = Field(alias="most_no_speech_probability", default=0.6, ge=0.0, le=1.0)
    """Whisper's own threshold."""
    max_letters_per_second: float = Field(alias="most_letters_per_second", default=30.0, gt=0.0)
    """Twice the rate of fast speech; half of it applies to Chinese, Japanese and Korean characters."""
    min_letters_per_second: float = Field(alias="least_letters_per_second", default=1.5, ge=0.0)
    """Slower than the slowest speech, so that most of it must be missing. Not checked under 3 s of speech."""

    branch: ClassVar[Branch] = Branch.SPEECH
    reads_language: ClassVar[bool] = True
    sample_rate_hz: ClassVar[int | None] = None
    reads_annotations: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("whisper_normalizer",)
    remedy: ClassVar[str] = "pip install 'soundseam[speech]'"
    licence: ClassVar[str] = "Apache-2.0"

    @property
    def model(self) -> str:
        return "weighted-medoid"

    @property
    def revision(self) -> str:
        return "7"

    @property
    def priors(self) -> dict[str, float]:
        return {item.system: item.weight for item in self.weights}

    @property
    def limits(self) -> Limits:
        return Limits(
            min_coverage=self.min_coverage,
            longest_tail_ms=self.longest_tail_ms,
            max_no_speech_probability=self.max_no_speech_probability,
            max_letters_per_second=self.max_letters_per_second,
            min_letters_per_second=self.min_letters_per_second,
        )

    def load(self) -> Annotator[SpeechFacts]:
        self.check_available()
        return AgreementAnnotator(self)


class Candidate(NamedTuple):
    """A system's transcript, and its normalised units."""

    system: str
    transcript: Transcript
    units: list[str]


class AgreementAnnotator:
    """The annotator of `TranscriptAgreement`."""

    def __init__(self, backend: TranscriptAgreement) -> None:
        self._backend = backend

    def annotate(self, clips: Sequence[Clip]) -> Sequence[SpeechFacts]:
        return [self._agree(clip) for clip in clips]

    def _agree(self, clip: Clip) -> SpeechFacts:
        transcripts = self._transcripts(clip)
        unit = unit_of([transcript.text for _, transcript in transcripts])
        # One language for all: a system that reports none must be normalised like the others.
        language = language_of(clip) or next((one.language for _, one in transcripts if one.language), None)
        candidates = [
            Candidate(system, transcript, units_of(transcript.text, unit, language))
            for system, transcript in transcripts
        ]
        if not candidates:
            return SpeechFacts(agreement=_no_agreement(unit))
        pairs = compare(candidates)
        trusted = next((one for one in candidates if one.system in self._backend.trusted), None)
        chosen, agreement = weighted_medoid(candidates, pairs, self._backend.priors)
        if trusted is not None:
            chosen, agreement = trusted, best_agreement(trusted.system, pairs)
        figures = measure(chosen.transcript, speech_stretches(clip.segment))
        own = (flag for flag in chosen.transcript.flags if flag != "single_system")
        flags = (
            *([] if trusted is not None and agreement is None else self._disagreement(agreement)),
            *own,
            *doubts(chosen.transcript, chosen.units, unit, figures, self._backend.limits),
            *(("language_mismatch",) if _languages_differ(clip) else ()),
        )
        return SpeechFacts(
            transcript=self._verdict(_with_speakers(chosen.transcript, clip), agreement, flags),
            agreement=Agreement(
                systems=tuple(candidate.system for candidate in candidates),
                chosen=chosen.system,
                unit=unit,
                pairs=pairs,
                coverage=figures.coverage,
                untranscribed_tail_ms=figures.tail_ms,
                letters_per_second=figures.letters_per_second,
            ),
            sentences=sentences_of(chosen.transcript.words) if chosen.transcript.words else None,
        )

    def _transcripts(self, clip: Clip) -> list[tuple[str, Transcript]]:
        wanted, spoken = self._backend.systems, language_of(clip)
        return [
            (row.backend, row.transcript)
            for row in clip.annotations
            if isinstance(row, SpeechAnnotation)
            and row.transcript is not None
            and row.agreement is None
            and not is_in_another_language(row.transcript, spoken)
            and (not wanted or row.backend in wanted)
            and self._backend.priors.get(row.backend, 1.0) > 0
        ]

    def _disagreement(self, agreement: float | None) -> tuple[str, ...]:
        if agreement is None:
            return ("single_system",)
        return ("systems_disagree",) if agreement < self._backend.min_agreement else ()

    def _verdict(self, transcript: Transcript, agreement: float | None, flags: tuple[str, ...]) -> Transcript:
        harmless = {"single_system"} if self._backend.trust_single_system else set()
        return transcript.model_copy(
            update={
                "agreement": agreement,
                "usable_for_training": not set(flags) - harmless,
                "flags": tuple(dict.fromkeys(flags)),
            }
        )


def compare(candidates: Sequence[Candidate]) -> tuple[PairError, ...]:
    """The error rate of each pair of candidates, in order."""
    return tuple(
        PairError(first=first.system, second=second.system, error_rate=error_rate(first.units, second.units))
        for first, second in combinations(candidates, 2)
    )


def best_agreement(system: str, pairs: Sequence[PairError]) -> float | None:
    """The agreement of a system with the one nearest to it; None if there is no other."""
    rates = [pair.error_rate for pair in pairs if system in (pair.first, pair.second)]
    return round(1 - min(rates), 4) if rates else None


def error_rate(first: Sequence[str], second: Sequence[str]) -> float:
    """Edits between two lists of units divided by the longer length: symmetric, 0 for two empty lists.

    The spacing of compounds does not count as an edit: voice mail equals voicemail.
    """
    if not first or not second:
        return float(bool(first) != bool(second))
    first, second = _compounds_joined(first, second), _compounds_joined(second, first)
    return round(Levenshtein.distance(first, second) / max(len(first), len(second)), 4)


def _compounds_joined(units: Sequence[str], others: Sequence[str]) -> list[str]:
    """`units` with neighbours joined that the others write as one word."""
    whole = set(others) - set(units)
    joined: list[str] = []
    for unit in units:
        if joined and joined[-1] + unit in whole:
            joined[-1] += unit
        else:
            joined.append(unit)
    return joined


def weighted_medoid(
    candidates: Sequence[Candidate], pairs: Sequence[PairError], priors: Mapping[str, float]
) -> tuple[Candidate, float | None]:
    """The candidate with which the others agree most, and their agreement; the first of equals. Candidates with less
    than half of the largest weight cannot be chosen.

    A system's vote is its prior times its agreement with the most similar other one, so that an outlier has little
    effect. The agreement of a single candidate is null.
    """
    if len(candidates) == 1:
        return candidates[0], None
    agreements = {(pair.first, pair.second): 1 - pair.error_rate for pair in pairs}
    agreements |= {(second, first): value for (first, second), value in agreements.items()}
    names = [candidate.system for candidate in candidates]
    weights = {
        name: priors.get(name, 1.0)
        * max(_MIN_WEIGHT, *(agreements[name, other] for other in names if other != name)) ** _SHARPNESS
        for name in names
    }
    scores = [
        sum(weights[other] * agreements[name, other] for other in names if other != name)
        / sum(weights[other] for other in names if other != name)
        for name in names
    ]
    trusted = [index for index, name in enumerate(names) if 2 * weights[name] >= max(weights.values())]
    best = max(trusted, key=lambda index: round(scores[index], 4))
    return candidates[best], round(scores[best], 4)


def _with_speakers(transcript: Transcript, clip: Clip) -> Transcript:
    return transcript.model_copy(update={"words": with_known_speakers(transcript.words, clip)})


def _languages_differ(clip: Clip) -> bool:
    languages = [row.language for row in clip.annotations if isinstance(row, SpeechAnnotation) and row.language]
    return any(language.agrees is False for language in languages)


def _no_agreement(unit: ErrorUnit) -> Agreement:
    return Agreement(
        systems=(),
        chosen=None,
        unit=unit,
        pairs=(),
        coverage=None,
        untranscribed_tail_ms=None,
        letters_per_second=None,
    )
