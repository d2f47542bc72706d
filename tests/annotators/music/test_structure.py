from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from soundseam.annotators.base import AnnotationError
from soundseam.annotators.music.structure import Structure
from soundseam.schemas.music import Section
from tests.annotators.music.builders import chord, clicks, clip, noise, silence

CALM = [(48, (0, 4, 7)), (53, (0, 4, 7)), (55, (0, 4, 7)), (48, (0, 4, 7))]
DARK = [(57, (0, 3, 7)), (52, (0, 3, 7)), (50, (0, 3, 7)), (57, (0, 3, 7))]


def part(chords: list[tuple[int, tuple[int, ...]]], octave: int, strokes: float) -> np.ndarray:
    """8 s: each chord struck twice, `strokes` of drums every quarter of a second."""
    struck = [
        chord([root - 12 + octave, *(root + step + 12 + octave for step in steps)], 1.0) for root, steps in chords
    ]
    played = np.concatenate([one for two in struck for one in (two, two)])
    return played + strokes * clicks(np.arange(0, 8, 0.25), 8)


VERSE, CHORUS = part(CALM, 0, 0.0), part(DARK, 12, 0.6)


def sections_of(samples: np.ndarray, start_ms: int = 0, backend: Structure | None = None) -> tuple[Section, ...]:
    sections = (backend or Structure()).load().annotate([clip(samples, start_ms)])[0].sections
    assert sections is not None
    return sections


def test_a_section_begins_where_harmony_and_sound_change() -> None:
    sections = sections_of(np.concatenate([VERSE, VERSE, CHORUS, CHORUS]))
    assert min(abs(one.start_ms - 16_000) for one in sections) < 500
    before = {one.label for one in sections if one.end_ms <= 16_500}
    after = {one.label for one in sections if one.start_ms >= 15_500}
    assert not before & after


def test_a_part_that_comes_again_has_its_letter_again() -> None:
    sections = sections_of(np.concatenate([VERSE, CHORUS, VERSE, CHORUS]))
    assert [one.label for one in sections] == ["A", "B", "A", "B"]


def test_sections_cover_the_segment_in_the_recordings_own_time() -> None:
    samples = np.concatenate([VERSE, CHORUS, VERSE])
    sections = sections_of(samples, start_ms=90_000)
    assert (sections[0].start_ms, sections[-1].end_ms) == (90_000, 90_000 + round(len(samples) / 22.05))
    assert all(left.end_ms == right.start_ms for left, right in pairwise(sections))


def test_no_section_is_shorter_than_asked_for() -> None:
    samples = np.concatenate([VERSE, CHORUS, VERSE, CHORUS])
    for section in sections_of(samples, backend=Structure(shortest_section_ms=10_000)):
        assert section.end_ms - section.start_ms >= 10_000


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param(np.tile(VERSE, 5), id="one part over and over"),
        pytest.param(noise(30), id="noise"),
        pytest.param(silence(30), id="silence"),
        pytest.param(VERSE, id="one part"),
        pytest.param(chord([60, 64, 67], 0.05), id="50 ms"),
        pytest.param(np.array([0.2]), id="one sample"),
    ],
)
def test_where_nothing_changes_there_are_no_sections(samples: np.ndarray) -> None:
    assert sections_of(samples) == ()


def test_audio_with_nan_is_an_annotation_error() -> None:
    with pytest.raises(AnnotationError):
        sections_of(np.array([np.nan, 0.0]))
