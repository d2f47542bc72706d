from __future__ import annotations

import numpy as np
import pytest
import soxr

from soundseam.annotators.base import AnnotationError, Samples
from soundseam.annotators.music.pieces import Part, PieceFacts, SectionAnnotator, pieces_of
from soundseam.annotators.music.structure import Structure
from soundseam.schemas.music import Mode
from soundseam.schemas.segment import Segment
from tests.annotators.music.builders import RATE_HZ
from tests.annotators.music.test_harmony import MAJOR_PIECE, MINOR_PIECE, piece
from tests.annotators.music.test_structure import CHORUS, VERSE
from tests.annotators.speech.builders import InMemory
from tests.support.builders import a_segment


def segments(*edges: tuple[int, int]) -> list[Segment]:
    return [a_segment("a", start, end) for start, end in edges]


def halves(samples: Samples) -> PieceFacts:
    """Two parts of a piece at 16 kHz."""
    duration_ms = len(samples) / 16
    return PieceFacts([Part(0, duration_ms / 2, "A", "verse"), Part(duration_ms / 2, duration_ms, "B", "chorus")])


def test_segments_that_adjoin_are_one_piece() -> None:
    pieces = pieces_of(segments((0, 10_000), (10_000, 20_000), (22_000, 30_000), (40_000, 50_000)), 600_000)
    assert [[segment.start_ms for segment in piece] for piece in pieces] == [[0, 10_000, 22_000], [40_000]]


def test_a_long_piece_is_heard_in_stretches_of_about_equal_length() -> None:
    pieces = pieces_of(segments(*((start, start + 10_000) for start in range(0, 100_000, 10_000))), 60_000)
    assert [len(piece) for piece in pieces] == [5, 5]


def test_each_segment_has_its_part_of_the_sections_in_the_recordings_time() -> None:
    annotator = SectionAnnotator(halves, 16_000, 600_000)
    answers = annotator.annotate_recording(
        InMemory(np.zeros(60 * 16_000, np.float32)), segments((20_000, 28_000), (28_000, 32_000), (32_000, 40_000))
    )
    found = [[(one.start_ms, one.end_ms, one.label, one.function) for one in facts.sections or ()] for facts in answers]
    assert found == [
        [(20_000, 28_000, "A", "verse")],
        [(28_000, 30_000, "A", "verse"), (30_000, 32_000, "B", "chorus")],
        [(32_000, 40_000, "B", "chorus")],
    ]


def test_no_more_is_read_at_once_than_a_stretch() -> None:
    recording = InMemory(np.zeros(100 * 16_000, np.float32))
    edges = [(start, start + 10_000) for start in range(0, 100_000, 10_000)]
    SectionAnnotator(halves, 16_000, 30_000).annotate_recording(recording, segments(*edges))
    assert recording.longest <= 32 * 16_000


def test_a_part_that_comes_again_in_another_segment_has_its_letter_again() -> None:
    song = np.concatenate([VERSE, CHORUS, VERSE, CHORUS])
    recording = InMemory(soxr.resample(song, RATE_HZ, 16_000).astype(np.float32))
    edges = [(0, 12_000), (12_000, 22_000), (25_000, 32_000)]
    answers = Structure().load().annotate_recording(recording, segments(*edges))
    labels = [[one.label for one in facts.sections or ()] for facts in answers]
    assert labels == [["A", "B"], ["B", "A"], ["B"]]


def test_all_segments_of_a_piece_are_in_its_one_key_or_too_short_for_any() -> None:
    # Alone, its first half would be in A minor and its last in C major.
    whole = np.concatenate([piece(MINOR_PIECE[:4]), piece(MAJOR_PIECE), piece(MAJOR_PIECE)])
    recording = InMemory(soxr.resample(whole, RATE_HZ, 16_000).astype(np.float32))
    answers = Structure().load().annotate_recording(recording, segments((0, 8_000), (8_000, 30_000), (30_000, 34_000)))
    keys = [(facts.tonality.tonic, facts.tonality.mode) for facts in answers if facts.tonality]
    assert keys == [("C", Mode.MAJOR), ("C", Mode.MAJOR), (None, None)]


def test_a_recording_with_nan_is_an_annotation_error() -> None:
    with pytest.raises(AnnotationError):
        Structure().load().annotate_recording(InMemory(np.full(160_000, np.nan, np.float32)), segments((0, 10_000)))
