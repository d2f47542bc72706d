"""Each source of a segment, by itself, keeps a sound from being called absent."""

from __future__ import annotations

import pytest

from soundseam.pipeline.sft.material import Material
from soundseam.pipeline.sft.tasks.presence import detected_classes, may_be_absent
from soundseam.schemas.annotation import Annotation, GeneralAnnotation, SpeechAnnotation
from soundseam.schemas.caption import Caption
from soundseam.schemas.event import Branch, EventClass, ProfileEntry
from soundseam.schemas.general import EventSource
from soundseam.schemas.sample import Difficulty
from tests.pipeline.sft.builders import (
    BELL,
    CONFIG,
    DOG,
    MUSIC,
    SPEECH,
    captioned,
    event,
    heard,
    material,
    musical,
    recording,
    samples,
    spoken,
    sung,
    tagged,
)
from tests.support.builders import a_segment

YARD = a_segment(events=(event(BELL, 100, 900),), branches=(Branch.GENERAL,))
TASK = CONFIG.model_copy(update={"languages": {"en": 1.0}}).only(("presence",))


def measured(text: str = "", speech_ms: int = 0) -> SpeechAnnotation:
    row = spoken(YARD, [text] if text else [])
    assert row.voice is not None
    return row.model_copy(update={"voice": row.voice.model_copy(update={"speech_ms": speech_ms})})


def general(**changes: object) -> GeneralAnnotation:
    return heard(YARD, []).model_copy(update={"events": None, **changes})


def classes(*rows: Annotation, **changes: object) -> set[EventClass]:
    return {*detected_classes(material(YARD.model_copy(update=changes), *rows))}


BARK = heard(YARD, [event(DOG, 0, 50)]).events


def test_every_source_that_hints_at_a_class_counts() -> None:
    bell, dog = {EventClass.OBJECT}, {EventClass.OBJECT, EventClass.ANIMAL}
    assert classes() == bell
    assert classes(general()) == classes(general(events=(), tagged=())) == bell
    profile = (ProfileEntry(event_class=EventClass.ANIMAL, share=0.1, strength=0.1),)
    assert classes(profile=profile) == dog
    assert classes(general(events=BARK)) == classes(general(tagged=(event(DOG, 0, 50),))) == dog
    assert classes(events=(), profile=()) == set()


def test_speech_and_music_are_heard_where_their_branch_listened_or_anything_of_them_was_measured() -> None:
    speech, music = {EventClass.OBJECT, EventClass.SPEECH}, {EventClass.OBJECT, EventClass.MUSIC}
    assert classes(branches=(Branch.SPEECH,)) == speech
    assert classes(measured("yes")) == classes(measured(speech_ms=1)) == speech
    assert classes(measured()) == classes(measured("  ")) == {EventClass.OBJECT}
    assert classes(measured().model_copy(update={"voice": None})) == {EventClass.OBJECT}
    assert classes(branches=(Branch.MUSIC,)) == classes(tagged(YARD)) == music


def said(*sentences: str) -> Caption:
    return captioned(YARD, *sentences)


def caption_without_claims(text: str) -> Caption:
    return said("It rings.").model_copy(update={"caption": text})


def claims_without_caption(text: str) -> Caption:
    return said(text).model_copy(update={"caption": "It rings."})


def sourced() -> GeneralAnnotation:
    events = heard(YARD).events
    assert events
    source = EventSource.model_construct(label="a bark")
    return general(events=(events[0].model_copy(update={"sources": (source,)}),))


LABEL_OF_ANOTHER_CLASS = heard(YARD, [event((EventClass.OBJECT, "toy bark"), 0, 50)]).events
TEXTS: dict[str, Material] = {
    "the caption": Material(YARD, (), caption_without_claims("Something like a bark.")),
    "a claim of the caption": Material(YARD, (), claims_without_caption("A dog BARKS.")),
    "a caption that was filtered": Material(YARD, (), None, caption_without_claims("A bark.")),
    "a branch's caption": Material(YARD, (general(caption="One bark."),)),
    "a claim of a branch's caption": Material(YARD, (general(caption_claims=said("One bark.").claims),)),
    "an event's label": Material(YARD, (general(events=LABEL_OF_ANOTHER_CLASS),)),
    "a tag of the general branch": Material(YARD, (general(tagged=(event((EventClass.OBJECT, "bark"), 0, 5),)),)),
    "a likely source of an event": Material(YARD, (sourced(),)),
    "a tag of the music branch": Material(YARD, (tagged(YARD, ("bark", 0.1)),)),
    "lyrics": Material(YARD, (sung(YARD, ["bark"]),)),
    "the name of the class": Material(YARD, (), caption_without_claims("Some animal.")),
}


