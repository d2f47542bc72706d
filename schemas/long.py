"""OUT/windows and OUT/recording_captions: stretches of a recording longer than a segment, and what happens in them.

Both are derived from the other tables; times are in the recording's own time.
"""

from __future__ import annotations

from pydantic import Field

from soundseam.schemas.event import EventClass
from soundseam.schemas.record import Record
from soundseam.schemas.timespan import TimeSpan


class Stretch(Record):
    """A part of a recording."""

    start_ms: int = Field(description="in the recording's time")
    end_ms: int = Field(description="in the recording's time, exclusive")

    @property
    def span(self) -> TimeSpan:
        return TimeSpan(self.start_ms, self.end_ms)


class Window(Stretch):
    """One row of `windows`: consecutive segments of one recording. The audio is extracted when it is needed."""

    window_id: str = Field(description="recording_id, start and end, as in a segment_id")
    recording_id: str = Field(description="the recording it is a part of")
    source_uri: str = Field(description="where the recording was read from, without credentials")
    target_ms: int = Field(description="the length that was drawn for it")
    segment_ids: tuple[str, ...] = Field(description="its segments, in order")
    segment_ms: int = Field(description="total length of its segments; the rest is gaps")
    chapters: tuple[int, ...] = Field(
        description="positions in `recording_captions.chapters`, from 0, of the chapters that it contains or touches"
    )
    starts_chapter: bool = Field(description="true if it begins where a chapter begins")
    ends_chapter: bool = Field(description="true if it ends where a chapter ends")
    excluded: tuple[Stretch, ...] = Field(
        description="rejected or excluded stretches inside it; empty unless the configuration allows them"
    )
    license: str | None = Field(description="the same for all its segments; null if not stated")
    language: str | None = Field(description="the same for all its segments; null if not stated")
    config_key: str = Field(description="key of the configuration and rows that made this row")


class RowEvidence(Record):
    """One field of the rows of several segments."""

    table: str = Field(description="segments, captions, annotations/speech, annotations/music or annotations/general")
    backend: str | None = Field(description="which rows of an annotation table; null for the others")
    field: str = Field(description="path of the field in each row, as in events or speakers.turns")
    segment_ids: tuple[str, ...] = Field(description="the segments whose rows count, in order")


class RecordingClaim(Record):
    """One checkable statement about a recording or a part of it."""

    text: str = Field(description="a sentence, a title or the text of a line")
    rule: str = Field(
        description="the rule that derives the text from the evidence; the writer's name if there is none"
    )
    subject: str | None = Field(description="the speaker, label or piece that it is about; null if it is about all")
    start_ms: int = Field(description="of the part that it is about")
    end_ms: int = Field(description="of that part, exclusive")
    evidence: tuple[RowEvidence, ...] = Field(
        description="the rows it rests on; the check derives the text from them again"
    )


class TimelineLine(Stretch):
    """What happens in one stretch of a recording, in order of start; lines do not overlap."""

    text: str = Field(description="without times")
    claims: tuple[RecordingClaim, ...] = Field(description="the parts of the text, in order")


class Chapter(Stretch):
    """A stretch with the same kind of content. Chapters are in order; together they hold every segment once."""

    title: str = Field(description="a few words")
    sentence: str = Field(description="what happens in it")
    event_class: EventClass | None = Field(description="the class that prevails; null if there are no events")
    segment_ids: tuple[str, ...] = Field(description="its segments, in order")
    claims: tuple[RecordingClaim, ...] = Field(description="of the title and of the sentence")


class KnownSpeaker(Record):
    """Somebody who speaks in a recording, with one name throughout."""

    speaker: str = Field(description="label of the turns")
    name: str = Field(description="as the captions call it, in order of first appearance: Speaker 1, Speaker 2")
    speech_ms: int = Field(description="total length of the turns: at least so long does the speaker speak")
    turns: tuple[Stretch, ...] = Field(
        description="the turns that are surely theirs, in order; those of neighbouring segments that touch are one"
    )
    evidence: tuple[RowEvidence, ...]


class Piece(Record):
    """Music that belongs together; it may be interrupted and return."""

    name: str = Field(description="as the captions call it, in order of first appearance: Piece A, Piece B")
    music_ms: int = Field(description="total length")
    parts: tuple[Stretch, ...] = Field(description="the stretches in which it plays, in order")
    distinct: bool = Field(description="true if it is surely another one than every other piece of the recording")
    evidence: tuple[RowEvidence, ...]


class RecurringSound(Record):
    """One kind of sound, with all its occurrences in a recording."""

    label: str = Field(description="as in events, or a broader one if that is surer")
    event_class: EventClass = Field(alias="class", description="one of the nine coarse classes")
    name: str = Field(description="as the captions call it, as in a dog barking")
    sound_ms: int = Field(description="total length of its occurrences")
    occurrences: tuple[Stretch, ...] = Field(
        description="in order; events with less than a second between them are one"
    )
    countable: bool = Field(
        description="true if these are surely all; false if other sounds may be the same: at least so often"
    )
    evidence: tuple[RowEvidence, ...]


class Summary(Record):
    """A text about a whole recording."""

    text: str = Field(description="the claims' texts, joined")
    claims: tuple[RecordingClaim, ...] = Field(description="its sentences, in order")


class RecordingCaption(Record):
    """One row of `recording_captions`: what happens in a recording, with evidence in the rows of its segments.

    Whatever is not certain is left out: the lists may be empty although there is speech, music or another sound.
    """

    recording_id: str = Field(description="the recording it is about")
    source_uri: str = Field(description="where the recording was read from, without credentials")
    duration_ms: int = Field(description="of the recording")
    composer: str = Field(description="what wrote it: grammar, or a writer's model and revision")
    language: str = Field(description="of the texts, BCP 47")
    summary: Summary = Field(description="one or two sentences")
    long_summary: Summary = Field(description="the same with more details")
    chapters: tuple[Chapter, ...]
    timeline: tuple[TimelineLine, ...]
    speakers: tuple[KnownSpeaker, ...] = Field(description="in order of first appearance; empty if unsure")
    all_speakers: bool = Field(description="true if these are surely all speakers, with nearly all of their turns")
    pieces: tuple[Piece, ...] = Field(description="in order of first appearance; empty if unsure")
    all_music: bool = Field(
        default=False,
        description="true if the parts of the pieces are surely all music, with 10 s or more between them",
    )
    sounds: tuple[RecurringSound, ...] = Field(
        description="in order of first occurrence; speech and music are not here"
    )
    license: str | None = Field(description="from the manifest; null if not stated")
    config_key: str = Field(description="key of the configuration and rows that made this row")

    @property
    def timeline_text(self) -> str:
        """The timeline in MOSS-Audio's published form: one line `START - END: text` each, in seconds."""
        return "\n".join(timeline_line(line.span, line.text) for line in self.timeline)


def timeline_line(span: TimeSpan, text: str) -> str:
    """As in `0.00 - 57.00: birds chirping`."""
    return f"{span.start_ms / 1000:.2f} - {span.end_ms / 1000:.2f}: {text}"
