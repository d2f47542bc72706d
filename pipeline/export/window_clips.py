"""The audio of samples about windows: extracted window by window, in one pass over each recording."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter

import soundfile

from soundseam.annotators.flac import to_pcm16
from soundseam.pipeline.export.base import SAMPLE_RATE_HZ, Clip, checked_name
from soundseam.pipeline.long.audio import Chunk, window_audio
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.work import SEGMENTS_STAGE
from soundseam.schemas.long import Window
from soundseam.schemas.sample import Sample
from soundseam.schemas.tables import LongTable

Used = tuple[Sample, int]
"""A sample and the number of its uses."""


def is_about_window(sample: Sample) -> bool:
    """Whether its audio is a stretch of the recording with several segments, instead of the segments themselves."""
    return any(name not in sample.segment_ids for name in sample.audio_ids)


def with_window_audio(output: str, shard: int, used: Sequence[Used]) -> Iterator[tuple[Sample, int, Clip | None]]:
    """Samples with their uses and their audio, window by window; None if the window no longer exists.

    One window's audio, as FLAC, is in memory at a time.
    """
    if not used:
        return
    by_window: dict[str, list[Used]] = {}
    for pair in used:
        by_window.setdefault(pair[0].audio_ids[0], []).append(pair)
    corpus = Corpus.load(output, [SEGMENTS_STAGE, *LongTable], shard)
    wanted = dict.fromkeys({sample.recording_id for sample, _ in used}, "")
    recordings = {recording.recording_id: recording for recording in corpus.recordings(wanted)}
    rows = corpus.rows(LongTable.WINDOWS, None, wanted)
    windows = [window for row in rows if (window := Window.model_validate(row)).window_id in by_window]
    for recording_id, members in groupby(sorted(windows, key=attrgetter("window_id")), key=attrgetter("recording_id")):
        if recording_id in recordings:
            chunks = window_audio(corpus, recordings[recording_id], list(members))
            for name, own in groupby(chunks, key=attrgetter("window_id")):
                clip = _clip(name, own)
                yield from ((sample, copies, clip) for sample, copies in by_window.pop(name))
    for pairs in by_window.values():
        yield from ((sample, copies, None) for sample, copies in pairs)


def _clip(name: str, chunks: Iterator[Chunk]) -> Clip:
    buffer, length = io.BytesIO(), 0
    with soundfile.SoundFile(buffer, "w", SAMPLE_RATE_HZ, 1, "PCM_16", format="FLAC") as file:
        for chunk in chunks:
            file.write(to_pcm16(chunk.samples))
            length += len(chunk.samples)
    return Clip(checked_name(name), buffer.getvalue(), length * 1000 // SAMPLE_RATE_HZ)
