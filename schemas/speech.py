"""What the speech branch measures. Times are in the recording's own time."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from soundseam.schemas.claim import BranchFacts
from soundseam.schemas.record import Record


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
    """Normalises a model's spelling: Young adult becomes young_adult."""
    return "_".join(value.lower().replace("-", " ").split()) if isinstance(value, str) else value


_Word = BeforeValidator(_as_word)


UNCLEAR = "unclear"


def is_unclear(value: str) -> bool:
    """Whether a model did not answer a dimension."""
    return value.lower().rstrip(".") == UNCLEAR


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

    def in_words(self) -> dict[str, str]:
        """Each dimension with its value, as one says it: young adult."""
        values = self.model_dump(mode="json", include=set(Dimensions.model_fields))
        return {name: str(values[name]).replace("_", " ") for name in Dimensions.model_fields}


class DimensionContradiction(Record):
    """A contradiction between a model and a measurement. The measurement counts: the dimension is set to unclear."""

    dimension: str = Field(description="gender, age, pitch, speed or volume")
    said: str = Field(description="the value that the model gave")
    measured: str = Field(description="as in a median pitch of 95 Hz")
    backend: str = Field(description="the backend that measured it")


class Paralinguistics(Dimensions):
    """How one speaker of a segment sounds, by an audio-language model, checked against measurements."""

    speaker: str | None = Field(
        description="label of the speaker's turns; null if the whole segment was used as one speaker's"
    )
    contradictions: tuple[DimensionContradiction, ...] = Field(
        description="with the measurements, in order of dimensions"
    )
    answer: str = Field(description="as the model gave it")


class Word(Record):
    """One word as a recogniser timed it."""

    text: str = Field(description="in the system's own spelling")
    start_ms: int = Field(description="in the recording's time")
    end_ms: int = Field(description="in the recording's time, exclusive")
    confidence: float | None = Field(ge=0.0, le=1.0, description="the system's own, not calibrated")
    speaker: str | None = Field(
        default=None,
        description="label of the speaker whose turn covers most of the word; null if there is none",
    )


class Transcript(Record):
    """The transcript of one system, or of several that agree."""

    text: str = Field(description="in the system's own spelling")
    words: tuple[Word, ...] = Field(description="in order; empty if the system gives no times")
    language: str | None = Field(description="BCP 47")
    confidence: float | None = Field(ge=0.0, le=1.0, description="the system's own, not calibrated")
    agreement: float | None = Field(ge=0.0, le=1.0, description="1 - inter-system WER; null for a single system")
    usable_for_training: bool = Field(
        description="true if enough systems agree, or the configuration trusts a single one"
    )
    flags: tuple[str, ...] = Field(description="reasons for distrust, as in single_system")
    language_probability: float | None = Field(
        default=None, ge=0.0, le=1.0, description="of the language, detected in the audio; null if that was not done"
    )
    no_speech_probability: float | None = Field(
        default=None, ge=0.0, le=1.0, description="the system's own, that nobody speaks; null if it gives none"
    )


class Voice(Record):
    """Voice measurements over the time detected as speech."""

    speech_ms: int = Field(description="time detected as speech")
    pitch_median_hz: float | None = Field(description="median fundamental frequency of voiced frames; null if none")
    pitch_low_hz: float | None = Field(description="10th percentile")
    pitch_high_hz: float | None = Field(description="90th percentile")
    voiced_share: float = Field(ge=0.0, le=1.0, description="share of speech frames with a pitch")
    level_dbfs: float | None = Field(description="RMS over the speech; null for digital silence")
    snr_db: float | None = Field(
        description="speech level over the background's; null if unknown: nothing between speech, or other voices"
    )
    syllable_rate_hz: float | None = Field(description="syllable nuclei per second of speech; null under 1 s of speech")
    pause_count: int = Field(
        ge=0,
        description="250 ms or more outside the speech events or 25 dB below their level; a lower bound",
    )
    pause_ms: int = Field(ge=0, description="total length of the pauses")
    longest_pause_ms: int = Field(ge=0, description="0 if there is none")


class SpeechQuality(Record):
    """Recording quality of a segment's speech, measured on all channels of the source."""

    bandwidth_hz: int | None = Field(
        description="highest frequency within 70 dB of the strongest, up to 24000; null for silence"
    )
    clipping_share: float = Field(
        ge=0.0, le=1.0, description="share of speech samples in runs of three or more at full scale"
    )


