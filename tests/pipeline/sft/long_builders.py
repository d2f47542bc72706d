"""A recording of four minutes with its window and its caption, all by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from soundseam.pipeline.sft.build import SftConfig
from soundseam.pipeline.sft.material import RecordingMaterial
from soundseam.pipeline.storage.commits import Commit, new_commit, prepare_output, shard_of
from soundseam.schemas.event import EventClass
from soundseam.schemas.long import (
    Chapter,
    KnownSpeaker,
    Piece,
    RecordingCaption,
    RecurringSound,
    RowEvidence,
    Stretch,
    Summary,
    TimelineLine,
    Window,
)
from soundseam.schemas.segment import Segment, segment_id_of
from soundseam.schemas.tables import LongTable
from soundseam.schemas.timespan import TimeSpan
from tests.pipeline.sft.builders import (
    BELL,
    MUSIC,
    SPEECH,
    event,
    heard,
    material,
    recording,
    spoken,
    with_speakers,
)
from tests.pipeline.sft.corpora import build_samples, commit_corpus
from tests.support.builders import a_segment

SECOND = 1_000
LENGTH_S = 20
WORDS = ("Good", "morning", "to", "all", "of", "you.")
CHAPTERS = ((0, 3, "Conversation"), (3, 6, "Music"), (6, 9, "Talk"), (9, 11, "Bells"), (11, 12, "End"))
"""First segment, end, title."""
LINES = ((0, 3, "speech, a bell ringing"), (3, 6, "music"), (6, 9, "speech"), (9, 12, "music, applause"))
BELLS_S = (35, 90, 170, 205)


def a_long_recording(name: str = "long") -> RecordingMaterial:
    """Twelve segments of 20 s: two people, a piece of music, one of the two, the piece again; bells in between."""
    materials = []
    for number in range(12):
        segment = _segment(name, number)
        if _talks(number):
            turns = (("x", 0, 1_200), ("y", 1_200, 2_400)) if number < 3 else (("x", 0, 19_000),)
            materials.append(material(segment, spoken(segment, WORDS), with_speakers(segment, *turns), heard(segment)))
        else:
            materials.append(material(segment, heard(segment)))
    made = recording(*materials, name=name)
    segments = [one.segment for one in made.segments]
    return RecordingMaterial(
        made.recording_id, made.recording, made.segments, (a_window(segments),), a_long_caption(segments)
    )


def _talks(number: int) -> bool:
    return number < 3 or 6 <= number < 9


def _segment(name: str, number: int) -> Segment:
    start = number * LENGTH_S * SECOND
    end = start + LENGTH_S * SECOND
    bells = [event(BELL, at * SECOND, at * SECOND + 500) for at in BELLS_S if start <= at * SECOND < end]
    stream = event(SPEECH if _talks(number) else MUSIC, start, end)
    return a_segment(name, start, end, tuple(sorted([stream, *bells], key=lambda one: one.span)))


def a_window(segments: Sequence[Segment]) -> Window:
    first, last = segments[0], segments[-1]
    return Window(
        window_id=segment_id_of(first.recording_id, TimeSpan(first.start_ms, last.end_ms)),
        recording_id=first.recording_id,
        source_uri="long.wav",
        start_ms=first.start_ms,
        end_ms=last.end_ms,
        target_ms=240_000,
        segment_ids=tuple(one.segment_id for one in segments),
        segment_ms=sum(one.span.duration_ms for one in segments),
        chapters=(0, 1, 2, 3, 4),
        starts_chapter=True,
        ends_chapter=True,
        excluded=(),
        license=None,
        language=None,
        config_key="k",
    )


def stretch(start_s: float, end_s: float) -> Stretch:
    return Stretch(start_ms=round(start_s * SECOND), end_ms=round(end_s * SECOND))


def rows(segments: Sequence[Segment], table: str, backend: str | None, field: str) -> tuple[RowEvidence, ...]:
    ids = tuple(one.segment_id for one in segments)
    return (RowEvidence(table=table, backend=backend, field=field, segment_ids=ids),)


def a_long_caption(segments: Sequence[Segment]) -> RecordingCaption:
    talk = rows([*segments[:3], *segments[6:9]], "annotations/speech", "turns", "speakers")
    events = rows(segments, "annotations/general", "events", "events")
    first = [stretch(20 * number, 20 * number + 1.2) for number in range(3)]
    long_turns = [stretch(120 + 20 * number, 139 + 20 * number) for number in range(3)]
    second = [stretch(20 * number + 1.2, 20 * number + 2.4) for number in range(3)]
    parts = (stretch(60, 120), stretch(180, 240))
    return RecordingCaption(
        recording_id=segments[0].recording_id,
        source_uri="long.wav",
        duration_ms=240_000,
        composer="grammar",
        language="en",
        summary=Summary(text="A recording of about 4 minutes with speech and music.", claims=()),
        long_summary=Summary(text="Two people speak, then a piece of music plays twice.", claims=()),
        chapters=tuple(
            Chapter(
                start_ms=start * 20_000,
                end_ms=end * 20_000,
                title=title,
                sentence=f"This part is {title.lower()}.",
                event_class=EventClass.SPEECH if _talks(start) else EventClass.MUSIC,
                segment_ids=tuple(one.segment_id for one in segments[start:end]),
                claims=(),
            )
            for start, end, title in CHAPTERS
        ),
        timeline=tuple(
            TimelineLine(start_ms=start * 20_000, end_ms=end * 20_000, text=text, claims=())
            for start, end, text in LINES
        ),
        speakers=(
            KnownSpeaker(speaker="x", name="Speaker 1", speech_ms=60_600, turns=(*first, *long_turns), evidence=talk),
            KnownSpeaker(speaker="y", name="Speaker 2", speech_ms=3_600, turns=tuple(second), evidence=talk),
        ),
        all_speakers=True,
        pieces=(Piece(name="Piece A", music_ms=120_000, parts=parts, distinct=True, evidence=events),),
        sounds=(
            RecurringSound(
                label=BELL[1],
                event_class=BELL[0],
                name="a bell ringing",
                sound_ms=2_000,
                occurrences=tuple(stretch(at, at + 0.5) for at in BELLS_S),
                countable=True,
                evidence=events,
            ),
        ),
        license=None,
        config_key="k",
    )


def commit_long(output: Path | str, made: RecordingMaterial, key: str = "1") -> None:
    """The windows and the caption of a recording, as `soundseam long` commits them."""
    shard = shard_of(made.recording_id, prepare_output(str(output)))
    found = {LongTable.WINDOWS: made.windows, LongTable.RECORDING_CAPTIONS: (made.long_caption,)}
    for table, members in found.items():
        commit = Commit(stage=table, shard=shard, covers=((made.recording_id, key),), files=())
        with new_commit(str(output), commit) as writer:
            for row in members:
                if row is not None:
                    writer.append(table, row)


def build_long_corpus(folder: Path, config: SftConfig) -> None:
    """A corpus of one long recording whose source does not exist, with its samples."""
    found = a_long_recording()
    commit_corpus(folder, [found])
    commit_long(folder, found)
    build_samples(folder, config)
