"""Small builders of annotated segments: what a test does not name has a harmless value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from soundseam.annotators.grammar.engine import as_json
from soundseam.pipeline.sft.ask import LongTask
from soundseam.pipeline.sft.balance import Balance
from soundseam.pipeline.sft.build import SftConfig, load_sft_config, samples_of
from soundseam.pipeline.sft.material import Material, RecordingMaterial
from soundseam.schemas.annotation import Annotation, GeneralAnnotation, MusicAnnotation, SpeechAnnotation
from soundseam.schemas.caption import Caption
from soundseam.schemas.claim import Claim, Evidence, Verdict
from soundseam.schemas.event import Branch, Event, EventClass, Tag, TagKind
from soundseam.schemas.general import Acoustics, HeardEvent
from soundseam.schemas.music import Chord, Lyrics, Mode, Rhythm, Section, Tonality
from soundseam.schemas.recording import ChannelRelation, Downmix, ModelUse, Quality, Recording
from soundseam.schemas.sample import Sample
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import (
    AgeGroup,
    Clarity,
    DimensionContradiction,
    Emotion,
    Fluency,
    Gender,
    Paralinguistics,
    PitchLevel,
    Speakers,
    Speed,
    Transcript,
    Turn,
    Voice,
    Volume,
    Word,
)
from tests.support.builders import a_caption, a_segment, an_event, recording_id_of

CONFIG = load_sft_config()
SHORT = CONFIG.only(tuple(task.task for task in CONFIG.tasks if not isinstance(task, LongTask)))
"""The tasks that need no windows."""
DOG = (EventClass.ANIMAL, "Bark")
BELL = (EventClass.OBJECT, "Bell")
SPEECH = (EventClass.SPEECH, "speech")
MUSIC = (EventClass.MUSIC, "music")


def event(sound: tuple[EventClass, str], onset_ms: int, offset_ms: int, score: float = 0.9) -> Event:
    return an_event(sound[0], onset_ms, offset_ms, sound[1], score)


def _key(segment: Segment, branch: Branch, backend: str) -> dict[str, object]:
    return {
        "segment_id": segment.segment_id,
        "recording_id": segment.recording_id,
        "branch": branch,
        "backend": backend,
        "model": "test",
        "revision": "1",
        "config_key": "k",
    }


def spoken(
    segment: Segment, words: Sequence[str] = (), usable: bool = True, language: str = "en", rate_hz: float = 4.2
) -> SpeechAnnotation:
    """A row in which a recogniser whose times are good hears `words`, 300 ms each, 100 ms apart, from the start on."""
    timed = tuple(
        Word(text=word, start_ms=segment.start_ms + 400 * i, end_ms=segment.start_ms + 400 * i + 300, confidence=0.9)
        for i, word in enumerate(words)
    )
    transcript = Transcript(
        text=" ".join(words),
        words=timed,
        language=language,
        confidence=0.9,
        agreement=0.97 if usable else None,
        usable_for_training=usable,
        flags=() if usable else ("single_system",),
    )
    voice = Voice(
        speech_ms=5000,
        pitch_median_hz=120.0,
        pitch_low_hz=100.0,
        pitch_high_hz=140.0,
        voiced_share=0.6,
        level_dbfs=-20.0,
        snr_db=25.0,
        syllable_rate_hz=rate_hz,
        pause_count=2,
        pause_ms=1500,
        longest_pause_ms=1000,
    )
    facts = {"model": "pocketsphinx-en-us", "transcript": transcript if words else None, "voice": voice}
    return SpeechAnnotation.model_validate({**_key(segment, Branch.SPEECH, "asr"), **facts})


def with_speakers(segment: Segment, *spans: tuple[str, int, int], sure: bool | None = True) -> SpeechAnnotation:
    """A row that says who speaks when, and whether it is sure: (speaker, start, end), from the segment's start."""
    turns = tuple(
        Turn(speaker=name, start_ms=segment.start_ms + start, end_ms=segment.start_ms + end, overlapped=False)
        for name, start, end in spans
    )
    count = len({turn.speaker for turn in turns})
    speakers = Speakers(turns=turns, count=count, overlap_ms=0, scope="recording", sure=sure)
    return SpeechAnnotation.model_validate({**_key(segment, Branch.SPEECH, "turns"), "speakers": speakers})


