"""Reads clips for a backend, and turns its answers into rows: the part of annotation that does not need Beam."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter

import numpy as np

from soundseam.annotators.base import (
    DETECTION_RATE_HZ,
    AnnotationError,
    Annotator,
    AnyBackend,
    Clip,
    RecordingAnnotator,
)
from soundseam.annotators.flac import decode_flac
from soundseam.pipeline.audio.decode import DecodeError, decode_recording
from soundseam.pipeline.audio.intervals import read_intervals
from soundseam.pipeline.config import RunConfig
from soundseam.pipeline.input.source_file import open_source
from soundseam.pipeline.plan import annotation_stage, recording_keys
from soundseam.pipeline.storage.commits import Corpus
from soundseam.pipeline.work import SEGMENTS_STAGE, ShardTask
from soundseam.schemas.annotation import ANNOTATION_OF, Annotation, Facts
from soundseam.schemas.recording import Downmix, Recording, Rejected, Source
from soundseam.schemas.segment import Segment
from soundseam.schemas.tables import Table, annotation_table, arrow_schema

SEGMENT_COLUMNS = tuple(arrow_schema(Segment).names)

Answer = Facts | AnnotationError
Lost = Callable[[Segment, AnnotationError], None]


def read_segments(output: str, work: ShardTask, config: RunConfig) -> list[Segment]:
    """The committed segments of `work`'s recordings, without audio, in order of recording and time."""
    corpus = Corpus.load(output, [SEGMENTS_STAGE], work.shard)
    keys = recording_keys(config, SEGMENTS_STAGE, work.sources)
    rows = corpus.rows(SEGMENTS_STAGE, Table.SEGMENTS, keys, SEGMENT_COLUMNS)
    return sorted((Segment.model_validate(row) for row in rows), key=attrgetter("segment_id"))


def read_heard_segments(output: str, work: ShardTask, config: RunConfig) -> Iterator[tuple[Segment, bytes]]:
    """The same with each segment's FLAC file, one in memory at a time, in committed order."""
    corpus = Corpus.load(output, [SEGMENTS_STAGE], work.shard)
    keys = recording_keys(config, SEGMENTS_STAGE, work.sources)
    for row in corpus.rows(SEGMENTS_STAGE, Table.SEGMENTS, keys, [*SEGMENT_COLUMNS, "audio"]):
        flac = _encoded(row.pop("audio"))
        yield Segment.model_validate(row), flac


def read_annotations(
    output: str, work: ShardTask, config: RunConfig, backends: Sequence[AnyBackend]
) -> dict[str, tuple[Annotation, ...]]:
    """segment_id → the committed rows of `backends`, in that order, for `work`'s recordings."""
    stages = [annotation_stage(backend) for backend in backends]
    corpus = Corpus.load(output, stages, work.shard)
    found: dict[str, tuple[Annotation, ...]] = {}
    for stage, backend in zip(stages, backends, strict=True):
        wanted = recording_keys(config, stage, work.sources)
        record = ANNOTATION_OF[backend.branch]
        for row in corpus.rows(stage, annotation_table(backend.branch), wanted):
            annotation = record.model_validate(row)
            found[annotation.segment_id] = (*found.get(annotation.segment_id, ()), annotation)
    return found


def read_clips(output: str, work: ShardTask, config: RunConfig, backend: AnyBackend, lost: Lost) -> Iterator[Clip]:
    """The clips of `backend`'s branch that `work` has left to do, one in memory at a time.

    A backend for 16 kHz mono gets the segment's own audio, as samples or as the FLAC file; one that needs another rate
    or all channels gets the same interval of the source. `lost` is called for each segment whose source cannot be read.
    """
    todo = work.at(annotation_stage(backend))
    if todo is None:
        return
    mine = work.only(todo.recording_ids)
    before = _backends_before(backend, config) if backend.reads_annotations else ()
    annotations = read_annotations(output, mine, config, before) if before else {}
    if backend.sample_rate_hz == DETECTION_RATE_HZ and backend.mono:
        clips = _clips_of_segments(output, mine, config, backend)
    else:
        segments = [segment for segment in read_segments(output, mine, config) if backend.branch in segment.branches]
        if backend.sample_rate_hz is None:
            clips = _clips_without_audio(segments)
        else:
            downmixes = _downmixes(output, mine, config)
            clips = _clips_of_sources(segments, mine.sources, downmixes, backend.sample_rate_hz, backend.mono, lost)
    for clip in clips:
        yield replace(clip, annotations=annotations.get(clip.segment.segment_id, ()))


def batch_by_length(clips: Iterable[Clip], batch_size: int, lookahead: int = 4) -> Iterator[list[Clip]]:
    """`clips` in batches of similar length: only those within `lookahead` batches are sorted, to bound memory."""
    buffer: list[Clip] = []
    for clip in clips:
        buffer.append(clip)
        if len(buffer) == batch_size * lookahead:
            yield from _batches(buffer, batch_size)
            buffer = []
    yield from _batches(buffer, batch_size)


