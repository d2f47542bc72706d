"""How each speaker sounds, along thirteen dimensions, by an audio-language model: `paralinguistics`."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from annotators.base import AnnotationError, Clip, Samples
from annotators.chat.plain_words import word_problems
from annotators.chat.questions import Answer, Asker, Sampling
from annotators.chat.records import CheckedQuestion, Told, ask_records
from annotators.chat.served import ServedAnnotator, ServedBackend, flac_of
from annotators.chat.streams import told_claim, with_thinking
from annotators.grammar.engine import caption_text
from annotators.speech.prompts import prompt, prompts_key
from annotators.speech.stretches import excerpt, speech_stretches
from annotators.speech.told_measures import contradictions
from annotators.speech.turns import alone_spans
from annotators.speech.voice import measure_voice
from schemas.annotation import SpeechAnnotation
from schemas.event import Branch, Event, EventClass
from schemas.paralinguistics import Dimensions, Paralinguistics
from schemas.record import Record
from schemas.segment import Segment
from schemas.speech import Speakers, SpeechFacts, Voice
from schemas.tables import Table
from schemas.timespan import TimeSpan, covered_ms

PROMPTS = ("paralinguistics_system", "paralinguistics")
UNCLEAR = "unclear"
MOST_WORDS = {"accent": 10, "texture": 15, "tone": 15, "personality": 20, "summary": 60}


class ParalinguisticsByModel(ServedBackend[SpeechFacts]):
    """Gender, age, accent, pitch, volume, speed, texture, clarity, fluency, emotion, tone, personality and a summary of
    each speaker in a model's words; what contradicts the measured voice is marked and counts as unclear."""

    kind: Literal["paralinguistics"] = "paralinguistics"
    least_speech_ms: int = Field(default=1_500, ge=200)
    """Of a speaker alone; who says less in a segment is not described."""
    most_speakers: int = Field(default=4, ge=1, le=16)
    """Of one segment: those who speak longest."""
    sampling: Sampling = Sampling(max_tokens=512)
    """How answers are drawn."""

    branch: ClassVar[Branch] = Branch.SPEECH
    reads_annotations: ClassVar[bool] = True
    licence: ClassVar[str] = "LicenseRef-of-the-served-model"

    @property
    def revision(self) -> str:
        return f"{self.server.revision}-{prompts_key(*PROMPTS)}-1"

    def load(self) -> ServedAnnotator[SpeechFacts]:
        self.check_available()
        return ParalinguisticsAsker(self)


@dataclass(frozen=True)
class KnownVoice:
    """One speaker of a segment: what was measured of the voice, and by whom."""

    speaker: str | None
    voice: Voice | None
    measured_by: str


