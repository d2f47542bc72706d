"""Reads clips for a backend, and turns its answers into rows: the part of annotation that does not need Beam."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
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
from soundseam.pipeline.plan import annotation_stage
from soundseam.pipeline.stages.context import RunContext
from soundseam.pipeline.work import ShardTask
from soundseam.schemas.annotation import ANNOTATION_OF, Annotation, Facts
from soundseam.schemas.recording import Downmix, Rejected, Source
from soundseam.schemas.segment import Segment

Answer = Facts | AnnotationError
Lost = Callable[[Segment, AnnotationError], None]
Chosen = Collection[str] | None
"""segment_ids; None for all."""


def answer_clips(
    context: RunContext, work: ShardTask, backend: AnyBackend, chosen: Chosen = None
) -> Iterator[tuple[Segment, Answer]]:
    """A backend's answers for the clips that `work` has left to do, in batches of similar length."""
    stage, progress = annotation_stage(backend), context.progress
    lost: list[tuple[Segment, Answer]] = []
    found_clips = read_clips(context, work, backend, lambda *one: lost.append(one), chosen)
    for clips in batch_by_length(found_clips, backend.batch_size):
        annotator = context.loaded(backend)
        recording_ids = sorted({clip.segment.recording_id for clip in clips})
        audio_ms = sum(clip.segment.span.duration_ms for clip in clips)
        progress.write(stage, "start", recording_ids, audio_ms)
        found = annotate_clips(annotator, clips)
        progress.write(stage, "done", recording_ids, audio_ms)
        yield from ((clip.segment, answer) for clip, answer in zip(clips, found, strict=True))
    yield from lost


def answer_recordings(
    context: RunContext, work: ShardTask, backend: AnyBackend, known: Collection[str] = ()
) -> Iterator[tuple[Segment, Answer]]:
    """The answers of a backend that processes whole recordings, without recordings whose segments are all `known`."""
    stage, progress = annotation_stage(backend), context.progress
    for source, segments in read_recordings(context, work, backend):
        if all(segment.segment_id in known for segment in segments):
            continue
        annotator = context.loaded(backend)
        assert isinstance(annotator, RecordingAnnotator)
        audio_ms = sum(segment.span.duration_ms for segment in segments)
        progress.write(stage, "start", [source.recording_id], audio_ms)
        found = annotate_recording(annotator, source, segments, context.config)
        progress.write(stage, "done", [source.recording_id], audio_ms)
        yield from zip(segments, found, strict=True)


def read_clips(
    context: RunContext, work: ShardTask, backend: AnyBackend, lost: Lost, chosen: Chosen = None
) -> Iterator[Clip]:
    """The clips of `backend`'s branch that `work` has left to do, one in memory at a time; of `chosen` segments only.

    A backend for 16 kHz mono gets the segment's own audio, as samples or as the FLAC file; one that needs another rate
    or all channels gets the same interval of the source. `lost` is called for each segment whose source cannot be read.
    """
    todo = work.at(annotation_stage(backend))
    if todo is None:
        return
    mine = work.only(todo.recording_ids)
    before = _backends_before(backend, context.config) if backend.reads_annotations else ()
    annotations = context.annotations(mine, before) if before else {}
    if backend.sample_rate_hz == DETECTION_RATE_HZ and backend.mono:
        clips = _clips_of_segments(context, mine, backend, chosen)
    else:
        branch = (segment for segment in context.segments(mine) if backend.branch in segment.branches)
        segments = [segment for segment in branch if chosen is None or segment.segment_id in chosen]
        if backend.sample_rate_hz is None:
            clips = _clips_without_audio(segments)
        else:
            downmixes = {one.recording_id: one.quality.downmix for one in context.recordings(mine)}
            clips = _clips_of_sources(segments, mine.sources, downmixes, backend, lost)
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
    context: RunContext, work: ShardTask, backend: AnyBackend
) -> Iterator[tuple[Source, list[Segment]]]:
    """The recordings that `work` has left to do for a backend with `takes_recordings`, each with its branch's segments.

    A recording without a segment of the branch is skipped.
    """
    todo = work.at(annotation_stage(backend))
    if todo is None:
        return
    mine = work.only(todo.recording_ids)
    by_id = {source.recording_id: source for source in mine.sources}
    for recording_id, group in groupby(context.segments(mine), key=attrgetter("recording_id")):
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


def _clips_of_segments(context: RunContext, work: ShardTask, backend: AnyBackend, chosen: Chosen) -> Iterator[Clip]:
    nothing = np.zeros(0, np.float32)
    for segment, flac in context.segments_with_audio(work):
        if backend.branch not in segment.branches or (chosen is not None and segment.segment_id not in chosen):
            continue
        if backend.takes_flac:
            yield Clip(segment, nothing, DETECTION_RATE_HZ, flac=flac)
        else:
            yield Clip(segment, decode_flac(flac), DETECTION_RATE_HZ)


def _clips_of_sources(
    segments: Sequence[Segment],
    sources: Sequence[Source],
    downmixes: Mapping[str, Downmix],
    backend: AnyBackend,
    lost: Lost,
) -> Iterator[Clip]:
    """The audio of each segment for `backend`: the mix that was cut, at its own rate, or all channels."""
    rate_hz = backend.sample_rate_hz or DETECTION_RATE_HZ
    by_id = {source.recording_id: source for source in sources}
    for recording_id, group in groupby(segments, key=attrgetter("recording_id")):
        members = list(group)
        spans = [segment.span for segment in members]
        left = iter(members)
        try:
            with open_source(by_id[recording_id]) as file:
                audio = read_intervals(file.path, spans, rate_hz, backend.mono, downmixes[recording_id])
                for samples in audio:
                    yield Clip(next(left), samples, rate_hz)
        except DecodeError as error:
            for segment in left:
                lost(segment, AnnotationError(error.reason, error.detail))
