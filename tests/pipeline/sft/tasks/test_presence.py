"""A sound is called absent only where no source so much as hints at it."""

from __future__ import annotations

import pytest

from soundseam.pipeline.sft.material import Material
from soundseam.schemas.annotation import Annotation
from soundseam.schemas.event import Branch, Event, EventClass
from soundseam.schemas.segment import Segment
from tests.pipeline.sft.builders import (
    BELL,
    CONFIG,
    DOG,
    MUSIC,
    captioned,
    event,
    heard,
    material,
    musical,
    recording,
    samples,
    spoken,
)
from tests.support.builders import a_segment

ENGLISH = CONFIG.model_copy(update={"languages": {"en": 1.0}}).only(("presence",))


def answers(*materials: Material) -> dict[tuple[str, str], str]:
    """(segment, label) → yes or no."""
    made = samples(recording(*materials), ENGLISH)
    return {(sample.segment_ids[0][-19:-10], sample.topic): sample.answer_spec.reference for sample in made}


def yard(**changes: object) -> Segment:
    return a_segment(events=(event(BELL, 100, 900),), **changes)


def neighbour(*extra: Event) -> Material:
    """A later segment of the same recording with a dog in it."""
    return material(a_segment(start_ms=5000, end_ms=8000, events=(event(DOG, 5000, 6000), *extra)))


def test_a_sound_is_there_where_it_was_heard() -> None:
    assert answers(material(yard()))[("000000000", "Bell")] == "yes"


def test_a_sound_from_elsewhere_in_the_recording_is_a_trap() -> None:
    assert answers(material(yard()), neighbour())[("000000000", "Bark")] == "no"


def test_only_what_a_detector_knows_can_be_absent() -> None:
    found = answers(material(yard()))
    # The embedded detector knows speech and music; nobody would have named a dog.
    assert {label for _, label in found} == {"Bell", "speech", "music"}


SOURCES: dict[str, tuple[Segment, tuple[Annotation, ...]]] = {
    "a doubtful event": (a_segment(events=(event(BELL, 100, 900), event(DOG, 0, 50, score=0.05))), ()),
    "the general branch": (yard(), (heard(yard(), [event(DOG, 0, 50, score=0.1)]),)),
    "a sound of unknown source": (
        a_segment(events=(event(BELL, 100, 900), event((EventClass.SOURCE_AMBIGUOUS, "sound"), 0, 50))),
        (),
    ),
}


@pytest.mark.parametrize("source", SOURCES)
def test_any_source_s_hint_forbids_calling_a_sound_absent(source: str) -> None:
    segment, annotations = SOURCES[source]
    assert ("000000000", "Bark") not in answers(material(segment, *annotations), neighbour())


def test_a_caption_that_names_a_sound_forbids_calling_it_absent() -> None:
    found = answers(material(yard(), caption=captioned(yard(), "A bell rings and something like a bark.")), neighbour())
    assert ("000000000", "Bark") not in found


@pytest.mark.parametrize("row", [spoken(yard()), spoken(yard(), ["a"], usable=False)], ids=["voice", "transcript"])
def test_speech_is_not_absent_where_any_of_it_was_measured(row: Annotation) -> None:
    assert ("000000000", "speech") not in answers(material(yard(), row))
    assert answers(material(yard()))[("000000000", "speech")] == "no"


def test_music_is_not_absent_where_its_branch_listened() -> None:
    assert ("000000000", "music") not in answers(material(yard(), musical(yard())))
    assert ("000000000", "music") not in answers(material(yard(branches=(Branch.GENERAL, Branch.MUSIC))))


def test_what_is_easily_confused_is_not_called_absent() -> None:
    singing = a_segment(events=(event((EventClass.SINGING, "Singing"), 0, 1000),))
    found = answers(material(singing))
    assert not {("000000000", "speech"), ("000000000", "music")} & set(found)


def test_music_can_be_absent_beside_a_sound_of_unknown_source() -> None:
    rattle = a_segment(events=(event((EventClass.SOURCE_AMBIGUOUS, "sound"), 0, 500),))
    song = material(a_segment(start_ms=5000, end_ms=8000, events=(event(MUSIC, 5000, 8000),)))
    assert answers(material(rattle), song)[("000000000", "music")] == "no"
