"""How a speaker sounds beside the words: thirteen dimensions, as an audio-language model tells them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field

from schemas.record import Record


class Gender(StrEnum):
    """As it sounds, which need not be as it is."""

    FEMALE = "female"
    MALE = "male"
    UNCLEAR = "unclear"


class AgeGroup(StrEnum):
    """As it sounds."""

    CHILD = "child"
    TEENAGER = "teenager"
    YOUNG_ADULT = "young_adult"
    MIDDLE_AGED = "middle_aged"
    ELDERLY = "elderly"
    UNCLEAR = "unclear"


class PitchLevel(StrEnum):
    """For a human voice, whoever speaks."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    VARIED = "varied"
    UNCLEAR = "unclear"


class Volume(StrEnum):
    QUIET = "quiet"
    MODERATE = "moderate"
    LOUD = "loud"
    VARIED = "varied"
    UNCLEAR = "unclear"


class Speed(StrEnum):
    SLOW = "slow"
    MODERATE = "moderate"
    FAST = "fast"
    VARIED = "varied"
    UNCLEAR = "unclear"


class Clarity(StrEnum):
    """Of articulation."""

    CLEAR = "clear"
    FAIRLY_CLEAR = "fairly_clear"
    INDISTINCT = "indistinct"
    UNCLEAR = "unclear"


class Fluency(StrEnum):
    FLUENT = "fluent"
    FAIRLY_FLUENT = "fairly_fluent"
    HESITANT = "hesitant"
    HALTING = "halting"
    UNCLEAR = "unclear"


class Emotion(StrEnum):
    NEUTRAL = "neutral"
    CALM = "calm"
    HAPPY = "happy"
    EXCITED = "excited"
    SURPRISED = "surprised"
    SAD = "sad"
    ANGRY = "angry"
    FEARFUL = "fearful"
    DISGUSTED = "disgusted"
    UNCLEAR = "unclear"


def _as_word(value: object) -> object:
    """As models write it: Young adult is young_adult."""
    return "_".join(value.lower().replace("-", " ").split()) if isinstance(value, str) else value


_Word = BeforeValidator(_as_word)


class Dimensions(Record):
    """The thirteen dimensions of arXiv 2606.01802, in its order. "unclear" is an answer to each."""

    gender: Annotated[Gender, _Word] = Field(description="as it sounds")
    pitch: Annotated[PitchLevel, _Word] = Field(description="of the voice, compared with all human voices")
    speed: Annotated[Speed, _Word] = Field(description="of speaking, pauses apart")
    volume: Annotated[Volume, _Word] = Field(description="how loudly the speaker speaks")
    age: Annotated[AgeGroup, _Word] = Field(description="as it sounds")
    clarity: Annotated[Clarity, _Word] = Field(description="of articulation")
    fluency: Annotated[Fluency, _Word] = Field(description="how smoothly words follow one another")
    accent: str = Field(max_length=80, description="as in General American, or unclear")
    texture: str = Field(max_length=120, description="of the voice, as in warm and slightly breathy")
    emotion: Annotated[Emotion, _Word] = Field(description="the one that prevails")
    tone: str = Field(max_length=120, description="the manner towards the listener, as in matter-of-fact")
    personality: str = Field(max_length=160, description="the impression that the speaker makes")
    summary: str = Field(max_length=500, description="one or two sentences that put it together")


class DimensionContradiction(Record):
    """Where a model says otherwise than what was measured. The measure counts: the dimension is set to unclear."""

    dimension: str = Field(description="gender, age, pitch, speed or volume")
    said: str = Field(description="the value that the model gave")
    measured: str = Field(description="as in a median pitch of 95 Hz")
    backend: str = Field(description="whose measure")


class Paralinguistics(Dimensions):
    """How one speaker of a segment sounds, by an audio-language model, held against what was measured."""

    speaker: str | None = Field(
        description="label of the turns that were heard; null where the whole segment was, as one speaker's"
    )
    contradictions: tuple[DimensionContradiction, ...] = Field(description="with the measures, in order of dimensions")
    answer: str = Field(description="as the model gave it")
