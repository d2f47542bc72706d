"""Rows to caption: small builders, and plausible segments drawn at random from a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence

from soundseam.annotators.base import Clip
from soundseam.annotators.grammar.composer import GeneralCaption, GrammarBackend, MusicCaption, SpeechCaption
from soundseam.pipeline.captions.plan import plan_caption
from soundseam.schemas.annotation import ANNOTATION_OF, Annotation, Facts
from soundseam.schemas.caption import ResultKind
from soundseam.schemas.event import Branch, Event, EventClass, ProfileEntry
from soundseam.schemas.general import Acoustics, GeneralFacts, HeardEvent, Repetition
from soundseam.schemas.music import Dynamics, Mode, MusicFacts, Rhythm, Timbre, Tonality
from soundseam.schemas.segment import Boundary, Segment, segment_id_of
from soundseam.schemas.speech import SpeechFacts, Transcript, Voice
from soundseam.schemas.timespan import TimeSpan, covered_ms

COMPOSERS = {Branch.SPEECH: SpeechCaption(), Branch.MUSIC: MusicCaption(), Branch.GENERAL: GeneralCaption()}

_EDGE = Boundary(reason="recording_edge", cost=0.0, before=None, after=None, gap_ms=0, forced=False)


def event(event_class: EventClass, onset_ms: int, offset_ms: int, score: float = 0.9) -> Event:
    return Event(event_class=event_class, label=event_class.value, onset_ms=onset_ms, offset_ms=offset_ms, score=score)


def segment(
    events: Sequence[Event],
    branches: Sequence[Branch],
    start_ms: int = 0,
    end_ms: int = 10_000,
    recording_id: str = "0123456789abcdef" * 2,
) -> Segment:
    span = TimeSpan(start_ms, end_ms)
    return Segment(
        segment_id=segment_id_of(recording_id, span),
        recording_id=recording_id,
        source_uri="a.flac",
        start_ms=start_ms,
        end_ms=end_ms,
        branches=tuple(branches),
        profile=_profile(events, span),
        events=tuple(sorted(events, key=lambda one: one.onset_ms)),
        start_boundary=_EDGE,
        end_boundary=_EDGE,
        license=None,
        language=None,
        metadata=None,
        config_key="0" * 16,
    )


def _profile(events: Sequence[Event], span: TimeSpan) -> tuple[ProfileEntry, ...]:
    shares = {
        event_class: covered_ms(one.span for one in events if one.event_class is event_class) / span.duration_ms
        for event_class in {one.event_class for one in events}
    }
    return tuple(
        ProfileEntry(
            event_class=name,
            share=round(min(1.0, share), 3),
            strength=max(one.score for one in events if one.event_class is name),
        )
        for name, share in sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))
    )


def row(one: Segment, facts: Facts, backend: str, branch: Branch) -> Annotation:
    return ANNOTATION_OF[branch](
        segment_id=one.segment_id,
        recording_id=one.recording_id,
        branch=branch,
        backend=backend,
        model="m",
        revision="1",
        config_key="1" * 16,
        **{name: getattr(facts, name) for name in type(facts).model_fields},
    )


def voice(**changes: float | None) -> Voice:
    values: dict[str, float | None] = {
        "speech_ms": 9_000,
        "pitch_median_hz": 118.0,
        "pitch_low_hz": 100.0,
        "pitch_high_hz": 145.0,
        "voiced_share": 0.6,
        "level_dbfs": -24.0,
        "snr_db": 35.0,
        "syllable_rate_hz": 3.4,
        "pause_count": 3,
        "pause_ms": 1_600,
        "longest_pause_ms": 700,
    }
    return Voice.model_validate(values | changes)


def transcript(text: str, usable: bool = False) -> Transcript:
    return Transcript(
        text=text,
        words=(),
        language="en",
        confidence=0.5,
        agreement=None,
        usable_for_training=usable,
        flags=() if usable else ("single_system",),
    )


def music(**changes: object) -> MusicFacts:
    values: dict[str, object] = {
        "rhythm": Rhythm(tempo_bpm=128.0, tempo_confidence=0.6, beats_ms=(0, 469, 938), onset_rate_hz=3.5),
        "tonality": Tonality(tonic="D", mode=Mode.MAJOR, confidence=0.7, runner_up="B minor", tuning_cents=2.0),
        "dynamics": Dynamics(loudness_lufs=-18.0, loudness_range_db=8.0, trend_db=7.5),
        "timbre": Timbre(brightness_hz=1_500.0, percussive_share=0.6),
    }
    return MusicFacts.model_validate(values | changes)


def acoustics(**changes: float | None) -> Acoustics:
    values: dict[str, float | None] = {
        "level_dbfs": -30.0,
        "peak_dbfs": -8.0,
        "noise_floor_dbfs": -62.0,
        "dynamic_range_db": 30.0,
        "silence_share": 0.2,
        "bandwidth_hz": 7_500,
        "stationarity": 0.4,
        "decay_time_ms": None,
    }
    return Acoustics.model_validate(values | changes)


def heard(one: Event, **measures: float | None) -> HeardEvent:
    values: dict[str, float | None] = {
        "level_dbfs": -25.0,
        "salience_db": 25.0,
        "brightness_hz": 1_500.0,
        "tonal_share": 0.3,
        "attack_ms": 60,
    }
    return HeardEvent.model_validate(one.model_dump() | values | measures)


def with_captions(one: Segment, rows: Sequence[Annotation]) -> tuple[Annotation, ...]:
    """`rows` and, after them, the row of each branch's own composer."""
    composed = []
    for branch in one.branches:
        own = tuple(existing for existing in rows if existing.branch is branch)
        composed.append(row(one, compose_branch(one, own, branch), COMPOSERS[branch].backend, branch))
    return (*rows, *composed)


