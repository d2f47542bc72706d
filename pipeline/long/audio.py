"""The audio of windows, chunk by chunk: from the source itself or, if that is gone, from the segments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from soundseam.annotators.base import DETECTION_RATE_HZ, Samples
from soundseam.annotators.flac import decode_flac, to_pcm16
from soundseam.pipeline.audio.intervals import read_intervals
from soundseam.pipeline.audio.stream import DecodeError
from soundseam.pipeline.input.source_file import open_source
from soundseam.pipeline.storage.corpus import Corpus, flac_in
from soundseam.schemas.long import Window
from soundseam.schemas.recording import Recording, Source
from soundseam.schemas.tables import Table
from soundseam.schemas.timespan import TimeSpan

CHUNK_MS = 30_000
_PER_MS = DETECTION_RATE_HZ // 1000


class AudioOrigin(StrEnum):
    """Where the audio of a window came from."""

    SOURCE = "source"
    SEGMENTS = "segments"
    """The source is gone or changed: the segments' own audio, with silence in the gaps between them."""


@dataclass(frozen=True)
class Chunk:
    """A part of a window's audio, 16 kHz mono, with the values of 16-bit PCM."""

    window_id: str
    origin: AudioOrigin
    samples: Samples


def window_audio(corpus: Corpus, recording: Recording, windows: Sequence[Window]) -> Iterator[Chunk]:
    """The audio of a recording's windows (in order, disjoint), one after another, in chunks of at most 30 s.

    The source is read once from its beginning, and checked to have the bytes that were listed. It never takes more
    memory than a chunk and a segment. A second extraction gives equal samples.
    """
    chunks = _from_source(recording, windows)
    try:
        first = next(chunks, None)
    except DecodeError:
        for window in windows:
            yield from _from_segments(corpus, window)
        return
    if first is not None:
        yield first
        yield from chunks


def _from_source(recording: Recording, windows: Sequence[Window]) -> Iterator[Chunk]:
    """Raises DecodeError for a source that is gone or changed."""
    source = Source(
        uri=recording.source_uri,
        source_uri=recording.source_uri,
        recording_id=recording.recording_id,
        size_bytes=recording.size_bytes,
    )
    spans = [(index, span) for index, window in enumerate(windows) for span in _parts(window)]
    with open_source(source) as file:
        every = [span for _, span in spans]
        read = read_intervals(file.path, every, DETECTION_RATE_HZ, mono=True, downmix=recording.quality.downmix)
        for (index, _), samples in zip(spans, read, strict=True):
            yield Chunk(windows[index].window_id, AudioOrigin.SOURCE, _as_stored(samples))


def _parts(window: Window) -> list[TimeSpan]:
    """The window in chunks."""
    starts = range(window.start_ms, window.end_ms, CHUNK_MS)
    return [TimeSpan(start, min(start + CHUNK_MS, window.end_ms)) for start in starts]


def _as_stored(samples: Samples) -> Samples:
    """`samples` as segments have them: rounded to 16 bits."""
    return to_pcm16(samples).astype(np.float32) / np.float32(32768)


def _from_segments(corpus: Corpus, window: Window) -> Iterator[Chunk]:
    at_ms = window.start_ms
    for name in window.segment_ids:
        row = next(iter(corpus.rows_about(Table.SEGMENTS, {name})))
        start_ms = int(str(row["start_ms"]))
        while at_ms < start_ms:
            silence_ms = min(CHUNK_MS, start_ms - at_ms)
            yield Chunk(window.window_id, AudioOrigin.SEGMENTS, np.zeros(silence_ms * _PER_MS, np.float32))
            at_ms += silence_ms
        yield Chunk(window.window_id, AudioOrigin.SEGMENTS, decode_flac(flac_in(row)))
        at_ms = int(str(row["end_ms"]))
