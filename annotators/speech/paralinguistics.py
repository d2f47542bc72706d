"""How each speaker sounds, along thirteen dimensions, by an audio-language model: `paralinguistics`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from soundseam.annotators.base import AnnotationError, Clip, Samples
from soundseam.annotators.chat.questions import Answer, ChatClient, ContextT, Sampling
from soundseam.annotators.chat.served import (
    CheckedQuestion,
    Parsed,
    ServedAnnotator,
    ServedBackend,
    ask_records,
    flac_of,
    model_claim,
    with_thinking,
)
from soundseam.annotators.flac import decode_flac
from soundseam.annotators.grammar.engine import caption_text
from soundseam.annotators.grammar.speech_manner import MIN_SPEECH_MS, MIN_VOICED_SHARE
from soundseam.annotators.prompts import PARALINGUISTICS
from soundseam.annotators.speech.pitch import load_tracker
from soundseam.annotators.speech.transcripts import excerpt, speech_stretches
from soundseam.annotators.speech.turns import alone_spans
from soundseam.annotators.speech.voice import measure_voice
from soundseam.annotators.wording.prose import word_problems
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.event import Branch, Event, EventClass
from soundseam.schemas.record import Record
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import (
    UNCLEAR,
    AgeGroup,
    DimensionContradiction,
    Dimensions,
    Gender,
    Paralinguistics,
    PitchLevel,
    Speakers,
    SpeechFacts,
    Speed,
    Voice,
    Volume,
    is_unclear,
)
from soundseam.schemas.tables import Table
from soundseam.schemas.timespan import TimeSpan, covered_ms

_LOWEST_FEMALE_HZ, _HIGHEST_MALE_HZ, _LOWEST_CHILD_HZ = 110.0, 250.0, 150.0
"""Medians beyond these are rare: adults' are about 120 and 210 Hz, with standard deviations of some 20 Hz (Traunmüller
and Eriksson, 1995); children's above 200 Hz.
"""
_HIGH_FROM_HZ, _LOW_UP_TO_HZ = 130.0, 230.0
_FAST_FROM_HZ, _SLOW_UP_TO_HZ = 3.2, 5.0
"""Syllable nuclei per second, as in `speech_manner.py`."""
_LOUD_FROM_DBFS, _QUIET_UP_TO_DBFS = -45.0, -12.0


def contradictions(stated: Dimensions, voice: Voice, backend: str) -> tuple[DimensionContradiction, ...]:
    """Only impossible values: within these bounds listeners may disagree with the measurement."""
    if voice.speech_ms < MIN_SPEECH_MS:
        return ()
    wrong = {**dict(_against_pitch(stated, voice)), **dict(_against_pace_and_level(stated, voice))}
    return tuple(
        DimensionContradiction(
            dimension=name, said=str(getattr(stated, name).value), measured=wrong[name], backend=backend
        )
        for name in Dimensions.model_fields
        if name in wrong
    )


def _against_pitch(stated: Dimensions, voice: Voice) -> Iterator[tuple[str, str]]:
    median = voice.pitch_median_hz
    if median is None or voice.voiced_share < MIN_VOICED_SHARE:
        return
    measured = f"a median pitch of {median:.0f} Hz"
    if (stated.gender is Gender.FEMALE and median < _LOWEST_FEMALE_HZ) or (
        stated.gender is Gender.MALE and median > _HIGHEST_MALE_HZ and stated.age is not AgeGroup.CHILD
    ):
        yield "gender", measured
    if (stated.pitch is PitchLevel.HIGH and median < _HIGH_FROM_HZ) or (
        stated.pitch is PitchLevel.LOW and median > _LOW_UP_TO_HZ
    ):
        yield "pitch", measured
    if stated.age is AgeGroup.CHILD and median < _LOWEST_CHILD_HZ:
        yield "age", measured


def _against_pace_and_level(stated: Dimensions, voice: Voice) -> Iterator[tuple[str, str]]:
    rate, level = voice.syllable_rate_hz, voice.level_dbfs
    if rate is not None and (
        (stated.speed is Speed.FAST and rate < _FAST_FROM_HZ) or (stated.speed is Speed.SLOW and rate > _SLOW_UP_TO_HZ)
    ):
        yield "speed", f"{rate:.1f} syllables a second"
    if level is not None and (
        (stated.volume is Volume.LOUD and level < _LOUD_FROM_DBFS)
        or (stated.volume is Volume.QUIET and level > _QUIET_UP_TO_DBFS)
    ):
        yield "volume", f"a level of {level:.0f} dBFS"


PROMPTS = ("paralinguistics_system", "paralinguistics")
MAX_WORDS = {"accent": 10, "texture": 15, "tone": 15, "personality": 20, "summary": 60}


class ParalinguisticsByModel(ServedBackend[SpeechFacts]):
    """Gender, age, accent, pitch, volume, speed, texture, clarity, fluency, emotion, tone, personality and a summary of
    each speaker by a model; values that contradict the measured voice are marked and set to unclear."""

    kind: Literal["paralinguistics"] = "paralinguistics"
    min_speech_ms: int = Field(alias="least_speech_ms", default=MIN_SPEECH_MS, ge=200)
    """Minimum time alone of a speaker in a segment; others are not described."""
    max_speakers: int = Field(alias="most_speakers", default=4, ge=1, le=16)
    """Maximum number of speakers per segment: those who speak longest."""
    sampling: Sampling = Sampling(max_tokens=512)
    """How answers are drawn."""

    branch: ClassVar[Branch] = Branch.SPEECH
    reads_annotations: ClassVar[bool] = True

    @property
    def revision(self) -> str:
        return f"{self.server.revision}-{PARALINGUISTICS.key(*PROMPTS)}-1"

    def load(self) -> ServedAnnotator[SpeechFacts]:
        self.check_available()
        return ParalinguisticsAnnotator(self)


@dataclass(frozen=True)
class KnownVoice:
    """One speaker of a segment, with the measured voice and its backend."""

    speaker: str | None
    voice: Voice | None
    measured_by: str


class ParalinguisticsAnnotator(ServedAnnotator[SpeechFacts]):
    """The annotator of `ParalinguisticsByModel`."""

    def __init__(self, backend: ParalinguisticsByModel) -> None:
        super().__init__(backend.server)
        self._backend = backend
        self._tracker = load_tracker()

    def annotate_stream(
        self, clips: Iterable[tuple[ContextT, Clip]], client: ChatClient
    ) -> Iterator[tuple[ContextT, SpeechFacts | AnnotationError]]:
        groups = (
            (
                (context, clip.segment, [known for known, _ in voices]),
                [self._question(clip.segment, flac) for _, flac in voices],
            )
            for context, clip, voices in ((context, clip, self._voices(clip)) for context, clip in clips)
        )
        for (context, segment, voices), answers in ask_records(client, groups, Dimensions):
            yield context, self._facts(segment, voices, answers)

    def _voices(self, clip: Clip) -> list[tuple[KnownVoice, bytes]]:
        """The voices to describe, with their audio: each speaker alone if several are known, else the segment."""
        rows = [row for row in clip.annotations if isinstance(row, SpeechAnnotation)]
        speakers = next((row.speakers for row in rows if row.speakers is not None), None)
        if speakers is not None and speakers.count > 1:
            return [self._alone(clip, label, spans) for label, spans in self._longest(speakers)]
        if covered_ms(speech_stretches(clip.segment)) < self._backend.min_speech_ms:
            return []
        label = speakers.turns[0].speaker if speakers is not None and speakers.turns else None
        measured = next(((row.voice, row.backend) for row in rows if row.voice is not None), (None, ""))
        return [(KnownVoice(label, *measured), flac_of(clip))]

    def _longest(self, speakers: Speakers) -> list[tuple[str, tuple[TimeSpan, ...]]]:
        """The speakers who speak enough, and when they speak alone; the longest first."""
        alone = alone_spans(speakers.turns)
        enough = [label for label in alone if covered_ms(alone[label]) >= self._backend.min_speech_ms]
        longest = sorted(enough, key=lambda label: (-covered_ms(alone[label]), label))
        return [(label, alone[label]) for label in longest[: self._backend.max_speakers]]

    def _alone(self, clip: Clip, label: str, spans: tuple[TimeSpan, ...]) -> tuple[KnownVoice, bytes]:
        samples = decode_flac(clip.flac) if clip.flac else clip.samples
        whole = Clip(clip.segment, samples, clip.sample_rate_hz)
        alone = _as_clip(clip, excerpt(whole, spans).samples)
        return KnownVoice(label, measure_voice(alone, self._tracker), self._backend.backend), flac_of(alone)

    def _question(self, segment: Segment, flac: bytes) -> CheckedQuestion:
        return CheckedQuestion(
            text=PARALINGUISTICS.text("paralinguistics"),
            audio=(flac,),
            system=PARALINGUISTICS.text("paralinguistics_system"),
            sampling=self._backend.sampling,
            about=segment.recording_id,
            check=answer_problems,
        )

    def _facts(
        self, segment: Segment, voices: Sequence[KnownVoice], answers: Sequence[Parsed[Dimensions] | AnnotationError]
    ) -> SpeechFacts | AnnotationError:
        described: list[Paralinguistics] = []
        raw_answers: list[Answer] = []
        for known, parsed in zip(voices, answers, strict=True):
            if isinstance(parsed, AnnotationError):
                return parsed
            described.append(checked_against(parsed, known))
            raw_answers.append(parsed.answer)
        claims = tuple(
            model_claim(one.summary, Table.SPEECH, segment, self._backend.backend, f"paralinguistics.{index}.summary")
            for index, one in enumerate(described)
            if one.summary != UNCLEAR and not one.contradictions
        )
        facts = SpeechFacts(
            paralinguistics=tuple(described), caption=caption_text(claims) or None, caption_claims=claims
        )
        return with_thinking(facts, raw_answers)


def checked_against(parsed: Parsed[Dimensions], known: KnownVoice) -> Paralinguistics:
    """`parsed`, with unclear for values that contradict the measurements, which are listed as contradictions."""
    wrong = contradictions(parsed.record, known.voice, known.measured_by) if known.voice is not None else ()
    values = {
        name: (" ".join(value.split()) if isinstance(value, str) else value)
        for name, value in parsed.record.model_dump(mode="json").items()
    }
    values |= {one.dimension: UNCLEAR for one in wrong}
    return Paralinguistics(**values, speaker=known.speaker, contradictions=wrong, answer=parsed.answer.text)


def answer_problems(record: Record) -> Iterator[str]:
    """Problems of a valid answer, one clause each."""
    assert isinstance(record, Dimensions)
    for name, max_words in MAX_WORDS.items():
        text = " ".join(str(getattr(record, name)).split())
        if not is_unclear(text):
            for problem in word_problems(text, max_words):
                yield f"{name}: {problem}"


def _as_clip(clip: Clip, samples: Samples) -> Clip:
    """`samples` as a clip that is all speech."""
    end_ms = len(samples) * 1000 // clip.sample_rate_hz
    speech = Event(event_class=EventClass.SPEECH, label="speech", onset_ms=0, offset_ms=end_ms, score=1.0)
    segment = clip.segment.model_copy(update={"start_ms": 0, "end_ms": end_ms, "events": (speech,)})
    return Clip(segment, np.ascontiguousarray(samples), clip.sample_rate_hz)
