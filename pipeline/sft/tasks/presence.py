"""Whether a sound is present: true ones, and difficult ones that no source has detected."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from soundseam.pipeline.sft.answers import exact
from soundseam.pipeline.sft.ask import QuestionDraft, Task, Wording, grade
from soundseam.pipeline.sft.material import Material, RecordingMaterial
from soundseam.pipeline.sft.tasks.sounds import MIN_SCORE, Sound, evidence_of, is_crowded, is_faint, sure_sounds
from soundseam.pipeline.sft.words import UnsayableError, Words
from soundseam.schemas.annotation import GeneralAnnotation, MusicAnnotation, SpeechAnnotation
from soundseam.schemas.claim import Evidence
from soundseam.schemas.event import Branch, EventClass
from soundseam.schemas.sample import Difficulty

_VOCAL = frozenset({EventClass.SPEECH, EventClass.HUMAN_VOICE, EventClass.SINGING})
_MUSICAL = frozenset({EventClass.SINGING, EventClass.MUSIC})
_KIN = {
    EventClass.SPEECH: _VOCAL,
    EventClass.HUMAN_VOICE: _VOCAL,
    EventClass.SINGING: _VOCAL | _MUSICAL,
    EventClass.MUSIC: _MUSICAL,
}
"""Classes that are easily confused: if one is detected, the others are not said to be absent."""
_DISTINGUISHED = frozenset({EventClass.SPEECH, EventClass.MUSIC})
"""Classes from which a sound of unknown source is still distinguished."""


class PresenceTask(Task):
    """True: a nameable sound without doubtful events. False: a sound that the recording's detectors can detect, because
    they detected it elsewhere in the recording or `vocabularies` lists it, and that nothing known about the segment
    names: no event however doubtful, no profile, transcript, measurement, caption or claim."""

    task: Literal["presence"] = "presence"
    max_per_segment: int = Field(default=4, alias="most_per_segment")
    min_score: float = Field(
        alias="least_score", default=MIN_SCORE, ge=0.0, le=1.0, description="minimum score of every event of the sound"
    )
    vocabularies: dict[str, dict[str, EventClass]] = Field(
        default={}, description="detector → label → class: sounds that it would have detected"
    )

    needs: ClassVar[tuple[str, ...]] = ("segments:events", "recordings:detectors")

    def asks(self, recording: RecordingMaterial) -> Iterator[QuestionDraft]:
        for material in recording.segments:
            for sound, group in sure_sounds(material, self.min_score).items():
                difficulty = grade(crowded=is_crowded(material.sightings), faint=is_faint(group))
                yield _draft(material, sound, evidence_of(group), difficulty, True)
            yield from self._absent(recording, material)

    def _absent(self, recording: RecordingMaterial, material: Material) -> Iterator[QuestionDraft]:
        for sound, is_near in self._candidates(recording, material).items():
            if may_be_absent(material, sound):
                # A sound from elsewhere in the recording makes a harder question than one from a list.
                difficulty = grade(1 + is_near)
                evidence = material.cite(None, "events", "profile")
                yield _draft(material, sound, evidence, difficulty, False)

    def _candidates(self, recording: RecordingMaterial, material: Material) -> dict[Sound, bool]:
        """Sounds that would have been detected → whether they occur elsewhere in the recording."""
        elsewhere = (sound for other in recording.others(material) for sound in sure_sounds(other, self.min_score))
        found = dict.fromkeys(elsewhere, True)
        detectors = recording.recording.detectors if recording.recording is not None else ()
        for detector in detectors:
            for label, event_class in self.vocabularies.get(detector.name, {}).items():
                found.setdefault((event_class, label), False)
        return found


def _draft(
    material: Material, sound: Sound, evidence: tuple[Evidence, ...], difficulty: Difficulty, is_there: bool
) -> QuestionDraft:
    turn = partial(_turn, sound, is_there)
    return QuestionDraft("presence", evidence, difficulty, turn, topic=sound[1], materials=(material,))


def may_be_absent(material: Material, sound: Sound) -> bool:
    """Whether every source agrees that `sound` is not in the segment."""
    event_class, label = sound
    detected = detected_classes(material)
    if detected & _KIN.get(event_class, frozenset({event_class})):
        return False
    if EventClass.SOURCE_AMBIGUOUS in detected and event_class not in _DISTINGUISHED:
        return False
    text = " ".join(_texts(material)).lower()
    return not any(name in text for name in {label.lower(), event_class.value.replace("_", " ")} if name)


def detected_classes(material: Material) -> frozenset[EventClass]:
    """Every class that any source even hints at."""
    found = {event.event_class for event in material.segment.events}
    found |= {entry.event_class for entry in material.segment.profile}
    for general in material.all(GeneralAnnotation):
        found |= {event.event_class for event in (*(general.events or ()), *(general.tagged or ()))}
    if Branch.SPEECH in material.segment.branches or any(map(_has_speech, material.all(SpeechAnnotation))):
        found.add(EventClass.SPEECH)
    if Branch.MUSIC in material.segment.branches or material.all(MusicAnnotation):
        found.add(EventClass.MUSIC)
    return frozenset(found)


def _has_speech(row: SpeechAnnotation) -> bool:
    spoken = row.transcript is not None and bool(row.transcript.text.strip())
    return spoken or (row.voice is not None and row.voice.speech_ms > 0)


def _texts(material: Material) -> Iterator[str]:
    for caption in (material.caption, material.filtered):
        if caption is not None:
            yield caption.caption
            yield from (claim.text for claim in caption.claims)
    for row in material.annotations:
        yield row.caption or ""
        yield from (claim.text for claim in row.caption_claims)
    for general in material.all(GeneralAnnotation):
        yield from (event.label for event in (*(general.events or ()), *(general.tagged or ())))
        yield from (source.label for event in general.events or () for source in event.sources)
    for music in material.all(MusicAnnotation):
        yield from (tag.label for tag in music.tags or ())
        yield music.lyrics.text if music.lyrics is not None else ""


def _turn(sound: Sound, is_there: bool, words: Words) -> Wording:
    name = words.sound(*sound)
    if name.startswith("the sound “"):
        raise UnsayableError(f"no name for {sound[1]} by which a listener would know it")
    answer = "yes" if is_there else "no"
    spec = exact(words.say(f"plain_{answer}"), offered=(words.say("plain_yes"), words.say("plain_no")))
    return Wording(words.say("question", sound=name), words.say(answer, sound=name), spec)
