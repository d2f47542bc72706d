"""Times real time of each speech backend, one core, next to the bare library call in the same run.

Counted in processor time, which a machine that does other work as well changes little; the three ways take turns for
`--rounds`, and the least of each counts.

`python -m benchmarks.speech [--clips 40] [--weights KIND=FOLDER ...] [BACKEND ...]`: clips of 5 to 25 s cut from the
sample recordings of speech, with what PocketSphinx heard as their text. Backends that cannot load here are named and
left out; those whose weights are not in a package need `--weights`.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
import soxr

from benchmarks.speech_bare import (
    BareCall,
    bare_ctc,
    bare_dnsmos,
    bare_pocketsphinx,
    bare_pocketsphinx_alignment,
    bare_pyannote,
    bare_sherpa,
    bare_text_language,
    bare_transformers,
    bare_whisper,
)
from soundseam.annotators.base import Backend, BackendUnavailableError, Clip, Samples
from soundseam.annotators.speech.agreement import TranscriptAgreement
from soundseam.annotators.speech.ctc_alignment import CtcAlignment
from soundseam.annotators.speech.diarization import PyannoteDiarization
from soundseam.annotators.speech.dnsmos import DnsmosScores
from soundseam.annotators.speech.faster_whisper import FasterWhisper
from soundseam.annotators.speech.onnx_diarization import OnnxDiarization
from soundseam.annotators.speech.pocketsphinx import Pocketsphinx
from soundseam.annotators.speech.pocketsphinx_alignment import PocketsphinxAlignment
from soundseam.annotators.speech.quality import SpeechQualityMeasures
from soundseam.annotators.speech.sherpa_onnx import SherpaOnnx
from soundseam.annotators.speech.text_language import TextLanguage
from soundseam.annotators.speech.transformers_asr import TransformersAsr
from soundseam.annotators.speech.voice import VoiceMeasures
from soundseam.pipeline.stages.annotate import annotate_clips, annotation_row
from soundseam.schemas.event import Branch, Event, EventClass
from soundseam.schemas.recording import Rejected
from soundseam.schemas.segment import Boundary, Segment
from soundseam.schemas.speech import SpeechFacts

RECORDINGS = Path(__file__).parents[1] / "samples" / "recordings"
SPEECH = ("speech-phone-menu.flac", "speech-congratulations.opus")
_EDGE = Boundary(reason="recording_edge", cost=0.0, before=None, after=None, gap_ms=0, forced=False)


@dataclass(frozen=True)
class Candidate:
    """A backend, and how to open the bare call behind it; None for what is measured by no library."""

    backend: Backend[SpeechFacts]
    open_bare: Callable[[], BareCall] | None = None


@dataclass
class Seconds:
    """Processor time for all clips, the least of all rounds."""

    bare: float | None = None
    one: float = float("inf")
    batched: float = float("inf")

    @property
    def extra(self) -> float:
        """What the backend takes beside the bare call, the better way of the two."""
        return min(self.one, self.batched) - (self.bare or 0.0)


def make_clips(count: int, rate_hz: int = 16_000) -> list[Clip]:
    """`count` clips, the same each time: all of each is called speech."""
    sources = [_read(name, rate_hz) for name in SPEECH]
    draw = np.random.default_rng(0)
    return [_clip(index, sources[index % len(sources)], draw, rate_hz) for index in range(count)]


def with_texts(clips: Sequence[Clip]) -> list[Clip]:
    """`clips` with the rows of a recogniser, for those who work from them."""
    backend = Pocketsphinx()
    heard = annotate_clips(backend.load(), clips)
    rows = [annotation_row(backend, "", clip.segment, answer) for clip, answer in zip(clips, heard, strict=True)]
    return [
        replace(clip, annotations=() if isinstance(row, Rejected) else (row,))
        for clip, row in zip(clips, rows, strict=True)
    ]


def measure(candidate: Candidate, clips: Sequence[Clip], batch_size: int, rounds: int) -> Seconds:
    """The bare call, clip by clip and in batches by turns, with models loaded and warm."""
    annotator = candidate.backend.load()
    bare = candidate.open_bare() if candidate.open_bare else None
    annotator.annotate(clips[:1])
    if bare:
        bare(clips[:1])
    batches = [clips[start : start + batch_size] for start in range(0, len(clips), batch_size)]
    seconds = Seconds()
    for _ in range(rounds):
        if bare:
            seconds.bare = min(seconds.bare or float("inf"), _timed(lambda: bare(clips)))
        seconds.one = min(seconds.one, _timed(lambda: [annotator.annotate([clip]) for clip in clips]))
        seconds.batched = min(seconds.batched, _timed(lambda: [annotator.annotate(batch) for batch in batches]))
    return seconds


def _timed(run: Callable[[], object]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started


def main() -> int:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backends", nargs="*", help="kinds to run; all where none is named")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--weights", action="append", default=[], metavar="KIND=FOLDER")
    options = parser.parse_args()
    clips = with_texts(make_clips(options.clips))
    audio_s = sum(clip.segment.span.duration_ms for clip in clips) / 1000
    print(f"{audio_s:.0f} s of speech; times real time")
    print(f"{'backend':<24}{'bare':>10}{'batch 1':>10}{f'batch {options.batch}':>10}{'overhead':>10}")
    total = Seconds(0.0, 0.0, 0.0)
    for candidate in candidates(dict(one.split("=", 1) for one in options.weights), options.batch):
        kind = candidate.backend.kind
        if options.backends and kind not in options.backends:
            continue
        try:
            seconds = measure(candidate, clips, options.batch, options.rounds)
        except BackendUnavailableError as error:
            print(f"{kind:<24}{error}")
            continue
        print(f"{kind:<24}{_line(seconds, audio_s)}", flush=True)
        if seconds.bare is not None:
            _add(seconds, total)
    print(f"{'all with a bare call':<24}{_line(total, audio_s)}")
    return 0


def candidates(weights: dict[str, str], batch_size: int) -> list[Candidate]:
    found = [
        Candidate(Pocketsphinx(), bare_pocketsphinx),
        Candidate(PocketsphinxAlignment(), bare_pocketsphinx_alignment),
        Candidate(TextLanguage(), bare_text_language),
        Candidate(DnsmosScores(), bare_dnsmos),
        Candidate(TranscriptAgreement()),
        Candidate(OnnxDiarization()),
        Candidate(VoiceMeasures()),
        Candidate(SpeechQualityMeasures()),
    ]
    if folder := weights.get("faster_whisper"):
        whisper = FasterWhisper(weights=folder, device="cpu")
        found.append(Candidate(whisper, lambda: bare_whisper(whisper, batch_size)))
    if folder := weights.get("sherpa_onnx"):
        sherpa = SherpaOnnx(weights=folder)
        found.append(Candidate(sherpa, lambda: bare_sherpa(sherpa)))
    if folder := weights.get("transformers_asr"):
        recogniser = TransformersAsr(weights=folder, device="cpu")
        found.append(Candidate(recogniser, lambda: bare_transformers(recogniser)))
    if folder := weights.get("ctc_alignment"):
        aligner = CtcAlignment(weights=folder, device="cpu")
        found.append(Candidate(aligner, lambda: bare_ctc(aligner)))
    if folder := weights.get("pyannote_diarization"):
        diarization = PyannoteDiarization(weights=folder, device="cpu")
        found.append(Candidate(diarization, lambda: bare_pyannote(diarization)))
    return found


def _line(seconds: Seconds, audio_s: float) -> str:
    bare = f"{audio_s / seconds.bare:10.1f}" if seconds.bare else f"{'-':>10}"
    extra = f"{100 * seconds.extra / seconds.bare:9.1f}%" if seconds.bare else f"{'-':>10}"
    return f"{bare}{audio_s / seconds.one:10.1f}{audio_s / seconds.batched:10.1f}{extra}"


def _add(seconds: Seconds, total: Seconds) -> None:
    total.bare = (total.bare or 0.0) + (seconds.bare or 0.0)
    total.one += seconds.one
    total.batched += seconds.batched


def _read(name: str, rate_hz: int) -> Samples:
    samples, source_hz = soundfile.read(RECORDINGS / name, dtype="float32", always_2d=True)
    resampled: Samples = soxr.resample(samples.mean(axis=1), source_hz, rate_hz).astype(np.float32)
    return resampled


def _clip(index: int, source: Samples, draw: np.random.Generator, rate_hz: int) -> Clip:
    length = int(draw.uniform(5, 25) * rate_hz)
    start = int(draw.uniform(0, max(1, len(source) - length)))
    samples = source[start : start + length]
    end_ms = len(samples) * 1000 // rate_hz
    speech = Event(event_class=EventClass.SPEECH, label="speech", onset_ms=0, offset_ms=end_ms, score=1.0)
    segment = Segment(
        segment_id=f"{index:04d}",
        recording_id="benchmark",
        source_uri="benchmark",
        start_ms=0,
        end_ms=end_ms,
        branches=(Branch.SPEECH,),
        profile=(),
        events=(speech,),
        start_boundary=_EDGE,
        end_boundary=_EDGE,
        license=None,
        language="en",
        metadata=None,
        config_key="",
    )
    return Clip(segment, samples, rate_hz)


if __name__ == "__main__":
    raise SystemExit(main())
