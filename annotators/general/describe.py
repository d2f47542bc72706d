"""One description of the whole scene by an audio-language model, checked against all measurements: `describe`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from soundseam.annotators.base import AnnotationError, Clip
from soundseam.annotators.chat.questions import Sampling
from soundseam.annotators.chat.served import (
    CheckedQuestion,
    Parsed,
    RecordAnnotator,
    ServedAnnotator,
    ServedBackend,
    flac_of,
    model_claim,
)
from soundseam.annotators.general.scene import Scene, event_id, families_in, named_families, scene_of, undetected_in
from soundseam.annotators.prompts import SERVED
from soundseam.annotators.wording.prose import word_problems
from soundseam.schemas.event import Branch
from soundseam.schemas.general import GeneralFacts, Mention, SceneDescription
from soundseam.schemas.record import Record
from soundseam.schemas.tables import Table

MAX_WORDS = 120
MAX_SOUNDS = 80
_MAX_NAMES = 2
"""Maximum number of names for an event that no source named: an alarm clock is two."""


class DescribedSound(Record):
    """Which words tell of which event."""

    event: str = Field(pattern=r"^E[1-9]\d{0,2}$")
    words: str = Field(min_length=1, max_length=60)


class DescribedScene(Record):
    """What a model answers."""

    description: str = Field(min_length=1, max_length=1_200)
    sounds: tuple[DescribedSound, ...] = Field(max_length=MAX_SOUNDS)


class Describe(ServedBackend[GeneralFacts]):
    """A description that mentions every salient event and names no sound that no source detected."""

    kind: Literal["describe"] = "describe"
    gives_caption: bool = True
    """False if a judge follows, which then makes the description the branch's caption if it accepts it."""
    sampling: Sampling = Sampling(max_tokens=1_024)
    """How answers are drawn."""

    branch: ClassVar[Branch] = Branch.GENERAL
    reads_annotations: ClassVar[bool] = True
    prompts: ClassVar[tuple[str, ...]] = ("describe_system",)

    def load(self) -> ServedAnnotator[GeneralFacts]:
        self.check_available()
        return SceneDescriber(self)


class SceneDescriber(RecordAnnotator[GeneralFacts, Scene, DescribedScene]):
    """The annotator of `Describe`."""

    def __init__(self, backend: Describe) -> None:
        super().__init__(backend.server, DescribedScene)
        self._backend = backend

    def prepare(self, clip: Clip) -> Scene | AnnotationError:
        return scene_of(clip)

    def question(self, clip: Clip, scene: Scene) -> CheckedQuestion:
        return CheckedQuestion(
            text=f"The events:\n{scene.as_evidence()}\n\nDescribe what is heard.",
            audio=(flac_of(clip),),
            system=SERVED.text("describe_system"),
            sampling=self._backend.sampling,
            about=clip.segment.recording_id,
            check=partial(description_problems, scene=scene),
        )

    def facts(self, parsed: Parsed[DescribedScene], scene: Scene) -> GeneralFacts:
        text = " ".join(parsed.record.description.split())
        mentions = sorted((_position(one), one.words) for one in parsed.record.sounds)
        description = SceneDescription(
            text=text,
            mentions=tuple(Mention(event=event, words=words) for event, words in mentions),
            salient_events=len(scene.salient),
            answer=parsed.answer.text,
        )
        if not self._backend.gives_caption:
            return GeneralFacts(description=description)
        claim = model_claim(text, Table.GENERAL, scene.segment, self._backend.backend, "description.text")
        return GeneralFacts(description=description, caption=text, caption_claims=(claim,))


def description_problems(record: Record, scene: Scene) -> Iterator[str]:
    """Problems of an answer about `scene`, one clause each."""
    assert isinstance(record, DescribedScene)
    text = " ".join(record.description.split())
    yield from word_problems(text, MAX_WORDS)
    mentions = []
    for sound in record.sounds:
        if _position(sound) >= len(scene.events):
            yield f"there is no event {sound.event}"
        elif sound.words.casefold() not in text.casefold():
            yield f"{sound.words!r}, which is to tell of {sound.event}, does not stand in the description"
        else:
            mentions.append((_position(sound), sound.words))
    yield from _unmentioned(scene, {index for index, _ in mentions})
    yield from _misnamed(scene, mentions)
    for family in undetected_in(text, scene, mentions):
        yield f"the description names {family}, which no source heard"


def _unmentioned(scene: Scene, mentioned: set[int]) -> Iterator[str]:
    for index in scene.salient:
        if index not in mentioned:
            yield f"{event_id(index)} ({scene.events[index].label}) must be told of"


def _misnamed(scene: Scene, mentions: Sequence[tuple[int, str]]) -> Iterator[str]:
    """Events whose name differs from their sources' names, or that have several names."""
    for index, words in mentions:
        named, called = named_families(scene.events[index]), families_in(words)
        if named and called and not set(called) & set(named):
            yield f"{words!r} is not what {event_id(index)} ({scene.events[index].label}) is"
        if not named and len(called) > _MAX_NAMES:
            yield f"{words!r} is more than one sound"


def _position(sound: DescribedSound) -> int:
    return int(sound.event[1:]) - 1
