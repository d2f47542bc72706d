"""One segment's rows, from all tables, as the page shows them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from soundseam.pipeline.dedup.store import read_duplicates, read_marker
from soundseam.pipeline.report.lanes import event_lane, fact, lanes_of, sheet_of
from soundseam.pipeline.report.page_data import (
    BoundaryView,
    CaptionView,
    ClaimView,
    Detail,
    Fact,
    Lane,
    ListItem,
    RejectView,
    SampleView,
    Scores,
    Tile,
)
from soundseam.schemas.duplicate import Duplicate, Match, Relation
from soundseam.schemas.record import content_key
from soundseam.schemas.sample import Sample
from soundseam.schemas.segment import Boundary
from soundseam.schemas.tables import Table

COPY, FIRST, EVALUATION = "a copy", "has copies", "in an evaluation set"


def marked_among(output: str, segment_ids: Collection[str]) -> dict[str, Duplicate]:
    """The rows about `segment_ids`."""
    return {row.segment_id: row for row in read_duplicates(output) if row.segment_id in segment_ids}


def marks_of(row: Duplicate | None) -> tuple[str, ...]:
    """The marks by which the list can be filtered."""
    if row is None:
        return ()
    copy = (FIRST if row.first else COPY,) if row.corpus is not None else ()
    return (*copy, *((EVALUATION,) if row.evaluation is not None else ()))


def facts_of(row: Duplicate | None) -> Iterator[Fact]:
    if row is not None and row.corpus is not None:
        yield Fact(name="like segment", value=_match_words(row.corpus))
    if row is not None and row.evaluation is not None:
        yield Fact(name="like evaluation item", value=_match_words(row.evaluation))


def duplicates_tile(output: str) -> Tile | None:
    """The tile for duplicates; None if `dedup` never ran."""
    marker = read_marker(output)
    if marker is None:
        return None
    found = marker.found
    note = f"segments, in {found.clusters:,} clusters"
    if marker.against:
        note += f"; {found.contaminated:,} in evaluation sets"
    return Tile(name="duplicates", value=f"{found.duplicates:,}", note=note)


def _match_words(match: Match) -> str:
    where = match.name if match.source is None else f"{match.name} of {match.source}"
    if match.relation is Relation.EXACT:
        return f"{where}: the same samples"
    return (
        f"{where}: {100 * match.similarity:.0f} % of the peaks over {match.overlap_ms / 1000:.1f} s, "
        f"{match.offset_ms / 1000:+.2f} s apart"
    )


Row = Mapping[str, object]

UNVERIFIED = "unverified"
MAX_SAMPLES = 100
"""Of one segment: more are counted, but not shown."""
_SCORES = {"agreement": ("transcript", "agreement"), "snr_db": ("voice", "snr_db"), "quality": ("dnsmos", "overall")}
"""Score → where an annotation has it."""
SAFE_NAME = re.compile(r"[0-9A-Za-z_-]{1,128}")


@dataclass
class SegmentRows:
    """All rows about one segment except its own."""

    annotations: list[Row] = field(default_factory=list)
    captions: list[Row] = field(default_factory=list)
    rejects: list[Row] = field(default_factory=list)
    samples: list[Row] = field(default_factory=list)
    duplicate: Duplicate | None = None

    def add(self, table: Table, row: Row) -> None:
        if table is Table.CAPTIONS:
            self.captions.append(row)
        elif table is Table.REJECTED:
            self.rejects.append(row)
        else:
            self.annotations.append(row)


def file_stem(segment_id: str) -> str:
    """The name of a segment's media files: its id, or a hash of it if it is not a plain name."""
    return segment_id if SAFE_NAME.fullmatch(segment_id) else content_key(segment_id)


