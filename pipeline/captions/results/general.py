"""What the general branch says."""

from __future__ import annotations

from collections.abc import Iterator

from annotators.general.anchor import COMPOSED
from pipeline.captions.results.segment import event_results
from pipeline.captions.results.source import Source, listed, percent, seconds
from schemas.annotation import GeneralAnnotation
from schemas.general import Acoustics, Repetition
from schemas.tool_result import ResultKind, ToolResult


def general_results(source: Source, row: GeneralAnnotation) -> Iterator[ToolResult]:
    """Each field that is not null, events one by one."""
    yield from event_results(source, row.events or ())
    yield from event_results(source, row.tagged or (), "tagged")
    if row.repetition is not None:
        paths = [f"repetition.{name}" for name in ("period_ms", "count", "regularity", "label")]
        content = _repetition_words(row.repetition)
        yield source.result(ResultKind.REPETITION, content, *paths, confidence=row.repetition.regularity)
    if row.acoustics is not None:
        paths = [f"acoustics.{name}" for name in ("silence_share", "stationarity", "decay_time_ms", "bandwidth_hz")]
        yield source.result(ResultKind.ACOUSTICS, _acoustics_words(row.acoustics), *paths)
    yield from _told(source, row)


def _told(source: Source, row: GeneralAnnotation) -> Iterator[ToolResult]:
    """What models say of the scene. A line composed of events adds nothing to them; a description is told as its row's
    caption, where it was accepted as one."""
    if row.anchor is not None:
        adds = row.anchor.composer != COMPOSED and not row.anchor.unheard
        paths = [f"anchor.{name}" for name in ("text", "composer", "unheard")]
        yield source.result(ResultKind.STATEMENT, row.anchor.text if adds else "", *paths)
    if row.description is not None:
        yield source.result(ResultKind.STATEMENT, "", "description.text")
    if row.judgement is not None:
        yield source.result(ResultKind.OPINION, "", "judgement.mean")


def _repetition_words(repetition: Repetition) -> str:
    return f"a sound comes {repetition.count} times, {seconds(repetition.period_ms)} apart"


def _acoustics_words(acoustics: Acoustics) -> str:
    steady, decay, width = acoustics.stationarity, acoustics.decay_time_ms, acoustics.bandwidth_hz
    return listed(
        [
            f"quiet over {percent(acoustics.silence_share)} of the time" if acoustics.silence_share >= 0.2 else "",
            "hardly changing" if steady is not None and steady >= 0.75 else "",
            "slow to die away" if decay is not None and decay >= 1_000 else "",
            "muffled as a whole" if width is not None and width <= 3_800 else "",
        ]
    )
