"""Who speaks when, by included models on onnxruntime, without torch: `onnx_diarization`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from soundseam.annotators.base import DETECTION_RATE_HZ, Backend, Clip, InMemory, RecordingAnnotator, Waveform
from soundseam.annotators.onnx import carried_weights, open_session
from soundseam.annotators.speech.transcripts import speech_stretches
from soundseam.annotators.speech.turns import SpeakerSpan, in_order_of_appearance, speakers_in
from soundseam.annotators.speech.voice_clusters import (
    HOP_MS,
    Clustering,
    WindowVoices,
    doubt_in,
    reunited,
    speaker_centres,
    turns_of,
    voice_margin,
    voices_at_once,
)
from soundseam.annotators.speech.voice_models import (
    EMBEDDING_FILE,
    EMBEDDING_SHA256,
    SEGMENTATION_FILE,
    SEGMENTATION_SHA256,
    WINDOW_FRAMES,
    VoiceModels,
)
from soundseam.schemas.event import Branch
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import Speakers, SpeechFacts
from soundseam.schemas.timespan import TimeSpan, covered_ms, union_spans

_FRAME_SAMPLES = HOP_MS * DETECTION_RATE_HZ // 1000
_MARGIN_MS = 1_000
"""Margin around detected speech that is processed as well."""
_JOIN_MS = 5_000
"""Speech with shorter gaps than this is one region: windows span the pause."""

_FRAGMENT_MS = 2_000
"""Where there is much speech, a voice that is alone for less than this is a fragment of another speaker."""
_MIN_SURE_MS = 1_000
"""Minimum speech of each speaker for `sure`: a speaker with less may be a fragment of another one."""
_MIN_LOCAL_MS = 300
_MIN_COVERED = 0.8
_MAX_DOUBT, _MAX_DOUBT_OF_ONE = 0.08, 0.025
"""Maximum mean doubt of the segmentation model during speech. For a single speaker it must be lower: distant voices are
missed where the model is in doubt."""
_MIN_MARGIN, _MIN_MARGIN_MS = 0.16, 600
"""Minimum difference of a voice's similarity to its own speaker and to any other, and from which time alone it counts.
On an hour of four voices, two of them alike, 40 of 51 segments have the right number of speakers without it, 34 of 36
with it."""


class OnnxDiarization(Backend[SpeechFacts]):
    """Speakers' turns in detected speech, including overlaps, with labels that are consistent within a recording."""

    kind: Literal["onnx_diarization"] = "onnx_diarization"
    step_ms: int = Field(default=10_000, ge=500, le=10_000, multiple_of=HOP_MS)
    """Step between windows of 10 s. Shorter steps take longer and miss less."""
    max_distance: float = Field(default=0.45, gt=0.0, lt=1.0)
    """Maximum mean cosine distance of two voices of one speaker; higher values give fewer speakers."""
    min_voice_ms: int = Field(default=1_000, ge=0)
    """Minimum time alone in a window for a voice to take part in clustering."""
    min_speaker_ms: int = Field(default=800, ge=0)
    """Minimum total time alone of a speaker."""
    max_gap_ms: int = Field(default=500, ge=0)
    """Maximum pause within a turn."""

    branch: ClassVar[Branch] = Branch.SPEECH
    takes_recordings: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("onnxruntime",)
    remedy: ClassVar[str] = "pip install onnxruntime"
    carries: ClassVar[tuple[str, ...]] = (f"speech/weights/{SEGMENTATION_FILE}", f"speech/weights/{EMBEDDING_FILE}")
    licence: ClassVar[str] = "MIT AND Apache-2.0"

    @property
    def model(self) -> str:
        return "segmentation-3.0+campplus-zh-en"

    @property
    def revision(self) -> str:
        return f"{SEGMENTATION_SHA256[:8]}{EMBEDDING_SHA256[:8]}-6"

    def load(self) -> RecordingAnnotator[SpeechFacts]:
        self.check_available()
        segmentation = open_session(carried_weights(SEGMENTATION_FILE, "speech"), SEGMENTATION_SHA256)
        embedding = open_session(carried_weights(EMBEDDING_FILE, "speech"), EMBEDDING_SHA256)
        return OnnxDiarizer(VoiceModels(segmentation, embedding), self)


class Diarized(NamedTuple):
    """The result for a recording: its turns, the windows on which they are based, both in order, and the voices of its
    speakers, (speakers, size)."""

    turns: tuple[SpeakerSpan, ...]
    windows: Sequence[WindowVoices]
    centres: NDArray[np.float64]


