"""Clips in batches, answers in order, and what a failing clip costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.annotators.base import AnnotationError, Clip
from soundseam.annotators.general.acoustics import SegmentAcoustics
from soundseam.pipeline.stages.annotate import annotate_clips, annotation_row, batch_by_length
from soundseam.schemas.annotation import GeneralAnnotation
from soundseam.schemas.general import Acoustics, GeneralFacts
from soundseam.schemas.recording import Rejected
from tests.support.builders import a_segment


class PeakTeller:
    """Answers with each clip's length as its bandwidth; cannot bear a clip whose first sample is 1."""

    def __init__(self, drop: int = 0) -> None:
        self.batches: list[int] = []
        self._drop = drop

    def annotate(self, clips: Sequence[Clip]) -> list[GeneralFacts]:
        self.batches.append(len(clips))
        if any(clip.samples[0] == 1 for clip in clips):
            raise AnnotationError("unbearable", "a sample of 1")
        return [facts_of(clip) for clip in clips][self._drop :]


def facts_of(clip: Clip) -> GeneralFacts:
    acoustics = Acoustics(
        level_dbfs=None,
        peak_dbfs=None,
        noise_floor_dbfs=None,
        dynamic_range_db=None,
        silence_share=1.0,
        bandwidth_hz=len(clip.samples),
    )
    return GeneralFacts(acoustics=acoustics)


def a_clip(length: int, first: float = 0.0, recording: str = "a") -> Clip:
    samples = np.zeros(length, np.float32)
    samples[0] = first
    return Clip(a_segment(recording, end_ms=length), samples, 16_000)


@given(st.lists(st.integers(1, 500), max_size=60), st.integers(1, 8), st.integers(1, 4))
def test_batches_hold_every_clip_once_and_never_more_than_their_size(
    lengths: list[int], size: int, lookahead: int
) -> None:
    batches = list(batch_by_length((a_clip(length) for length in lengths), size, lookahead))
    assert sorted(len(clip.samples) for batch in batches for clip in batch) == sorted(lengths)
    assert all(0 < len(batch) <= size for batch in batches)


def test_clips_of_like_length_come_together() -> None:
    batches = list(batch_by_length([a_clip(length) for length in (9, 1, 8, 2)], 2, lookahead=2))
    assert [[len(clip.samples) for clip in batch] for batch in batches] == [[1, 2], [8, 9]]


def test_no_more_clips_are_read_ahead_than_asked() -> None:
    taken = 0

    def clips() -> object:
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield a_clip(5)

    next(batch_by_length(clips(), 3, lookahead=2))  # type: ignore[arg-type]
    assert taken == 6


def test_a_failing_clip_takes_only_itself_out_of_its_batch() -> None:
    answers = annotate_clips(PeakTeller(), [a_clip(10), a_clip(20, first=1.0), a_clip(30)])
    assert answers[0] == facts_of(a_clip(10))
    assert isinstance(answers[1], AnnotationError)
    assert answers[2] == facts_of(a_clip(30))


def test_a_batch_that_answers_is_asked_once() -> None:
    annotator = PeakTeller()
    annotate_clips(annotator, [a_clip(10), a_clip(20)])
    assert annotator.batches == [2]


def test_an_annotator_that_loses_an_answer_is_a_bug() -> None:
    with pytest.raises(ValueError, match="1 answers for 2 clips"):
        annotate_clips(PeakTeller(drop=1), [a_clip(10), a_clip(20)])


def test_an_answer_becomes_a_row_that_says_what_made_it() -> None:
    clip = a_clip(10)
    row = annotation_row(SegmentAcoustics(), "key", clip.segment, facts_of(clip))
    assert isinstance(row, GeneralAnnotation)
    assert (row.segment_id, row.backend, row.config_key) == (clip.segment.segment_id, "acoustics", "key")
    assert row.revision == SegmentAcoustics().revision
    assert row.acoustics == facts_of(clip).acoustics


def test_an_error_becomes_a_reject_of_its_segment() -> None:
    segment = a_segment(start_ms=500, end_ms=900)
    row = annotation_row(SegmentAcoustics(), "key", segment, AnnotationError("unbearable", "why"))
    assert isinstance(row, Rejected)
    assert (row.stage, row.reason, row.detail) == ("annotations/general/acoustics", "unbearable", "why")
    assert (row.segment_id, row.start_ms, row.end_ms) == (segment.segment_id, 500, 900)