@pytest.mark.parametrize("source", TEXTS)
def test_any_text_that_names_a_sound_keeps_it_from_being_absent(source: str) -> None:
    assert not may_be_absent(TEXTS[source], (EventClass.ANIMAL, "Bark"))


def test_a_sound_that_nothing_names_may_be_absent() -> None:
    rows = (general(caption="It rings.", tagged=(event(BELL, 0, 5),)), musical(YARD), sung(YARD, ["la"]))
    assert may_be_absent(Material(YARD, rows, said("It rings.")), (EventClass.ANIMAL, "Bark"))
    assert may_be_absent(Material(YARD), (EventClass.ANIMAL, "Bark"))


@pytest.mark.parametrize(
    ("there", "asked", "is_absent"),
    [
        (EventClass.SPEECH, EventClass.SINGING, False),
        (EventClass.HUMAN_VOICE, EventClass.SPEECH, False),
        (EventClass.SINGING, EventClass.MUSIC, False),
        (EventClass.MUSIC, EventClass.SINGING, False),
        (EventClass.MUSIC, EventClass.SPEECH, True),
        (EventClass.SPEECH, EventClass.MUSIC, True),
        (EventClass.ANIMAL, EventClass.ANIMAL, False),
        (EventClass.ANIMAL, EventClass.OBJECT, True),
        (EventClass.SOURCE_AMBIGUOUS, EventClass.OBJECT, False),
        (EventClass.SOURCE_AMBIGUOUS, EventClass.HUMAN_VOICE, False),
        (EventClass.SOURCE_AMBIGUOUS, EventClass.SPEECH, True),
        (EventClass.SOURCE_AMBIGUOUS, EventClass.MUSIC, True),
    ],
)
def test_classes_that_are_taken_for_one_another_are_not_called_absent(
    there: EventClass, asked: EventClass, is_absent: bool
) -> None:
    segment = a_segment(events=(event((there, "q"), 0, 900),), branches=(Branch.GENERAL,))
    assert may_be_absent(Material(segment), (asked, "w")) is is_absent


def test_a_sound_from_elsewhere_in_the_recording_is_a_harder_trap_than_one_from_a_list() -> None:
    later = material(a_segment(start_ms=5_000, end_ms=8_000, events=(event(DOG, 5_000, 6_000),)))
    made = samples(recording(material(YARD), later), TASK)
    of_yard = {one.topic: one for one in made if one.segment_ids == (YARD.segment_id,)}
    assert of_yard["Bark"].difficulty is Difficulty.MEDIUM
    assert of_yard["speech"].difficulty is Difficulty.EASY
    assert {one.field for one in of_yard["speech"].evidence} == {"events", "profile"}
    assert {one.answer_spec.reference for name, one in of_yard.items() if name != "Bell"} == {"no"}
    assert of_yard["Bell"].answer_spec.reference == "yes"


def test_a_doubtful_or_nameless_sound_is_neither_there_nor_a_trap() -> None:
    unknown = (EventClass.SOURCE_AMBIGUOUS, "sound")
    doubtful = a_segment(events=(event(DOG, 0, 500, score=0.5), event(unknown, 600, 900)))
    later = material(a_segment(start_ms=5_000, end_ms=8_000, events=(event(BELL, 5_000, 6_000),)))
    topics = {(one.segment_ids[0], one.topic) for one in samples(recording(material(doubtful), later), TASK)}
    assert (doubtful.segment_id, "Bark") not in topics
    assert (later.segment_id, "Bark") not in topics
    assert not [name for _, name in topics if name == "sound"]
    assert (later.segment_id, "Bell") in topics


def test_music_and_speech_that_are_there_are_called_so() -> None:
    both = a_segment(events=(event(SPEECH, 0, 900), event(MUSIC, 0, 900)), branches=(Branch.SPEECH, Branch.MUSIC))
    answers = {one.topic: one.answer_spec.reference for one in samples(recording(material(both)), TASK)}
    assert answers == {"speech": "yes", "music": "yes"}