def described(segment: Segment, *summaries: str, contradicted: bool = False) -> SpeechAnnotation:
    """A row in which a model describes a voice for each of `summaries`."""
    wrong = DimensionContradiction(dimension="pitch", said="high", measured="a median pitch of 95 Hz", backend="voice")
    voices = [
        Paralinguistics(
            gender=Gender.FEMALE,
            pitch=PitchLevel.UNCLEAR if contradicted else PitchLevel.MEDIUM,
            speed=Speed.MODERATE,
            volume=Volume.MODERATE,
            age=AgeGroup.YOUNG_ADULT,
            clarity=Clarity.CLEAR,
            fluency=Fluency.FLUENT,
            accent="General American",
            texture="warm",
            emotion=Emotion.CALM,
            tone="friendly",
            personality="patient",
            summary=summary,
            speaker=None,
            contradictions=(wrong,) if contradicted else (),
            answer="{}",
        )
        for summary in summaries
    ]
    return SpeechAnnotation.model_validate(
        {**_key(segment, Branch.SPEECH, "paralinguistics"), "paralinguistics": voices}
    )


def confirming(caption: Caption, row: SpeechAnnotation, verdict: Verdict | None = Verdict.CONFIRMED) -> Caption:
    """`caption` with a claim that repeats the summary of the voice that `row` describes."""
    assert row.paralinguistics
    summary = row.paralinguistics[0].summary
    evidence = Evidence(
        table="annotations/speech",
        segment_id=row.segment_id,
        backend=row.backend,
        field="paralinguistics.0.summary",
        value=as_json(summary),
    )
    claim = Claim(text=summary, rule="writer", evidence=(evidence,), verdict=verdict, probability=0.9)
    return caption.model_copy(update={"claims": (*caption.claims, claim)})


def sung(segment: Segment, words: Sequence[str], usable: bool = True) -> MusicAnnotation:
    """A row in which `words` are sung, each for 400 ms, 100 ms apart."""
    timed = tuple(
        Word(text=word, start_ms=segment.start_ms + 500 * i, end_ms=segment.start_ms + 500 * i + 400, confidence=0.9)
        for i, word in enumerate(words)
    )
    lyrics = Lyrics(
        text=" ".join(words),
        words=timed,
        language="en",
        confidence=0.9,
        recogniser="test",
        usable_for_training=usable,
        flags=(),
    )
    return MusicAnnotation.model_validate({**_key(segment, Branch.MUSIC, "lyrics"), "lyrics": lyrics})


def tagged(segment: Segment, *tags: tuple[str, float], backend: str = "tags") -> MusicAnnotation:
    """A row that names instruments with their scores."""
    named = tuple(Tag(label=label, kind=TagKind.INSTRUMENT, score=score, source="test") for label, score in tags)
    return MusicAnnotation.model_validate({**_key(segment, Branch.MUSIC, backend), "tags": named})


def musical(segment: Segment, tempo_bpm: float = 120.0, confidence: float = 0.9) -> MusicAnnotation:
    rhythm = Rhythm(
        tempo_bpm=tempo_bpm,
        tempo_confidence=confidence,
        beats_ms=(),
        onset_rate_hz=2.0,
        beats_per_bar=4,
        meter_confidence=confidence,
    )
    tonality = Tonality(tonic="A", mode=Mode.MINOR, confidence=confidence, runner_up="C major", tuning_cents=0.0)
    half = (segment.start_ms + segment.end_ms) // 2
    chords = (
        Chord(start_ms=segment.start_ms, end_ms=half, label="A:min", confidence=confidence),
        Chord(start_ms=half, end_ms=segment.end_ms, label="C:maj", confidence=confidence),
    )
    sections = (
        Section(start_ms=segment.start_ms, end_ms=half, label="A"),
        Section(start_ms=half, end_ms=segment.end_ms, label="B"),
    )
    return MusicAnnotation.model_validate(
        {
            **_key(segment, Branch.MUSIC, "mir"),
            "rhythm": rhythm,
            "tonality": tonality,
            "chords": chords,
            "sections": sections,
        }
    )


def heard(segment: Segment, events: Iterable[Event] | None = None, level_dbfs: float = -20.0) -> GeneralAnnotation:
    """The general branch's row, with the segment's own events by default."""
    measured = tuple(
        HeardEvent(
            **{name: getattr(one, name) for name in Event.model_fields},
            level_dbfs=-20.0,
            salience_db=20.0,
            brightness_hz=1000.0,
            tonal_share=0.5,
            attack_ms=20,
        )
        for one in (segment.events if events is None else events)
    )
    acoustics = Acoustics(
        level_dbfs=level_dbfs,
        peak_dbfs=-3.0,
        noise_floor_dbfs=-60.0,
        dynamic_range_db=30.0,
        silence_share=0.1,
        bandwidth_hz=8000,
    )
    return GeneralAnnotation.model_validate(
        {**_key(segment, Branch.GENERAL, "events"), "events": measured, "acoustics": acoustics}
    )


