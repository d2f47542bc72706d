"""A corpus of any size: rows as a run would commit them, over ten-second clips of the sample recordings."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import soundfile
import soxr

from soundseam.annotators.flac import encode_flac
from soundseam.pipeline.storage.commits import Commit, CommitWriter, new_commit, prepare_output, shard_of
from soundseam.pipeline.work import CAPTIONS_STAGE, SEGMENTS_STAGE
from soundseam.schemas.annotation import GeneralAnnotation, MusicAnnotation, SpeechAnnotation
from soundseam.schemas.caption import Caption
from soundseam.schemas.claim import Claim, Evidence
from soundseam.schemas.event import Branch, Event, EventClass, ProfileEntry
from soundseam.schemas.general import Acoustics, HeardEvent
from soundseam.schemas.music import Mode, Rhythm, Tonality
from soundseam.schemas.segment import Audio, Boundary, Segment, SegmentRow, segment_id_of
from soundseam.schemas.speech import Transcript, Voice, Word
from soundseam.schemas.tables import Table, annotation_table
from soundseam.schemas.timespan import TimeSpan

CLIPS = ("speech-phone-menu.flac", "meeting.flac", "music-ferry-morning.mp3", "scene.flac")
CLIP_MS = 10_000
SEGMENTS_A_RECORDING = 50
RECORDINGS_A_COMMIT = 5
WORDS = ("a", "corpus", "is", "made", "of", "many", "small", "pieces.")

_SOUNDS = ((EventClass.ANIMAL, "Bark"), (EventClass.OBJECT, "Bell"), (EventClass.SPEECH, "speech"))
_EDGE = Boundary(reason="gap", cost=0.0, before=None, after=None, gap_ms=500, forced=False)

Row = SegmentRow | SpeechAnnotation | MusicAnnotation | GeneralAnnotation | Caption


def make_corpus(folder: Path, recordings: int) -> None:
    """Commits `recordings` of SEGMENTS_A_RECORDING segments each to `folder`."""
    shards = prepare_output(str(folder))
    clips = [clip_of(name) for name in CLIPS]
    ids = [hashlib.sha256(str(number).encode()).hexdigest()[:32] for number in range(recordings)]
    by_shard: dict[int, list[str]] = {}
    for name in ids:
        by_shard.setdefault(shard_of(name, shards), []).append(name)
    for shard, members in sorted(by_shard.items()):
        for start in range(0, len(members), RECORDINGS_A_COMMIT):
            _commit(str(folder), shard, sorted(members[start : start + RECORDINGS_A_COMMIT]), clips)


def _commit(output: str, shard: int, names: list[str], clips: list[bytes]) -> None:
    covers = tuple((name, "1") for name in names)
    segments = [_segment(name, number) for name in names for number in range(SEGMENTS_A_RECORDING)]
    with new_commit(output, Commit(stage=SEGMENTS_STAGE, shard=shard, covers=covers, files=())) as writer:
        for number, segment in enumerate(segments):
            _append_segment(writer, segment, clips[number % len(clips)])
    for branch in Branch:
        stage = f"annotations/{branch}/benchmark"
        with new_commit(output, Commit(stage=stage, shard=shard, covers=covers, files=())) as writer:
            for segment in segments:
                writer.append(annotation_table(branch), _annotation(segment, branch))
    with new_commit(output, Commit(stage=CAPTIONS_STAGE, shard=shard, covers=covers, files=())) as writer:
        for segment in segments:
            writer.append(Table.CAPTIONS, _caption(segment))


def _append_segment(writer: CommitWriter, segment: Segment, flac: bytes) -> None:
    audio = Audio(bytes=flac, path=f"{segment.segment_id}.flac")
    fields = {name: getattr(segment, name) for name in Segment.model_fields}
    writer.append(Table.SEGMENTS, SegmentRow(**fields, audio=audio), len(flac))


def clip_of(name: str) -> bytes:
    """The first ten seconds of a sample recording as a segment holds them."""
    samples, rate = soundfile.read(
        Path(__file__).parents[1] / "samples" / "recordings" / name, dtype="float32", always_2d=True
    )
    mono = soxr.resample(samples.mean(axis=1), rate, 16_000)[: CLIP_MS * 16]
    return encode_flac(np.pad(mono, (0, CLIP_MS * 16 - len(mono))))


def _segment(recording_id: str, number: int) -> Segment:
    start = number * CLIP_MS
    span = TimeSpan(start, start + CLIP_MS)
    events = tuple(
        Event(
            event_class=event_class,
            label=label,
            onset_ms=start + 300 + 3_000 * place + 10 * number,
            offset_ms=start + 1_800 + 3_000 * place + 10 * number,
            score=0.9,
        )
        for place, (event_class, label) in enumerate(_SOUNDS)
    )
    profile = tuple(ProfileEntry(event_class=event_class, share=0.15, strength=0.9) for event_class, _ in _SOUNDS)
    return Segment(
        segment_id=segment_id_of(recording_id, span),
        recording_id=recording_id,
        source_uri=f"{recording_id}.flac",
        start_ms=span.start_ms,
        end_ms=span.end_ms,
        branches=tuple(Branch),
        profile=profile,
        events=events,
        start_boundary=_EDGE,
        end_boundary=_EDGE,
        license="CC0-1.0",
        language="en",
        metadata=None,
        config_key="1",
    )


def _annotation(segment: Segment, branch: Branch) -> SpeechAnnotation | MusicAnnotation | GeneralAnnotation:
    key = {
        "segment_id": segment.segment_id,
        "recording_id": segment.recording_id,
        "branch": branch,
        "backend": "benchmark",
        "model": "none",
        "revision": "1",
        "config_key": "1",
    }
    if branch is Branch.SPEECH:
        return SpeechAnnotation.model_validate({**key, "transcript": _transcript(segment), "voice": _voice()})
    if branch is Branch.MUSIC:
        tempo = 80.0 + segment.start_ms // CLIP_MS
        rhythm = Rhythm(tempo_bpm=tempo, tempo_confidence=0.9, beats_ms=(), onset_rate_hz=2.0)
        tonality = Tonality(tonic="A", mode=Mode.MINOR, confidence=0.9, runner_up="C major", tuning_cents=0.0)
        return MusicAnnotation.model_validate({**key, "rhythm": rhythm, "tonality": tonality})
    return GeneralAnnotation.model_validate({**key, "events": _heard(segment), "acoustics": _acoustics(segment)})


def _transcript(segment: Segment) -> Transcript:
    words = tuple(
        Word(
            text=word,
            start_ms=segment.start_ms + 400 * place,
            end_ms=segment.start_ms + 400 * place + 300,
            confidence=0.9,
        )
        for place, word in enumerate(WORDS)
    )
    return Transcript(
        text=" ".join(WORDS),
        words=words,
        language="en",
        confidence=0.9,
        agreement=0.95,
        usable_for_training=True,
        flags=(),
    )


def _voice() -> Voice:
    return Voice(
        speech_ms=5_000,
        pitch_median_hz=120.0,
        pitch_low_hz=100.0,
        pitch_high_hz=140.0,
        voiced_share=0.6,
        level_dbfs=-20.0,
        snr_db=25.0,
        syllable_rate_hz=4.2,
        pause_count=2,
        pause_ms=1_500,
        longest_pause_ms=1_000,
    )


def _heard(segment: Segment) -> tuple[HeardEvent, ...]:
    return tuple(
        HeardEvent(
            **{name: getattr(event, name) for name in Event.model_fields},
            level_dbfs=-20.0,
            salience_db=20.0,
            brightness_hz=1_000.0,
            tonal_share=0.5,
            attack_ms=20,
        )
        for event in segment.events
    )


def _acoustics(segment: Segment) -> Acoustics:
    return Acoustics(
        level_dbfs=-20.0 - segment.start_ms // CLIP_MS % 3 * 8,
        peak_dbfs=-3.0,
        noise_floor_dbfs=-60.0,
        dynamic_range_db=30.0,
        silence_share=0.1,
        bandwidth_hz=8_000,
    )


def _caption(segment: Segment) -> Caption:
    evidence = Evidence(
        table=Table.SEGMENTS, segment_id=segment.segment_id, backend=None, field="events.0.label", value='"Bark"'
    )
    texts = ("A dog barks near the start.", "Then a bell rings.", "Someone speaks at a moderate pace.")
    claims = tuple(Claim(text=text, rule="benchmark", evidence=(evidence,)) for text in texts)
    return Caption(
        segment_id=segment.segment_id,
        recording_id=segment.recording_id,
        caption=" ".join(texts),
        composer="grammar",
        language="en",
        branches=segment.branches,
        claims=claims,
        verified=None,
        config_key="1",
    )
