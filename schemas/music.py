"""What the music branch measures. Times are in the recording's own time."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from soundseam.schemas.claim import BranchFacts
from soundseam.schemas.event import Tag
from soundseam.schemas.record import Record
from soundseam.schemas.speech import Word


class Mode(StrEnum):
    MAJOR = "major"
    MINOR = "minor"


PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
"""As spelled in rows: sharps only, a semitone apart."""
_FLATS = {"C#": "Db", "D#": "Eb", "F#": "Gb", "G#": "Ab", "A#": "Bb"}
_USUALLY_FLAT = {
    Mode.MAJOR: frozenset({"C#", "D#", "G#", "A#"}),
    Mode.MINOR: frozenset({"D#", "A#"}),
}
"""The keys that musicians write with flats, as in B flat major and E flat minor."""


def tonic_name(tonic: str, mode: Mode, language: str = "en") -> str:
    """A tonic (one of PITCH_CLASSES) in the usual spelling of its key: B flat, F sharp; 降B, 升F in Chinese (`zh`)."""
    return _in_words(_FLATS[tonic] if tonic in _USUALLY_FLAT[mode] else tonic, language)


def key_name(tonic: str, mode: Mode, language: str = "en") -> str:
    """A key as a musician says it: B flat major, 降B大调."""
    name = tonic_name(tonic, mode, language)
    return f"{name}{_MODES_ZH[mode]}" if language == "zh" else f"{name} {mode}"


def key_spellings(tonic: str, mode: Mode, language: str = "en") -> tuple[str, ...]:
    """All spellings of a key, the usual one first: B flat major, Bb major, A sharp major, A# major."""
    spelt = [name for form in (tonic, _FLATS.get(tonic, tonic)) for name in (_in_words(form, language), form)]
    forms = [f"{name}{_MODES_ZH[mode]}" if language == "zh" else f"{name} {mode}" for name in spelt]
    return tuple(dict.fromkeys([key_name(tonic, mode, language), *forms]))


_MODES_ZH = {Mode.MAJOR: "大调", Mode.MINOR: "小调"}
_ACCIDENTALS = {"en": {"#": " sharp", "b": " flat"}, "zh": {"#": "升", "b": "降"}}


def _in_words(tonic: str, language: str) -> str:
    words = _ACCIDENTALS["zh" if language == "zh" else "en"].get(tonic[1:], "")
    return f"{words}{tonic[0]}" if language == "zh" else f"{tonic[0]}{words}"


class Rhythm(Record):
    """Tempo and beats."""

    tempo_bpm: float | None = Field(description="beats per minute; null if no steady pulse was found")
    tempo_confidence: float = Field(
        ge=0.0, le=1.0, description="strength of the pulse in the onset autocorrelation, or mean beat probability"
    )
    beats_ms: tuple[int, ...] = Field(description="empty if no steady pulse was found")
    onset_rate_hz: float = Field(ge=0.0, description="note or drum onsets per second")
    tempo_alternatives_bpm: tuple[float, ...] = Field(
        default=(), description="other tempi that a listener might tap, most likely first: mostly half or double"
    )
    beats_per_bar: int | None = Field(default=None, description="mostly 2, 3 or 4; null if no meter stands out")
    meter_confidence: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description="how much better the best meter is than the next, or share of bars of that length",
    )
    downbeats_ms: tuple[int, ...] = Field(default=(), description="the beats that begin a bar; empty without a meter")


class Tonality(Record):
    """The key, and the second best one."""

    tonic: str | None = Field(description="C, C#, D ... B, sharps only; null if no key stands out")
    mode: Mode | None = Field(description="null if tonic is null")
    confidence: float = Field(
        ge=0.0, le=1.0, description="how much better the key is than the next; 0 if none stands out"
    )
    runner_up: str | None = Field(description="the second best key, as in A minor; null if tonic is null")
    tuning_cents: float | None = Field(
        description="deviation from A4 = 440 Hz, -50 to 50; null if nothing pitched was found"
    )


class Chord(Record):
    """One chord, in Harte's notation."""

    start_ms: int = Field(description="in the recording's time")
    end_ms: int = Field(description="in the recording's time, exclusive")
    label: str = Field(description="as in C:maj, A:min, G:7, N for no chord; sharps only")
    confidence: float = Field(ge=0.0, le=1.0, description="mean posterior probability over its time")


