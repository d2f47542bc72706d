"""The common part of the three branches' caption backends: a list of rules and a limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Generic, Literal, TypeVar

from pydantic import Field

from soundseam.annotators.base import Annotator, Backend, Clip
from soundseam.annotators.grammar import chinese, general, music, narration, speech
from soundseam.annotators.grammar import scene as grammar_scene
from soundseam.annotators.grammar import sounds as grammar_sounds
from soundseam.annotators.grammar.engine import (
    CHINESE,
    GRAMMAR,
    GRAMMAR_REVISION,
    WITHOUT,
    Language,
    Rows,
    Rule,
    caption_text,
    compose,
    derive_text,
    read_place,
    split_variant,
    without,
)
from soundseam.annotators.grammar.general import DETAILS as GENERAL_DETAILS
from soundseam.annotators.grammar.music import CHARACTER, DOUBTFUL
from soundseam.annotators.grammar.music import DETAILS as MUSIC_DETAILS
from soundseam.annotators.grammar.music import OPENING as MUSIC_OPENING
from soundseam.annotators.grammar.narration import NAMED, NAMED_OPENING
from soundseam.annotators.grammar.scene import EXTENT, NAMED_STREAM, NAMED_STREAMS, STREAM, STREAMS
from soundseam.annotators.grammar.sounds import OPENING as SOUNDS_OPENING
from soundseam.annotators.grammar.sounds import PLAIN_SOUNDS, SOUNDS, STEADY_SOUND
from soundseam.annotators.grammar.speech import DETAILS as SPEECH_DETAILS
from soundseam.annotators.grammar.speech import MANNER
from soundseam.annotators.grammar.speech import OPENING as SPEECH_OPENING
from soundseam.schemas.claim import Claim
from soundseam.schemas.event import Branch
from soundseam.schemas.general import GeneralFacts
from soundseam.schemas.music import MusicFacts
from soundseam.schemas.speech import SpeechFacts

FactsT = TypeVar("FactsT", SpeechFacts, MusicFacts, GeneralFacts)


class GrammarComposer(Generic[FactsT]):
    """An annotator: up to `sentences` sentences by the rules of `plan`, in their order.

    A branch that is not sure of its own kind of sound still says that there is a sound.
    """

    def __init__(self, facts: type[FactsT], plan: Sequence[Rule], sentences: int) -> None:
        self._facts: type[FactsT] = facts
        self._plan = plan
        self._sentences = sentences

    def annotate(self, clips: Sequence[Clip]) -> Sequence[FactsT]:
        return [self._compose(clip) for clip in clips]

    def _compose(self, clip: Clip) -> FactsT:
        rows = Rows(clip.segment, clip.annotations)
        claims = compose(self._plan, rows, self._sentences) or compose((PLAIN_SOUNDS,), rows, 1)
        facts: FactsT = self._facts(caption=caption_text(claims) or None, caption_claims=claims)
        return facts


class GrammarBackend(Backend[FactsT], Generic[FactsT]):
    """Composes its branch's caption from the rows of the backends listed before it."""

    sentences: int = Field(default=4, ge=1, le=8, description="maximum number of sentences in a caption")

    sample_rate_hz: ClassVar[int | None] = None
    reads_annotations: ClassVar[bool] = True
    licence: ClassVar[str] = "Apache-2.0"

    @property
    def model(self) -> str:
        return GRAMMAR

    @property
    def revision(self) -> str:
        return GRAMMAR_REVISION


RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in (
        *speech.RULES,
        *music.RULES,
        *general.RULES,
        *grammar_scene.RULES,
        *grammar_sounds.RULES,
        *narration.RULES,
        *chinese.RULES,
    )
}


def derive_in(language: Language, claim: Claim) -> str | None:
    """The sentence of `claim` in another language, from the same evidence.

    None if it was not derived by a rule, or by an earlier version's, which read other fields.
    """
    try:
        name, variant = split_variant(claim.rule)
        base, mark, left_out = name.partition(WITHOUT)
        base = f"{base.removesuffix(CHINESE)}{CHINESE if language == 'zh' else ''}"
        rule = rule_named(f"{base}{mark}{left_out}")
    except (KeyError, ValueError):
        return None
    if [(one.table, one.field) for one in claim.evidence] != [
        (table.value, path) for table, path in map(read_place, rule.reads)
    ]:
        return None
    return derive_text(rule, claim.evidence[0].segment_id, [one.value for one in claim.evidence], variant)


def rule_named(name: str) -> Rule:
    """The rule named by a claim, without the fields that the claim left out. Raises KeyError for an unknown name."""
    base, is_without, places = name.partition(WITHOUT)
    rule = without(RULES[base], places.split("+")) if is_without else RULES[base]
    if rule.name != name:
        raise KeyError(name)
    return rule


SPEECH_PLAN = (SPEECH_OPENING, STREAM, STREAMS, MANNER, EXTENT, *SPEECH_DETAILS)


class SpeechCaption(GrammarBackend[SpeechFacts]):
    """Describes the speech, in sentences based on the rows of the branch and of the segment."""

    kind: Literal["speech_caption"] = "speech_caption"

    branch: ClassVar[Branch] = Branch.SPEECH

    def load(self) -> Annotator[SpeechFacts]:
        return GrammarComposer(SpeechFacts, SPEECH_PLAN, self.sentences)


MUSIC_PLAN = (MUSIC_OPENING, DOUBTFUL, STREAM, STREAMS, CHARACTER, EXTENT, *MUSIC_DETAILS)


class MusicCaption(GrammarBackend[MusicFacts]):
    """Describes the music, in sentences based on the rows of the branch and of the segment."""

    kind: Literal["music_caption"] = "music_caption"

    branch: ClassVar[Branch] = Branch.MUSIC

    def load(self) -> Annotator[MusicFacts]:
        return GrammarComposer(MusicFacts, MUSIC_PLAN, self.sentences)


GENERAL_PLAN = (
    NAMED_STREAMS,
    STREAMS,
    NAMED_OPENING,
    SOUNDS_OPENING,
    NAMED_STREAM,
    STREAM,
    NAMED,
    STEADY_SOUND,
    SOUNDS,
    PLAIN_SOUNDS,
    EXTENT,
    *GENERAL_DETAILS,
)


class GeneralCaption(GrammarBackend[GeneralFacts]):
    """Describes the sounds, event by event and as a whole, in sentences based on the rows of the branch and of the
    segment.
    """

    kind: Literal["general_caption"] = "general_caption"

    branch: ClassVar[Branch] = Branch.GENERAL

    def load(self) -> Annotator[GeneralFacts]:
        return GrammarComposer(GeneralFacts, GENERAL_PLAN, self.sentences)