def captioned(segment: Segment, *sentences: str, **changes: object) -> Caption:
    """A caption each of whose sentences rests on the segment's profile."""
    evidence = Evidence(
        table="segments", segment_id=segment.segment_id, backend=None, field="start_ms", value=str(segment.start_ms)
    )
    claims = tuple(Claim(text=sentence, rule="test.rule", evidence=(evidence,)) for sentence in sentences)
    return a_caption(segment, " ".join(sentences)).model_copy(update={"claims": claims, **changes})


def a_recording(name: str = "a", detectors: Sequence[str] = ("embedded",)) -> Recording:
    return Recording(
        recording_id=recording_id_of(name),
        source_uri=f"{name}.wav",
        manifest_id=None,
        size_bytes=1,
        duration_ms=60_000,
        container="wav",
        codec="pcm_s16le",
        sample_rate_hz=16_000,
        channels=1,
        license=None,
        language=None,
        metadata=None,
        quality=Quality(
            level_dbfs=-20.0,
            peak_dbfs=-1.0,
            clipping_share=0.0,
            bandwidth_hz=8000,
            channel_relation=ChannelRelation.MONO,
            downmix=Downmix.NONE,
        ),
        detectors=tuple(ModelUse(name=detector, model="m", revision="1") for detector in detectors),
        segment_count=1,
        segment_ms=1000,
        config_key="k",
    )


def material(segment: Segment, *annotations: Annotation, caption: Caption | None = None) -> Material:
    return Material(segment, annotations, caption)


def recording(*materials: Material, name: str = "a") -> RecordingMaterial:
    return RecordingMaterial(recording_id_of(name), a_recording(name), materials)


def samples(of: RecordingMaterial, config: SftConfig = CONFIG, group: str = "") -> list[Sample]:
    """All samples of all tasks, before any are left out; held out by the share alone."""
    split = Balance(config.seed, config.validation_share).split_of(group or of.recording_id)
    return [sample for task in config.tasks for sample in samples_of(task, of, config, split, config.task_key(task))]


def tasks_in(made: Iterable[Sample]) -> set[str]:
    return {sample.task for sample in made}


def a_rich_recording(name: str = "a", shift_ms: int = 0) -> RecordingMaterial:
    """Three segments of which every task has something to ask; `shift_ms` moves all of it in time."""
    start = shift_ms
    talk = a_segment(
        name,
        start,
        start + 12_000,
        (event(SPEECH, start, start + 8_000), event(BELL, start + 9_000, start + 10_000)),
        branches=(Branch.SPEECH, Branch.GENERAL),
        language="en",
    )
    start += 12_000
    song = a_segment(name, start, start + 16_000, (event(MUSIC, start, start + 16_000),), branches=(Branch.MUSIC,))
    start += 16_000
    yard = a_segment(
        name,
        start,
        start + 10_000,
        (
            event(DOG, start + 500, start + 1_000),
            event(DOG, start + 2_000, start + 2_600),
            event(BELL, start + 5_000, start + 6_500),
        ),
    )
    start += 10_000
    tune = a_segment(name, start, start + 16_000, (event(MUSIC, start, start + 16_000),), branches=(Branch.MUSIC,))
    voice = described(talk, "A warm, calm voice speaks as to friends.")
    words = ["Good", "morning", "to", "all", "of", "you.", "Please", "take", "a", "seat", "now."]
    return recording(
        material(
            talk,
            spoken(talk, words),
            with_speakers(talk, ("a", 0, 2_350), ("b", 2_350, 4_800)),
            heard(talk),
            voice,
            caption=confirming(captioned(talk, "Someone speaks without hurry.", "Then something rings."), voice),
        ),
        material(song, musical(song), sung(song, ["La", "la", "la."]), tagged(song, ("piano", 0.9), ("violin", 0.8))),
        material(yard, heard(yard)),
        material(tune, musical(tune, tempo_bpm=160.0)),
        name=name,
    )


EVERY = CONFIG.model_copy(
    update={"tasks": tuple(task.model_copy(update={"max_per_segment": 99}) for task in CONFIG.tasks)}
)
"""Every sample that a segment can give."""
ENGLISH = EVERY.model_copy(update={"languages": {"en": 1.0}})
CHINESE = EVERY.model_copy(update={"languages": {"zh": 1.0}})


def of(task: str, made: list[Sample]) -> list[Sample]:
    return [sample for sample in made if sample.task == task]
