"""What the page reads: records that become JSON in script files. Times are ms from the segment's start."""

from __future__ import annotations

from soundseam.schemas.record import Record


class Fact(Record):
    """One measured value, in words and with its unit."""

    name: str
    value: str


class LaneItem(Record):
    start_ms: int
    end_ms: int
    """Equal to the start where the item is an instant, as a beat is."""
    label: str
    group: str
    """What chooses the colour: the class of an event, the label of a speaker or a part; empty for plain."""
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
    """Longer than a value: transcripts."""
    facts: tuple[Fact, ...]


class RejectView(Record):
    stage: str
    reason: str
    detail: str


class Detail(Record):
    """All that the page shows of one segment, or of one thing that was dropped."""

    id: str
    duration_ms: int
    audio: str | None
    """Path of the audio beside the page; null for what was dropped."""
    image: str | None
    """Likewise of the spectrogram."""
    peaks: str
    """Base64 of int8 pairs (lowest, highest) in 1/127 of full scale, evenly over the segment."""
    boundaries: tuple[BoundaryView, ...]
    lanes: tuple[Lane, ...]
    captions: tuple[CaptionView, ...]
    sheets: tuple[FactSheet, ...]
    rejects: tuple[RejectView, ...]
    origin: tuple[Fact, ...]
    duplicates: tuple[str, ...]
    """What is marked of it, in a few words that can be counted."""


class ListItem(Record):
    """What the list, the filters and the search know of a segment without opening its details."""

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
    """Reasons."""
    duplicates: tuple[str, ...]
    caption: str
    text: str
    """More to search in: transcripts and event labels."""
    chunk: int
    place: int
    """The detail stands at this place of this chunk."""


class Bar(Record):
    name: str
    value: float
    shown: str
    """The value with its unit."""
    facet: str | None = None
    """branch, class, verdict or reject: a click filters the browser by this bar."""


class Bars(Record):
    title: str
    note: str
    bars: tuple[Bar, ...]


class HistogramView(Record):
    title: str
    note: str
    unit: str
    start: float
    """Of the first bin."""
    step: float
    counts: tuple[int, ...]
    total: int
    median: float


class Tile(Record):
    name: str
    value: str
    note: str


class Summary(Record):
    """What the page shows first, and how much there is to load."""

    title: str
    version: str
    tiles: tuple[Tile, ...]
    bars: tuple[Bars, ...]
    histograms: tuple[HistogramView, ...]
    rejected: tuple[tuple[str, str, int], ...]
    """(stage, reason, rows)"""
    shown: int
    """Segments in the browser."""
    of: int
    """Segments in the corpus."""
    shown_rejects: int
    list_chunks: int