class ParalinguisticsAsker(ServedAnnotator[SpeechFacts]):
    """The annotator of `ParalinguisticsByModel`."""

    def __init__(self, backend: ParalinguisticsByModel) -> None:
        super().__init__(backend.server)
        self._backend = backend

    def annotate_stream(self, clips: Iterable[Clip], asker: Asker) -> Iterator[SpeechFacts | AnnotationError]:
        drawn: deque[tuple[Segment, list[KnownVoice]]] = deque()

        def groups() -> Iterator[Sequence[CheckedQuestion]]:
            for clip in clips:
                voices = self._voices(clip)
                drawn.append((clip.segment, [known for known, _ in voices]))
                yield [self._question(clip.segment, flac) for _, flac in voices]

        for answers in ask_records(asker, groups(), Dimensions):
            yield self._facts(*drawn.popleft(), answers)

    def _voices(self, clip: Clip) -> list[tuple[KnownVoice, bytes]]:
        """Who is to be described, and the sound of it: each speaker alone where several are known, else the segment."""
        rows = [row for row in clip.annotations if isinstance(row, SpeechAnnotation)]
        speakers = next((row.speakers for row in rows if row.speakers is not None), None)
        if speakers is not None and speakers.count > 1:
            return [self._alone(clip, label, spans) for label, spans in self._longest(speakers)]
        if covered_ms(speech_stretches(clip.segment)) < self._backend.least_speech_ms:
            return []
        label = speakers.turns[0].speaker if speakers is not None and speakers.turns else None
        measured = next(((row.voice, row.backend) for row in rows if row.voice is not None), (None, ""))
        return [(KnownVoice(label, *measured), flac_of(clip))]

    def _longest(self, speakers: Speakers) -> list[tuple[str, tuple[TimeSpan, ...]]]:
        """Those who speak enough, and when they speak alone; who speaks longest first."""
        alone = alone_spans(speakers.turns)
        enough = [label for label in alone if covered_ms(alone[label]) >= self._backend.least_speech_ms]
        longest = sorted(enough, key=lambda label: (-covered_ms(alone[label]), label))
        return [(label, alone[label]) for label in longest[: self._backend.most_speakers]]

    def _alone(self, clip: Clip, label: str, spans: tuple[TimeSpan, ...]) -> tuple[KnownVoice, bytes]:
        heard = Clip(clip.segment, _samples_of(clip), clip.sample_rate_hz)
        alone = _as_clip(clip, excerpt(heard, spans).samples)
        return KnownVoice(label, measure_voice(alone), self._backend.backend), flac_of(alone)

    def _question(self, segment: Segment, flac: bytes) -> CheckedQuestion:
        return CheckedQuestion(
            text=prompt("paralinguistics"),
            audio=(flac,),
            system=prompt("paralinguistics_system"),
            sampling=self._backend.sampling,
            about=segment.recording_id,
            check=told_problems,
        )

    def _facts(
        self, segment: Segment, voices: Sequence[KnownVoice], answers: Sequence[Told[Dimensions] | AnnotationError]
    ) -> SpeechFacts | AnnotationError:
        described: list[Paralinguistics] = []
        heard: list[Answer] = []
        for known, told in zip(voices, answers, strict=True):
            if isinstance(told, AnnotationError):
                return told
            described.append(held_against(told, known))
            heard.append(told.answer)
        claims = tuple(
            told_claim(one.summary, Table.SPEECH, segment, self._backend.backend, f"paralinguistics.{index}.summary")
            for index, one in enumerate(described)
            if one.summary != UNCLEAR and not one.contradictions
        )
        facts = SpeechFacts(
            paralinguistics=tuple(described), caption=caption_text(claims) or None, caption_claims=claims
        )
        return with_thinking(facts, heard)


def held_against(told: Told[Dimensions], known: KnownVoice) -> Paralinguistics:
    """`told`, with unclear for what contradicts the measures, which is marked."""
    wrong = contradictions(told.record, known.voice, known.measured_by) if known.voice is not None else ()
    values = {
        name: (" ".join(value.split()) if isinstance(value, str) else value)
        for name, value in told.record.model_dump(mode="json").items()
    }
    values |= {one.dimension: UNCLEAR for one in wrong}
    return Paralinguistics(**values, speaker=known.speaker, contradictions=wrong, answer=told.answer.text)


def told_problems(record: Record) -> Iterator[str]:
    """What is wrong with an answer of the right form, each in a clause."""
    assert isinstance(record, Dimensions)
    for name, most_words in MOST_WORDS.items():
        text = " ".join(str(getattr(record, name)).split())
        if text.lower().rstrip(".") != UNCLEAR:
            for problem in word_problems(text, most_words):
                yield f"{name}: {problem}"


def _samples_of(clip: Clip) -> Samples:
    if not clip.flac:
        return clip.samples
    import soundfile

    samples: Samples = soundfile.read(io.BytesIO(clip.flac), dtype="float32")[0]
    return samples


def _as_clip(clip: Clip, samples: Samples) -> Clip:
    """`samples` as a clip that is speech from its beginning to its end."""
    end_ms = len(samples) * 1000 // clip.sample_rate_hz
    speech = Event(event_class=EventClass.SPEECH, label="speech", onset_ms=0, offset_ms=end_ms, score=1.0)
    segment = clip.segment.model_copy(update={"start_ms": 0, "end_ms": end_ms, "events": (speech,)})
    return Clip(segment, np.ascontiguousarray(samples), clip.sample_rate_hz)