class OnnxDiarizer:
    """The annotator of `OnnxDiarization`."""

    def __init__(self, models: VoiceModels, backend: OnnxDiarization) -> None:
        self._models = models
        self._max_gap_ms = backend.max_gap_ms
        self._step_frames = backend.step_ms // HOP_MS
        fragment_ms = _FRAGMENT_MS * WINDOW_FRAMES // self._step_frames
        self._clustering = Clustering(backend.max_distance, backend.min_voice_ms, backend.min_speaker_ms, fragment_ms)

    def annotate(self, clips: Sequence[Clip]) -> Sequence[SpeechFacts]:
        """Each clip separately: labels are only consistent within their segment."""
        return [self._of_clip(clip) for clip in clips]

    def annotate_recording(self, waveform: Waveform, segments: Sequence[Segment]) -> Sequence[SpeechFacts]:
        diarized = self.diarize(waveform, speech_regions(segments))
        return [SpeechFacts(speakers=_speakers(segment, diarized, "recording")) for segment in segments]

    def _of_clip(self, clip: Clip) -> SpeechFacts:
        start_ms = clip.segment.start_ms
        diarized = self.diarize(InMemory(clip.samples), [TimeSpan(0, clip.segment.span.duration_ms)])
        turns = tuple(SpeakerSpan(speaker, span.shift(start_ms)) for speaker, span in diarized.turns)
        windows = [replace(window, first_frame=window.first_frame + start_ms // HOP_MS) for window in diarized.windows]
        return SpeechFacts(speakers=_speakers(clip.segment, Diarized(turns, windows, diarized.centres), "segment"))

    def diarize(self, waveform: Waveform, regions: Sequence[TimeSpan]) -> Diarized:
        """The turns of a recording, in its own time, in order, under labels S1, S2, ... as they first speak."""
        found = [self._windows(waveform, region) for region in regions]
        centres = speaker_centres([window for part in found for window in part], self._clustering)
        windows = [[reunited(window, centres) for window in part] for part in found]
        turns = [
            SpeakerSpan(speaker, span.intersection(region))
            for region, part in zip(regions, windows, strict=True)
            for speaker, span in turns_of(part, centres)
        ]
        named = in_order_of_appearance([turn for turn in turns if turn.span.duration_ms > 0], self._max_gap_ms)
        return Diarized(named, [window for part in windows for window in part], centres)

    def _windows(self, waveform: Waveform, region: TimeSpan) -> list[WindowVoices]:
        """Windows over `region`; they extend beyond a region that is shorter than a window."""
        total = waveform.num_samples // _FRAME_SAMPLES
        return [
            self._models.analyse(waveform.read(first * _FRAME_SAMPLES, (first + WINDOW_FRAMES) * _FRAME_SAMPLES), first)
            for first in window_starts(region.start_ms // HOP_MS, -(-region.end_ms // HOP_MS), total, self._step_frames)
        ]


def _speakers(segment: Segment, diarized: Diarized, scope: Literal["recording", "segment"]) -> Speakers:
    speakers = speakers_in(segment, diarized.turns, scope)
    first, last = segment.start_ms // HOP_MS, -(-segment.end_ms // HOP_MS)
    near = [window for window in diarized.windows if first - WINDOW_FRAMES < window.first_frame < last]
    doubt = doubt_in(near, first, last)
    sure = (
        _speak_enough(segment, speakers)
        and voices_at_once(near, first, last, _MIN_LOCAL_MS) == speakers.count
        and doubt <= (_MAX_DOUBT_OF_ONE if speakers.count == 1 else _MAX_DOUBT)
        and voice_margin(near, diarized.centres, first, last, _MIN_MARGIN_MS) >= _MIN_MARGIN
    )
    return speakers.model_copy(update={"sure": sure, "doubt": round(doubt, 3)})


def _speak_enough(segment: Segment, speakers: Speakers) -> bool:
    """Whether each of `speakers` speaks long enough to be one, and together they cover the speech of `segment`."""
    spoken: dict[str, int] = {}
    for turn in speakers.turns:
        spoken[turn.speaker] = spoken.get(turn.speaker, 0) + turn.end_ms - turn.start_ms
    if not spoken or min(spoken.values()) < _MIN_SURE_MS:
        return False
    turns = [TimeSpan(turn.start_ms, turn.end_ms) for turn in speakers.turns]
    stretches = speech_stretches(segment)
    covered = covered_ms([turn.intersection(stretch) for turn in turns for stretch in stretches])
    return covered >= _MIN_COVERED * covered_ms(stretches)


def speech_regions(segments: Sequence[Segment]) -> tuple[TimeSpan, ...]:
    """The regions to process, in order: detected speech with a margin, and pauses of up to _JOIN_MS inside it."""
    regions: list[TimeSpan] = []
    for span in union_spans(span for segment in segments for span in speech_stretches(segment)):
        wide = TimeSpan(max(0, span.start_ms - _MARGIN_MS), span.end_ms + _MARGIN_MS)
        if regions and span.start_ms - regions[-1].end_ms <= _JOIN_MS:
            regions[-1] = TimeSpan(regions[-1].start_ms, wide.end_ms)
        else:
            regions.append(wide)
    return tuple(regions)


def window_starts(first: int, last: int, total: int, step: int) -> Iterator[int]:
    """First frames of windows that cover frames [first, last) of a recording of `total` frames."""
    last = min(last, total)
    first = max(0, min(first, last))
    if last - first <= WINDOW_FRAMES:
        yield max(0, min((first + last - WINDOW_FRAMES) // 2, total - WINDOW_FRAMES))
        return
    yield from range(first, last - WINDOW_FRAMES, step)
    yield last - WINDOW_FRAMES
