"""Measures `soundseam long`: windows per second and bytes, and how time and memory grow with a recording's length.

`python -m benchmarks.long` builds the tables of a synthetic recording of each length in a process of its own, and
extracts the audio of all windows from a source of that length, chunk by chunk. A line has processor time, the size of
the two tables, and the memory at the start, after the build and after the audio.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from soundseam.annotators.flac import encode_flac
from soundseam.pipeline.input.sources import recording_id_of
from soundseam.pipeline.long.audio import window_audio
from soundseam.pipeline.long.build import LongShardBuilder
from soundseam.pipeline.long.config import LongConfig
from soundseam.pipeline.long.launch import prepare_long, read_windows
from soundseam.pipeline.sft.read import Marks
from soundseam.pipeline.stages.context import StageContext
from soundseam.pipeline.storage.commits import Commit, new_commit, prepare_output, prepare_table, shard_of
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.work import SEGMENTS_STAGE
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.event import Branch, Event, EventClass
from soundseam.schemas.recording import ChannelRelation, Downmix, Quality, Recording
from soundseam.schemas.segment import Audio, Boundary, SegmentRow, segment_id_of
from soundseam.schemas.speech import Speakers, SpeechFacts, Turn
from soundseam.schemas.tables import LongTable, Table
from soundseam.schemas.timespan import TimeSpan

RATE_HZ = 16_000
SEGMENT_MS = 12_000
EDGE = Boundary(reason="gap", cost=0.0, before=None, after=None, gap_ms=500, forced=False)
KINDS = ((EventClass.SPEECH, "speech"), (EventClass.MUSIC, "music"), (EventClass.OBJECT, "Bell"))


def write_source(path: Path, hours: float) -> None:
    """Noise that differs from minute to minute."""
    noise = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", RATE_HZ, 1, "PCM_16") as file:
        for _ in range(round(60 * hours)):
            file.write(noise.integers(-3_000, 3_000, 60 * RATE_HZ, dtype=np.int16))


def commit_recording(output: str, source: Path, hours: float) -> None:
    """Segments of 12 s with half a second between them, some minutes of speech, music and bells by turns."""
    name, duration_ms = recording_id_of(str(source)), round(3_600_000 * hours)
    shard, covers = shard_of(name, prepare_output(output)), ((name, "1"),)
    flac = encode_flac(np.zeros(16, np.float32))
    spans = [TimeSpan(start, start + SEGMENT_MS) for start in range(0, duration_ms - SEGMENT_MS, SEGMENT_MS + 500)]
    with new_commit(output, Commit(stage=SEGMENTS_STAGE, shard=shard, covers=covers, files=())) as writer:
        writer.append(Table.RECORDINGS, _recording(name, source, duration_ms, len(spans)))
        for index, span in enumerate(spans):
            writer.append(Table.SEGMENTS, _segment(name, span, KINDS[index // 15 % len(KINDS)], flac), len(flac))
    stage = "annotations/speech/onnx_diarization"
    with new_commit(output, Commit(stage=stage, shard=shard, covers=covers, files=())) as writer:
        for index, span in enumerate(spans):
            if index // 15 % len(KINDS) == 0:
                writer.append(Table.SPEECH, _turns(name, span, f"S{index // 45 % 5}"))


def _recording(name: str, source: Path, duration_ms: int, count: int) -> Recording:
    quality = Quality(
        level_dbfs=-20.0,
        peak_dbfs=-10.0,
        clipping_share=0.0,
        bandwidth_hz=8_000,
        channel_relation=ChannelRelation.MONO,
        downmix=Downmix.NONE,
    )
    return Recording(
        recording_id=name,
        source_uri=str(source),
        manifest_id=None,
        size_bytes=source.stat().st_size,
        duration_ms=duration_ms,
        container="wav",
        codec="pcm_s16le",
        sample_rate_hz=RATE_HZ,
        channels=1,
        license=None,
        language=None,
        metadata=None,
        quality=quality,
        detectors=(),
        segment_count=count,
        segment_ms=count * SEGMENT_MS,
        config_key="1",
    )


def _segment(name: str, span: TimeSpan, kind: tuple[EventClass, str], flac: bytes) -> SegmentRow:
    event = Event(event_class=kind[0], label=kind[1], onset_ms=span.start_ms, offset_ms=span.end_ms, score=0.95)
    return SegmentRow(
        segment_id=segment_id_of(name, span),
        recording_id=name,
        source_uri="",
        start_ms=span.start_ms,
        end_ms=span.end_ms,
        branches=(Branch.GENERAL,),
        profile=(),
        events=(event,),
        start_boundary=EDGE,
        end_boundary=EDGE,
        license=None,
        language=None,
        metadata=None,
        config_key="1",
        audio=Audio(bytes=flac, path="x.flac"),
    )


def _turns(name: str, span: TimeSpan, speaker: str) -> SpeechAnnotation:
    turn = Turn(speaker=speaker, start_ms=span.start_ms, end_ms=span.end_ms, overlapped=False)
    speakers = Speakers(turns=(turn,), count=1, overlap_ms=0, scope="recording", sure=True)
    facts = SpeechFacts(speakers=speakers)
    return SpeechAnnotation(
        segment_id=segment_id_of(name, span),
        recording_id=name,
        branch=Branch.SPEECH,
        backend="onnx_diarization",
        model="none",
        revision="1",
        config_key="1",
        **{field: getattr(facts, field) for field in SpeechFacts.model_fields},
    )


def measure(output: str, hours: float) -> None:
    """Builds and extracts, and prints one line."""
    # Everything is loaded before, so that only the work counts.
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    job = prepare_long(output, LongConfig(), Marks())
    for table in LongTable:
        prepare_table(output, table)
    started = time.process_time()
    builder = LongShardBuilder(job.made_with, StageContext(output))
    for work in job.plan.tasks:
        for _ in builder.build(work):
            pass
    build_s = time.process_time() - started
    built_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    windows = sorted(read_windows(output), key=lambda window: window.start_ms)
    size = sum(path.stat().st_size for table in LongTable for path in Path(output, table).glob("*.parquet"))
    corpus = Corpus.load_present(output, [SEGMENTS_STAGE])
    recording = next(corpus.recordings())
    started = time.process_time()
    samples = sum(len(chunk.samples) for chunk in window_audio(corpus, recording, windows))
    audio_s = time.process_time() - started
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    columns = (
        f"{hours:.2f} h",
        f"{len(windows)} windows",
        f"{build_s:.2f} s",
        f"{len(windows) / build_s:.0f} windows/s",
        f"{size / 1000:.0f} kB",
        f"audio {samples / RATE_HZ / audio_s:.0f} x real time",
        f"MiB {before_kib // 1024}, {built_kib // 1024}, {peak_kib // 1024}",
    )
    print(" | ".join(columns), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long", description=__doc__)
    parser.add_argument("--hours", type=float, nargs="+", default=[0.17, 1.0, 10.0])
    for hours in parser.parse_args().hours:
        with tempfile.TemporaryDirectory() as folder:
            source, output = Path(folder, "source.wav"), str(Path(folder, "out"))
            write_source(source, hours)
            commit_recording(output, source, hours)
            process = multiprocessing.get_context("spawn").Process(target=measure, args=(output, hours))
            process.start()
            process.join()


if __name__ == "__main__":
    main()