def annotate_clips(annotator: Annotator[Facts], clips: Sequence[Clip]) -> list[Answer]:
    """One answer per clip, in order: if a batch fails, each clip is annotated alone."""
    try:
        answers: list[Answer] = list(annotator.annotate(clips))
    except AnnotationError as error:
        if len(clips) == 1:
            return [error]
        return [answer for clip in clips for answer in annotate_clips(annotator, [clip])]
    if len(answers) != len(clips):
        raise ValueError(f"{type(annotator).__name__} gave {len(answers)} answers for {len(clips)} clips")
    return answers


def read_recordings(
    output: str, work: ShardTask, config: RunConfig, backend: AnyBackend
) -> Iterator[tuple[Source, list[Segment]]]:
    """The recordings that `work` has left to do for a backend with `hears_recordings`, each with its branch's segments.

    A recording without a segment of the branch is skipped.
    """
    todo = work.at(annotation_stage(backend))
    if todo is None:
        return
    mine = work.only(todo.recording_ids)
    by_id = {source.recording_id: source for source in mine.sources}
    for recording_id, group in groupby(read_segments(output, mine, config), key=attrgetter("recording_id")):
        segments = [segment for segment in group if backend.branch in segment.branches]
        if segments:
            yield by_id[recording_id], segments


def annotate_recording(
    annotator: RecordingAnnotator[Facts], source: Source, segments: Sequence[Segment], config: RunConfig
) -> list[Answer]:
    """One answer per segment, from the whole recording; an error is the answer for all of them."""
    try:
        with open_source(source) as file, decode_recording(file.path, config.decode) as decoded:
            file.check()
            answers: list[Answer] = list(annotator.annotate_recording(decoded.waveform, segments))
    except (AnnotationError, DecodeError) as error:
        return [AnnotationError(error.reason, error.detail) for _ in segments]
    if len(answers) != len(segments):
        raise ValueError(f"{type(annotator).__name__} gave {len(answers)} answers for {len(segments)} segments")
    return answers


def annotation_row(backend: AnyBackend, config_key: str, segment: Segment, answer: Answer) -> Annotation | Rejected:
    """The row for `answer`."""
    if isinstance(answer, AnnotationError):
        return Rejected.of_segment(segment, annotation_stage(backend), answer.reason, answer.detail)
    return ANNOTATION_OF[backend.branch](
        segment_id=segment.segment_id,
        recording_id=segment.recording_id,
        branch=backend.branch,
        backend=backend.backend,
        model=backend.model,
        revision=backend.revision,
        config_key=config_key,
        **{name: getattr(answer, name) for name in type(answer).model_fields},
    )


def _backends_before(backend: AnyBackend, config: RunConfig) -> tuple[AnyBackend, ...]:
    backends = config.branches.by_branch()[backend.branch]
    return backends[: [other.backend for other in backends].index(backend.backend)]


def _batches(clips: list[Clip], batch_size: int) -> Iterator[list[Clip]]:
    ordered = sorted(clips, key=lambda clip: (clip.segment.span.duration_ms, clip.segment.segment_id))
    for start in range(0, len(ordered), batch_size):
        yield ordered[start : start + batch_size]


def _clips_without_audio(segments: Sequence[Segment]) -> Iterator[Clip]:
    nothing = np.zeros(0, np.float32)
    return (Clip(segment, nothing, DETECTION_RATE_HZ) for segment in segments)


def _clips_of_segments(output: str, work: ShardTask, config: RunConfig, backend: AnyBackend) -> Iterator[Clip]:
    nothing = np.zeros(0, np.float32)
    for segment, flac in read_heard_segments(output, work, config):
        if backend.branch not in segment.branches:
            continue
        if backend.hears_flac:
            yield Clip(segment, nothing, DETECTION_RATE_HZ, flac=flac)
        else:
            yield Clip(segment, decode_flac(flac), DETECTION_RATE_HZ)


def _encoded(audio: object) -> bytes:
    if isinstance(audio, Mapping) and isinstance(data := audio.get("bytes"), bytes):
        return data
    raise TypeError("a segment's audio is a struct with the bytes of a FLAC file")


def _downmixes(output: str, work: ShardTask, config: RunConfig) -> dict[str, Downmix]:
    """recording_id → its downmix: backends get the same mix that was cut."""
    corpus = Corpus.load(output, [SEGMENTS_STAGE], work.shard)
    keys = recording_keys(config, SEGMENTS_STAGE, work.sources)
    rows = corpus.rows(SEGMENTS_STAGE, Table.RECORDINGS, keys)
    return {recording.recording_id: recording.quality.downmix for recording in map(Recording.model_validate, rows)}


def _clips_of_sources(
    segments: Sequence[Segment],
    sources: Sequence[Source],
    downmixes: Mapping[str, Downmix],
    sample_rate_hz: int,
    mono: bool,
    lost: Lost,
) -> Iterator[Clip]:
    by_id = {source.recording_id: source for source in sources}
    for recording_id, group in groupby(segments, key=attrgetter("recording_id")):
        members = list(group)
        spans = [segment.span for segment in members]
        left = iter(members)
        try:
            with open_source(by_id[recording_id]) as file:
                audio = read_intervals(file.path, spans, sample_rate_hz, mono, downmixes[recording_id])
                for samples in audio:
                    yield Clip(next(left), samples, sample_rate_hz)
        except DecodeError as error:
            for segment in left:
                lost(segment, AnnotationError(error.reason, error.detail))
