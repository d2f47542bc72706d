"""Evaluates diarization on a folder of labelled conversations.

The folder has audio files and `ami.jsonl`, one line per conversation: `file`, and `turns` with `onset`, `offset` (s)
and `speaker`. No collar, overlaps counted: the strictest form of the diarization error rate.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from pydantic import Field

from soundseam.annotators.base import DETECTION_RATE_HZ, Backend, InMemory, RecordingAnnotator, Samples
from soundseam.annotators.detection.base import DetectionBackend
from soundseam.pipeline.evaluation.labelled import Conversation, at_rate, loadable, read_mono, segment_for
from soundseam.schemas.event import Branch, EventClass
from soundseam.schemas.record import Record
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import SpeechFacts
from soundseam.schemas.timespan import TimeSpan

if TYPE_CHECKING:
    from pyannote.core import Annotation

ONE_SPEAKER = "one speaker"
"""The baseline without diarization: all speech has the same speaker."""


class SpeakerScores(Record):
    """One backend's scores over all conversations, as shares of the time of all true turns."""

    backend: str
    diarization_error_rate: float = Field(description="the sum of the three below")
    missed: float = Field(description="time of turns without a detected speaker")
    false_alarm: float = Field(description="time with more detected speakers than true ones")
    confusion: float = Field(description="time assigned to a wrong speaker")
    speakers_off: float = Field(description="mean |difference| of the number of speakers")
    count_right: float = Field(description="share of conversations with the right number of speakers of 1 s and more")
    sure_share: float | None = Field(description="share of conversations in which it is sure who speaks")
    count_right_if_sure: float | None = Field(description="the same over those")
    times_real_time: float


class SpeakerEvaluation(Record):
    """One line per backend, the baseline first."""

    conversations: int
    audio_s: float
    backends: tuple[SpeakerScores, ...]


@dataclass(frozen=True)
class _Evaluated:
    conversation: Conversation
    samples: Samples
    segment: Segment

    @property
    def seconds(self) -> float:
        return len(self.samples) / DETECTION_RATE_HZ


Turns = Sequence[tuple[str, TimeSpan]]
"""Speakers with their times."""
_MIN_SPOKEN_MS = 1_000
"""Minimum speech of a counted speaker."""


@dataclass(frozen=True)
class _Found:
    turns: Turns
    sure: bool | None = None


def count_speakers(turns: Turns) -> int:
    """Number of speakers who speak for at least a second."""
    spoken: dict[str, int] = {}
    for speaker, span in turns:
        spoken[speaker] = spoken.get(speaker, 0) + span.duration_ms
    return sum(length_ms >= _MIN_SPOKEN_MS for length_ms in spoken.values())


def diarizing(backends: Sequence[Backend[SpeechFacts]]) -> list[Backend[SpeechFacts]]:
    """The diarization backends among `backends` that can load here."""
    return loadable([backend for backend in backends if backend.hears_recordings])


def evaluate_speakers(
    folder: Path,
    conversations: Sequence[Conversation],
    backends: Sequence[Backend[SpeechFacts]],
    detector: DetectionBackend,
) -> SpeakerEvaluation:
    """Scores of `backends` on whole conversations, compared with one speaker wherever `detector` finds speech."""
    heard = [_open(folder, conversation) for conversation in conversations]
    ears = detector.load()
    found, seconds = [], 0.0
    for one in heard:
        started = time.perf_counter()
        events = ears.detect(InMemory(one.samples)).events
        seconds += time.perf_counter() - started
        found.append(_Found([("one", event.span) for event in events if event.event_class is EventClass.SPEECH]))
    scores = [_scores(ONE_SPEAKER, heard, found, seconds)]
    scores += [_scores(backend.backend, heard, *_diarize(backend, heard)) for backend in backends]
    audio_s = sum(one.seconds for one in heard)
    return SpeakerEvaluation(conversations=len(heard), audio_s=round(audio_s, 1), backends=tuple(scores))


def _diarize(backend: Backend[SpeechFacts], heard: Sequence[_Evaluated]) -> tuple[list[_Found], float]:
    annotator = backend.load()
    if not isinstance(annotator, RecordingAnnotator):
        raise TypeError(f"{backend.backend} is for recordings, but its annotator is not")
    found: list[_Found] = []
    started = time.perf_counter()
    for one in heard:
        (facts,) = annotator.annotate_recording(InMemory(one.samples), [one.segment])
        turns = facts.speakers.turns if facts.speakers is not None else ()
        sure = facts.speakers.sure if facts.speakers is not None else None
        found.append(_Found([(turn.speaker, TimeSpan(turn.start_ms, turn.end_ms)) for turn in turns], sure))
    return found, time.perf_counter() - started


def _scores(backend: str, heard: Sequence[_Evaluated], found: Sequence[_Found], seconds: float) -> SpeakerScores:
    from pyannote.core import Segment as Extent
    from pyannote.core import Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    metric = DiarizationErrorRate(collar=0.0, skip_overlap=False)
    off, right = [], []
    for one, turns in zip(heard, (answer.turns for answer in found), strict=True):
        truth = [(turn.speaker, turn.span) for turn in one.conversation.turns]
        metric(_annotation(truth), _annotation(turns), uem=Timeline([Extent(0.0, one.seconds)]))
        off.append(abs(len({name for name, _ in truth}) - len({name for name, _ in turns})))
        right.append(count_speakers(truth) == count_speakers(turns))
    sure = [one.sure for one in found if one.sure is not None]
    right_if_sure = [counted for counted, one in zip(right, found, strict=True) if one.sure]
    total = metric.accumulated_["total"]
    return SpeakerScores(
        backend=backend,
        diarization_error_rate=round(abs(metric), 4),
        missed=round(metric.accumulated_["missed detection"] / total, 4),
        false_alarm=round(metric.accumulated_["false alarm"] / total, 4),
        confusion=round(metric.accumulated_["confusion"] / total, 4),
        speakers_off=round(sum(off) / len(off), 2),
        count_right=round(fmean(right), 4),
        sure_share=round(fmean(sure), 4) if sure else None,
        count_right_if_sure=round(fmean(right_if_sure), 4) if right_if_sure else None,
        times_real_time=round(sum(one.seconds for one in heard) / max(seconds, 1e-6), 1),
    )


def _annotation(turns: Turns) -> Annotation:
    from pyannote.core import Annotation
    from pyannote.core import Segment as Extent

    made = Annotation()
    for index, (speaker, span) in enumerate(turns):
        if span.duration_ms > 0:
            made[Extent(span.start_ms / 1000, span.end_ms / 1000), index] = speaker
    return made


def _open(folder: Path, conversation: Conversation) -> _Evaluated:
    samples = at_rate(*read_mono(folder / conversation.file), DETECTION_RATE_HZ)
    span = TimeSpan(0, len(samples) * 1000 // DETECTION_RATE_HZ)
    return _Evaluated(conversation, samples, segment_for(conversation.file, span, Branch.SPEECH))