class Dnsmos(Record):
    """Opinion scores from 1 to 5 that DNSMOS predicts (arXiv 2110.01763), means over the segment."""

    signal: float = Field(description="the voice itself, ITU-T P.835 SIG")
    background: float = Field(description="freedom from background noise, P.835 BAK")
    overall: float = Field(description="P.835 OVRL")
    p808: float = Field(description="overall by ITU-T P.808, another model")


class ErrorUnit(StrEnum):
    """The unit in which transcripts are compared."""

    WORDS = "words"
    CHARACTERS = "characters"


class PairError(Record):
    """The difference between two systems' transcripts."""

    first: str = Field(description="a backend")
    second: str = Field(description="another")
    error_rate: float = Field(
        ge=0.0, le=1.0, description="edits divided by the length of the longer transcript, both normalised"
    )


class Agreement(Record):
    """How the transcript of a segment was chosen, with the figures."""

    systems: tuple[str, ...] = Field(description="backends that took part, in the configuration's order")
    chosen: str | None = Field(
        description="the system whose transcript agrees most with the others; null if none took part"
    )
    unit: ErrorUnit = Field(description="characters if the text is mostly Chinese, Japanese or Korean")
    pairs: tuple[PairError, ...] = Field(description="every pair of systems")
    coverage: float | None = Field(
        ge=0.0, le=1.0, description="share of the speech that words cover; null without word times or speech"
    )
    untranscribed_tail_ms: int | None = Field(ge=0, description="speech after the last word; null if coverage is null")
    letters_per_second: float | None = Field(ge=0.0, description="over the speech; null if there is none")


class SpeechLanguage(Record):
    """The spoken language, according to the audio and to the text."""

    from_audio: str | None = Field(description="BCP 47, from a recogniser; null if none gives it")
    from_text: str | None = Field(description="BCP 47, from the transcript; null for too little text")
    text_confidence: float | None = Field(ge=0.0, le=1.0, description="among the languages that are considered")
    agrees: bool | None = Field(description="null if one of the two is missing")


class Sentence(Record):
    """Words that belong together, by punctuation or by the pauses around them."""

    text: str = Field(description="as in the transcript")
    start_ms: int = Field(description="in the recording's time")
    end_ms: int = Field(description="in the recording's time, exclusive")


class Alignment(Record):
    """The times of a transcript's words, found by a second model by forced alignment."""

    aligned: str = Field(description="the backend whose transcript it is")
    words: tuple[Word, ...] = Field(description="in order, inside the segment, without overlaps")
    mean_difference_ms: float | None = Field(
        ge=0.0, description="mean distance of starts and ends from the recogniser's own; null if it gave no times"
    )


class Turn(Record):
    """One speaker speaking, clipped to the segment. Turns of several speakers may overlap."""

    speaker: str = Field(description="label, consistent within a recording")
    start_ms: int = Field(description="in the recording's time")
    end_ms: int = Field(description="in the recording's time, exclusive")
    overlapped: bool = Field(description="true if somebody else speaks during part of it")


class Speakers(Record):
    """Who speaks when in a segment."""

    turns: tuple[Turn, ...] = Field(description="in order of start")
    count: int = Field(ge=0, description="number of speakers in the segment")
    overlap_ms: int = Field(ge=0, description="time in which two or more speak")
    scope: Literal["recording", "segment"] = Field(description="the range within which labels are consistent")
    sure: bool | None = Field(
        default=None, description="true if count and turns are reliable; null if the backend does not judge that"
    )
    doubt: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="mean doubt of the model about who speaks, while somebody does; null if it does not tell",
    )


class SpeechFacts(BranchFacts):
    """The speech branch's typed fields; each backend fills its own and leaves the rest null."""

    transcript: Transcript | None = None
    agreement: Agreement | None = None
    language: SpeechLanguage | None = None
    alignment: Alignment | None = None
    sentences: tuple[Sentence, ...] | None = None
    speakers: Speakers | None = None
    voice: Voice | None = None
    quality: SpeechQuality | None = None
    dnsmos: Dnsmos | None = None
    paralinguistics: tuple[Paralinguistics, ...] | None = Field(
        default=None, description="one per speaker, the one who speaks longest first; empty if nobody speaks enough"
    )