def segment_detail(row: Row, rows: SegmentRows, peaks: str, audio: str, image: str) -> Detail:
    start_ms, end_ms = _integer(row["start_ms"]), _integer(row["end_ms"])
    return Detail(
        id=str(row["segment_id"]),
        duration_ms=end_ms - start_ms,
        audio=audio,
        image=image,
        peaks=peaks,
        boundaries=tuple(_boundary(row[name]) for name in ("start_boundary", "end_boundary")),
        lanes=_lanes(row, rows.annotations, start_ms),
        captions=_captions(rows),
        sheets=tuple(sheet for each in rows.annotations if (sheet := sheet_of(each)).facts or sheet.texts),
        samples=tuple(map(_sample_view, rows.samples[:MAX_SAMPLES])),
        num_samples=len(rows.samples),
        rejects=tuple(_reject(reject) for reject in rows.rejects),
        origin=(*_origin(row), *facts_of(rows.duplicate)),
        duplicates=marks_of(rows.duplicate),
    )


def segment_item(row: Row, rows: SegmentRows, detail: Detail, place: tuple[int, int]) -> ListItem:
    """`place`: the chunk of the detail, and its position there."""
    labels = {item.label for lane in detail.lanes if lane.kind != "words" for item in lane.items}
    texts = [text.value for sheet in detail.sheets for text in sheet.texts]
    return ListItem(
        id=detail.id,
        name=_file_name(row),
        start_ms=_integer(row["start_ms"]),
        end_ms=_integer(row["end_ms"]),
        branches=_names(row["branches"]),
        classes=tuple(str(entry["class"]) for entry in _list(row["profile"])),
        verdicts=tuple(dict.fromkeys(claim.verdict for caption in detail.captions for claim in caption.claims)),
        rejects=tuple(dict.fromkeys(reject.reason for reject in detail.rejects)),
        duplicates=detail.duplicates,
        caption=" ".join(claim.text for caption in detail.captions[:1] for claim in caption.claims),
        text=" ".join([*sorted(labels - {""}), *texts]),
        scores=_scores(rows.annotations, detail.captions),
        chunk=place[0],
        place=place[1],
    )


def reject_detail(row: Row) -> Detail:
    """Something that was dropped without a segment: what, where, why."""
    span = [fact(name, row[name]) for name in ("start_ms", "end_ms") if row[name] is not None]
    return Detail(
        id="rejected-" + content_key([str(row[name]) for name in sorted(row)]),
        duration_ms=0,
        audio=None,
        image=None,
        peaks="",
        boundaries=(),
        lanes=(),
        captions=(),
        sheets=(),
        samples=(),
        num_samples=0,
        rejects=(_reject(row),),
        origin=(Fact(name="source", value=str(row["source_uri"])), *span),
        duplicates=(),
    )


def reject_item(row: Row, detail: Detail, chunk: int, place: int) -> ListItem:
    start, end = row["start_ms"], row["end_ms"]
    return ListItem(
        id=detail.id,
        name=_file_name(row),
        start_ms=start if isinstance(start, int) else None,
        end_ms=end if isinstance(end, int) else None,
        branches=(),
        classes=(),
        verdicts=(),
        rejects=(str(row["reason"]),),
        duplicates=(),
        caption=str(row["detail"]),
        text=str(row["stage"]),
        scores=Scores(),
        chunk=chunk,
        place=place,
    )


def _lanes(row: Row, annotations: Iterable[Row], start_ms: int) -> tuple[Lane, ...]:
    """The segment's events first; if a backend measured the same events, their lane has its notes."""
    lanes = [event_lane(row["events"], start_ms)]
    for annotation in annotations:
        for lane in lanes_of(annotation, start_ms):
            if _places(lane) == _places(lanes[0]):
                lanes[0] = lane
            else:
                lanes.append(lane)
    return tuple(lane for lane in lanes if lane.items)


def _sample_view(row: Row) -> SampleView:
    sample = Sample.model_validate(row)
    return SampleView(task=sample.task, language=sample.language, question=sample.question, answer=sample.answer)


