"""What becomes of one source: its rows, its intervals, its audio, its rejects."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from soundseam.annotators.base import AnnotationError, Waveform
from soundseam.annotators.detection.base import Detection, Detector, FrameScores
from soundseam.annotators.flac import decode_flac
from soundseam.pipeline.config import RunConfig, load_config
from soundseam.pipeline.input.sources import recording_id_of
from soundseam.pipeline.stages.segment import Row, segment_source
from soundseam.schemas.event import Event, EventClass
from soundseam.schemas.recording import Recording, Rejected, Source, SourceLine
from soundseam.schemas.segment import SegmentRow
from soundseam.schemas.timespan import TimeSpan
from tests.support.recordings import a_tone, silence, write

HOP_MS = 10


class LoudIsSpeech:
    """A detector that takes every stretch of loud samples for speech."""

    def detect(self, waveform: Waveform) -> Detection:
        samples = np.concatenate([np.zeros(0, np.float32), *waveform.blocks()])
        frames = np.abs(samples[: len(samples) // 160 * 160]).reshape(-1, 160).max(axis=1) > 0.01
        edges = np.flatnonzero(np.diff(np.concatenate(([0], frames.astype(int), [0]))))
        events = tuple(
            Event(
                event_class=EventClass.SPEECH,
                label="speech",
                onset_ms=int(on) * HOP_MS,
                offset_ms=int(off) * HOP_MS,
                score=1.0,
            )
            for on, off in zip(edges[::2], edges[1::2], strict=True)
        )
        scores = FrameScores(HOP_MS, (EventClass.SPEECH,), frames.astype(np.float16)[:, np.newaxis])
        return Detection(events, scores)


class CannotJudge:
    """A detector that gives every recording up."""

    def detect(self, waveform: Waveform) -> Detection:
        raise AnnotationError("too_odd", f"{waveform.num_samples} samples of something else")


class Mistaken:
    """A detector with a mistake in it."""

    def detect(self, waveform: Waveform) -> Detection:
        raise IndexError("index 5 is out of bounds")


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return load_config("embedded")


def rows_of(path: Path, config: RunConfig, *intervals: TimeSpan, detector: Detector | None = None) -> list[Row]:
    source = Source(
        uri=str(path),
        source_uri=path.name,
        recording_id=recording_id_of(str(path)) if path.exists() else "0" * 32,
        size_bytes=1,
        license="CC0-1.0",
        intervals=intervals,
    )
    return list(segment_source(source, [detector or LoudIsSpeech()], config, "key"))


def two_tones(folder: Path) -> Path:
    """Silence to 5 s, a tone to 8 s, silence to 20 s, a tone to 22 s, silence to 30 s."""
    sound = np.concatenate([silence(5), a_tone(3), silence(12), a_tone(2), silence(8)], axis=1)
    return write(folder / "tones.flac", sound)


def test_segments_come_in_order_and_the_recording_counts_them(tmp_path: Path, config: RunConfig) -> None:
    *segments, recording = rows_of(two_tones(tmp_path), config)
    assert isinstance(recording, Recording)
    assert all(isinstance(row, SegmentRow) for row in segments)
    assert [row.start_ms for row in segments] == sorted(row.start_ms for row in segments)
    assert recording.segment_count == len(segments) == 2
    assert recording.segment_ms == sum(row.end_ms - row.start_ms for row in segments)
    assert recording.license == segments[0].license == "CC0-1.0"


def test_a_segment_carries_exactly_the_audio_of_its_interval(tmp_path: Path, config: RunConfig) -> None:
    segment = rows_of(two_tones(tmp_path), config)[0]
    assert isinstance(segment, SegmentRow)
    samples = decode_flac(segment.audio.bytes)
    assert len(samples) == (segment.end_ms - segment.start_ms) * 16
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    assert abs(loud[0] / 16 + segment.start_ms - 5000) < 2
    assert abs(loud[-1] / 16 + segment.start_ms - 8000) < 2


def test_an_interval_is_cut_alone_and_keeps_the_time_of_its_recording(tmp_path: Path, config: RunConfig) -> None:
    *segments, recording = rows_of(two_tones(tmp_path), config, TimeSpan(18_000, 25_000))
    assert isinstance(recording, Recording)
    assert recording.duration_ms == 30_000
    (segment,) = segments
    assert isinstance(segment, SegmentRow)
    assert 18_000 <= segment.start_ms < 20_000
    assert 22_000 <= segment.end_ms <= 25_000
    (event,) = segment.events
    assert abs(event.onset_ms - 20_000) <= HOP_MS


def test_each_block_that_is_decoded_or_read_is_a_sign_of_life(tmp_path: Path, config: RunConfig) -> None:
    signs: list[str] = []

    class Counting(LoudIsSpeech):
        def detect(self, waveform: Waveform) -> Detection:
            signs.append("decoded")
            return super().detect(waveform)

    path = two_tones(tmp_path)
    source = Source(
        uri=str(path),
        source_uri=path.name,
        recording_id=recording_id_of(path.as_uri()),
        size_bytes=path.stat().st_size,
    )
    list(segment_source(source, [Counting()], config, "key", lambda: signs.append("used")))
    decoded = signs.index("decoded")
    assert decoded >= 30 / 4
    assert "used" in signs[decoded:]


def test_no_segment_bears_another_lines_columns_or_reaches_over_two(tmp_path: Path, config: RunConfig) -> None:
    path = two_tones(tmp_path)
    cuts = (0, 6000, 7000, 21_000, 40_000)
    lines = tuple(
        SourceLine(
            span=TimeSpan(start, end),
            manifest_id=f"u{start}",
            license=f"L{start}",
            language=None if start else "de",
            metadata=f'{{"from": {start}}}',
            is_rest=end == cuts[-1],
        )
        for start, end in pairwise(cuts)
    )
    source = Source(
        uri=str(path),
        source_uri=path.name,
        recording_id=recording_id_of(path.as_uri()),
        size_bytes=path.stat().st_size,
        license="CC0-1.0",
        intervals=tuple(line.span for line in lines),
        lines=lines,
    )
    *segments, recording = segment_source(source, [LoudIsSpeech()], config, "key")
    assert isinstance(recording, Recording)
    assert (recording.license, recording.manifest_id) == ("CC0-1.0", None)
    assert len(segments) >= 4
    for row in segments:
        assert isinstance(row, SegmentRow)
        (line,) = (line for line in lines if line.span.overlap_ms(row.span))
        assert line.span.start_ms <= row.start_ms < row.end_ms <= line.span.end_ms
        assert (row.manifest_id, row.license, row.language, row.metadata) == line.said


def test_an_interval_outside_the_recording_is_rejected_and_the_other_one_done(
    tmp_path: Path, config: RunConfig
) -> None:
    rejected, segment, _ = rows_of(two_tones(tmp_path), config, TimeSpan(0, 10_000), TimeSpan(40_000, 50_000))
    assert isinstance(rejected, Rejected)
    assert (rejected.reason, rejected.start_ms, rejected.end_ms) == ("interval_outside_recording", 40_000, 50_000)
    assert isinstance(segment, SegmentRow)


def test_a_silent_recording_is_a_recording_without_segments_and_says_why(tmp_path: Path, config: RunConfig) -> None:
    rejected, recording = rows_of(write(tmp_path / "still.wav", silence(3)), config)
    assert isinstance(rejected, Rejected)
    assert (rejected.stage, rejected.reason) == ("detect", "no_events")
    assert isinstance(recording, Recording)
    assert recording.segment_count == 0
    assert recording.quality.level_dbfs is None


def test_a_file_that_went_after_it_was_listed_is_rejected(tmp_path: Path, config: RunConfig) -> None:
    (rejected,) = rows_of(tmp_path / "gone.wav", config)
    assert isinstance(rejected, Rejected)
    assert (rejected.stage, rejected.reason) == ("decode", "missing_file")


def test_what_a_detector_cannot_judge_is_rejected_whole(tmp_path: Path, config: RunConfig) -> None:
    (rejected,) = rows_of(two_tones(tmp_path), config, detector=CannotJudge())
    assert isinstance(rejected, Rejected)
    assert (rejected.stage, rejected.reason) == ("detect", "too_odd")
    assert "480000 samples" in rejected.detail


def test_a_mistake_that_one_recording_meets_rejects_it_by_name(tmp_path: Path, config: RunConfig) -> None:
    path = write(tmp_path / "x.wav", a_tone(2.0))
    (row,) = rows_of(path, config, detector=Mistaken())
    assert isinstance(row, Rejected)
    assert row.source_uri.endswith("x.wav")
    assert row.reason == "unexpected_error"
    assert row.detail.startswith("IndexError: index 5 is out of bounds (test_segment.py:")
