"""The rows behind the facts of a recording's caption, as evidence of a sample about one of its windows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from soundseam.annotators.grammar.engine import Json, as_json
from soundseam.annotators.grammar.sound_names import broader_labels
from soundseam.pipeline.sft.ask import LongMaterial
from soundseam.pipeline.sft.material import Material
from soundseam.schemas.annotation import Annotation, GeneralAnnotation, SpeechAnnotation
from soundseam.schemas.claim import Evidence
from soundseam.schemas.event import Event
from soundseam.schemas.long import RecordingCaption, RowEvidence
from soundseam.schemas.tables import LongTable, Table, annotation_table
from soundseam.schemas.timespan import TimeSpan


def cite_occurrences(
    found: LongMaterial, rows: Sequence[RowEvidence], label: str, spans: Iterable[TimeSpan]
) -> tuple[Evidence, ...]:
    """Label and times of every event of a sound in `spans`."""
    wanted = list(spans)
    cited: list[Evidence] = []
    for material, row, events in _events(found, rows):
        for index, event in enumerate(events):
            if is_called(event.label, label) and any(event.span.overlap_ms(span) for span in wanted):
                names = (f"events.{index}.{name}" for name in ("label", "onset_ms", "offset_ms"))
                cited += material.cite(row, *names)
    return tuple(cited)


def cite_turns(found: LongMaterial, rows: Sequence[RowEvidence]) -> tuple[Evidence, ...]:
    """All turns in the rows that say who speaks."""
    cited: list[Evidence] = []
    for material, row in _rows(found, rows):
        if isinstance(row, SpeechAnnotation) and row.speakers is not None:
            cited += material.cite(row, "speakers.turns", "speakers.sure")
    return tuple(cited)


def cite_caption(caption: RecordingCaption, *paths: str) -> tuple[Evidence, ...]:
    """Values of the recording's own caption."""
    row = caption.model_dump(mode="json")
    return tuple(
        Evidence(
            table=LongTable.RECORDING_CAPTIONS,
            segment_id=caption.recording_id,
            backend=None,
            field=path,
            value=as_json(_at(row, path.split("."))),
        )
        for path in paths
    )


def _at(value: Json, path: Sequence[str]) -> Json:
    if not path:
        return value
    if isinstance(value, list):
        return _at(value[int(path[0])], path[1:])
    if isinstance(value, dict):
        return _at(value[path[0]], path[1:])
    raise LookupError(f"there is no {'.'.join(path)} in {value!r}")


def is_called(label: str, name: str) -> bool:
    """Whether an event of `label` counts as the sound `name`, which may be broader."""
    return label == name or name in broader_labels(label)


def _events(
    found: LongMaterial, rows: Sequence[RowEvidence]
) -> Iterator[tuple[Material, Annotation | None, Sequence[Event]]]:
    for material, row in _rows(found, rows):
        if row is None:
            yield material, None, material.segment.events
        elif isinstance(row, GeneralAnnotation) and row.events is not None:
            yield material, row, row.events


def _rows(found: LongMaterial, rows: Sequence[RowEvidence]) -> Iterator[tuple[Material, Annotation | None]]:
    """The rows of the window that are named, in order of time; None for a segment's own."""
    named = {(one.table, one.backend, name) for one in rows for name in one.segment_ids}
    for material in found.segments:
        if (Table.SEGMENTS, None, material.segment_id) in named:
            yield material, None
        for row in material.annotations:
            if (annotation_table(row.branch), row.backend, material.segment_id) in named:
                yield material, row