def _scores(annotations: Iterable[Row], captions: Sequence[CaptionView]) -> Scores:
    """The lowest of each number, over the backends that measured it."""
    found: dict[str, float] = {}
    for row, (name, (outer, inner)) in product(annotations, _SCORES.items()):
        group = row.get(outer)
        value = group.get(inner) if isinstance(group, Mapping) else None
        if isinstance(value, int | float):
            found[name] = round(min(value, found.get(name, value)), 3)
    claims = [claim.probability for caption in captions[:1] for claim in caption.claims]
    known = [probability for probability in claims if probability is not None]
    return Scores(**found, probability=min(known, default=None))


def _places(lane: Lane) -> list[tuple[int, int, str]]:
    return [(item.start_ms, item.end_ms, item.label) for item in lane.items]


def _captions(rows: SegmentRows) -> tuple[CaptionView, ...]:
    """The merged caption, then each branch's own."""
    merged = [
        CaptionView(
            name="Caption",
            composer=str(row["composer"]),
            verified=row["verified"] if isinstance(row["verified"], bool) else None,
            claims=_claims(row["claims"], str(row["caption"])),
        )
        for row in rows.captions
    ]
    own = [
        CaptionView(
            name=f"{str(row['branch']).capitalize()} branch",
            composer=str(row["backend"]),
            verified=None,
            claims=_claims(row["caption_claims"], str(row["caption"])),
        )
        for row in rows.annotations
        if row["caption"]
    ]
    return (*merged, *own)


def _claims(value: object, caption: str) -> tuple[ClaimView, ...]:
    claims = tuple(
        ClaimView(
            text=str(claim["text"]),
            verdict=str(claim["verdict"] or UNVERIFIED),
            probability=claim["probability"] if isinstance(claim["probability"], float) else None,
            evidence=tuple(_evidence(each) for each in _list(claim["evidence"])),
        )
        for claim in _list(value)
    )
    return claims or (ClaimView(text=caption, verdict=UNVERIFIED, probability=None, evidence=()),)


def _evidence(row: Row) -> Fact:
    table = str(row["table"]).removeprefix("annotations/")
    name = " › ".join(str(part) for part in (table, row["backend"], row["field"]) if part)
    return Fact(name=name, value=str(row["value"]))


def _boundary(value: object) -> BoundaryView:
    boundary = Boundary.model_validate(value)
    notes = [Fact(name="event-free time around it", value=f"{boundary.gap_ms / 1000:.2f} s")]
    if boundary.before or boundary.after:
        notes.append(Fact(name="classes", value=f"{boundary.before or '–'} → {boundary.after or '–'}"))
    notes.append(Fact(name="cost", value=f"{boundary.cost:g}"))
    return BoundaryView(reason=boundary.reason.replace("_", " "), notes=tuple(notes))


def _reject(row: Row) -> RejectView:
    return RejectView(stage=str(row["stage"]), reason=str(row["reason"]), detail=str(row["detail"]))


def _origin(row: Row) -> tuple[Fact, ...]:
    named = [
        ("source", row["source_uri"]),
        ("recording", row["recording_id"]),
        ("segment", row["segment_id"]),
        ("license", row["license"]),
        ("language", row["language"]),
        ("metadata", row["metadata"]),
        ("configuration", row["config_key"]),
    ]
    profile = ", ".join(f"{entry['class']} {100 * float(str(entry['share'])):.0f} %" for entry in _list(row["profile"]))
    facts = [Fact(name=name, value=str(value)) for name, value in named if value is not None]
    return (Fact(name="profile", value=profile), *facts) if profile else tuple(facts)


def _file_name(row: Row) -> str:
    return str(row["source_uri"]).rstrip("/").rpartition("/")[2]


def _list(value: object) -> Sequence[Row]:
    return value if isinstance(value, list) else ()


def _names(value: object) -> tuple[str, ...]:
    return tuple(str(name) for name in value) if isinstance(value, list) else ()


def _integer(value: object) -> int:
    return value if isinstance(value, int) else 0
