"""The whole scene in one line, composed from its events: `anchor`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from soundseam.annotators.base import AnnotationError, Annotator, Backend, Clip
from soundseam.annotators.chat.questions import Sampling
from soundseam.annotators.chat.served import (
    CheckedQuestion,
    Parsed,
    RecordAnnotator,
    ServedAnnotator,
    ServedBackend,
    flac_of,
)
from soundseam.annotators.general.scene import Scene, is_salient, named_families, scene_of, undetected_in
from soundseam.annotators.grammar.words import join_words, number_word
from soundseam.annotators.prompts import SERVED
from soundseam.annotators.wording.prose import word_problems
from soundseam.schemas.event import Branch, EventClass
from soundseam.schemas.general import Anchor, GeneralFacts, HeardEvent
from soundseam.schemas.record import Record
from soundseam.schemas.timespan import covered_ms

COMPOSED = "events"
_LASTING_SHARE = 0.6
_STREAMS = {EventClass.SPEECH: "speech", EventClass.SINGING: "singing", EventClass.MUSIC: "music"}
_UNNAMED = {
    EventClass.HUMAN_VOICE: "a vocal sound",
    EventClass.NATURE: "a sound of nature",
    EventClass.ANIMAL: "an animal sound",
    EventClass.ENVIRONMENT: "an ambient sound",
}


class SceneAnchor(Backend[GeneralFacts]):
    """One line for the scene: the background, then other sounds, with the names from the sources."""

    kind: Literal["anchor"] = "anchor"
    max_sounds: int = Field(
        alias="most_sounds",
        default=3,
        ge=1,
        le=8,
        description="maximum number of named sounds besides the background, the most prominent first",
    )

    branch: ClassVar[Branch] = Branch.GENERAL
    sample_rate_hz: ClassVar[int | None] = None
    reads_annotations: ClassVar[bool] = True
    licence: ClassVar[str] = "Apache-2.0"

    @property
    def model(self) -> str:
        return "scene-line"

    @property
    def revision(self) -> str:
        return "1"

    def load(self) -> Annotator[GeneralFacts]:
        return AnchorComposer(self.max_sounds)


class AnchorComposer:
    """The annotator of `SceneAnchor`."""

    def __init__(self, max_sounds: int) -> None:
        self._max_sounds = max_sounds

    def annotate(self, clips: Sequence[Clip]) -> Sequence[GeneralFacts]:
        return [self._compose(clip) for clip in clips]

    def _compose(self, clip: Clip) -> GeneralFacts:
        scene = scene_of(clip)
        if isinstance(scene, AnnotationError):
            raise scene
        return GeneralFacts(anchor=Anchor(text=compose_anchor(scene, self._max_sounds), composer=COMPOSED, unheard=()))


def compose_anchor(scene: Scene, max_sounds: int) -> str:
    """As in "Speech over music, with a bark and two other sounds"; "Quiet" if nothing is sure."""
    sure = [event for event in scene.events if is_salient(event)]
    streams = _streams([event for event in sure if event.event_class in _STREAMS], scene.segment.span.duration_ms)
    sounds = _sounds([event for event in sure if event.event_class not in _STREAMS], max_sounds)
    line = f"{streams}, with {sounds}" if streams and sounds else streams or sounds or "quiet"
    return line[0].upper() + line[1:]


def _streams(events: Sequence[HeardEvent], duration_ms: int) -> str:
    """Continuous sounds, the one with the longest time first."""
    filled = {
        name: covered_ms(event.span for event in events if event.event_class is one) for one, name in _STREAMS.items()
    }
    ranked = sorted((name for name, time in filled.items() if time), key=lambda name: -filled[name])
    lasting = [name for name in ranked if filled[name] >= _LASTING_SHARE * duration_ms]
    if len(ranked) == 2 and len(lasting) == 1 and lasting[0] == "music":
        return f"{next(name for name in ranked if name != 'music')} over music"
    return join_words(ranked)


def _sounds(events: Sequence[HeardEvent], most: int) -> str:
    """Each name once, the most prominent sound first; the others are counted."""
    ranked = sorted(events, key=lambda event: -(event.salience_db or 0.0))
    names = list(dict.fromkeys(_name(event) for event in ranked))
    left = len(names) - most
    if left <= 0:
        return join_words(names)
    return join_words([*names[:most], f"{number_word(left)} other sound{'s' if left > 1 else ''}"])


def _name(event: HeardEvent) -> str:
    """The name from a source, or the kind of sound."""
    if named_families(event) and event.label != event.event_class:
        return f"the sound of {event.label.split(',')[0].split('(')[0].strip().lower()}"
    return _UNNAMED.get(event.event_class, "a sound")


MAX_WORDS = 25


class AnchorAnswer(Record):
    """What a model answers."""

    scene: str = Field(min_length=1, max_length=200)


class ServedAnchor(ServedBackend[GeneralFacts]):
    """One line for the scene by a model; sounds in it that no other source detected are marked."""

    kind: Literal["served_anchor"] = "served_anchor"
    sampling: Sampling = Sampling(max_tokens=128)
    """How answers are drawn."""

    branch: ClassVar[Branch] = Branch.GENERAL
    reads_annotations: ClassVar[bool] = True
    prompts: ClassVar[tuple[str, ...]] = ("anchor", "anchor_system")

    def load(self) -> ServedAnnotator[GeneralFacts]:
        self.check_available()
        return AnchorAnnotator(self)


class AnchorAnnotator(RecordAnnotator[GeneralFacts, Scene, AnchorAnswer]):
    """The annotator of `ServedAnchor`."""

    def __init__(self, backend: ServedAnchor) -> None:
        super().__init__(backend.server, AnchorAnswer)
        self._backend = backend

    def prepare(self, clip: Clip) -> Scene | AnnotationError:
        return scene_of(clip)

    def question(self, clip: Clip, _: Scene) -> CheckedQuestion:
        return CheckedQuestion(
            text=SERVED.text("anchor"),
            audio=(flac_of(clip),),
            system=SERVED.text("anchor_system"),
            sampling=self._backend.sampling,
            about=clip.segment.recording_id,
            check=anchor_problems,
        )

    def facts(self, parsed: Parsed[AnchorAnswer], scene: Scene) -> GeneralFacts:
        line = _one_line(parsed.record.scene)
        undetected = tuple(undetected_in(line, scene))
        return GeneralFacts(anchor=Anchor(text=line, composer=self._backend.model, unheard=undetected))


def anchor_problems(record: Record) -> Iterator[str]:
    """Problems of an answer, one clause each."""
    assert isinstance(record, AnchorAnswer)
    line = _one_line(record.scene)
    yield from word_problems(line, MAX_WORDS)
    if any(mark in line for mark in ".!?"):
        yield "it is more than one line"


def _one_line(text: str) -> str:
    return " ".join(text.split()).rstrip(". ")
