"""Times real time of each speech backend, one core, next to the bare library call in the same run.

Counted in processor time, which a machine that does other work as well changes little.

`python -m benchmarks.speech [--clips 40] [--weights FOLDER_OR_SIZE] [BACKEND ...]`: clips of 5 to 25 s cut from the
sample recordings of speech. Backends that cannot load here are named and left out.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr

from annotators.base import Backend, BackendUnavailableError, Clip, Samples
from annotators.speech.dnsmos import DnsmosAnnotator, DnsmosScores, windows_of
from annotators.speech.faster_whisper import FasterWhisper
from annotators.speech.pocketsphinx import SEARCH, Pocketsphinx, as_pcm
from annotators.speech.quality import SpeechQualityMeasures
from annotators.speech.voice import VoiceMeasures
from schemas.event import Branch, Event, EventClass
from schemas.segment import Boundary, Segment
from schemas.speech import SpeechFacts

RECORDINGS = Path(__file__).parents[1] / "samples" / "recordings"
SPEECH = ("speech-phone-menu.flac", "speech-congratulations.opus")
_EDGE = Boundary(reason="recording_edge", cost=0.0, before=None, after=None, gap_ms=0, forced=False)

BareCall = Callable[[Sequence[Clip]], None]


def make_clips(count: int, rate_hz: int = 16_000) -> list[Clip]:
    """`count` clips, the same each time: all of each is called speech."""
    sources = [_read(name, rate_hz) for name in SPEECH]
    draw = np.random.default_rng(0)
    return [_clip(index, sources[index % len(sources)], draw, rate_hz) for index in range(count)]


def measure(backend: Backend[SpeechFacts], clips: Sequence[Clip], batch_size: int) -> float:
    """Times real time of `backend`, its model loaded and warm."""
    annotator = backend.load()
    annotator.annotate(clips[:1])
    started = time.process_time()
    for start in range(0, len(clips), batch_size):
        annotator.annotate(clips[start : start + batch_size])
    return _audio_s(clips) / (time.process_time() - started)


def measure_bare(bare: BareCall, clips: Sequence[Clip]) -> float:
    bare(clips[:1])
    started = time.process_time()
    bare(clips)
    return _audio_s(clips) / (time.process_time() - started)


def bare_pocketsphinx() -> BareCall:
    from pocketsphinx import Decoder

    decoder = Decoder(loglevel="FATAL", **SEARCH)

    def run(clips: Sequence[Clip]) -> None:
        for clip in clips:
            decoder.start_utt()
            decoder.process_raw(as_pcm(clip.samples).tobytes(), full_utt=True)
            decoder.end_utt()

    return run


def bare_voice() -> BareCall:
    import librosa

    def run(clips: Sequence[Clip]) -> None:
        for clip in clips:
            librosa.yin(clip.samples, fmin=60, fmax=500, sr=16_000, frame_length=1024, hop_length=160)

    return run


def bare_dnsmos() -> BareCall:
    annotator = DnsmosScores().load()
    if not isinstance(annotator, DnsmosAnnotator):
        raise TypeError("DnsmosScores.load() gives a DnsmosAnnotator")

    def run(clips: Sequence[Clip]) -> None:
        for clip in clips:
            for window in windows_of(clip.samples):
                annotator.run_models(window)

    return run


def bare_whisper(backend: FasterWhisper, batch_size: int) -> BareCall:
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    pipeline = BatchedInferencePipeline(
        WhisperModel(backend.weights, device="auto", compute_type="default", cpu_threads=backend.threads)
    )

    def run(clips: Sequence[Clip]) -> None:
        ends = np.cumsum([len(clip.samples) / clip.sample_rate_hz for clip in clips]).tolist()
        spans = [{"start": start, "end": end} for start, end in zip([0.0, *ends], ends, strict=False)]
        segments, _ = pipeline.transcribe(
            np.concatenate([clip.samples for clip in clips]),
            clip_timestamps=spans,
            batch_size=batch_size,
            beam_size=backend.beam_size,
            temperature=0.0,
            word_timestamps=True,
            multilingual=True,
        )
        list(segments)

    return run


def main() -> int:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backends", nargs="*", help="kinds to run; all where none is named")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--weights", help="of faster_whisper, which is left out without them")
    options = parser.parse_args()
    print(f"{'backend':<16}{'bare':>10}{'batch 1':>10}{f'batch {options.batch}':>10}   times real time")
    for backend, bare in _candidates(options.weights, options.batch):
        if options.backends and backend.kind not in options.backends:
            continue
        clips = make_clips(options.clips, backend.sample_rate_hz or 16_000)
        try:
            one, batched = (measure(backend, clips, size) for size in (1, options.batch))
            alone = f"{measure_bare(bare(), clips):10.1f}" if bare else f"{'-':>10}"
        except BackendUnavailableError as error:
            print(f"{backend.kind:<16}{error}")
            continue
        print(f"{backend.kind:<16}{alone}{one:10.1f}{batched:10.1f}")
    return 0


def _candidates(
    weights: str | None, batch_size: int
) -> list[tuple[Backend[SpeechFacts], Callable[[], BareCall] | None]]:
    candidates: list[tuple[Backend[SpeechFacts], Callable[[], BareCall] | None]] = [
        (Pocketsphinx(), bare_pocketsphinx),
        (VoiceMeasures(), bare_voice),
        (SpeechQualityMeasures(), None),
        (DnsmosScores(), bare_dnsmos),
    ]
    if weights:
        whisper = FasterWhisper(weights=weights)
        candidates.append((whisper, lambda: bare_whisper(whisper, batch_size)))
    return candidates


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


def _audio_s(clips: Sequence[Clip]) -> float:
    return sum(clip.segment.span.duration_ms for clip in clips) / 1000


if __name__ == "__main__":
    raise SystemExit(main())