def compose_branch(one: Segment, rows: Sequence[Annotation], branch: Branch) -> Facts:
    import numpy as np

    composer: GrammarBackend[SpeechFacts] | GrammarBackend[MusicFacts] | GrammarBackend[GeneralFacts]
    composer = COMPOSERS[branch]
    clip = Clip(one, np.zeros(0, np.float32), 16_000, tuple(rows))
    return composer.load().annotate([clip])[0]


def plausible(seed: int) -> tuple[Segment, tuple[Annotation, ...]]:
    """A segment such as a corpus holds, with the rows of its branches."""
    rng = random.Random(seed)
    start = rng.randrange(0, 3_600_000)
    length = rng.randrange(1_500, 30_000)
    kind = rng.choices(
        ["speech", "music", "sounds", "speech+music", "speech+sounds", "music+sounds", "song", "then", "bed"],
        [40, 15, 15, 8, 10, 4, 4, 4, 3],
    )[0]
    events = [one for part in _parts(kind) for one in _events(part, rng, start, length)]
    branches = _branches(events, rng)
    one = segment(events, branches, start, start + length, recording_id=f"{rng.getrandbits(128):032x}")
    rows: list[Annotation] = []
    if Branch.SPEECH in branches:
        rows.append(row(one, SpeechFacts(transcript=transcript("hello there you are")), "pocketsphinx", Branch.SPEECH))
        rows.append(row(one, SpeechFacts(voice=_random_voice(rng, length)), "voice", Branch.SPEECH))
    if Branch.MUSIC in branches:
        rows.append(row(one, _random_music(rng), "mir", Branch.MUSIC))
    if Branch.GENERAL in branches:
        rows.append(row(one, _random_sounds(rng, one), "events", Branch.GENERAL))
        rows.append(row(one, GeneralFacts(acoustics=_random_acoustics(rng)), "acoustics", Branch.GENERAL))
    return one, tuple(rows)


def _parts(kind: str) -> list[str]:
    return {
        "song": ["music", "singing"],
        "then": ["first speech", "then music"],
        "bed": ["bed", "speech"],
    }.get(kind, kind.split("+"))


