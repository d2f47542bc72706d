"""From one source to its rows of `recordings` and `segments`: decode, detect, cut, route, encode."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from soundseam.annotators.base import DETECTION_RATE_HZ, AnnotationError, Samples, Waveform
from soundseam.annotators.detection.base import Detector
from soundseam.annotators.flac import encode_flac
from soundseam.pipeline.audio.decode import Decoded, DecodeError, decode_recording
from soundseam.pipeline.config import RunConfig
from soundseam.pipeline.cutting.segmentation import SegmentDraft, segment_waveform
from soundseam.pipeline.input.source_file import open_source
from soundseam.pipeline.storage.redact import redact_text
from soundseam.schemas.recording import Recording, Rejected, Source, SourceLine
from soundseam.schemas.segment import Audio, SegmentRow, segment_id_of
from soundseam.schemas.timespan import TimeSpan

SAMPLES_PER_MS = DETECTION_RATE_HZ // 1000


@dataclass(frozen=True)
class WaveformWindow:
    """A part of a waveform, as a waveform."""

    waveform: Waveform
    start: int
    stop: int

    @property
    def num_samples(self) -> int:
        return self.stop - self.start

    def blocks(self, block_samples: int = 30 * DETECTION_RATE_HZ) -> Iterator[Samples]:
        for start in range(self.start, self.stop, block_samples):
            yield self.waveform.read(start, min(start + block_samples, self.stop))

    def read(self, start: int, stop: int) -> Samples:
        return self.waveform.read(self.start + start, self.start + stop)


Row = Recording | SegmentRow | Rejected

UNEXPECTED_ERROR = "unexpected_error"
"""Reason of a row for an unforeseen exception: probably a bug triggered by the recording's bytes."""


def segment_source(
    source: Source,
    detectors: Sequence[Detector],
    config: RunConfig,
    config_key: str,
    on_use: Callable[[], None] = lambda: None,
) -> Iterator[Row]:
    """All rows of one source, its segments in order, one in memory at a time; the recording's row comes last.

    What cannot be decoded or processed gives rows of `rejected` instead; no problem of the file raises, not even an
    unforeseen error. An OSError that is not the file's fault, such as a full temporary folder, does raise, and so do
    errors after the first row. `on_use` is called repeatedly while audio is decoded and read.
    """
    has_rows = False
    try:
        with open_source(source) as file:
            try:
                with decode_recording(file.path, config.decode, on_use) as decoded:
                    file.check()
                    for row in _segment_decoded(source, decoded, detectors, config, config_key):
                        has_rows = True
                        yield row
            except DecodeError:
                file.check()  # results of a file that was changed meanwhile do not belong to the listed bytes
                raise
    except DecodeError as error:
        yield _rejected(source, "decode", error.reason, error.detail)
    except AnnotationError as error:
        yield _rejected(source, "detect", error.reason, error.detail)
    except (OSError, MemoryError):
        raise
    except Exception as error:
        if has_rows:
            raise
        *_, place = traceback.extract_tb(error.__traceback__)
        detail = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
        yield _rejected(source, "decode", UNEXPECTED_ERROR, redact_text(detail))


def _segment_decoded(
    source: Source, decoded: Decoded, detectors: Sequence[Detector], config: RunConfig, config_key: str
) -> Iterator[Row]:
    whole = TimeSpan(0, decoded.duration_ms)
    parts = source.parts(whole)
    intervals = [part.span.intersection(whole) for part in parts]
    # All drafts before the first row, so that an error does not leave half a recording.
    drafts = [
        _segment_interval(decoded.waveform, interval, detectors, config) if interval.duration_ms else ()
        for interval in intervals
    ]
    for shortfall in decoded.shortfalls:
        yield _rejected(source, "decode", shortfall.reason, shortfall.detail, shortfall.span)
    for part, interval, found in zip(parts, intervals, drafts, strict=True):
        if part.is_rest:
            continue
        if not interval.duration_ms:
            start_s, end_s = part.span.start_ms / 1000, whole.end_ms / 1000
            detail = f"requested from {start_s:.3f} s; the recording ends at {end_s:.3f} s"
            yield _rejected(source, "decode", "interval_outside_recording", detail, part.span)
        elif not found:
            detail = f"no sound event in {interval.duration_ms / 1000:.1f} s of audio"
            yield _rejected(source, "detect", "no_events", detail, interval)
    lengths_ms = []
    for part, found in zip(parts, drafts, strict=True):
        for draft in found:
            row = _segment_row(source, decoded, part, draft, config_key)
            lengths_ms.append(row.span.duration_ms)
            yield row
    yield _recording_row(source, decoded, config, config_key, lengths_ms)


def _recording_row(
    source: Source, decoded: Decoded, config: RunConfig, config_key: str, lengths_ms: Sequence[int]
) -> Recording:
    return Recording(
        recording_id=source.recording_id,
        source_uri=source.source_uri,
        manifest_id=source.manifest_id,
        size_bytes=source.size_bytes,
        duration_ms=decoded.duration_ms,
        container=decoded.container,
        codec=decoded.codec,
        sample_rate_hz=decoded.sample_rate_hz,
        channels=decoded.channels,
        license=source.license,
        language=source.language,
        metadata=source.metadata,
        quality=decoded.quality,
        detectors=tuple(detector.use for detector in config.detectors),
        segment_count=len(lengths_ms),
        segment_ms=sum(lengths_ms),
        config_key=config_key,
    )


def _segment_interval(
    waveform: Waveform, interval: TimeSpan, detectors: Sequence[Detector], config: RunConfig
) -> tuple[SegmentDraft, ...]:
    start = min(interval.start_ms * SAMPLES_PER_MS, waveform.num_samples)
    stop = min(interval.end_ms * SAMPLES_PER_MS, waveform.num_samples)
    return segment_waveform(WaveformWindow(waveform, start, stop), detectors, config.segmentation)


def _segment_row(
    source: Source, decoded: Decoded, part: SourceLine, draft: SegmentDraft, config_key: str
) -> SegmentRow:
    offset_ms = part.span.start_ms
    span = draft.span.shift(offset_ms)
    segment_id = segment_id_of(source.recording_id, span)
    samples = decoded.waveform.read(
        span.start_ms * SAMPLES_PER_MS, min(span.end_ms * SAMPLES_PER_MS, decoded.waveform.num_samples)
    )
    return SegmentRow(
        segment_id=segment_id,
        recording_id=source.recording_id,
        source_uri=source.source_uri,
        start_ms=span.start_ms,
        end_ms=span.end_ms,
        branches=draft.branches,
        profile=draft.profile,
        events=tuple(
            event.model_copy(update={"onset_ms": event.onset_ms + offset_ms, "offset_ms": event.offset_ms + offset_ms})
            for event in draft.events
        ),
        start_boundary=draft.start_boundary,
        end_boundary=draft.end_boundary,
        manifest_id=part.manifest_id,
        license=part.license,
        language=part.language,
        metadata=part.metadata,
        config_key=config_key,
        audio=Audio(bytes=encode_flac(samples), path=f"{segment_id}.flac"),
    )


def _rejected(source: Source, stage: str, reason: str, detail: str, span: TimeSpan | None = None) -> Rejected:
    return Rejected(
        recording_id=source.recording_id,
        source_uri=source.source_uri,
        start_ms=span.start_ms if span else None,
        end_ms=span.end_ms if span else None,
        stage=stage,
        reason=reason,
        detail=detail,
    )
