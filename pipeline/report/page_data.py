"""The data of the page: records that become JSON in script files. Times are ms from the segment's start."""

from __future__ import annotations

from soundseam.schemas.record import Record


class Fact(Record):
    """One measured value, in words and with its unit."""

    name: str
    value: str


class LaneItem(Record):
    start_ms: int
    end_ms: int
    """Equal to the start if the item is an instant, such as a beat."""
    label: str
    group: str
    """Determines the colour: the class of an event, the label of a speaker or a part; empty for plain."""
    notes: tuple[Fact, ...] = ()


class Lane(Record):
    """One row under the spectrogram, on the same time axis."""

    name: str
    kind: str
    """events, words, spans or ticks: how it is drawn."""
    items: tuple[LaneItem, ...]


class BoundaryView(Record):
    reason: str
    notes: tuple[Fact, ...]


class ClaimView(Record):
    text: str
    verdict: str
    """confirmed, unsure, dropped, or unverified."""
    probability: float | None
    evidence: tuple[Fact, ...]
    """name: table, backend and field; value: as JSON."""


class CaptionView(Record):
    name: str
    composer: str
    verified: bool | None
    claims: tuple[ClaimView, ...]


class FactSheet(Record):
    """What one backend measured."""

    branch: str
    backend: str
    model: str
    texts: tuple[Fact, ...]
    """Long texts, such as transcripts."""
    facts: tuple[Fact, ...]


class RejectView(Record):
    stage: str
    reason: str
    detail: str


class SampleView(Record):
    """One training sample made of the segment."""

    task: str
    language: str
    question: str
    answer: str


class Detail(Record):
    """Everything that the page shows about one segment, or about one dropped item."""

    id: str
    duration_ms: int
    audio: str | None
    """Path of the audio beside the page; null for a dropped item."""
    image: str | None
    """Path of the spectrogram, likewise."""
    peaks: str
    """Base64 of int8 pairs (lowest, highest) in 1/127 of full scale, evenly over the segment."""
    boundaries: tuple[BoundaryView, ...]
    lanes: tuple[Lane, ...]
    captions: tuple[CaptionView, ...]
    sheets: tuple[FactSheet, ...]
    samples: tuple[SampleView, ...]
    """At most MAX_SAMPLES, in order of task."""
    num_samples: int
    rejects: tuple[RejectView, ...]
    origin: tuple[Fact, ...]
    duplicates: tuple[str, ...]
    """Its duplicate marks, from a fixed set."""


class Scores(Record):
    """The numbers by which the list can be sorted; null if they were not measured."""

    agreement: float | None = None
    """Of the transcripts."""
    probability: float | None = None
    """Of the least probable claim."""
    snr_db: float | None = None
    quality: float | None = None
    """Overall DNSMOS."""


class ListItem(Record):
    """A segment's data for the list, the filters and the search, without its details."""

    id: str
    name: str
    """The source file's name."""
    start_ms: int | None
    end_ms: int | None
    branches: tuple[str, ...]
    classes: tuple[str, ...]
    """Strongest first."""
    verdicts: tuple[str, ...]
    rejects: tuple[str, ...]
    """Reasons of rejects."""
    duplicates: tuple[str, ...]
    caption: str
    text: str
    """Further text for the search: transcripts and event labels."""
    scores: Scores
    chunk: int
    place: int
    """Position of the detail in its chunk."""


class Bar(Record):
    name: str
    value: float
    shown: str
    """The value with its unit."""
    facet: str | None = None
    """branch, class, verdict or reject: a click on this bar filters the list."""


class Bars(Record):
    title: str
    note: str
    bars: tuple[Bar, ...]


class HistogramView(Record):
    title: str
    note: str
    unit: str
    start: float
    """Start of the first bin."""
    step: float
    counts: tuple[int, ...]
    total: int
    median: float


class Tile(Record):
    name: str
    value: str
    note: str


class ShownChapter(Record):
    """A chapter, and the audio of its segments that can be listened to."""

    start_ms: int
    end_ms: int
    title: str
    sentence: str
    event_class: str
    """Determines the colour; empty if there are no events."""
    audio: tuple[str, ...]
    """Paths beside the page, in order."""


class ShownStretch(Record):
    """A segment in the waveform of its recording."""

    start_ms: int
    end_ms: int
    loudness: tuple[int, ...]
    """Largest sample of each step, in percent of full scale."""


class RecordingView(Record):
    """One recording with chapters."""

    name: str
    duration_ms: int
    summary: str
    chapters: tuple[ShownChapter, ...]
    waveform: tuple[ShownStretch, ...]


class Summary(Record):
    """The overview of the page, and the number of chunks to load."""

    title: str
    version: str
    tiles: tuple[Tile, ...]
    bars: tuple[Bars, ...]
    histograms: tuple[HistogramView, ...]
    rejected: tuple[tuple[str, str, int], ...]
    """(stage, reason, rows)"""
    shown: int
    """Number of segments in the list."""
    of: int
    """Number of segments in the corpus."""
    shown_rejects: int
    list_chunks: int
    recordings: tuple[RecordingView, ...] = ()
    """Recordings with chapters, at most MAX_RECORDINGS."""