def _events(part: str, rng: random.Random, start: int, length: int) -> list[Event]:
    score = round(rng.uniform(0.4, 1.0), 3)
    if part in {"speech", "music", "singing", "bed"}:
        event_class = EventClass(part) if part != "bed" else rng.choice([EventClass.NATURE, EventClass.ENVIRONMENT])
        onset = start + int(length * rng.choice([0, 0, 0.02, 0.1, 0.4]))
        offset = start + int(length * rng.choice([1, 1, 0.98, 0.9, 0.65]))
        return [event(event_class, onset, offset, score)]
    if part == "first speech":
        return [event(EventClass.SPEECH, start, start + length // 2, score)]
    if part == "then music":
        return [event(EventClass.MUSIC, start + length // 2 + 100, start + length, score)]
    classes = [EventClass.SOURCE_AMBIGUOUS, EventClass.OBJECT, EventClass.ANIMAL, EventClass.HUMAN_VOICE]
    event_class = rng.choices(classes, [6, 2, 1, 1])[0]
    found = []
    for _ in range(rng.choice([1, 1, 1, 2, 2, 3, 4, 6, 9])):
        onset = start + rng.randrange(0, length - 200)
        found.append(event(event_class, onset, min(start + length, onset + rng.choice([120, 300, 900, 2_500])), score))
    return found


def _branches(events: Sequence[Event], rng: random.Random) -> list[Branch]:
    of_class = {EventClass.SPEECH: Branch.SPEECH, EventClass.MUSIC: Branch.MUSIC, EventClass.SINGING: Branch.MUSIC}
    branches = list(dict.fromkeys(of_class.get(one.event_class, Branch.GENERAL) for one in events))
    rng.shuffle(branches)
    return branches


def _random_voice(rng: random.Random, length: int) -> Voice:
    median = rng.choice([rng.uniform(85, 150), rng.uniform(160, 260)])
    count = rng.choice([0, 0, 1, 2, 3, 4, 6, 10])
    return voice(
        speech_ms=int(length * rng.uniform(0.6, 1)),
        pitch_median_hz=round(median, 1),
        pitch_low_hz=round(median * rng.uniform(0.7, 0.95), 1),
        pitch_high_hz=round(median * rng.uniform(1.05, 1.6), 1),
        voiced_share=round(rng.uniform(0.2, 0.8), 3),
        level_dbfs=round(rng.gauss(-26, 8), 2),
        snr_db=rng.choice([None, round(rng.uniform(0, 50), 2)]),
        syllable_rate_hz=round(rng.gauss(4.2, 0.9), 2) if length > 2_000 else None,
        pause_count=count,
        pause_ms=count * 400,
        longest_pause_ms=rng.choice([250, 450, 900, 2_400]) if count else 0,
    )


def _random_music(rng: random.Random) -> MusicFacts:
    tonic = rng.choice([None, "C", "F#", "G", "A"])
    return music(
        rhythm=Rhythm(
            tempo_bpm=rng.choice([None, round(rng.uniform(50, 190), 1)]),
            tempo_confidence=round(rng.random(), 3),
            beats_ms=(),
            onset_rate_hz=round(rng.uniform(0.5, 9), 2),
        ),
        tonality=Tonality(
            tonic=tonic,
            mode=rng.choice(list(Mode)) if tonic else None,
            confidence=round(rng.random(), 3) if tonic else 0.0,
            runner_up=rng.choice(["A minor", "E minor", "C major", "D major"]) if tonic else None,
            tuning_cents=0.0,
        ),
        dynamics=Dynamics(
            loudness_lufs=-20.0, loudness_range_db=round(rng.uniform(1, 20), 2), trend_db=round(rng.gauss(0, 5), 2)
        ),
        timbre=Timbre(brightness_hz=round(rng.uniform(500, 4_000), 1), percussive_share=round(rng.random(), 3)),
    )


def _random_sounds(rng: random.Random, one: Segment) -> GeneralFacts:
    repetition = Repetition(period_ms=rng.choice([250, 500, 1_000, 2_600]), count=5, regularity=0.95, label=None)
    return GeneralFacts(
        events=tuple(
            heard(
                each,
                level_dbfs=round(rng.gauss(-28, 6), 2),
                salience_db=rng.choice([None, round(rng.uniform(0, 40), 2)]),
                brightness_hz=round(rng.uniform(300, 5_500), 1),
                tonal_share=round(rng.random(), 3),
                attack_ms=rng.choice([10, 80, 700]),
            )
            for each in one.events
        ),
        repetition=rng.choice([None, None, None, None, repetition]),
    )


def _random_acoustics(rng: random.Random) -> Acoustics:
    return acoustics(
        level_dbfs=round(rng.gauss(-32, 10), 2),
        silence_share=round(rng.random() ** 2, 3),
        bandwidth_hz=rng.choice([3_400, 5_000, 7_900, 7_900]),
        stationarity=round(rng.random(), 3),
        decay_time_ms=rng.choice([None, None, None, 400, 1_500]),
    )


def contents_by_kind(one: Segment, rows: list[Annotation]) -> dict[ResultKind, list[str]]:
    """What the plan of a caption holds, by its kind."""
    found: dict[ResultKind, list[str]] = {}
    for fact in plan_caption(one, rows).facts:
        found.setdefault(fact.kind, []).append(fact.content)
    return found