class Section(Record):
    """One part of a piece's form."""

    start_ms: int = Field(description="in the recording's time")
    end_ms: int = Field(description="in the recording's time, exclusive")
    label: str = Field(
        description="A, B, C ... in order of appearance in the piece; a part that repeats has the same letter"
    )
    function: str | None = Field(default=None, description="as in intro, verse or chorus; null if no model gives one")


class Note(Record):
    """One note of any instrument."""

    pitch: int = Field(ge=0, le=127, description="MIDI number, 60 = middle C")
    start_ms: int = Field(description="in the recording's time")
    end_ms: int = Field(description="in the recording's time, exclusive")
    confidence: float = Field(ge=0.0, le=1.0, description="the model's mean activity over the note, not calibrated")


class Lyrics(Record):
    """A speech recogniser's transcript of singing. Recognisers are trained on speech: treat it with care."""

    text: str = Field(description="in the recogniser's own spelling")
    words: tuple[Word, ...] = Field(description="in order; empty if the recogniser gives no times")
    language: str | None = Field(description="BCP 47")
    confidence: float | None = Field(ge=0.0, le=1.0, description="the recogniser's own, not calibrated")
    recogniser: str = Field(description="the model that transcribed it")
    usable_for_training: bool = Field(description="true if the configuration trusts a single recogniser")
    flags: tuple[str, ...] = Field(description="reasons for distrust, as in single_system")


class Dynamics(Record):
    """Loudness and its changes."""

    loudness_lufs: float | None = Field(description="integrated, ITU-R BS.1770-4; null under 400 ms or in silence")
    loudness_range_db: float | None = Field(
        description="95th minus 10th percentile of the level of each 400 ms, levels counting as -70 dBFS at least; "
        "null under 3 s or in silence"
    )
    trend_db: float | None = Field(
        description="level of the last third over the first; null under 3 s or if either is silent"
    )


class Timbre(Record):
    """Spectral colour."""

    brightness_hz: float = Field(ge=0.0, description="median spectral centroid of the non-silent frames; 0 in silence")
    percussive_share: float = Field(
        ge=0.0, le=1.0, description="share of energy that is percussive rather than harmonic; 0 in silence"
    )


class Topic(StrEnum):
    """A topic on which a description is compared with measurements."""

    TEMPO = "tempo"
    KEY = "key"
    VOCALS = "vocals"


class Contradiction(Record):
    """A contradiction between a model and a measurement. The measurement counts; the model's statement is left out."""

    topic: Topic = Field(description="tempo, key or vocals")
    said: str = Field(description="the sentence, or the value, as the model put it")
    measured: str = Field(description="as in A minor, 84 beats a minute, singing or no singing")
    backend: str = Field(description="the backend that measured it; profile for the segment's own events")


class MusicDescription(Record):
    """An audio-language model's description of the music, without statements that contradict the measurements; null
    if nothing is left."""

    style_and_tempo: str | None = Field(description="genre, manner and pace")
    tonality_and_harmony: str | None = Field(description="key, mode and chords")
    instruments: str | None = Field(description="what plays, and who sings")
    structure: str | None = Field(description="how it develops")
    mood: str | None = Field(description="the mood that it conveys")
    tempo_bpm: float | None = Field(description="beats per minute, according to the model")
    key: str | None = Field(description="according to the model, as in A minor")
    vocals: bool | None = Field(description="whether somebody sings, according to the model")
    contradictions: tuple[Contradiction, ...] = Field(description="with the measurements, in the order of the text")
    answer: str = Field(description="as the model gave it")


class MusicFacts(BranchFacts):
    """The music branch's typed fields; each backend fills its own and leaves the rest null."""

    rhythm: Rhythm | None = None
    tonality: Tonality | None = None
    dynamics: Dynamics | None = None
    timbre: Timbre | None = None
    chords: tuple[Chord, ...] | None = Field(
        default=None, description="in order, without gaps over the segment; empty if no harmony was found"
    )
    sections: tuple[Section, ...] | None = Field(
        default=None, description="in order, without gaps over the segment; empty if none stand out"
    )
    notes: tuple[Note, ...] | None = Field(default=None, description="in order of their starts")
    voice_share: float | None = Field(
        default=None, ge=0.0, le=1.0, description="share of the segment with singing, from its profile"
    )
    tags: tuple[Tag, ...] | None = Field(default=None, description="by descending score")
    lyrics: Lyrics | None = Field(default=None, description="null if nobody sings")
    description: MusicDescription | None = Field(default=None, description="by music_description")
